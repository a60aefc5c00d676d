"""The lines of a log: follows the end until the reader moves away, keeps a bounded number."""

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

KEPT_LINES = 2_000
SHIFT = 20


class LogView(ScrollView, can_focus=True):
    """Plain lines, cut at the edge; `shift` moves sideways.

    Not Textual's Log: that one measures lines in a thread of its own and takes the app down when it is closed meanwhile.
    """

    DEFAULT_CSS = "LogView { overflow-x: hidden; scrollbar-size-vertical: 1; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[str] = []
        self._shift = 0

    @property
    def text(self) -> str:
        """All lines kept."""
        return "\n".join(self._lines)

    def clear(self) -> None:
        """Forget all lines."""
        self._lines, self._shift = [], 0
        self.virtual_size = Size(0, 0)
        self.scroll_home(animate=False)
        self.refresh()

    def add(self, lines: Sequence[str]) -> None:
        """Append lines; who reads the end goes with it, who reads elsewhere stays there."""
        at_end = self.is_vertical_scroll_end
        before = len(self._lines)
        self._lines = [*self._lines, *lines][-KEPT_LINES:]
        dropped = before + len(lines) - len(self._lines)
        self.virtual_size = Size(0, len(self._lines))
        if at_end:
            # Only after the next layout is the new end within reach.
            self.call_after_refresh(self.scroll_end, animate=False)
        elif dropped:
            self.scroll_relative(y=-dropped, animate=False)
        self.refresh()

    def shift(self, steps: int) -> None:
        """Move sideways, never beyond the longest line."""
        longest = max(map(len, self._lines), default=0)
        self._shift = max(0, min(self._shift + steps * SHIFT, max(0, longest - self.size.width + 2)))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line, as far as it is scrolled and shifted."""
        place, width = y + self.scroll_offset.y, self.size.width
        if place >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = self._lines[place][self._shift :]
        cut = line if len(line) < width else line[: max(0, width - 2)] + ("~" if self.app.has_class("ascii") else "…")
        return Strip([Segment(f" {cut}", Style())]).adjust_cell_length(width).apply_style(self.rich_style).simplify()
