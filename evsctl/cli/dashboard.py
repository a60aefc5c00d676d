"""`evsctl dashboard`: the control panel."""

import sys

import click

from evsctl.cli.context import Study, db_option
from evsctl.errors import InputError


@click.command()
@click.option("--read-only", is_flag=True, help="look, but submit and cancel nothing")
@click.option("--low-bandwidth", is_flag=True, help="for slow lines; the default over SSH")
@click.option("--ascii", "ascii_only", is_flag=True, help="no characters beyond ASCII")
@db_option
def dashboard(read_only: bool, low_bandwidth: bool, ascii_only: bool, db: str | None) -> None:
    """The control panel over jobs, progress, logs and plans; `?` shows its keys."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("The dashboard needs a terminal.", "`evsctl status` prints the same as a table, `evsctl status --json` as data.")
    study = Study.here(db)
    study.check_models()
    with study.open():
        pass
    from evsctl.tui.app import run_dashboard

    run_dashboard(study.settings, read_only=read_only, low_bandwidth=low_bandwidth, ascii_only=ascii_only)
