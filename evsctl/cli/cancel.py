"""`evsctl cancel`: end jobs of this study."""

import click

from evsctl.cli.context import Study, db_option, talk


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="MODEL|JOB…")
@click.option("--yes", is_flag=True, help="do not ask when there are several")
@click.option("--local", is_flag=True, help="only jobs on this machine")
@db_option
def cancel(targets: tuple[str, ...], yes: bool, local: bool, db: str | None) -> None:
    """Cancel the jobs of models, or jobs. What they have answered is kept; a job its user cancelled is never revived by evsctl."""
    from evsctl.jobs.cancel import cancel_jobs, plan_cancel
    from evsctl.jobs.display import shell_line

    study = Study.here(db)
    with study.open(write=True) as database:
        port = study.port(local=local)
        plan = plan_cancel(database, study.settings, port, targets)
        for command in plan.commands:
            talk(shell_line(command))
        if len(plan.job_ids) > 1 and not yes and not click.confirm(f"Cancel {len(plan.job_ids)} jobs?", err=True):
            raise click.Abort
        for job_id in cancel_jobs(database, study.settings, port, plan.job_ids):
            click.echo(f"{job_id}\tcancelled")
