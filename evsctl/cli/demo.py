"""`evsctl demo`: the whole tool on a small survey of its own, in one command."""

import sys
from pathlib import Path

import click

from evsctl.cli.context import talk


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("evsctl-demo"), show_default=True, help="where the study is built")
@click.option("--no-dashboard", is_flag=True, help="print the final status table instead, as without a terminal")
def demo(folder: Path, no_dashboard: bool) -> int:
    """Build a small survey with invented human answers and three tiny models, run them on this machine, open the dashboard."""
    from evsctl.cli.status import print_snapshot
    from evsctl.demo.build import build_demo
    from evsctl.demo.play import submit_all, wait_and_report

    settings = build_demo(folder.resolve(), talk)
    submit_all(settings, talk)
    if not no_dashboard and sys.stdin.isatty() and sys.stdout.isatty():
        from evsctl.tui.app import run_dashboard

        run_dashboard(settings)
        talk(f"The study stays: cd {settings.folder} && evsctl dashboard      its figures: evsctl figures all")
        return 0
    return int(wait_and_report(settings, print_snapshot, talk))
