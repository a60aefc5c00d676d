"""The Textual app: wires the collector's thread, the screens and the keys together."""

import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events, on
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.screen import Screen

from evsctl.status.faces import plain
from evsctl.status.snapshot import ModelRow, Snapshot
from evsctl.tui.background import Background, Finished
from evsctl.tui.backstage import Backstage
from evsctl.tui.farewell import farewell
from evsctl.tui.screens.base import StudyScreen, key_name, own_bindings
from evsctl.tui.screens.check import CheckScreen
from evsctl.tui.screens.confirm import ConfirmScreen
from evsctl.tui.screens.help import HelpScreen
from evsctl.tui.screens.jobs import JobsScreen
from evsctl.tui.screens.log import LogScreen
from evsctl.tui.screens.models import ModelsScreen
from evsctl.tui.screens.plan import PlanScreen
from evsctl.tui.screens.plan_all import PlanAllScreen
from evsctl.tui.screens.small import SmallScreen, is_too_small
from evsctl.tui.screens.why import WhyScreen
from evsctl.tui.texts import cancel_question

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_SECONDS = 5.0
DEAF_SECONDS = 0.5
TAIL_LINES = 60


class Dashboard(App[str]):
    """The study on one terminal. All that is slow happens in threads; screens are functions of the Snapshot."""

    CSS_PATH = "dashboard.tcss"
    TITLE = "evsctl"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("1", "models", "models", show=False),
        Binding("question_mark", "help", "help", show=False),
        Binding("colon", "command_palette", "find a command by its name", show=False),
        Binding("ctrl+q", "leave", "quit from anywhere", show=False, priority=True),
    ]

    def __init__(
        self, backstage: Backstage, *, ascii_only: bool = False, place: str = "the database", look_seconds: float = LOOK_SECONDS
    ) -> None:
        # Said here and not by the theme alone: under NO_COLOR Textual chooses its filter now, and the other one paints black on black.
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.backstage = backstage
        self.ascii_only = ascii_only
        self.place = place
        self.snapshot: Snapshot | None = None
        self.look_fault = ""
        """Why the newest look failed; the snapshot is then older than it."""
        self.background = Background(self)
        self._is_forced = False
        self.deaf_until = 0.0
        self.said: list[str] = []
        """Every remark made, oldest first."""
        self._look_seconds = look_seconds

    def get_default_screen(self) -> ModelsScreen:
        """The Models screen lies below all others."""
        return ModelsScreen()

    def on_mount(self) -> None:
        """Begin to look."""
        self.set_class(self.ascii_only, "ascii")
        self._mind_size(self.size)
        self.set_interval(self._look_seconds, self.refresh_now)
        self.refresh_now()

    # -- looking

    def refresh_now(self, force: bool = False) -> None:
        """Look at files and database, and ask SLURM beside it when that is due or `force`d."""
        self._look()
        self._is_forced = self._is_forced or force
        if not self.background.is_busy("poll"):
            forced, self._is_forced = self._is_forced, False
            self.background.run("poll", lambda: self.backstage.poll(force=forced), self._polled, self.say_fault)

    def _polled(self, _: None) -> None:
        if self._is_forced:  # asked for while SLURM was still being asked: that answer may be too old
            self.refresh_now()
        else:
            self._look()

    def _look(self) -> None:
        self.background.run("look", self.backstage.look, self._take, self._look_failed)

    def _take(self, snapshot: Snapshot) -> None:
        self.snapshot, self.look_fault = snapshot, ""
        self._show()

    def _look_failed(self, sentence: str) -> None:
        self.look_fault = f"Could not look: {sentence}"
        self._show()

    def _show(self) -> None:
        snapshot = self.snapshot
        for screen in self.screen_stack:
            if isinstance(screen, StudyScreen) and screen.is_current:
                screen.show(snapshot)

    def fetch_tail(self, path: str, then: "Callable[[str, tuple[str, ...]], None]") -> None:
        """Read the end of a log."""

        def work() -> tuple[str, ...]:
            return tuple(self.backstage.tail(Path(path), TAIL_LINES))

        self.background.run("tail", work, lambda tail: then(path, tail), lambda _: None)

    @on(Finished)
    def _finished(self, message: Finished) -> None:
        message.deliver()

    # -- saying

    def say(self, sentence: str) -> None:
        """A passing remark."""
        self.said.append(sentence)
        self.notify(plain(sentence, self.ascii_only), timeout=6, markup=False)

    def say_fault(self, sentence: str) -> None:
        """A passing remark on something that failed."""
        self.said.append(sentence)
        self.notify(plain(sentence, self.ascii_only), severity="warning", timeout=10, markup=False)

    # -- screens

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette offers what the current screen's keys do, and nothing else."""
        for binding in (*own_bindings(type(screen)), *own_bindings(Dashboard)):
            if binding.action == "command_palette":
                continue
            words = binding.tooltip or binding.description
            owner = screen if hasattr(screen, f"action_{binding.action}") else self
            yield SystemCommand(f"{binding.description} ({key_name(binding)})", words, partial(owner.run_action, binding.action))

    def action_models(self) -> None:
        """Back to the Models screen."""
        while isinstance(self.screen, StudyScreen) and not isinstance(self.screen, ModelsScreen):
            self.pop_screen()

    def action_help(self) -> None:
        """All keys."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def open_log(self, row: ModelRow) -> None:
        """Follow the model's newest log."""
        self.push_screen(LogScreen(row.model_id))

    def open_why(self, row: ModelRow) -> None:
        """What became of the model's jobs."""
        self.push_screen(WhyScreen(row.model_id))

    def open_check(self, row: ModelRow) -> None:
        """Are its answers worth drawing?"""
        self.push_screen(CheckScreen(row.model_id))

    def open_jobs(self) -> None:
        """Every job of the study."""
        self.push_screen(JobsScreen())

    def open_plan_all(self) -> None:
        """The plans of all incomplete models."""
        if self._may_act():
            self.push_screen(PlanAllScreen())

    def open_plan(self, row: ModelRow) -> None:
        """The plan of the model's next job."""
        if self._may_act():
            self.push_screen(PlanScreen(row.model_id))

    def ignore_enter(self) -> None:
        """The enter that closed a screen may have been pressed twice: the next one follows at once and means nothing."""
        self.deaf_until = time.monotonic() + DEAF_SECONDS

    def ask_cancel(self, row: ModelRow) -> None:
        """Ask before cancelling the model's job."""
        if not self._may_act():
            return
        if row.state not in ("pending", "running", "completing") or not row.job_id:
            self.say(f"{row.model_id} has no job in the queue.")
            return
        question = ConfirmScreen(cancel_question(row), f"cancel job {row.job_id}")
        self.push_screen(question, lambda yes: self._cancel(row) if yes else None)

    def _cancel(self, row: ModelRow) -> None:
        self.background.run(
            "cancel", lambda: self.backstage.cancel(row), lambda ids: self._cancelled(row, ids), self.say_fault, must_finish=True
        )

    def _cancelled(self, row: ModelRow, job_ids: list[str]) -> None:
        self.say(f"Cancelled {row.model_id}: job {', '.join(job_ids)}." if job_ids else f"{row.model_id} had no job left to cancel.")
        self.refresh_now(force=True)

    def _may_act(self) -> bool:
        if self.backstage.read_only:
            self.say(self.backstage.read_only)
        return not self.backstage.read_only

    # -- size and end

    def on_resize(self, event: events.Resize) -> None:
        """A terminal too small for anything gets one sentence."""
        self._mind_size(event.size)

    def _mind_size(self, size: Size) -> None:
        small = isinstance(self.screen, SmallScreen)
        if is_too_small(size) and not small:
            self.clear_notifications()
            self.push_screen(SmallScreen())
        elif small and not is_too_small(size):
            self.pop_screen()

    def action_leave(self) -> None:
        """Leave from anywhere."""
        self.leave()

    def leave(self) -> None:
        """End the dashboard and say what runs on."""
        self.exit(plain(farewell(self.snapshot), self.ascii_only))
