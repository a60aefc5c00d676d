"""The table's columns: what each shows of a model, and how many of them fit; pure, for both front ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evsctl.status.amounts import percent, rate, span
from evsctl.status.faces import bar, colour, glyph, plain
from evsctl.status.order import Line

LEAST_BAR, LARGEST_BAR = 6, 24
STATE, PERCENT, RATE, ETA = 12, 5, 6, 5
LEAST_NEXT, LARGEST_NEXT = 24, 44
WIDE = 100
"""From here on columns stand further apart, and there are more of them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell's text and its rich style."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is laid out now."""

    title: str
    width: int
    right: bool = False
    gap: int = 2
    """Cells before it."""


@dataclass(frozen=True, slots=True)
class _Extra:
    title: str
    tell: Callable[[Line], str]
    right: bool
    width: int


def _done_of_total(line: Line) -> str:
    return f"{line.row.done:,}/{line.row.total:,}"


def _p_valid(line: Line) -> str:
    return "" if line.row.p_valid_mean is None else f"{line.row.p_valid_mean:.2f}"


# In the order in which a wider terminal brings them in.
_EXTRAS = (
    _Extra("PROMPTS", _done_of_total, True, 13),
    _Extra("JOB", lambda line: line.row.job_id or "", False, 10),
    _Extra("NODE", lambda line: line.row.nodes, False, 12),
    _Extra("TRY", lambda line: str(line.row.attempt or ""), True, 3),
    _Extra("P_VALID", _p_valid, True, 7),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Columns that fit a width; `extras` counts those beyond the six that are always there."""

    columns: tuple[Column, ...]
    extras: int
    bar: int

    @property
    def width(self) -> int:
        """Cells that the columns and the gaps before them take."""
        return sum(column.gap + column.width for column in self.columns)


def lay_out(names: Sequence[str], width: int) -> Layout:
    """Columns in `width` cells for models of these names.

    Nothing else of the content counts, so that columns stand still while the study goes on.
    """
    gap = 2 if width >= WIDE else 1
    name = min(max([len(text) for text in names] + [12]), max(16, width // 4))
    fixed = name + STATE + 1 + PERCENT + RATE + ETA + 4 * gap + 2
    room = width - fixed - LEAST_BAR - LEAST_NEXT
    extras = 0
    while width >= WIDE and extras < len(_EXTRAS) and room >= _EXTRAS[extras].width + gap:
        room -= _EXTRAS[extras].width + gap
        extras += 1
    next_width = LEAST_NEXT + min(max(0, room) // 2, LARGEST_NEXT - LEAST_NEXT)
    bar_width = max(1, min(LARGEST_BAR, LEAST_BAR + room - (next_width - LEAST_NEXT)))
    columns = [Column("MODEL", name, gap=0), Column("STATE", STATE, gap=gap), Column("DONE", bar_width + 1 + PERCENT, gap=gap)]
    columns += [Column("RATE", RATE, True, gap), Column("ETA", ETA, True, gap)]
    columns += [Column(item.title, item.width, item.right, gap) for item in _EXTRAS[:extras]]
    return Layout((*columns, Column("NEXT", next_width + min(0, room), gap=2)), extras, bar_width)


def line_cells(line: Line, layout: Layout, ascii_only: bool = False) -> tuple[Cell, ...]:
    """The cells of one line, in the layout's columns, each already cut or filled to its width."""
    row = line.row
    faded = "" if row.in_study or row.attempt else "dim"
    style = colour(row.state)
    share = row.done / row.total if row.total else 0.0
    texts = [
        Cell(line.name, "bold" if row.needs_attention else faded),
        Cell(f"{glyph(row.state, ascii_only)} {row.state}", style or faded),
        Cell(f"{bar(share, layout.bar, ascii_only)} {percent(row.percent) if row.total else '-':>{PERCENT}}", faded),
        Cell(rate(row.rate_per_s), faded),
        Cell(span(row.eta_s), faded),
        *(Cell(item.tell(line), faded) for item in _EXTRAS[: layout.extras]),
        Cell(row.next_action, "bold" if row.needs_attention else faded),
    ]
    return tuple(
        Cell(fit(plain(cell.text, ascii_only) if place != 2 else cell.text, column.width, column.right, ascii_only), cell.style)
        for place, (cell, column) in enumerate(zip(texts, layout.columns, strict=True))
    )


def fit(text: str, width: int, right: bool = False, ascii_only: bool = False) -> str:
    """`text` in exactly `width` cells, its end cut with an ellipsis."""
    if len(text) > width:
        text = text[: max(0, width - 1)] + ("~" if ascii_only else "…")
    return text.rjust(width) if right else text.ljust(width)
