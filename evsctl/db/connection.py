"""Opening the survey database: for reading as it is, for writing after its own tables are up to date."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, inspect

from evsctl.db.adopt import AdoptionReport, adopt_field_database
from evsctl.db.engines import BUSY_SECONDS, WRITES, may_write, reading_mode, server_engine, sqlite_engine
from evsctl.db.lease import Lease, acquire_lease
from evsctl.db.schema import FIELD
from evsctl.db.steps import LATEST, apply_steps, create_field_tables, current_step, missing_from_field
from evsctl.errors import DatabaseError, InputError
from evsctl.files import PRIVATE_FILE_MODE, make_private_folder
from evsctl.journal.paths import RunsFolder
from evsctl.settings import DatabaseLocation

LEASE_SECONDS = 30.0
"""How long a command that writes waits for another that does."""
SERVER_LOCK = 0x65767363746C
"""PostgreSQL's advisory lock for writers: two runs folders may lead to one server."""


class Database:
    """An open survey database; a context manager that closes it."""

    def __init__(
        self, location: DatabaseLocation, engine: Engine, *, read_only: bool, step: int, adoption: AdoptionReport | None = None
    ) -> None:
        self.location = location
        self.url = location.url
        self.path = location.path
        self.engine = engine
        self.read_only = read_only
        """Opened for reading: whatever writes refuses."""
        self.step = step
        """The newest step of evsctl's own tables; 0 for a field database that was not adopted yet."""
        self.adoption = adoption
        """What adopting it did, where opening it did so."""

    @property
    def runs(self) -> RunsFolder:
        """The folder of journals that belongs to this database."""
        return RunsFolder(self.location.runs_dir)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database from its first statement to its end."""
        with self.engine.connect() as conn:
            yield conn

    @contextmanager
    def writing(self, lease: Lease | None = None, wait_seconds: float = LEASE_SECONDS) -> Iterator[Connection]:
        """One transaction under the study's lease, which is checked again right before the commit.

        Raises DatabaseError where the database was opened for reading, or the lease is held or lost; nothing is written then.
        """
        if self.read_only:
            raise DatabaseError(f"{self.location.display} was opened for reading.", "Open it for writing.")
        if lease is None:
            with acquire_lease(self.runs, wait_seconds=wait_seconds) as own, self.writing(own) as conn:
                yield conn
            return
        with self.engine.connect() as plain:
            conn = plain.execution_options(**{WRITES: True})
            with conn.begin():
                if conn.dialect.name == "postgresql":
                    conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SERVER_LOCK})")
                yield conn
                lease.check()

    def close(self) -> None:
        """Let go of the file or the server."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_database(location: DatabaseLocation, *, write: bool = False, create: bool = False, busy_seconds: float = BUSY_SECONDS) -> Database:
    """Open the survey database; `create` makes it where there is none and implies `write`.

    A field database opens as it is; the first opening for writing adopts it (db/adopt.py). Raises InputError where
    there is none, or it is no survey database; DatabaseError where it is locked for longer than `busy_seconds`, or
    cannot be written.
    """
    write = write or create
    if (path := location.path) is not None:
        if path.is_dir():
            raise InputError(f"{path} is a folder.", f"Name the file, such as `--db {path / 'survey.db'}`.")
        if not path.exists() or path.stat().st_size == 0:  # an empty file is what a creation that was cut short leaves
            if not create:
                raise _missing(location)
            _create_file(path)
    engine = _writing_engine(location, busy_seconds) if write else _reading_engine(location, busy_seconds)
    try:
        with engine.connect() as conn:
            tables = set(inspect(conn).get_table_names())
            step = current_step(conn)
            if not (create and not tables):
                _check_tables(conn, location, step)
            if write and step:
                _leave_wal(conn)
        database = Database(location, engine, read_only=not write, step=step)
        if write and step != LATEST:
            _prepare(database, create, busy_seconds)
    except BaseException:
        engine.dispose()
        raise
    return database


def _missing(location: DatabaseLocation) -> InputError:
    searched = "here and in the folders above there is none; it would be" if location.source == "search" else f"{location.source} names"
    return InputError(
        f"There is no survey database: {searched} {location.display}.",
        "Go to the study's folder, name it with `--db`, or make one with `evsctl survey populate`.",
    )


def _create_file(path: Path) -> None:
    """An empty file of the right mode, before SQLite would make one by the umask."""
    try:
        make_private_folder(path.parent)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE))
    except FileExistsError:
        pass
    except OSError as error:
        raise DatabaseError(f"{path} cannot be created: {error.strerror}.", "Check who owns the folder.") from error


def _reading_engine(location: DatabaseLocation, busy_seconds: float) -> Engine:
    if location.path is None:
        return server_engine(location, query_only=True)
    return sqlite_engine(location, reading_mode(location, busy_seconds), query_only=True, busy_seconds=busy_seconds)


def _writing_engine(location: DatabaseLocation, busy_seconds: float) -> Engine:
    path = location.path
    if path is None:
        return server_engine(location, query_only=False)
    if not may_write(path):
        raise DatabaseError(
            f"{location.display} cannot be written.", "Check who owns the file and its folder; reading commands still work."
        )
    return sqlite_engine(location, "mode=rw", query_only=False, busy_seconds=busy_seconds)


def _leave_wal(conn: Connection) -> None:
    """Another tool may have put the file back into WAL, which cluster file systems do not carry."""
    if conn.dialect.name == "sqlite" and conn.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal":
        conn.rollback()
        raw = conn.connection.dbapi_connection
        assert raw is not None
        raw.cursor().execute("PRAGMA journal_mode=DELETE")


def _check_tables(conn: Connection, location: DatabaseLocation, step: int) -> None:
    if step == 0 and (missing := missing_from_field(conn)):
        raise InputError(
            f"{location.display} is no survey database: it lacks {', '.join(missing[:5])}.",
            "Name the right one with `--db`, or make one with `evsctl survey populate`.",
        )


def _prepare(database: Database, create: bool, busy_seconds: float) -> None:
    """Make, adopt or migrate, under the lease; another process may have done it since the first look."""
    location = database.location
    with acquire_lease(database.runs, wait_seconds=LEASE_SECONDS) as lease:
        with database.engine.connect() as conn:
            step = current_step(conn)
            empty = not set(inspect(conn).get_table_names()) & set(FIELD.tables)
        if step == 0 and not empty:
            database.adoption = adopt_field_database(location, lease, busy_seconds=busy_seconds)
        elif step != LATEST:
            with database.writing(lease) as conn:
                if empty and create:
                    create_field_tables(conn)
                apply_steps(conn)
    database.step = LATEST
