"""Settings of a study: evsctl.toml < EVSCTL_* variables < flags, validated once, into one frozen object."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from evsctl.errors import InputError
from evsctl.files import nearest_name

CONFIG_NAME = "evsctl.toml"
DATABASE_NAME = "survey.db"
POLL_FLOOR_SECONDS = 10


@dataclass(frozen=True, slots=True)
class StudySettings:
    """`[study]`: what belongs to the study."""

    name: str = "study"
    """Part of every job's name: `evs-<name>-<model>`."""
    configs: tuple[str, ...] = ("legacy", "rephrase")
    """Prompt configurations that count as work to do."""
    models: tuple[str, ...] = ()
    """Model ids of the study proper; empty means every registered model that the registry puts in a study."""
    templates: str = ""
    """A folder whose job script templates win over the packaged ones."""


@dataclass(frozen=True, slots=True)
class Caps:
    """`[cluster.caps]`: what no request may exceed, whatever the advice says; 0 means no cap."""

    memory_gb: int = 0
    walltime_minutes: int = 0
    gpus: int = 0
    attempts: int = 0
    gpu_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """`[cluster]`: how this site wants to be asked."""

    backend: str = ""
    """`cli`, `local` or `pyslurm`; empty: `cli` where sbatch is installed, else `local`."""
    partition: str = ""
    account: str = ""
    qos: str = ""
    cpus: int = 4
    extra_sbatch: tuple[str, ...] = ()
    poll: float = 30.0
    """Seconds between two squeue calls, at least 10."""
    caps: Caps = Caps()


@dataclass(frozen=True, slots=True)
class JobSettings:
    """`[job]`: what a job script does before it starts the engine."""

    prelude: tuple[str, ...] = ()
    """Shell lines such as `module load …`, run in the job as they are."""
    env: Mapping[str, str] = field(default_factory=lambda: {"HF_HUB_OFFLINE": "1"})


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
        """The location without any password, for messages and headers."""
        if self.path is not None:
            return str(self.path)
        head, _, tail = self.url.rpartition("@")
        return f"{head.partition('://')[0]}://{tail}" if head else self.url


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a command may need to know about the study and the site."""

    folder: Path
    """The study's folder: where evsctl.toml or the database was found, else the working directory."""
    database: DatabaseLocation
    config_file: Path | None = None
    study: StudySettings = StudySettings()
    cluster: ClusterSettings = ClusterSettings()
    job: JobSettings = JobSettings()
    gpus: Mapping[str, float] = field(default_factory=dict)
    """`[gpus]`: memory in GB by GPU class, where the site's cards differ from the catalogue's."""


def load_settings(start: Path | None = None, environ: Mapping[str, str] | None = None, db: str | None = None) -> Settings:
    """Read the settings that hold in the folder `start` (default: here).

    The database is `db`, else `EVSCTL_DB`, else `evsctl.toml` or `survey.db` searched upwards from `start`.
    It need not exist: commands that create one are told where. Raises InputError naming file and key.
    """
    start = (start or Path.cwd()).resolve()
    environ = os.environ if environ is None else environ
    found = _search_upwards(start, environ)
    config_file = found if found is not None and found.name == CONFIG_NAME else None
    if db and (beside := Path(db).parent / CONFIG_NAME).is_file() and "://" not in db:
        config_file = beside.resolve()
    table = _read_toml(config_file) if config_file else {}
    table = _apply_environment(table, environ)
    database = _locate_database(start, environ, db, config_file, found, table)
    origin = str(config_file or "EVSCTL_* environment")
    cluster = _section(ClusterSettings, {k: v for k, v in table.get("cluster", {}).items() if k != "caps"}, "cluster", origin)
    cluster = replace(cluster, caps=_section(Caps, table.get("cluster", {}).get("caps", {}), "cluster.caps", origin))
    if cluster.poll < POLL_FLOOR_SECONDS:
        raise InputError(f"{origin}: [cluster] poll = {cluster.poll:g} asks SLURM too often.", f"Use {POLL_FLOOR_SECONDS} seconds or more.")
    return Settings(
        folder=config_file.parent if config_file else (database.path.parent if database.path else start),
        database=database,
        config_file=config_file,
        study=_section(StudySettings, table.get("study", {}), "study", origin),
        cluster=cluster,
        job=_section(JobSettings, table.get("job", {}), "job", origin),
        gpus={str(k): float(v) for k, v in table.get("gpus", {}).items()},
    )


def _search_upwards(start: Path, environ: Mapping[str, str]) -> Path | None:
    stop = Path(environ.get("HOME", "/")).resolve()
    for folder in (start, *start.parents):
        for name in (CONFIG_NAME, DATABASE_NAME):
            if (folder / name).is_file():
                return folder / name
        if folder == stop:
            return None
    return None


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {error}.", "Correct that line.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "Check its permissions and its encoding (UTF-8).") from error
    known = {"database", "study", "cluster", "job", "gpus"}
    for key in table:
        if key not in known:
            raise InputError(f"{path}: unknown key '{key}'.", nearest_name(key, known) or f"Known: {', '.join(sorted(known))}.")
    return table


_ENVIRONMENT_SECTIONS = {"STUDY": StudySettings, "CLUSTER": ClusterSettings, "JOB": JobSettings}


def _apply_environment(table: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """Lay `EVSCTL_CLUSTER_PARTITION=gpu` and its like over the file's tables; lists are split at commas."""
    merged = {k: dict(v) if isinstance(v, dict) else v for k, v in table.items()}
    for section, cls in _ENVIRONMENT_SECTIONS.items():
        for item in fields(cls):
            value = environ.get(f"EVSCTL_{section}_{item.name.upper()}")
            if value is None or item.name in ("caps", "env"):
                continue
            kind = str(item.type)
            merged.setdefault(section.lower(), {})[item.name] = _from_text(kind, value, f"EVSCTL_{section}_{item.name.upper()}")
    return merged


def _from_text(kind: str, value: str, name: str) -> object:
    try:
        if "tuple" in kind:
            return [part.strip() for part in value.split(",") if part.strip()]
        if "int" in kind:
            return int(value)
        if "float" in kind:
            return float(value)
    except ValueError as error:
        raise InputError(f"{name}='{value}' is not a number.", "Unset it or give a number.") from error
    return value


def _section(cls: type[Any], table: Any, name: str, origin: str) -> Any:
    if not isinstance(table, dict):
        raise InputError(f"{origin}: [{name}] is not a table.", f"Write it as [{name}] with keys below.")
    known = {item.name: str(item.type) for item in fields(cls)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise InputError(f"{origin}: unknown key '{key}' in [{name}].", nearest_name(key, known) or f"Known: {', '.join(sorted(known))}.")
        values[key] = _checked(known[key], value, f"{origin}: [{name}] {key}")
    return cls(**values)


def _checked(kind: str, value: Any, where: str) -> Any:
    wanted: tuple[type, ...]
    if "tuple" in kind:
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
        raise InputError(f"{where} must be a list of strings, not {value!r}.", 'Write ["…", "…"].')
    if "Mapping" in kind:
        if isinstance(value, dict):
            return {str(k): str(v) for k, v in value.items()}
        raise InputError(f"{where} must be a table, not {value!r}.", 'Write { NAME = "value" }.')
    wanted, word = {"int": ((int,), "a whole number"), "float": ((int, float), "a number")}.get(kind_name(kind), ((str,), "a string"))
    if not isinstance(value, wanted) or isinstance(value, bool):
        raise InputError(f"{where} must be {word}, not {value!r}.", "Correct it there.")
    return value


def kind_name(kind: str) -> str:
    """`int` for both `int` and `<class 'int'>`, the two ways dataclasses spell a field's type."""
    return kind.removeprefix("<class '").removesuffix("'>")


def _locate_database(
    start: Path, environ: Mapping[str, str], db: str | None, config_file: Path | None, found: Path | None, table: Mapping[str, Any]
) -> DatabaseLocation:
    if db:
        return database_location(db, start, "--db")
    if environ.get("EVSCTL_DB"):
        return database_location(environ["EVSCTL_DB"], start, "EVSCTL_DB")
    if config_file is not None:
        return database_location(str(table.get("database", DATABASE_NAME)), config_file.parent, CONFIG_NAME)
    if found is not None:
        return database_location(str(found), start, "search")
    return database_location(DATABASE_NAME, start, "search")


def database_location(name: str, folder: Path, source: str) -> DatabaseLocation:
    """Turn a file name or an SQLAlchemy URL into a location; relative names count from `folder`."""
    if "://" in name and not name.startswith("sqlite:///"):
        url = name.replace("postgresql://", "postgresql+psycopg://", 1).replace("postgres://", "postgresql+psycopg://", 1)
        return DatabaseLocation(url=url, path=None, runs_dir=folder / "survey.runs", source=source)
    path = Path(name.removeprefix("sqlite:///")).expanduser()
    path = path if path.is_absolute() else (folder / path)
    path = path.resolve()
    return DatabaseLocation(url=f"sqlite:///{path}", path=path, runs_dir=path.with_suffix(".runs"), source=source)
