"""The Log screen: follows the newest job log of one model."""

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer

from evsctl.jobs.logs import LogFollower, read_tail
from evsctl.status.faces import plain
from evsctl.status.snapshot import Snapshot
from evsctl.tui.screens.base import StudyScreen
from evsctl.tui.texts import detail_head
from evsctl.tui.widgets.log_view import KEPT_LINES, LogView
from evsctl.tui.widgets.quiet_lines import QuietLines

FOLLOW_SECONDS = 1.0


class LogScreen(StudyScreen):
    """New lines once a second; a new job of the model is followed as soon as it writes."""

    TITLE_IN_HELP = "Log"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("end,G", "end", "follow the end"),
        Binding("home,g", "home", "beginning"),
        Binding("down,j", "scroll(1)", "down", show=False),
        Binding("up,k", "scroll(-1)", "up", show=False),
        Binding("right", "shift(1)", "right", show=False),
        Binding("left", "shift(-1)", "left", show=False),
        Binding("escape,q", "app.pop_screen", "back"),
    ]

    def __init__(self, model_id: str) -> None:
        super().__init__()
        self.model_id = model_id
        self.title_line = QuietLines(id="log_title")
        self._path: Path | None = None
        self._follower: LogFollower | None = None
        self._timer: Timer | None = None

    def body(self) -> ComposeResult:
        """A title and the lines."""
        yield self.title_line
        self.lines = LogView(id="log")
        yield self.lines

    def on_mount(self) -> None:
        """Begin to follow."""
        self.lines.focus()
        self._timer = self.set_interval(FOLLOW_SECONDS, self._poll)
        self.show(self.study.snapshot)
        self._poll()

    def on_screen_suspend(self) -> None:
        """Nobody looks: nothing is read."""
        if self._timer:
            self._timer.pause()

    def on_screen_resume(self) -> None:
        """Go on."""
        super().on_screen_resume()
        if self._timer:
            self._timer.resume()

    def show(self, snapshot: Snapshot | None) -> None:
        """Take over the model's newest log where it has changed."""
        super().show(snapshot)
        row = snapshot.find(self.model_id) if snapshot else None
        if row is None:
            return
        width = self.study.size.width
        self.title_line.show(detail_head(row, width, self.ascii_only)[:1])
        path = Path(row.log_path) if row.log_path else None
        if path != self._path:
            self._path, self._follower = path, None
            self.lines.clear()
        if path is None:
            self.lines.clear()
            self.lines.add([plain(_no_log(row.state, row.job_id), self.ascii_only)])

    def _poll(self) -> None:
        if self._path is not None and self.is_attached:
            self.study.background.run("log", self._read, self._add, self.study.say_fault)

    def _read(self) -> tuple[Path, LogFollower, list[str]]:
        """In a thread: the tail of a log that is new here, else what was added to it."""
        path, follower = self._path, self._follower
        assert path is not None
        if follower is not None:
            return path, follower, follower.poll()
        follower = LogFollower(path, from_end=True)
        return path, follower, read_tail(path, KEPT_LINES)

    def _add(self, read: tuple[Path, LogFollower, list[str]]) -> None:
        path, follower, lines = read
        if path != self._path or not self.is_attached:
            return
        self._follower = follower
        if lines:
            self.lines.add([plain(line, self.ascii_only) for line in lines])

    def action_end(self) -> None:
        """Follow the newest line again."""
        self.lines.scroll_end(animate=False)

    def action_home(self) -> None:
        """The oldest line that is kept."""
        self.lines.scroll_home(animate=False)

    def action_scroll(self, by: int) -> None:
        """Move by a line."""
        self.lines.scroll_relative(y=by, animate=False)

    def action_shift(self, steps: int) -> None:
        """Read the rest of long lines."""
        self.lines.shift(steps)


def _no_log(state: str, job_id: str | None) -> str:
    if state == "pending":
        return f"Job {job_id} has not started: its log begins when it does."
    return "No job of this model has written a log yet."
