"""What a terminal too small for the dashboard shows."""

from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import ModalScreen

from evsctl.tui.widgets.quiet_lines import QuietLines

LEAST_WIDTH, LEAST_HEIGHT = 72, 18
"""Below this nothing is left to read; 80x24 is what the screens are made for."""


def is_too_small(size: Size) -> bool:
    """Whether the screens would be garbage; a size not known yet is not."""
    return 0 < size.width < LEAST_WIDTH or 0 < size.height < LEAST_HEIGHT


class SmallScreen(ModalScreen[None]):
    """One clear sentence; goes away by itself when the terminal grows."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("q,ctrl+c", "app.leave", "quit")]

    def compose(self) -> ComposeResult:
        """The sentence."""
        self.line = QuietLines(id="small")
        yield self.line

    def on_resize(self, event: events.Resize) -> None:
        """Fit the sentence into what there is."""
        size = self.app.size
        text = Text(f"evsctl needs 80x24; this terminal is {size.width}x{size.height}. Enlarge it, or press q and use `evsctl status`.")
        self.line.show(list(text.wrap(self.app.console, max(4, size.width))))
