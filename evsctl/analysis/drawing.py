"""What a figure's module hands back, and the frame that all figures share: a title above, what was left out below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure, SubFigure

from evsctl.analysis.style import MM, PNG_DPI, SMALL_PT, TITLE_PT, wrapped

LINE_MM = SMALL_PT * 1.35 / 72 * 25.4
TITLE_MM = 7.0


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn figure with what it is made of."""

    figure: Figure
    tables: Mapping[str, pd.DataFrame]
    """Suffix of the file name → what is drawn; the empty suffix is the figure's own CSV."""
    caption: str
    """What is shown, its baseline and its uncertainty."""
    notes: tuple[str, ...]
    """What was left out, counted; printed on the figure."""


@dataclass(frozen=True, slots=True)
class NoData:
    """Why there is nothing to draw, and what would change that, in one sentence."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Frame:
    """An empty figure and the part of it that is free to draw in."""

    figure: Figure
    body: SubFigure

    def rows(self, heights_mm: Sequence[float]) -> list[SubFigure]:
        """The body cut into rows, each with room for a legend of its own."""
        return _stacked(self.body, heights_mm)


def new_frame(title: str, notes: Sequence[str], height_mm: float, width_mm: float) -> Frame:
    """A figure whose body is `height_mm` high; title and notes come on top of that."""
    lines = wrapped(notes, width_mm - 8)
    notes_mm = LINE_MM * len(lines) + 3
    total_mm = TITLE_MM + height_mm + notes_mm
    figure = Figure(figsize=(width_mm * MM, total_mm * MM), dpi=PNG_DPI, layout="constrained")
    _, body, _ = _stacked(figure, [TITLE_MM, height_mm, notes_mm])
    figure.text(4 / width_mm, 1 - 2 / total_mm, title, fontsize=TITLE_PT, fontweight="bold", va="top")
    figure.text(4 / width_mm, 2 / total_mm, "\n".join(lines), fontsize=SMALL_PT, va="bottom", linespacing=1.3, color="#333333")
    return Frame(figure, body)


def _stacked(whole: Figure | SubFigure, heights_mm: Sequence[float]) -> list[SubFigure]:
    parts = np.asarray(whole.subfigures(len(heights_mm), 1, height_ratios=heights_mm, squeeze=False), dtype=object)
    return list(parts[:, 0])
