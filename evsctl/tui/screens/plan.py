"""The Plan screen: what the next job would ask for and why; enter hands it in."""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Input

from evsctl.errors import InputError
from evsctl.jobs.overrides import NO_OVERRIDES
from evsctl.status.faces import FAULT, plain
from evsctl.status.snapshot import Snapshot
from evsctl.tui.editing import parse_flags, request_flags
from evsctl.tui.plan_text import plan_lines, wrapped
from evsctl.tui.screens.base import StudyScreen
from evsctl.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from evsctl.db.ledger import Submission
    from evsctl.jobs.plan import SubmissionPlan

DEAF_SECONDS = 0.3
"""Enter counts only so long after the plan is there to be read: the key that opened it may have been pressed twice."""


class PlanScreen(StudyScreen):
    """Old request, new request, why; the sbatch line; one key to go."""

    TITLE_IN_HELP = "Plan"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "submit"),
        Binding("e", "edit", "edit", tooltip="change memory, time, constraint and the like by hand"),
        Binding("r", "again", "plan again"),
        Binding("escape", "back", "back"),
        Binding("q", "app.pop_screen", "back", show=False),
    ]

    def __init__(self, model_id: str) -> None:
        super().__init__()
        self.model_id = model_id
        self.plan: SubmissionPlan | None = None
        self._readable_since: float | None = None
        self._is_submitted = False
        self._fault = ""
        self._overrides = NO_OVERRIDES

    def body(self) -> ComposeResult:
        """The plan; scrolls where it does not fit."""
        self.words = Pane(id="plan")
        yield self.words
        self.box = Input(id="edit", compact=True)
        self.box.cursor_blink = False
        yield self.box

    def on_mount(self) -> None:
        """Make the plan, beside the interface."""
        self.box.display = False
        self.action_again()

    def action_again(self) -> None:
        """Make the plan anew."""
        if self._is_submitted:
            return
        self.plan, self._readable_since, self._fault = None, None, ""
        self._draw()
        self.study.background.run("plan", lambda: self.study.backstage.plan(self.model_id, self._overrides), self._planned, self._failed)

    def show(self, snapshot: Snapshot | None) -> None:
        """Header and keys; the plan itself stays as it was read."""
        super().show(snapshot)
        if self.is_mounted:
            self._draw()

    def _planned(self, plan: "SubmissionPlan") -> None:
        if plan.model_id != self.model_id or not self.is_attached:
            return
        self.plan = plan
        self._readable_since = time.monotonic()
        self._draw()

    def _failed(self, sentence: str) -> None:
        self._fault = sentence
        self._is_submitted = False
        if self.is_attached:
            self._draw()

    def _draw(self) -> None:
        width = self.study.size.width - 2
        lines = plan_lines(self.plan, width, self.ascii_only) if self.plan else [Text(f" Planning {self.model_id} ...")]
        if self._fault:
            # On top, where a long plan does not push it below the fold.
            lines = [*wrapped(plain(self._fault, self.ascii_only), width, FAULT), Text(), *(lines if self.plan else [])]
        elif self._is_submitted:
            lines += [Text(), Text(" Submitting ...", style="bold")]
        self.words.tell(lines)

    def key_words(self) -> Iterable[tuple[str, str]]:
        """While flags are edited, their own two keys."""
        return (("enter", "plan with these"), ("esc", "leave it")) if self.box.display else super().key_words()

    def action_edit(self) -> None:
        """Change the request by hand."""
        if self.plan is None or self._is_submitted:
            return
        self.box.value = request_flags(self.plan.advice.request)
        self._show_box(True)

    def _show_box(self, shown: bool) -> None:
        self.box.display = shown
        (self.box if shown else self.words).focus()
        self.show(self.study.snapshot)

    @on(Input.Submitted, "#edit")
    def _edited(self, message: Input.Submitted) -> None:
        try:
            self._overrides = parse_flags(message.value)
        except InputError as error:
            self._fault = str(error)
            self._draw()
            return
        self._show_box(False)
        self.action_again()

    def action_back(self) -> None:
        """Leave the flags as they were, or the screen."""
        if self.box.display:
            self._fault = ""
            self._show_box(False)
        else:
            self.app.pop_screen()

    def action_submit(self) -> None:
        """Hand the job in, once."""
        plan = self.plan
        if plan is None or self._is_submitted or self._readable_since is None or time.monotonic() - self._readable_since < DEAF_SECONDS:
            return
        if plan.problems:
            self.study.say(f"{plan.model_id} cannot be submitted as it stands: see the lines marked ✖.")
            return
        self._fault = ""
        self._is_submitted = True
        self._draw()
        self.study.background.run("submit", lambda: self.study.backstage.submit(plan), self._submitted, self._failed, must_finish=True)

    def _submitted(self, submission: "Submission") -> None:
        self.study.say(f"Submitted {submission.model_id} as job {submission.job_id}, attempt {submission.attempt}.")
        self.study.ignore_enter()
        if self.is_current:
            self.app.pop_screen()
        self.study.refresh_now(force=True)
