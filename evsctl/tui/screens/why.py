"""The Why screen: every attempt of a model and what became of it."""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from evsctl.status.faces import plain
from evsctl.status.snapshot import ModelRow, Snapshot
from evsctl.tui.screens.base import StudyScreen
from evsctl.tui.texts import attempt_lines, detail_facts, detail_head
from evsctl.tui.widgets.pane import Pane


class WhyScreen(StudyScreen):
    """State, reason, next step, attempts with what they asked and used."""

    TITLE_IN_HELP = "Why"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "submit", "submit"),
        Binding("l", "log", "log"),
        Binding("escape,q,w", "app.pop_screen", "back"),
    ]

    def __init__(self, model_id: str) -> None:
        super().__init__()
        self.model_id = model_id

    def body(self) -> ComposeResult:
        """Text that scrolls where it does not fit."""
        self.words = Pane(id="why")
        yield self.words

    def on_mount(self) -> None:
        """Show what is known."""
        self.show(self.study.snapshot)

    def show(self, snapshot: Snapshot | None) -> None:
        """Tell it anew."""
        super().show(snapshot)
        row = snapshot.find(self.model_id) if snapshot else None
        if row is not None and self.is_mounted:
            self.words.tell(why_lines(row, self.study.size.width - 2, self.ascii_only))

    def _row(self) -> ModelRow | None:
        return self.study.snapshot.find(self.model_id) if self.study.snapshot else None

    def action_submit(self) -> None:
        """The plan of the next job."""
        row = self._row()
        if row is not None:
            self.study.open_plan(row)

    def action_log(self) -> None:
        """Its log."""
        row = self._row()
        if row is not None:
            self.study.open_log(row)


def why_lines(row: ModelRow, width: int, ascii_only: bool = False) -> list[Text]:
    """Why the model stands where it stands."""
    lines = [*detail_head(row, width, ascii_only), Text()]
    lines.append(Text(plain(f" {row.model_id} is {row.state}" + (f": {row.detail}" if row.detail else "."), ascii_only)))
    lines += [Text(plain(f" {fact}", ascii_only)) for fact in detail_facts(row) if fact != row.detail]
    lines += [Text(plain(f" next: {row.next_action or 'nothing to do'}", ascii_only), style="bold"), Text()]
    if row.attempts:
        lines.append(Text(" attempts", style="dim"))
        lines += [line for item in row.attempts for line in attempt_lines(item, width, ascii_only)]
    else:
        lines.append(Text(" It was never submitted.", style="dim"))
    return lines
