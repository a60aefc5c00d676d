"""Forest panels: a row per language, a point with its interval per model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import SubFigure
from matplotlib.lines import Line2D

from evsctl.analysis.bootstrap import Estimate
from evsctl.analysis.study import Unit
from evsctl.analysis.style import BASELINE_COLOUR, PAGE_MM, Look, plain, short

ROW_MM_PER_MODEL = 1.15
ROW_MM = 2.6
NAME_WIDTH = 26
"""Characters of a model's name in legends."""


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One row of a forest: its label and an entry number per model, into the estimates."""

    label: str
    entries: dict[str, int]


def language_rows(units: Sequence[Unit], models: Sequence[str]) -> list[ForestRow]:
    """A row per language in which one of `models` answers, in alphabetical order; entries are places in `units`."""
    langs = sorted({unit.lang for unit in units if unit.model in models})
    return [ForestRow(lang, {unit.model: i for i, unit in enumerate(units) if unit.lang == lang}) for lang in langs]


def forest_height_mm(n_rows: int, n_models: int) -> float:
    """Height at which points of neighbouring rows do not touch, axis and legend included."""
    return n_rows * (ROW_MM + ROW_MM_PER_MODEL * n_models) + 20


def draw_forest(ax: Axes, styles: Mapping[str, Look], rows: Sequence[ForestRow], estimate: Estimate, *, show_labels: bool = True) -> None:
    """Points and intervals of the names in `styles` on `rows`, top row first; rows are shaded in turn."""
    for place, row in enumerate(rows):
        if place % 2 == 0:
            ax.axhspan(place - 0.5, place + 0.5, color="#f4f4f4", linewidth=0)
        present = [name for name in styles if name in row.entries]
        for slot, name in enumerate(present):
            offset = (slot - (len(present) - 1) / 2) * 0.8 / max(len(present), 1)
            draw_point(ax, estimate, row.entries[name], place + offset, styles[name])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(range(len(rows)), [plain(row.label, 24) for row in rows] if show_labels else [""] * len(rows))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")


def draw_point(ax: Axes, estimate: Estimate, entry: int, y: float, look: Look, *, size: float = 3.4) -> None:
    """One point with its interval along x."""
    x, low, high = estimate.mean[entry], estimate.low[entry], estimate.high[entry]
    if np.isnan(x):
        return
    if not np.isnan(low):
        ax.plot([low, high], [y, y], color=look.colour, linewidth=0.9, solid_capstyle="butt")
    ax.plot([x], [y], marker=look.marker, color=look.colour, markersize=size, markeredgewidth=0.3, markeredgecolor="white", linestyle="")


def baseline(ax: Axes, x: float, label: str) -> None:
    """A dashed vertical line with its name above."""
    ax.axvline(x, color=BASELINE_COLOUR, linestyle=(0, (4, 2)), linewidth=0.9, zorder=1)
    ax.annotate(label, (x, 1), xycoords=("data", "axes fraction"), xytext=(0, 2), textcoords="offset points", ha="center", va="bottom",
                fontsize=6.5, color=BASELINE_COLOUR)  # fmt: skip


def legend_above(part: SubFigure, styles: Mapping[str, Look]) -> None:
    """The colours and markers, above everything in a part of the figure."""
    handles = [
        Line2D([], [], marker=look.marker, color=look.colour, markersize=4, linestyle="", label=short(name, NAME_WIDTH))
        for name, look in styles.items()
    ]
    part.legend(handles=handles, loc="outside upper left", ncols=legend_columns(list(styles)), handletextpad=0.2, columnspacing=1.2)


def legend_columns(names: Sequence[str]) -> int:
    """As many columns as fit the page when every name is as wide as the longest."""
    entry_mm = 6.5 + 1.45 * max((min(len(name), NAME_WIDTH) for name in names), default=1)
    return max(1, min(len(names), int((PAGE_MM - 8) / entry_mm)))


def estimate_columns(name: str, estimate: Estimate, entries: Sequence[int] | None = None) -> pd.DataFrame:
    """Columns `name`, `name_ci95_low`, `name_ci95_high` of an estimate."""
    pick = slice(None) if entries is None else list(entries)
    return pd.DataFrame({name: estimate.mean[pick], f"{name}_ci95_low": estimate.low[pick], f"{name}_ci95_high": estimate.high[pick]})
