"""The index page of a figures folder, and the list of what the folder holds that it is made from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from evsctl.files import write_atomically

PAGE_NAME = "index.html"
LIST_NAME = "figures.json"
LIST_FORMAT = 1

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff; }
img { max-width: 100%; height: auto; border: 1px solid #ddd; }
section { margin: 3rem 0; } h2 { margin-bottom: .3rem; }
.notes { font-size: .875rem; color: #444; } .none { border-left: 4px solid #999; padding-left: .8rem; } .warning { font-weight: bold; }
"""


@dataclass(frozen=True, slots=True)
class FigureEntry:
    """One figure as the index page shows it."""

    name: str
    title: str
    status: str
    """`drawn` or `no data`."""
    sentence: str
    """What is shown, with baseline and uncertainty; or why there is nothing to show."""
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """File names in the same folder."""
    selection: str = ""
    """Which models, configurations and items the figure was asked for."""


def read_entries(out: Path, database: str) -> dict[str, FigureEntry]:
    """What the folder holds of figures of this database; nothing where it is of another one, new, or the list is damaged."""
    try:
        stored = json.loads((out / LIST_NAME).read_text(encoding="utf-8"))
        if stored["format"] != LIST_FORMAT or stored["database"] != database:
            return {}
        entries = [FigureEntry(**{**item, "notes": tuple(item["notes"]), "files": tuple(item["files"])}) for item in stored["figures"]]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {entry.name: entry for entry in entries}


def write_page(out: Path, database: str, entries: Mapping[str, FigureEntry], order: Sequence[str], human_note: str) -> Path:
    """Write the list and the index page of `entries`, in the order of the names in `order`."""
    shown = [entries[name] for name in order if name in entries]
    stored = {"format": LIST_FORMAT, "database": database, "figures": [asdict(entry) for entry in shown]}
    write_atomically(out / LIST_NAME, json.dumps(stored, ensure_ascii=False, indent=1) + "\n")
    write_atomically(out / PAGE_NAME, page_text(database, shown, human_note))
    return out / PAGE_NAME


def page_text(database: str, entries: Sequence[FigureEntry], human_note: str) -> str:
    """The whole page: every text escaped, every link relative, nothing loaded from elsewhere."""
    n_drawn = sum(entry.status == "drawn" for entry in entries)
    warning = f'<p class="warning">{escape(human_note)}</p>\n' if human_note else ""
    sections = "\n".join(_section(entry) for entry in entries)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Figures</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>Figures</h1>\n"
        f"<p>{n_drawn} of {len(entries)} figures drawn from {escape(database)}.</p>\n{warning}{sections}\n</body>\n</html>\n"
    )


def _section(entry: FigureEntry) -> str:
    head = f'<section id="{escape(entry.name)}">\n<h2>{escape(entry.title)}</h2>\n'
    selection = f'<p class="notes">{escape(entry.selection)}</p>\n' if entry.selection else ""
    if entry.status != "drawn":
        return f'{head}{selection}<p class="none">No figure: {escape(entry.sentence)}</p>\n</section>'
    png = next(name for name in entry.files if name.endswith(".png"))
    links = " · ".join(f'<a href="{quote(name)}">{escape(name)}</a>' for name in entry.files)
    notes = "".join(f"<li>{escape(note)}</li>" for note in entry.notes)
    return (
        f'{head}<p><a href="{quote(entry.files[0])}"><img src="{quote(png)}" alt="{escape(entry.title)}"></a></p>\n'
        f'<p>{escape(entry.sentence)}</p>\n{selection}<ul class="notes">{notes}</ul>\n<p>{links}</p>\n</section>'
    )
