"""Cancelling jobs of this study: never another job, never without saying which."""

from collections.abc import Sequence
from dataclasses import dataclass

from evsctl.db.connection import Database
from evsctl.db.ledger import list_submissions
from evsctl.errors import InputError
from evsctl.files import nearest_name
from evsctl.jobs.local_port import LocalPort
from evsctl.jobs.local_state import job_number
from evsctl.jobs.plan import job_name
from evsctl.jobs.types import JobPort, QueueRow
from evsctl.journal.paths import RunsFolder
from evsctl.settings import Settings


@dataclass(frozen=True, slots=True)
class CancelPlan:
    """Which jobs would be cancelled, and how."""

    jobs: tuple[tuple[JobPort, tuple[str, ...]], ...]

    @property
    def job_ids(self) -> list[str]:
        """All of them."""
        return [job_id for _, ids in self.jobs for job_id in ids]

    @property
    def commands(self) -> list[list[str]]:
        """What will be run."""
        return [port.cancel_command(ids) for port, ids in self.jobs]


def plan_cancel(db: Database, settings: Settings, port: JobPort, targets: Sequence[str]) -> CancelPlan:
    """Find the jobs in the queue that belong to the models or job ids given.

    Raises InputError for a target that is neither, or has no job in the queue; SlurmError where the queue cannot be read.
    """
    ports = {port.name: port}
    ports.setdefault("local", LocalPort(RunsFolder(settings.database.runs_dir)))
    queues = {name: each.queue() for name, each in ports.items()}
    ledger = list_submissions(db)
    ours = {s.job_id: s.model_id for s in ledger}
    models = {s.model_id for s in ledger}
    chosen: dict[str, list[str]] = {}
    for target in targets:
        found = [(name, row) for name, rows in queues.items() for row in rows if _fits(target, row, ours, settings)]
        if not found:
            raise _nothing_found(target, models, ours)
        for name, row in found:
            chosen.setdefault(name, []).append(row.job_id)
    return CancelPlan(tuple((ports[name], tuple(dict.fromkeys(ids))) for name, ids in chosen.items()))


def cancel_jobs(db: Database, settings: Settings, port: JobPort, targets: Sequence[str]) -> list[str]:
    """Cancel the jobs of these models or these job ids, and return their ids; raises as `plan_cancel` does."""
    plan = plan_cancel(db, settings, port, targets)
    for each, job_ids in plan.jobs:
        each.cancel(job_ids)
    return plan.job_ids


def _fits(target: str, row: QueueRow, ours: dict[str, str], settings: Settings) -> bool:
    """A job is meant by its id or its model, and is ours by the ledger or by its name."""
    is_ours = row.job_id in ours or row.name.startswith(job_name(settings, ""))
    if target == row.job_id:
        return is_ours
    return ours.get(row.job_id) == target or row.name == job_name(settings, target)


def _nothing_found(target: str, models: set[str], ours: dict[str, str]) -> InputError:
    if target in models or target in ours:
        return InputError(f"'{target}' has no job in the queue.", "`evsctl jobs` shows what there is.")
    if target.isdigit() or job_number(target) is not None:
        return InputError(f"Job {target} is not one of this study's jobs in the queue.", "`scancel` cancels others.")
    return InputError(f"'{target}' has no job in the queue.", nearest_name(target, models) or "`evsctl jobs` shows what there is.")
