"""Lines of text that send only the lines that changed."""

from collections.abc import Sequence

from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget


class QuietLines(Widget):
    """A block of one-line texts; a new text repaints its own line and no other."""

    DEFAULT_CSS = "QuietLines { height: 1; width: 1fr; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: tuple[Text, ...] = ()

    @property
    def text(self) -> str:
        """What is shown, without styles."""
        return "\n".join(line.plain for line in self._lines)

    def show(self, lines: Sequence[Text]) -> None:
        """Replace the lines; a line longer than the widget is cut."""
        old, self._lines = self._lines, tuple(lines)
        for y in range(max(len(old), len(self._lines))):
            before = old[y] if y < len(old) else None
            after = self._lines[y] if y < len(self._lines) else None
            if before is None or after is None or before != after or before.spans != after.spans or before.style != after.style:
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """One line, cut or filled to the width."""
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        return text_strip(self._lines[y], width, self)


def text_strip(text: Text, width: int, widget: Widget) -> Strip:
    """A text as exactly `width` cells in the widget's style."""
    if text.cell_len > width:
        text = text.copy()
        text.truncate(width, overflow="crop" if widget.app.has_class("ascii") else "ellipsis")
    return Strip(text.render(widget.app.console)).adjust_cell_length(width).apply_style(widget.rich_style).simplify()
