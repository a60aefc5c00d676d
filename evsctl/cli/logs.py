"""`evsctl logs`: what a job printed."""

import time
from pathlib import Path

import click

from evsctl.cli.context import Study, db_option
from evsctl.errors import InputError
from evsctl.files import nearest_name

FOLLOW_SECONDS = 1.0


@click.command()
@click.argument("target", metavar="MODEL|JOB")
@click.option("-f", "--follow", is_flag=True, help="go on with what is written, until ctrl-c")
@click.option("-n", "--lines", type=click.IntRange(min=1), default=100, show_default=True)
@db_option
def logs(target: str, follow: bool, lines: int, db: str | None) -> None:
    """The last lines of the log of a model's newest job, or of a job; control sequences are left out."""
    from evsctl.jobs.logs import LogFollower, read_tail

    path = log_path(Study.here(db), target)
    follower = LogFollower(path, from_end=True)
    if not path.is_file() and not follow:
        raise InputError(f"{path} is not there yet: the job has not started.", "`evsctl jobs` shows its state; -f waits for it.")
    for line in read_tail(path, lines):
        click.echo(line)
    while follow:
        for line in follower.poll():
            click.echo(line)
        time.sleep(FOLLOW_SECONDS)


def log_path(study: Study, target: str) -> Path:
    """The log of the newest job of a model, or of a job id; raises InputError with the nearest name."""
    from evsctl.db.ledger import list_submissions

    with study.open() as database:
        submissions = list_submissions(database)
    for submission in reversed(submissions):
        if target in (submission.job_id, submission.model_id):
            recorded = Path(submission.log_path)
            # A study that was moved or copied has its own log beside its own database.
            here = study.runs.model(submission.model_id).log(submission.job_id)
            return here if here.is_file() else recorded
    known = {submission.model_id for submission in submissions} | {submission.job_id for submission in submissions}
    if study.registry.find(target) is not None:
        raise InputError(f"'{target}' has no job yet.", f"`evsctl submit {target}` makes one.")
    raise InputError(f"No model or job '{target}' has a log.", nearest_name(target, known | set(study.registry.models)))
