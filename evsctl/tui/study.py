"""The dashboard's backstage in earnest: a study on disk and its batch system."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from evsctl.db.connection import open_database
from evsctl.db.ledger import Submission
from evsctl.db.sync import best_effort_sync
from evsctl.errors import DatabaseError
from evsctl.jobs.cancel import cancel_jobs
from evsctl.jobs.logs import read_tail
from evsctl.jobs.overrides import NO_OVERRIDES, RequestOverrides
from evsctl.jobs.plan import SubmissionPlan, look_around, plan_submission
from evsctl.jobs.ports import choose_port
from evsctl.jobs.submit import submit_plan
from evsctl.jobs.types import ACTIVE_STATES, JobPort
from evsctl.models.registry import Registry, load_registry
from evsctl.settings import Settings
from evsctl.status.check import AnswerCheck, check_answers
from evsctl.status.collector import Collector
from evsctl.status.snapshot import ModelRow, SlurmHealth, Snapshot
from evsctl.tui.watched_port import WatchedPort


class Study:
    """Each call opens the database for itself: they come from different threads."""

    def __init__(self, settings: Settings, registry: Registry, port: JobPort, *, read_only: bool = False) -> None:
        self.settings = settings
        self.registry = registry
        self.port = WatchedPort(port)
        self.place = settings.database.path.name if settings.database.path else settings.database.display
        self.read_only = "Read-only: started with --read-only, so nothing is submitted or cancelled here." if read_only else ""
        if not self.read_only and not _may_write(settings):
            self.read_only = f"Read-only: {settings.database.display} is not yours to write, so nothing is submitted or cancelled here."
        self._collector = Collector(settings, registry, self.port)

    @property
    def commands(self) -> list[str]:
        """Every command that was run for this window, oldest first."""
        return self.port.commands

    def look(self) -> Snapshot:
        """Files and database; a database that is locked before it was ever read becomes a sentence too."""
        try:
            return self._collector.look()
        except DatabaseError as error:
            return Snapshot(
                as_of=0.0,
                db=self.settings.database.display,
                study=self.settings.study.name,
                prompts=0,
                models=(),
                slurm=SlurmHealth(self.port.name, False, None, partition=self.settings.cluster.partition),
                errors=(str(error),),
            )

    def poll(self, *, force: bool = False) -> None:
        """Ask SLURM when that is due, or forced."""
        self._collector.poll(force=force)

    def plan(self, model_id: str, overrides: RequestOverrides = NO_OVERRIDES) -> SubmissionPlan:
        """The plan of the model's next job, with what stands in its way as data; journals are merged first."""
        best_effort_sync(self.settings.database)
        with open_database(self.settings.database) as db:
            return plan_submission(db, self.settings, self.registry, self.port, model_id, overrides=overrides, hypothetical=True)

    def submit(self, plan: SubmissionPlan) -> Submission:
        """Hand the job over and write the ledger."""
        with open_database(self.settings.database, write=True) as db:
            return submit_plan(db, self.settings, self.port, plan)

    def plan_all(self) -> list[SubmissionPlan]:
        """The plans of all incomplete models of the study without a job, on one look at the queue."""
        best_effort_sync(self.settings.database)
        snapshot = self.look()
        wanted = [row.model_id for row in snapshot.models if row.missing and row.in_study and row.state not in ACTIVE_STATES]
        with open_database(self.settings.database) as db:
            around = look_around(db, self.settings, self.port)
            return [
                plan_submission(db, self.settings, self.registry, self.port, model_id, hypothetical=True, surroundings=around)
                for model_id in wanted
            ]

    def submit_all(self, plans: Sequence[SubmissionPlan]) -> list[Submission]:
        """Hand these jobs over, one after the other; stops at the first that fails."""
        with open_database(self.settings.database, write=True) as db:
            return [submit_plan(db, self.settings, self.port, plan) for plan in plans]

    def check(self, model_id: str) -> AnswerCheck:
        """A look through the model's answers."""
        with open_database(self.settings.database) as db:
            return check_answers(db, model_id, self.settings.study.configs)

    def cancel(self, row: ModelRow) -> list[str]:
        """Cancel the job that the row shows, and no other."""
        if not row.job_id:
            return []
        with open_database(self.settings.database) as db:
            return cancel_jobs(db, self.settings, self.port, [row.job_id])

    def tail(self, path: Path, lines: int) -> list[str]:
        """The last lines of a log."""
        return read_tail(path, lines)


def open_study(settings: Settings, *, read_only: bool = False) -> Study:
    """The study of these settings; raises InputError where there is no database."""
    with contextlib.suppress(DatabaseError):  # locked for now: the dashboard says so and goes on trying
        open_database(settings.database).close()
    return Study(settings, load_registry(settings.folder), choose_port(settings), read_only=read_only)


def _may_write(settings: Settings) -> bool:
    path = settings.database.path
    return path is None or (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
