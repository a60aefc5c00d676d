"""The figures folder: its index page, what a later call keeps and replaces, and what a wrong name is told."""

import json
import re
import stat
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from evsctl.analysis import report
from evsctl.analysis.loading import load_study
from evsctl.analysis.names import FIGURES, choose_figures
from evsctl.analysis.page import FigureEntry, page_text, read_entries
from evsctl.analysis.report import draw_study
from evsctl.errors import InputError
from tests.analysis.factories import prompt_rows, sketch_study

WILD = '<script>alert("&")</script>'


class Page(HTMLParser):
    """The references and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in ("src", "href") and value]

    def handle_data(self, data: str) -> None:
        self.words += data


def an_entry(**changes: object) -> FigureEntry:
    values: dict[str, object] = {"name": "quality", "title": "Quality", "status": "drawn", "sentence": "What is shown.",
                                 "notes": ("One left out.",), "files": ("quality.pdf", "quality.png", "quality.csv")}  # fmt: skip
    return FigureEntry(**{**values, **changes})  # type: ignore[arg-type]


def test_the_page_shows_a_figure_with_caption_notes_and_files() -> None:
    page = Page(page_text("survey.db", [an_entry(selection="Models: alpha.")], ""))
    assert page.references == ["quality.pdf", "quality.png", "quality.pdf", "quality.png", "quality.csv"]
    for words in ("1 of 1 figures drawn from survey.db.", "Quality", "What is shown.", "One left out.", "Models: alpha."):
        assert words in page.words


def test_the_page_says_why_a_figure_is_missing() -> None:
    page = Page(page_text("survey.db", [an_entry(status="no data", sentence="No model has answered.", files=())], ""))
    assert "No figure: No model has answered." in page.words
    assert page.references == []


def test_the_page_loads_nothing_from_elsewhere() -> None:
    text = page_text("survey.db", [an_entry()], "Invented.")
    assert not re.search(r"https?:|//|@import|url\(", text)
    assert not {"script", "link", "iframe"} & set(Page(text).tags)


def test_the_page_escapes_every_text() -> None:
    drawn = an_entry(title=WILD, sentence=WILD, notes=(WILD,), selection=WILD)
    text = page_text(WILD, [drawn, an_entry(status="no data", sentence=WILD)], WILD)
    assert "script" not in Page(text).tags
    assert Page(text).words.count(WILD) == 7


def test_file_names_are_quoted_in_links() -> None:
    page = Page(page_text("", [an_entry(files=("a b#1.pdf", "a b#1.png"))], ""))
    assert set(page.references) == {"a%20b%231.pdf", "a%20b%231.png"}


def test_a_later_call_keeps_what_an_earlier_one_drew(tmp_path: Path) -> None:
    draw_study(sketch_study(), ("rephrase",), tmp_path, database="survey.db")
    results = draw_study(sketch_study(), ("bias",), tmp_path, database="survey.db", selection="Models: alpha.")
    assert [result.name for result in results] == ["bias"]
    assert results[0].files == (tmp_path / "bias.pdf", tmp_path / "bias.png", tmp_path / "bias.csv")
    page = Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert "2 of 2 figures drawn from survey.db." in page.words
    assert {reference for reference in page.references if reference.endswith(".png")} == {"bias.png", "rephrase.png"}
    assert all((tmp_path / reference).is_file() for reference in page.references)


def test_a_figure_that_lost_its_data_takes_its_files_away(tmp_path: Path) -> None:
    draw_study(sketch_study(), ("rephrase",), tmp_path)
    (tmp_path / "rephrase_own_notes.txt").write_text("mine", encoding="utf-8")
    draw_study(load_study(prompt_rows((0.5, 0.5))), ("rephrase",), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures.json", "index.html", "rephrase_own_notes.txt"]


def test_figures_of_another_database_are_not_on_the_page(tmp_path: Path) -> None:
    draw_study(load_study([]), ("quality",), tmp_path, database="one.db")
    draw_study(load_study([]), ("bias",), tmp_path, database="two.db")
    assert list(read_entries(tmp_path, "two.db")) == ["bias"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 1, "database": "survey.db", "figures": [{"notes": 3}]}', '{"format": 9}'])
def test_a_damaged_list_is_made_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "figures.json").write_text(content, encoding="utf-8")
    draw_study(load_study([]), ("quality",), tmp_path, database="survey.db")
    assert list(read_entries(tmp_path, "survey.db")) == ["quality"]


def test_a_list_that_names_files_elsewhere_removes_nothing_there(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("keep", encoding="utf-8")
    out = tmp_path / "figures"
    draw_study(load_study([]), ("quality",), out)
    stored = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    stored["figures"][0]["files"] = ["../victim.txt"]
    (out / "figures.json").write_text(json.dumps(stored), encoding="utf-8")
    draw_study(load_study([]), ("quality",), out)
    assert victim.is_file()


def test_nothing_is_readable_by_the_world(tmp_path: Path) -> None:
    draw_study(sketch_study(), ("bias",), tmp_path / "out")
    for path in (tmp_path / "out").iterdir():
        assert not stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO, path.name


def test_figures_are_drawn_in_one_order_whatever_the_order_of_the_names() -> None:
    assert choose_figures(["summary", "quality"]) == ("quality", "summary")
    assert choose_figures(None) == choose_figures(["all"]) == choose_figures(["bias", "all"]) == tuple(FIGURES)


def test_an_unknown_figure_is_told_the_nearest_name() -> None:
    with pytest.raises(InputError) as caught:
        choose_figures(["qualty"])
    assert str(caught.value) == "Unknown figure 'qualty'. Did you mean 'quality'?"


def test_a_missing_library_is_named_with_the_fix(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(report, "find_spec", lambda name: None if name == "matplotlib" else object())
    with pytest.raises(InputError) as caught:
        draw_study(load_study([]), ("quality",), tmp_path)
    assert str(caught.value) == (
        "Figures need the analysis extra; 'matplotlib' is not installed here. Install it: pip install 'evsctl[analysis]'."
    )


def test_the_names_of_figures_are_known_without_any_heavy_library() -> None:
    code = (
        "import evsctl.analysis.report, sys; print(sorted({'numpy', 'pandas', 'matplotlib', 'sqlalchemy', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
