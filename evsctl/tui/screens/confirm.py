"""A question before something that cannot be undone; the safe answer is the one that enter gives."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static


class ConfirmScreen(ModalScreen[bool]):
    """Answers True only to the second button or to `y`."""

    TITLE_IN_HELP = "Question"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "do it"),
        Binding("n,escape", "no", "leave it"),
        Binding("left,right,tab", "other", "the other button", show=False),
    ]

    def __init__(self, question: Sequence[str], deed: str) -> None:
        super().__init__()
        self._question = question
        self._deed = deed

    def compose(self) -> ComposeResult:
        """The question and two buttons; the first one leaves everything as it is."""
        with Vertical(id="question"):
            yield Static("\n".join(self._question), markup=False)
            with Horizontal(id="answers"):
                yield Button("no, leave it (n)", id="no", compact=True)
                yield Button(f"yes, {self._deed} (y)", id="yes", compact=True)

    def on_mount(self) -> None:
        """Enter answers no."""
        self.query_one("#no", Button).focus()

    @on(Button.Pressed, "#yes")
    def action_yes(self) -> None:
        """Do it."""
        self.dismiss(True)

    @on(Button.Pressed, "#no")
    def action_no(self) -> None:
        """Leave it."""
        self.dismiss(False)

    def action_other(self) -> None:
        """Move to the other button."""
        self.focus_next()
