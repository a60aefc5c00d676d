"""What the dashboard asks of the other rooms."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from evsctl.jobs.overrides import NO_OVERRIDES, RequestOverrides
from evsctl.status.check import AnswerCheck
from evsctl.status.snapshot import ModelRow, Snapshot

if TYPE_CHECKING:
    from evsctl.db.ledger import Submission
    from evsctl.jobs.plan import SubmissionPlan


class Backstage(Protocol):
    """Each call may be slow and is made from a thread; each may raise EvsctlError or OSError."""

    read_only: str
    """Why nothing may be submitted or cancelled here, in one sentence; empty where it may."""

    @property
    def commands(self) -> Sequence[str]:
        """Every command that was run for this window, oldest first."""
        ...

    def look(self) -> Snapshot:
        """Files and database as they are now; SLURM is not asked."""
        ...

    def poll(self, *, force: bool = False) -> None:
        """Ask SLURM when that is due, or `force`d."""
        ...

    def plan(self, model_id: str, overrides: RequestOverrides = NO_OVERRIDES) -> "SubmissionPlan":
        """What a submission would ask for, with the parts given by hand; nothing is written."""
        ...

    def submit(self, plan: "SubmissionPlan") -> "Submission":
        """Hand the job over."""
        ...

    def plan_all(self) -> "list[SubmissionPlan]":
        """The plans of all incomplete models of the study that have no job, on one look at the queue."""
        ...

    def submit_all(self, plans: "Sequence[SubmissionPlan]") -> "list[Submission]":
        """Hand these jobs over, one after the other; stops at the first that fails."""
        ...

    def check(self, model_id: str) -> AnswerCheck:
        """A look through the model's answers."""
        ...

    def cancel(self, row: ModelRow) -> list[str]:
        """Cancel the model's job in the queue; returns the job ids."""
        ...

    def tail(self, path: Path, lines: int) -> list[str]:
        """The last lines of a log, free of control sequences."""
        ...
