"""The figures by name: light, so that a command line can list them without loading matplotlib."""

from collections.abc import Mapping, Sequence

from evsctl.errors import InputError
from evsctl.files import nearest_name

FIGURES: Mapping[str, str] = {
    "quality": "evsctl.analysis.figures.quality",
    "bias": "evsctl.analysis.figures.bias",
    "summary": "evsctl.analysis.figures.summary",
    "distance": "evsctl.analysis.figures.distance",
    "examples": "evsctl.analysis.figures.examples",
    "rephrase": "evsctl.analysis.figures.rephrase",
    "human_heatmap": "evsctl.analysis.figures.human_heatmap",
    "human_scatter": "evsctl.analysis.figures.human_scatter",
}
"""Figure name → the module that draws it; each has a `TITLE` and `draw(study) -> Drawing | NoData`."""

ITEM_CHOICES = ("all", "clean")
"""`clean` leaves out pairs whose prompt is also another question's, or labels fewer than two answers."""


def choose_figures(names: Sequence[str] | None) -> tuple[str, ...]:
    """The figures to draw, in the order of `FIGURES`; none or `all` means every one. Raises InputError for an unknown name."""
    wanted = set(names or ("all",))
    for name in sorted(wanted - {"all"}):
        if name not in FIGURES:
            raise InputError(f"Unknown figure '{name}'.", nearest_name(name, FIGURES) or f"Known: all, {', '.join(FIGURES)}.")
    return tuple(name for name in FIGURES if "all" in wanted or name in wanted)
