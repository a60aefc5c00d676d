"""Pictures of the screens for the documentation: the sample study, drawn by the dashboard itself."""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from textual.pilot import Pilot

from evsctl.tui.dashboard import Dashboard
from evsctl.tui.sample import SAMPLE_LOG
from evsctl.tui.sample_backstage import SampleBackstage

SMALL, LARGE = (80, 24), (200, 50)


@dataclass(frozen=True)
class Picture:
    """One picture: the keys that lead to it, and a word that is on it once it is complete."""

    name: str
    size: tuple[int, int]
    keys: tuple[str, ...]
    word: str


PICTURES = (
    Picture("models-80x24", SMALL, ("j",), "pack 148/251"),
    Picture("models-200x50", LARGE, ("j",), "pack 148/251"),
    Picture("log-80x24", SMALL, ("j", "l"), "pack 148/251"),
    Picture("plan-80x24", SMALL, ("s",), "sbatch"),
    Picture("plan-200x50", LARGE, ("s",), "sbatch"),
    Picture("why-80x24", SMALL, ("w",), "attempts"),
    Picture("help-80x24", SMALL, ("question_mark",), "Everywhere"),
)


async def draw_screens(folder: Path) -> list[Path]:
    """Write one SVG per picture into `folder`; the same study gives the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "52554809.log"
        log.write_text("\n".join(SAMPLE_LOG) + "\n", encoding="utf-8")
        return [await _draw(picture, folder, log) for picture in PICTURES]


async def _draw(picture: Picture, folder: Path, log: Path) -> Path:
    app = Dashboard(SampleBackstage(str(log)), place="survey.db", look_seconds=3600.0)
    async with app.run_test(size=picture.size) as pilot:
        await _until(pilot, "gemma3_27b_pt")
        await pilot.press(*picture.keys)
        await _until(pilot, picture.word)
        path = folder / f"{picture.name}.svg"
        title = f"evsctl dashboard · {picture.size[0]}×{picture.size[1]}"
        path.write_text(_self_contained(app.export_screenshot(title=title)), encoding="utf-8")
    return path


def _self_contained(svg: str) -> str:
    """Without web fonts: a picture in a README must not fetch anything."""
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return svg.replace("font-family: Fira Code", "font-family: Fira Code, DejaVu Sans Mono, Menlo, Consolas")


async def _until(pilot: Pilot[str], word: str) -> None:
    for _ in range(500):
        if word in pilot.app.export_screenshot().replace("&#160;", " "):
            return
        await pilot.pause(0.02)
    raise TimeoutError(f"'{word}' never came onto the screen.")
