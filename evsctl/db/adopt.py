"""Adopting a field database: a backup, out of WAL, its rows once as journals, evsctl's own tables beside the five."""

import os
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool

from evsctl.db.engines import error_translator, plain_error, server_engine, sqlite_connection
from evsctl.db.field_journals import write_field_journals
from evsctl.db.lease import Lease
from evsctl.db.steps import apply_steps
from evsctl.db.tally import find_duplicates, refresh_cache
from evsctl.errors import DatabaseError
from evsctl.files import PRIVATE_FILE_MODE
from evsctl.journal.paths import RunsFolder
from evsctl.settings import DatabaseLocation


@dataclass(frozen=True, slots=True)
class AdoptionReport:
    """What adopting did; the five tables are as they were."""

    backup: Path | None
    """The full copy beside the database; None for a server."""
    journals: tuple[Path, ...]
    prompts: int
    """Answered prompts written to the journals."""
    duplicates: int
    """Prompt rows that share their natural key with an earlier one: counted once, never run."""
    problems: tuple[str, ...]
    """What could not be written to a journal, and so lives in the database and its backup alone."""


def adopt_field_database(location: DatabaseLocation, lease: Lease, *, busy_seconds: float) -> AdoptionReport:
    """Take a field database over, under the study's lease; what was done before a crash is done again.

    Raises DatabaseError while another process has it open or writes it; nothing is changed then.
    """
    if location.path is None:
        with server_engine(location, query_only=False).begin() as conn:
            return _take_in(conn, RunsFolder(location.runs_dir), lease, None)
    try:
        with closing(_hold(location.path, busy_seconds)) as raw:
            backup = _back_up(raw, location.path)
            raw.execute("PRAGMA journal_mode=DELETE")
            engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
            event.listen(engine, "begin", lambda conn: conn.exec_driver_sql("BEGIN EXCLUSIVE"))
            event.listen(engine, "handle_error", error_translator(location))
            with engine.begin() as conn:
                return _take_in(conn, RunsFolder(location.runs_dir), lease, backup)
    except sqlite3.Error as error:
        raise plain_error(error, location) or error from error
    except OSError as error:
        raise DatabaseError(
            f"{location.display} cannot be adopted: {error}.", "Free or make room beside it, then run the command again."
        ) from error


def _hold(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection that nobody else can read or write beside, until it is closed: in WAL it is granted only to the last one."""
    conn = sqlite_connection(path, "mode=rw", busy_seconds)
    try:
        conn.execute("PRAGMA locking_mode=EXCLUSIVE")
        conn.execute("BEGIN EXCLUSIVE")
        conn.execute("COMMIT")
    except sqlite3.OperationalError as error:
        conn.close()
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise DatabaseError(
            f"{path} is in use by another process, and a database from the field is adopted only while nothing else has it open.",
            f"End the jobs and programs that use it (`fuser {path}` names them), then run the command again.",
        ) from error
    return conn


def _back_up(source: sqlite3.Connection, path: Path) -> Path:
    """Copy the whole database by SQLite's own backup: a file copy would miss what is still in the write-ahead log."""
    backup = path.with_name(f"{path.name}.backup-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    partial = backup.with_name(f"{backup.name}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE))
    try:
        with closing(sqlite3.connect(partial, isolation_level=None)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
        os.replace(partial, backup)
    finally:
        partial.unlink(missing_ok=True)
    return backup


def _take_in(conn: Connection, runs: RunsFolder, lease: Lease, backup: Path | None) -> AdoptionReport:
    apply_steps(conn)
    journals = write_field_journals(conn, runs)
    refresh_cache(conn)
    duplicates = find_duplicates(conn)
    lease.check()
    return AdoptionReport(
        backup=backup,
        journals=tuple(journals.files),
        prompts=journals.prompts,
        duplicates=len(duplicates.ids) - len(duplicates.groups),
        problems=tuple(journals.problems),
    )
