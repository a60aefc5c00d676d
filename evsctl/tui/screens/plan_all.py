"""The plan for every incomplete model of the study at once; enter hands all jobs in."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from evsctl.status.faces import FAULT, plain
from evsctl.tui.plan_text import plan_all_lines, wrapped
from evsctl.tui.screens import plan as single
from evsctl.tui.screens.base import StudyScreen
from evsctl.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from evsctl.db.ledger import Submission
    from evsctl.jobs.plan import SubmissionPlan


class PlanAllScreen(StudyScreen):
    """A line per job, what it adds up to, and why others stay behind."""

    TITLE_IN_HELP = "Plan of all"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "submit all of these"),
        Binding("escape,q", "app.pop_screen", "back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.plans: Sequence[SubmissionPlan] | None = None
        self._readable_since: float | None = None
        self._is_submitted = False
        self._fault = ""

    def body(self) -> ComposeResult:
        """The plans; scrolls where they do not fit."""
        self.words = Pane(id="plan_all")
        yield self.words

    def on_mount(self) -> None:
        """Make the plans, beside the interface."""
        self._draw()
        self.study.background.run("plan", self.study.backstage.plan_all, self._planned, self._failed)

    def _planned(self, plans: "Sequence[SubmissionPlan]") -> None:
        self.plans, self._readable_since = plans, time.monotonic()
        self._draw()

    def _failed(self, sentence: str) -> None:
        self._fault, self._is_submitted = sentence, False
        self._draw()

    def _draw(self) -> None:
        if not self.is_attached:
            return
        width = self.study.size.width - 2
        if self.plans is None:
            lines = [Text(" Planning every incomplete model ...")]
        else:
            lines = plan_all_lines(self.plans, width, self.ascii_only)
        if self._fault:
            lines = [*wrapped(plain(self._fault, self.ascii_only), width, FAULT), Text(), *lines]
        elif self._is_submitted:
            lines += [Text(), Text(" Submitting ...", style="bold")]
        self.words.tell(lines)

    def action_submit(self) -> None:
        """Hand all ready jobs in, once."""
        since = self._readable_since
        if not self.plans or self._is_submitted or since is None or time.monotonic() - since < single.DEAF_SECONDS:
            return
        ready = [plan for plan in self.plans if not plan.problems]
        if not ready:
            self.study.say("There is nothing to submit.")
            return
        self._is_submitted, self._fault = True, ""
        self._draw()
        self.study.background.run("submit", lambda: self.study.backstage.submit_all(ready), self._submitted, self._failed, must_finish=True)

    def _submitted(self, made: "Sequence[Submission]") -> None:
        self.study.say(f"Submitted {len(made)} job{'' if len(made) == 1 else 's'}.")
        self.study.ignore_enter()
        if self.is_current:
            self.app.pop_screen()
        self.study.refresh_now(force=True)
