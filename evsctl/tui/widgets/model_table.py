"""The table of models: sends only cells whose text changed, keeps its cursor on the model when rows move."""

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from evsctl.status.columns import Cell, Layout, line_cells
from evsctl.status.order import Line

MARGIN = 1
CURSOR = Style(reverse=True)
CURSOR_ELSEWHERE = Style(bold=True, underline=True)


class ModelTable(ScrollView, can_focus=True):
    """One line per model or folded family.

    Drawn by lines and not by Textual's DataTable, which repaints all of itself for one changed cell: 14 KB instead of 200 bytes.
    """

    DEFAULT_CSS = "ModelTable { overflow-x: hidden; height: auto; scrollbar-size-vertical: 1; }"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("pagedown,ctrl+d", "move(10)", "ten down", show=False),
        Binding("pageup,ctrl+u", "move(-10)", "ten up", show=False),
        Binding("home,g", "move(-10000)", "first", show=False),
        Binding("end,G", "move(10000)", "last", show=False),
        Binding("enter", "open", "open", tooltip="the model's log; unfolds or folds a finished family"),
    ]

    class Highlighted(Message):
        """The cursor stands on another line."""

    class Opened(Message):
        """Enter or a click on the line of the cursor."""

        def __init__(self, line: Line) -> None:
            super().__init__()
            self.line = line

    def __init__(self, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._ascii_only = ascii_only
        self._lines: tuple[Line, ...] = ()
        self._cells: list[tuple[Cell, ...]] = []
        self._layout_now: Layout | None = None
        self._cursor = 0

    @property
    def current(self) -> Line | None:
        """The line of the cursor."""
        return self._lines[self._cursor] if self._lines else None

    @property
    def plain_lines(self) -> list[str]:
        """What is shown, without styles."""
        return [" ".join(cell.text for cell in cells) for cells in self._cells]

    def show(self, lines: Sequence[Line], layout: Layout) -> None:
        """Show these lines; only what changed is painted."""
        followed = self.current.key if self.current else None
        keys = [line.key for line in lines]
        cells = [line_cells(line, layout, self._ascii_only) for line in lines]
        old, old_cursor, same_layout = self._cells, self._cursor, layout == self._layout_now
        self._lines, self._cells, self._layout_now = tuple(lines), cells, layout
        self._cursor = keys.index(followed) if followed in keys else min(old_cursor, max(0, len(keys) - 1))
        if not same_layout or len(old) != len(cells):
            self.virtual_size = Size(0, len(cells))
            self.refresh(layout=len(old) != len(cells))
        else:
            self._repaint(old, old_cursor)
        if self.current is not None and self.current.key != followed:
            self.post_message(self.Highlighted())

    def _repaint(self, old: list[tuple[Cell, ...]], old_cursor: int) -> None:
        if old_cursor != self._cursor:
            self.refresh_line(old_cursor)
            self.refresh_line(self._cursor)
        assert self._layout_now is not None
        for y, (before, after) in enumerate(zip(old, self._cells, strict=True)):
            x = MARGIN
            for column, old_cell, cell in zip(self._layout_now.columns, before, after, strict=True):
                x += column.gap
                if old_cell != cell:
                    self.refresh(Region(x, y - self.scroll_offset.y, column.width, 1))
                x += column.width

    def render_line(self, y: int) -> Strip:
        """One line of the table, as far as it is scrolled."""
        place = y + self.scroll_offset.y
        width = self.size.width
        if self._layout_now is None or place >= len(self._cells):
            return Strip.blank(width, self.rich_style)
        on_cursor = place == self._cursor
        segments = [Segment(" " * MARGIN, Style())]
        for column, cell in zip(self._layout_now.columns, self._cells[place], strict=True):
            segments.append(Segment(" " * column.gap, Style()))
            segments.append(Segment(cell.text, Style() if on_cursor else Style.parse(cell.style)))
        strip = Strip(segments).adjust_cell_length(width, Style()).apply_style(self.rich_style)
        # Neighbours of one style become one: each style change is some twenty bytes on the wire.
        return (strip.apply_style(CURSOR if self.has_focus else CURSOR_ELSEWHERE) if on_cursor else strip).simplify()

    def action_move(self, by: int) -> None:
        """Move the cursor by lines."""
        self._go(self._cursor + by)

    def action_open(self) -> None:
        """Open the line of the cursor."""
        if self.current is not None:
            self.post_message(self.Opened(self.current))

    def on_click(self, event: events.Click) -> None:
        """Move to the clicked line; open it where the cursor was already there."""
        place = event.y + self.scroll_offset.y
        if place == self._cursor:
            self.action_open()
        else:
            self._go(place)

    def on_focus(self) -> None:
        """Show the cursor as the one that keys move."""
        self.refresh_line(self._cursor)

    def on_blur(self) -> None:
        """Show the cursor as a mere mark."""
        self.refresh_line(self._cursor)

    def _go(self, place: int) -> None:
        place = max(0, min(place, len(self._lines) - 1))
        if place == self._cursor or not self._lines:
            return
        self.refresh_line(self._cursor)
        self._cursor = place
        self.refresh_line(place)
        self.scroll_to_region(Region(0, place, self.size.width, 1), animate=False)
        self.post_message(self.Highlighted())
