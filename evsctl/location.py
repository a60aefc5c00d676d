"""Where a study is: its folder, its evsctl.toml, its database."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from evsctl.errors import InputError
from evsctl.files import nearest_name

CONFIG_NAME = "evsctl.toml"
DATABASE_NAME = "survey.db"
SECTIONS = ("study", "cluster", "job", "gpus")

_HOSTS = r"(?:\[[^\]/@?]*\]|[^:/@?,]*)(?::\d+)?(?:,[^:/@?,]*(?::\d+)?)*"
_SERVER_URL = re.compile(rf"(?P<scheme>[\w+]+)://(?:[^@?]*@)?(?P<shown>{_HOSTS}(?:/[^@?]*)?)(?:\?[^@]*)?")


@dataclass(frozen=True, slots=True)
class DatabaseLocation:
    """Where the survey database is, and how that was decided."""

    url: str
    """SQLAlchemy URL; `sqlite:///…` or `postgresql+psycopg://…`."""
    path: Path | None
    """The file of a SQLite database, absolute; None for a server."""
    runs_dir: Path
    """`survey.runs` beside it: manifests, journals, heartbeats, logs."""
    source: str
    """`--db`, `EVSCTL_DB`, `evsctl.toml` or `search`."""

    @property
    def display(self) -> str:
        """The location for messages and headers: no user, no password, no options, which may hold one too."""
        if self.path is not None:
            return str(self.path)
        known = _SERVER_URL.fullmatch(self.url)
        # Where a sign of the password is not escaped nobody knows where it ends: then nothing is shown.
        return f"{known['scheme']}://{known['shown']}" if known else f"{self.url.partition('://')[0]}://…"


@dataclass(frozen=True, slots=True)
class StudyPlace:
    """What was found."""

    folder: Path
    database: DatabaseLocation
    config_file: Path | None = None
    table: Mapping[str, Any] = field(default_factory=dict)
    """What evsctl.toml holds."""


def find_study(start: Path, environ: Mapping[str, str], db: str | None = None) -> StudyPlace:
    """The study that the folder `start` belongs to.

    A database named by `db`, else `EVSCTL_DB`, brings the evsctl.toml beside it, or else the one searched upwards. Without
    one, the nearest evsctl.toml or `survey.db` upwards from `start` counts. Raises InputError naming file and key.
    """
    name, source = (db, "--db") if db else (environ.get("EVSCTL_DB", ""), "EVSCTL_DB")
    if name:
        return _place_of(database_location(name, start, source), start, environ)
    for folder in _upwards(start, environ):
        if _is_file(folder / CONFIG_NAME):
            table = read_config(folder / CONFIG_NAME)
            return StudyPlace(folder, _own_database(folder, table), folder / CONFIG_NAME, table)
        if _is_file(folder / DATABASE_NAME):
            return _place_of(database_location(DATABASE_NAME, folder, "search"), folder, environ)
    return StudyPlace(start, database_location(DATABASE_NAME, start, "search"))


def _place_of(database: DatabaseLocation, start: Path, environ: Mapping[str, str]) -> StudyPlace:
    """The study of a database: its own evsctl.toml is the one beside it, or one further up that names it."""
    beside = database.path.parent if database.path is not None else None
    searched = (folder for folder in _upwards(start, environ) if _is_file(folder / CONFIG_NAME))
    config_folder = beside if beside is not None and _is_file(beside / CONFIG_NAME) else next(searched, None)
    if config_folder is None:
        return StudyPlace(beside or start, database)
    config = config_folder / CONFIG_NAME
    table = read_config(config)
    named = database.source != "search"
    is_own = database.path is None or config_folder == beside or _own_database(config_folder, table).path == database.path
    if not named and not is_own:
        return StudyPlace(beside or start, database)  # somebody else's study further up
    if database.path is None:
        database = replace(database, runs_dir=config_folder / "survey.runs")
    # A database named by hand that is another study's takes this site's settings, and its own folder's models.
    return StudyPlace(config_folder if is_own or beside is None else beside, database, config, table)


def read_config(path: Path) -> dict[str, Any]:
    """Read an evsctl.toml; raises InputError naming the file and what is wrong at its top level."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}.", "Correct that line.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "Check its permissions and its encoding (UTF-8).") from error
    known = ("database", *SECTIONS)
    for key, value in table.items():
        if key not in known:
            raise InputError(f"{path}: unknown key '{key}'.", nearest_name(key, known) or f"Known: {', '.join(sorted(known))}.")
        if key in SECTIONS and not isinstance(value, dict):
            raise InputError(f"{path}: [{key}] is not a table.", f"Write it as [{key}] with keys below.")
    if not isinstance(table.get("database", DATABASE_NAME), str) or not table.get("database", DATABASE_NAME):
        raise InputError(f"{path}: database must be a string, not {table['database']!r}.", "Write a file name or an SQLAlchemy URL.")
    return table


def database_location(name: str, folder: Path, source: str) -> DatabaseLocation:
    """Turn a file name or an SQLAlchemy URL into a location; relative names count from `folder`."""
    if "://" in name and not name.startswith("sqlite:///"):
        url = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", name)
        return DatabaseLocation(url=url, path=None, runs_dir=folder / "survey.runs", source=source)
    path = Path(name.removeprefix("sqlite:///")).expanduser()
    path = path if path.is_absolute() else (folder / path)
    path = path.resolve()
    return DatabaseLocation(url=f"sqlite:///{path}", path=path, runs_dir=path.with_suffix(".runs"), source=source)


def _own_database(folder: Path, table: Mapping[str, Any]) -> DatabaseLocation:
    return database_location(table.get("database", DATABASE_NAME), folder, CONFIG_NAME)


def _upwards(start: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """`start` and the folders above it, up to the home folder where that is one of them."""
    home = Path(environ.get("HOME", "/")).resolve()
    for folder in (start, *start.parents):
        yield folder
        if folder == home:
            return


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder above that one may pass through and not look into
        return False
