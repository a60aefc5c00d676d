"""`evsctl status`: the same Snapshot that the dashboard shows, as a table or as JSON."""

import time
from typing import TYPE_CHECKING

import click

from evsctl.cli.context import Study, db_option, json_option, print_json
from evsctl.errors import ExitCode

if TYPE_CHECKING:
    from evsctl.status.snapshot import Snapshot


@click.command()
@click.option("--watch", is_flag=True, help="again at every poll, until ctrl-c")
@db_option
@json_option
def status(watch: bool, db: str | None, as_json: bool) -> int:
    """Progress of every model with the state of its job, and what to do about it.

    Ends with 1 when a model needs attention or SLURM is out of reach.
    """
    from evsctl.status.collector import Collector

    study = Study.here(db)
    with study.open():
        pass  # a study that is not there is said before anything is asked of SLURM
    study.check_models()
    collector = Collector(study.settings, study.registry, study.port())
    while True:
        snapshot = collector.collect()
        if as_json:
            print_json(snapshot.to_json())
        else:
            if watch:
                click.clear()
            print_snapshot(snapshot)
        if not watch:
            return exit_code(snapshot)
        time.sleep(study.settings.cluster.poll)


def print_snapshot(snapshot: "Snapshot") -> None:
    """Print a snapshot as a table as wide as the terminal; 120 columns where there is none."""
    import shutil

    from rich.console import Console

    from evsctl.status.table import status_table

    width = shutil.get_terminal_size((120, 24)).columns
    Console(width=width, highlight=False).print(status_table(snapshot, width))


def exit_code(snapshot: "Snapshot") -> ExitCode:
    """1 where a person is needed."""
    return ExitCode.NEEDS_ATTENTION if snapshot.attention or not snapshot.slurm.reachable else ExitCode.GOOD
