"""`evsctl figures`: draw them."""

from pathlib import Path

import click

from evsctl.cli.context import Study, db_option, talk
from evsctl.errors import ExitCode, InputError
from evsctl.files import nearest_name


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), help="where to (default: figures/ beside the database)")
@click.option("--models", help="only these models, comma-separated")
@click.option("--config", "config", help="only this prompt configuration (default: those of the study)")
@click.option("--items", type=click.Choice(["all", "clean"]), default="all", show_default=True, help="clean: without flagged questions")
@db_option
def figures(names: tuple[str, ...], out: Path | None, models: str | None, config: str | None, items: str, db: str | None) -> int:
    """Draw figures as PDF, PNG and CSV, with an index page: `all`, or their NAMES."""
    from evsctl.analysis.report import FIGURES, draw_figures
    from evsctl.db.sources import human_source_note
    from evsctl.db.sync import best_effort_sync

    wanted = None if "all" in names else list(names)
    for name in wanted or ():
        if name not in FIGURES:
            raise InputError(f"Unknown figure '{name}'.", nearest_name(name, FIGURES) or f"Known: all, {', '.join(FIGURES)}.")
    study = Study.here(db)
    with study.open() as database:
        best_effort_sync(study.settings.database)
        folder = out or study.settings.folder / "figures"
        chosen = [m.strip() for m in models.split(",")] if models else None
        results = draw_figures(
            database,
            study.settings,
            wanted,
            folder,
            models=chosen,
            configs=[config] if config else None,
            items=items,
            human_note=human_source_note(database),
        )
    for result in results:
        files = ", ".join(sorted(path.name for path in result.files))
        click.echo(f"{result.name:14} {result.status:8} {files or result.sentence}")
    talk(f"index: {folder / 'index.html'}")
    return ExitCode.GOOD
