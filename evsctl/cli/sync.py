"""`evsctl sync`: merge journals into the database."""

import click

from evsctl.cli.context import Study, db_option, json_option, print_json, talk
from evsctl.errors import ExitCode


@click.command()
@click.option("--rebuild", is_flag=True, help="make the results anew from all journals")
@db_option
@json_option
def sync(rebuild: bool, db: str | None, as_json: bool) -> int:
    """Merge what jobs have answered into the database; again and again gives the same."""
    from evsctl.db.sync import rebuild_results, sync_journals

    study = Study.here(db)
    with study.open(write=True) as database:
        report = rebuild_results(database, study.runs) if rebuild else sync_journals(database, study.runs)
    if as_json:
        print_json({"merged": report.merged, "by_model": report.by_model, "refused": report.refused, "problems": list(report.problems)})
    else:
        click.echo(f"{report.merged:,} prompts merged." + "".join(f"\n  {model}: {count:,}" for model, count in report.by_model.items()))
        for reason, count in report.refused.items():
            talk(f"{count:,} not taken: {reason}")
        for problem in report.problems:
            talk(problem)
    return ExitCode.NEEDS_ATTENTION if report.problems else ExitCode.GOOD
