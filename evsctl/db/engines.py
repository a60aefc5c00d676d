"""How a database is reached: SQLAlchemy engines for SQLite files and servers, and driver errors in plain words."""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from evsctl.errors import DatabaseError, EvsctlError, InputError
from evsctl.settings import DatabaseLocation

BUSY_SECONDS = 5.0
WRITES = "evsctl_writes"
"""Execution option of a connection whose transactions write: they take SQLite's write lock at their beginning."""


def sqlite_connection(path: Path, query: str, busy_seconds: float) -> sqlite3.Connection:
    """A bare connection to a SQLite file; `query` is the URI's, such as `mode=ro`."""
    conn = sqlite3.connect(
        f"file:{quote(str(path))}?{query}", uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
    )
    conn.execute("PRAGMA foreign_keys=ON")
    return conn


def reading_mode(location: DatabaseLocation, busy_seconds: float) -> str:
    """How a SQLite file is opened for reading, as the query of its URI.

    With write permission where there is one, since only so a crashed writer's journal is rolled back; but a WAL
    database, which is the field's, never: closing it would write. One in a folder that cannot be written is opened as
    unchangeable, which misses nothing while there is no log beside it.
    """
    path = location.path
    assert path is not None
    mode, code = _look(location, path, busy_seconds)
    if may_write(path) and mode != "wal":
        return "mode=rw"
    logs = [path.with_name(path.name + ending) for ending in ("-wal", "-journal")]
    unshared = code & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
    if unshared and not any(log.exists() and log.stat().st_size for log in logs):
        return "mode=ro&immutable=1"
    return "mode=ro"


def _look(location: DatabaseLocation, path: Path, busy_seconds: float) -> tuple[str, int]:
    """The journal mode of a file, and the code of the error that hid it; raises DatabaseError where it is locked for long."""
    try:
        with closing(sqlite_connection(path, "mode=ro", busy_seconds)) as conn:
            mode = str(conn.execute("PRAGMA journal_mode").fetchone()[0])
            conn.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return mode, 0
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) or 0
        if code & 0xFF == sqlite3.SQLITE_BUSY:
            raise _sqlite_error(error, location) or error from error
        return "", code


def sqlite_engine(location: DatabaseLocation, query: str, *, query_only: bool, busy_seconds: float) -> Engine:
    """An engine on a SQLite file, one fresh connection per use: nothing is held between two uses."""
    path = location.path
    assert path is not None

    def connect() -> sqlite3.Connection:
        conn = sqlite_connection(path, query, busy_seconds)
        # Rows wait in memory until commit: a spilled cache would lock readers out in the middle of a long merge.
        conn.execute("PRAGMA query_only=ON" if query_only else "PRAGMA cache_spill=OFF")
        return conn

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", error_translator(location))
    return engine


def _begin(conn: Connection) -> None:
    conn.exec_driver_sql("BEGIN IMMEDIATE" if conn.get_execution_options().get(WRITES) else "BEGIN")


def server_engine(location: DatabaseLocation, *, query_only: bool) -> Engine:
    """An engine on a database server, by URL; raises InputError where the URL or its driver is wrong."""
    options: dict[str, Any] = {"connect_args": {"connect_timeout": 10}} if location.url.startswith("postgresql") else {}
    try:
        engine = create_engine(location.url, pool_pre_ping=True, **options)
    except (ArgumentError, NoSuchModuleError) as error:
        raise InputError(
            f"'{location.display}' is no database URL that evsctl knows.", "Use postgresql://USER@HOST/NAME, or a file."
        ) from error
    except ModuleNotFoundError as error:
        raise InputError(f"The driver for '{location.display}' is not installed ({error.name}).", "Install evsctl[postgres].") from error
    if query_only:
        engine = engine.execution_options(postgresql_readonly=True)
    event.listen(engine, "handle_error", error_translator(location))
    return engine


def error_translator(location: DatabaseLocation) -> Any:
    """A listener that turns what drivers raise into errors of ours, wherever a statement, a fetch or a commit fails."""

    def translate(context: ExceptionContext) -> None:
        if (error := plain_error(context.original_exception, location)) is not None:
            raise error from context.original_exception

    return translate


def plain_error(error: BaseException, location: DatabaseLocation) -> EvsctlError | None:
    """One sentence and the fix for a driver's error; None where the statement itself is at fault."""
    if isinstance(error, sqlite3.Error):
        return _sqlite_error(error, location)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    if kinds & {"ReadOnlySqlTransaction", "InsufficientPrivilege"}:
        return DatabaseError(
            f"{location.display} cannot be written: {first}.", "Ask its owner for the right to write; reading commands still work."
        )
    if kinds & {"OperationalError", "InterfaceError"}:
        return DatabaseError(f"The database {location.display} is out of reach: {first}.", "Check the server, the URL and the password.")
    return None


def _sqlite_error(error: sqlite3.Error, location: DatabaseLocation) -> EvsctlError | None:
    where = location.display
    code = getattr(error, "sqlite_errorcode", 0) or 0
    if code == sqlite3.SQLITE_READONLY_ROLLBACK:
        return DatabaseError(f"{where} was left in the middle of a write by another user.", "Its owner must open it once: `evsctl sync`.")
    match code & 0xFF:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return DatabaseError(
                f"{where} is locked: another process is writing it.", f"Try again in a moment; `fuser {where}` names the process."
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return DatabaseError(
                f"{where} cannot be written: {error}.", "Check who owns the file and its folder; reading commands still work."
            )
        case sqlite3.SQLITE_CANTOPEN:
            return DatabaseError(f"{where} cannot be opened: {error}.", "Check the permissions of the file and of its folder.")
        case sqlite3.SQLITE_FULL:
            return DatabaseError(
                f"{where} cannot grow: the disk or the quota is full; nothing was written.", "Free space and run it again."
            )
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_PROTOCOL:
            return DatabaseError(
                f"{where}: the file system failed ({error}).",
                "Try again; if it stays so, the file system's locks do not work: move the study to another.",
            )
        case sqlite3.SQLITE_NOTADB:
            return InputError(f"{where} is not a database.", "Name the survey's database with `--db`.")
        case sqlite3.SQLITE_CORRUPT:
            return InputError(f"{where} is damaged ({error}).", "Put back its newest backup, then run `evsctl sync --rebuild`.")
    return None


def insert_rows(conn: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Insert many rows as they are: three times as fast as a statement whose parameters SQLAlchemy prepares one by one."""
    if rows:
        mark = "?" if conn.dialect.paramstyle == "qmark" else "%s"
        places = ", ".join([mark] * len(columns))
        conn.exec_driver_sql(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", [tuple(row) for row in rows])


def may_write(path: Path) -> bool:
    """Whether this user may write the file and make a journal beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
