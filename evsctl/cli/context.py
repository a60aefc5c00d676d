"""What nearly every command begins with: the study's settings, its registry, its database."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import click

from evsctl.errors import InputError
from evsctl.files import nearest_name
from evsctl.journal.paths import RunsFolder
from evsctl.models.registry import Registry, load_registry
from evsctl.settings import Settings, load_settings

if TYPE_CHECKING:
    from evsctl.db.adopt import AdoptionReport
    from evsctl.db.connection import Database
    from evsctl.jobs.types import JobPort

Function = TypeVar("Function", bound=Callable[..., Any])


def db_option(function: Function) -> Function:
    """`--db`: a file or an SQLAlchemy URL."""
    return click.option(
        "--db", metavar="FILE|URL", help="The study's database (default: EVSCTL_DB, evsctl.toml, or survey.db upwards from here)."
    )(function)


def json_option(function: Function) -> Function:
    """`--json`: data for programs on standard output."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


@dataclass
class Study:
    """The study a command was called in."""

    settings: Settings

    @classmethod
    def here(cls, db: str | None) -> "Study":
        """The study of the working directory, or of `--db`."""
        return cls(load_settings(db=db))

    @cached_property
    def registry(self) -> Registry:
        """Packaged models and the study's own."""
        return load_registry(self.settings.folder)

    def check_models(self) -> None:
        """Raise InputError where `[study] models` names one that is not registered: it would silently be no work."""
        for model_id in self.settings.study.models:
            if self.registry.find(model_id) is None:
                where = self.settings.config_file or "EVSCTL_STUDY_MODELS"
                hint = nearest_name(model_id, self.registry.models) or "`evsctl models add` registers one."
                raise InputError(f"{where}: [study] models names '{model_id}', which is not registered.", hint)

    @property
    def runs(self) -> RunsFolder:
        """The folder of manifests, journals and logs."""
        return RunsFolder(self.settings.database.runs_dir)

    def open(self, *, write: bool = False, create: bool = False) -> "Database":
        """Open the database; the caller closes it."""
        from evsctl.db.connection import open_database

        if write:
            self._refuse_legacy_writers()
        database = open_database(self.settings.database, write=write, create=create)
        if database.adoption is not None:
            _tell_of_adoption(database.adoption)
        return database

    def _refuse_legacy_writers(self) -> None:
        """Before a field database is adopted nobody may be writing it; a queued job of the old scripts will."""
        from evsctl.db.connection import open_database
        from evsctl.jobs.legacy import refuse_legacy_writers

        path = self.settings.database.path
        if path is None or not path.exists() or path.stat().st_size == 0:
            return
        with open_database(self.settings.database) as database:
            was_adopted = database.step > 0
        if not was_adopted:
            refuse_legacy_writers(path)

    def port(self, *, local: bool = False) -> "JobPort":
        """The batch system of the study, or this machine."""
        from evsctl.jobs.ports import choose_port

        return choose_port(self.settings, "local" if local else None)


def _tell_of_adoption(report: "AdoptionReport") -> None:
    """Say once what happened to a database that was here before evsctl."""
    backup = f", and a whole copy is {report.backup}" if report.backup else ""
    talk(
        f"A database from before evsctl: its five tables stay as they are, {report.prompts:,} answered prompts are in journals too{backup}."
    )
    if report.duplicates:
        talk(f"{report.duplicates:,} prompts stand in it twice: each is counted once, and none of the second ones is run.")
    for problem in report.problems:
        talk(problem)


def talk(message: str) -> None:
    """Say something to the person: standard error, so that standard output stays data."""
    click.echo(message, err=True)


def print_json(value: object) -> None:
    """Print one JSON document."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=str)
    sys.stdout.write("\n")
