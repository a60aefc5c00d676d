"""Settings of a study: evsctl.toml < EVSCTL_* variables < flags, validated once, into one frozen object."""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_origin

from evsctl.errors import InputError
from evsctl.files import nearest_name
from evsctl.location import CONFIG_NAME, DATABASE_NAME, DatabaseLocation, database_location, find_study

__all__ = ["CONFIG_NAME", "DATABASE_NAME", "DatabaseLocation", "Settings", "database_location", "load_settings"]

POLL_FLOOR_SECONDS = 10
BACKENDS = ("cli", "local", "pyslurm")
LEAST = {"cpus": 1, "poll": POLL_FLOOR_SECONDS}
"""The least value of a number; 0 where it is not named."""


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
    """Variables of the job; `HF_HUB_OFFLINE=1` unless it is named here: nodes often reach no hub and wait for it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a command may need to know about the study and the site."""

    folder: Path
    """The study's folder: where its evsctl.toml or its database is, else the working directory."""
    database: DatabaseLocation
    config_file: Path | None = None
    study: StudySettings = StudySettings()
    cluster: ClusterSettings = ClusterSettings()
    job: JobSettings = JobSettings()
    gpus: Mapping[str, float] = field(default_factory=dict)
    """`[gpus]`: memory in GB by GPU class, where the site's cards differ from the catalogue's."""


def load_settings(start: Path | None = None, environ: Mapping[str, str] | None = None, db: str | None = None) -> Settings:
    """Read the settings that hold in the folder `start` (default: here).

    The database is `db`, else `EVSCTL_DB`, else `evsctl.toml` or `survey.db` searched upwards from `start`
    (`evsctl.location`). It need not exist: commands that create one are told where. Raises InputError naming file or
    variable, and key.
    """
    environ = os.environ if environ is None else environ
    place = find_study((start or Path.cwd()).resolve(), environ, db)
    origin = str(place.config_file)
    tables = {name: place.table.get(name, {}) for name in ("study", "cluster", "job", "gpus")}
    caps = _section(Caps, "cluster.caps", tables["cluster"].get("caps", {}), origin, {})
    cluster_table = {key: value for key, value in tables["cluster"].items() if key != "caps"}
    job = _section(JobSettings, "job", tables["job"], origin, environ)
    return Settings(
        folder=place.folder,
        database=place.database,
        config_file=place.config_file,
        study=_section(StudySettings, "study", tables["study"], origin, environ),
        cluster=replace(_section(ClusterSettings, "cluster", cluster_table, origin, environ), caps=caps),
        job=replace(job, env={**JobSettings().env, **job.env}),
        gpus={key: _number(value, f"{origin}: [gpus] {key}", whole=False, least=1) for key, value in tables["gpus"].items()},
    )


def _section(cls: type[Any], name: str, table: Any, origin: str, environ: Mapping[str, str]) -> Any:
    """One table of the file, with `EVSCTL_CLUSTER_PARTITION=gpu` and its like laid over it."""
    if not isinstance(table, dict):
        raise InputError(f"{origin}: [{name}] is not a table.", f"Write it as [{name}] with keys below.")
    known = {item.name: item for item in fields(cls)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            hint = nearest_name(key, known) or f"Known: {', '.join(sorted(known))}."
            raise InputError(f"{origin}: unknown key '{key}' in [{name}].", hint)
        values[key] = _checked(known[key], value, f"{origin}: [{name}] {key}")
    values.update(_from_environment(name, known, environ))
    return cls(**values)


def _from_environment(name: str, known: Mapping[str, "Field[Any]"], environ: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    settable = {key: item for key, item in known.items() if item.type in (str, int, float) or _is_list(item)}
    for variable in sorted(environ):
        prefix, _, key = variable.lower().partition(f"evsctl_{name}_")
        if prefix or not key or not variable.isupper():
            continue
        if key in settable:
            yield key, _checked(settable[key], _from_text(settable[key], environ[variable], variable), variable)
        elif name == "cluster" and key.startswith("caps"):
            raise InputError(f"{variable}: caps are no variables.", f"Write them into {CONFIG_NAME}, under [cluster.caps].")
        elif name != "job" and (hint := nearest_name(key, settable)):  # jobs carry EVSCTL_JOB_* variables of their own
            raise InputError(f"Unknown variable {variable}.", hint)


def _from_text(item: "Field[Any]", text: str, variable: str) -> object:
    """The value of a variable; lists are split at commas."""
    try:
        if _is_list(item):
            return [part.strip() for part in text.split(",") if part.strip()]
        return int(text) if item.type is int else float(text) if item.type is float else text
    except ValueError as error:
        raise InputError(f"{variable}='{text}' is not a number.", "Unset it or give a number.") from error


def _checked(item: "Field[Any]", value: Any, where: str) -> Any:
    if _is_list(item):
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return tuple(value)
        raise InputError(f"{where} must be a list of strings, not {value!r}.", 'Write ["…", "…"].')
    if get_origin(item.type) is Mapping:
        if isinstance(value, dict) and all(isinstance(part, str | int) and not isinstance(part, bool) for part in value.values()):
            return {key: str(part) for key, part in value.items()}
        raise InputError(f"{where} must be a table of strings, not {value!r}.", 'Write { NAME = "value" }.')
    if item.type in (int, float):
        return _number(value, where, whole=item.type is int, least=LEAST.get(item.name, 0))
    if not isinstance(value, str):
        raise InputError(f"{where} must be a string, not {value!r}.", "Correct it there.")
    if item.name == "backend" and value and value not in BACKENDS:
        raise InputError(f"{where} = '{value}' is no backend.", f"Known: {', '.join(BACKENDS)}.")
    return value


def _is_list(item: "Field[Any]") -> bool:
    return get_origin(item.type) is tuple


def _number(value: Any, where: str, *, whole: bool, least: int = 0) -> Any:
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not abs(value) < math.inf:
        raise InputError(f"{where} must be {'a whole number' if whole else 'a number'}, not {value!r}.", "Correct it there.")
    if value < least:
        why = "asks SLURM too often" if least == POLL_FLOOR_SECONDS else "is too small"
        raise InputError(f"{where} = {value:g} {why}.", f"Use {least} {'seconds ' if least == POLL_FLOOR_SECONDS else ''}or more.")
    return value if whole else float(value)
