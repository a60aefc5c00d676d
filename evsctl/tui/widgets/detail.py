"""The part of the Models screen that follows the cursor."""

from collections.abc import Sequence

from textual import events

from evsctl.status.order import Line
from evsctl.status.snapshot import ModelRow
from evsctl.tui.texts import detail, family_detail
from evsctl.tui.widgets.quiet_lines import QuietLines


class Detail(QuietLines):
    """Job, node, asked and used, attempts, last log lines."""

    DEFAULT_CSS = "Detail { height: 1fr; }"

    def __init__(self, ascii_only: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self._ascii_only = ascii_only
        self._line: Line | None = None
        self._members: Sequence[ModelRow] = ()
        self._tail: Sequence[str] = ()

    def follow(self, line: Line | None, members: Sequence[ModelRow], tail: Sequence[str]) -> None:
        """Show this line of the table; `members` are those of a folded family."""
        self._line, self._members, self._tail = line, members, tail
        self._draw()

    def on_resize(self, event: events.Resize) -> None:
        """Use the new height."""
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if self._line is not None and self._line.family:
            self.show(family_detail(self._members, self._line.family, width, height, self._ascii_only))
        else:
            self.show(detail(self._line.row if self._line else None, self._tail, width, height, self._ascii_only))
