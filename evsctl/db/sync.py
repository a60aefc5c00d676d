"""Sync: what journals hold and the database lacks becomes rows, whole prompts only, once."""

import time
from dataclasses import dataclass

from evsctl.db.batch import Batch, forget_lost, has_news
from evsctl.db.connection import Database, open_database
from evsctl.db.engines import may_write
from evsctl.db.lease import Lease, acquire_lease
from evsctl.db.merge import SyncReport, SyncTally, past, report_of
from evsctl.db.rebuild import rebuild_results
from evsctl.db.state import read_last_sync, write_last_sync
from evsctl.db.steps import LATEST
from evsctl.errors import DatabaseError, EvsctlError
from evsctl.journal.paths import RunsFolder
from evsctl.settings import DatabaseLocation

LINES_PER_COMMIT = 5000
BEST_EFFORT_SECONDS = 0.2
BEST_EFFORT_BUSY_SECONDS = 0.1
NOTE_SECONDS = 60.0
"""How old the last sync's time may grow while there is nothing to merge."""


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What a best-effort sync came to: its report, or why there is none."""

    report: SyncReport | None
    reason: str


def sync_journals(db: Database, runs: RunsFolder, *, wait_seconds: float = 30.0, budget_seconds: float | None = None) -> SyncReport:
    """Merge what the journals hold and the database lacks; doing it twice changes nothing.

    Waits at most `wait_seconds` for another holder of the lease. With `budget_seconds` it stops at a line boundary.
    Raises DatabaseError where the lease is held, or the database cannot be written.
    """
    deadline = None if budget_seconds is None else time.monotonic() + budget_seconds
    if db.read_only:
        raise DatabaseError(f"{db.location.display} was opened for reading.", "Open it for writing.")
    with acquire_lease(runs, wait_seconds=wait_seconds) as lease:
        return sync_under(db, runs, lease, deadline)


def sync_under(db: Database, runs: RunsFolder, lease: Lease, deadline: float | None = None) -> SyncReport:
    """Sync under a lease that the caller holds, in transactions of some thousand lines."""
    tally = SyncTally()
    finished = healed = False
    while not finished:
        with db.writing(lease) as conn:
            if deadline is None and not healed:
                forget_lost(conn)
                healed = True
            finished = Batch(conn, runs, tally, deadline, LINES_PER_COMMIT).run()
            write_last_sync(conn, time.time())
        if past(deadline):
            break
    return report_of(tally, finished)


def best_effort_sync(location: DatabaseLocation) -> SyncOutcome:
    """Sync as reading commands do: without waiting, for a fifth of a second, and never with an exception."""
    deadline = time.monotonic() + BEST_EFFORT_SECONDS
    try:
        if reason := _why_not(location):
            return SyncOutcome(None, reason)
        with open_database(location, write=True, busy_seconds=BEST_EFFORT_BUSY_SECONDS) as db:
            return SyncOutcome(_hasty_sync(db, deadline), "")
    except EvsctlError as error:
        return SyncOutcome(None, error.message)
    except Exception as error:  # noqa: BLE001  # a reading command shows what there is, whatever a sync stumbles over
        return SyncOutcome(None, f"{type(error).__name__}: {error}")


def _why_not(location: DatabaseLocation) -> str:
    if location.path is not None:
        if not location.path.exists():
            return f"there is no database {location.display}."
        if not may_write(location.path):
            return f"{location.display} is read-only here: shown as it is, journals are not merged."
    with open_database(location, busy_seconds=BEST_EFFORT_BUSY_SECONDS) as db:
        if db.step == 0:
            return "this is a database from the field: `evsctl sync` adopts it first."
        if db.step != LATEST:
            return "the database's own tables are of another release: `evsctl sync` brings them up to date."
    return ""


def _hasty_sync(db: Database, deadline: float) -> SyncReport:
    with db.reading() as conn:
        last = read_last_sync(conn) or 0.0
        if not has_news(conn, db.runs) and time.time() - last < NOTE_SECONDS:
            return report_of(SyncTally(), True)
    with acquire_lease(db.runs, wait_seconds=0.0) as lease:
        return sync_under(db, db.runs, lease, deadline)


def last_sync_time(db: Database) -> float | None:
    """When journals were last merged, in seconds since the epoch; None where they never were."""
    if not db.step:
        return None
    with db.reading() as conn:
        return read_last_sync(conn)


__all__ = ["SyncOutcome", "SyncReport", "best_effort_sync", "last_sync_time", "rebuild_results", "sync_journals"]
