"""`evsctl figures`: draws what the database holds, one file set per figure, and an index page that shows them all."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from evsctl.analysis.names import FIGURES, ITEM_CHOICES, choose_figures
from evsctl.errors import InputError
from evsctl.files import nearest_name
from evsctl.models.registry import load_registry
from evsctl.settings import Settings

if TYPE_CHECKING:
    from evsctl.analysis.page import FigureEntry
    from evsctl.analysis.study import Study
    from evsctl.db.connection import Database

__all__ = ["FIGURES", "FigureResult", "draw_figures", "draw_study"]

NO_RESULTS = "There are no results in the database yet; `evsctl status` shows what is running, `evsctl submit` starts a model."


@dataclass(frozen=True, slots=True)
class FigureResult:
    """What became of one figure."""

    name: str
    status: str
    """`drawn` or `no data`."""
    sentence: str
    """What is shown, or why there is nothing to show."""
    files: tuple[Path, ...] = ()


def draw_figures(
    db: "Database",
    settings: Settings,
    names: Sequence[str] | None,
    out: Path,
    *,
    models: Sequence[str] | None = None,
    configs: Sequence[str] | None = None,
    items: str = "all",
    human_note: str | None = None,
) -> list[FigureResult]:
    """Draw the named figures (none or `all`: every one) into the folder `out`, with PDF, PNG, CSV and `index.html`.

    `models` are model ids or families (default: all with results), `configs` prompt configurations (default: the study's;
    results in others are named on the figures).
    Raises InputError for an unknown figure, for a model or configuration without results, and without the analysis extra.
    """
    chosen = choose_figures(names)
    if items not in ITEM_CHOICES:
        raise InputError(f"Unknown choice of items '{items}'.", f"Known: {', '.join(ITEM_CHOICES)}.")
    study = _read_study(db, settings, models, configs, items, human_note or "")
    parts = [("Models", models), ("Configurations", configs), ("Items", [items] if items != "all" else None)]
    selection = " ".join(f"{what}: {', '.join(given)}." for what, given in parts if given)
    return draw_study(study, chosen, out, database=settings.database.display, selection=selection)


def draw_study(study: "Study", names: Sequence[str], out: Path, *, database: str = "", selection: str = "") -> list[FigureResult]:
    """Draw figures of loaded answers; the index page keeps what earlier calls drew of the same database."""
    require_analysis_extra()
    from evsctl.analysis.page import read_entries, write_page

    entries = read_entries(out, database)
    for name in names:
        _remove_stale(out, entries.get(name))
        entries[name] = _draw_one(study, name, out, selection)
    write_page(out, database, entries, tuple(FIGURES), study.human_note)
    return [FigureResult(e.name, e.status, e.sentence, tuple(out / file for file in e.files)) for e in (entries[name] for name in names)]


def require_analysis_extra() -> None:
    """Raise InputError, naming the fix, where a library of the analysis extra is not installed."""
    for library in ("numpy", "pandas", "matplotlib"):
        if find_spec(library) is None:
            what = f"Figures need the analysis extra; '{library}' is not installed here."
            raise InputError(what, "Install it: pip install 'evsctl[analysis]'.")


def _draw_one(study: "Study", name: str, out: Path, selection: str) -> "FigureEntry":
    from evsctl.analysis.drawing import NoData
    from evsctl.analysis.export import write_drawing
    from evsctl.analysis.page import FigureEntry
    from evsctl.analysis.style import house_style

    module = import_module(FIGURES[name])
    with house_style():
        drawing = module.draw(study)
        if isinstance(drawing, NoData):
            return FigureEntry(name, module.TITLE, "no data", drawing.sentence, selection=selection)
        files = write_drawing(drawing, name, module.TITLE, out)
    return FigureEntry(name, module.TITLE, "drawn", drawing.caption, drawing.notes, tuple(file.name for file in files), selection)


def _remove_stale(out: Path, entry: "FigureEntry | None") -> None:
    """Take away what an earlier call drew under this name: it may have no successor."""
    for file in entry.files if entry is not None else ():
        if Path(file).name == file:
            (out / file).unlink(missing_ok=True)


def _read_study(
    db: "Database", settings: Settings, models: Sequence[str] | None, configs: Sequence[str] | None, items: str, human_note: str
) -> "Study":
    require_analysis_extra()
    from evsctl.analysis.loading import load_study
    from evsctl.db.results import human_rows, likert10_unlabelled, result_rows

    rows = result_rows(db)
    _check_known("model", models, {row.model_id for row in rows} | {row.model_family or "" for row in rows}, set())
    _check_known("configuration", configs, {row.config for row in rows}, set(settings.study.configs))
    if models:
        rows = [row for row in rows if row.model_id in models or row.model_family in models]
    wanted = set(configs or settings.study.configs)
    others = {row.config for row in rows} - wanted
    rows = [row for row in rows if row.config in wanted]
    why_empty = f"All results are in other configurations; `--config {min(others)}` draws them." if others and not rows else NO_RESULTS
    study = load_study(
        rows,
        human_rows(db),
        unlabelled=likert10_unlabelled(db),
        items=items,
        human_note=human_note,
        why_empty=why_empty,
        other_configs=others,
    )
    return replace(study, unanswered=_unanswered(db, settings, models, sorted(wanted)))


def _unanswered(db: "Database", settings: Settings, models: Sequence[str] | None, configs: Sequence[str]) -> str:
    """Which of the study's models lack answers, and how many; models that nobody chose are not missed."""
    from evsctl.analysis.words import listed
    from evsctl.db.progress import read_progress

    registry = load_registry(settings.folder)
    asked = settings.study.models or tuple(spec.model_id for spec in registry if spec.in_study)
    missing = [
        row
        for row in read_progress(db, configs, registry)
        if row.done < row.total and (row.model_id in models or row.family in models if models else row.model_id in asked)
    ]
    begun = [f"{row.model_id} lacks {row.total - row.done:,} of {row.total:,} prompts" for row in missing if row.done]
    untouched = [row.model_id for row in missing if not row.done]
    parts = [listed(begun, 4)] if begun else []
    if untouched:
        parts.append(f"no answers at all from {listed(untouched, 4)}")
    return f"Not answered yet: {'; '.join(parts)}." if parts else ""


def _check_known(what: str, given: Sequence[str] | None, with_results: set[str], allowed: set[str]) -> None:
    for name in given or ():
        if name not in with_results | allowed:
            hint = nearest_name(name, with_results) or f"With results: {', '.join(sorted(with_results)) or 'none'}."
            raise InputError(f"There are no results of the {what} '{name}'.", hint)
