"""Text that scrolls where it does not fit, with the same keys as the table."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static


class Pane(VerticalScroll):
    """Lines of text; a text that did not change is not painted again."""

    DEFAULT_CSS = """
    Pane { height: 1fr; scrollbar-size-vertical: 1; }
    Pane > Static { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "down", show=False),
        Binding("up,k", "scroll_up", "up", show=False),
        Binding("pagedown,ctrl+d,space", "page_down", "a page down", show=False),
        Binding("pageup,ctrl+u", "page_up", "a page up", show=False),
        Binding("home,g", "scroll_home", "beginning", show=False),
        Binding("end,G", "scroll_end", "end", show=False),
    ]

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._words = Static(markup=False)
        self._shown: Text | None = None

    def compose(self) -> ComposeResult:
        """The text."""
        yield self._words

    def on_mount(self) -> None:
        """Keys scroll it."""
        self.focus()

    def tell(self, lines: Sequence[Text]) -> None:
        """Show these lines; each is cut at the edge."""
        text = Text("\n").join(lines)
        if self._shown is None or text != self._shown or text.spans != self._shown.spans:
            self._shown = text
            self._words.update(text)
