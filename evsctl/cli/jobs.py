"""`evsctl jobs`: the study's jobs, queued and past."""

import time
from typing import TYPE_CHECKING

import click

from evsctl.cli.context import Study, db_option, json_option, print_json, talk
from evsctl.errors import ExitCode, SlurmError

if TYPE_CHECKING:
    from evsctl.db.ledger import Submission
    from evsctl.jobs.types import JobOutcome


@click.group(invoke_without_command=True)
@db_option
@json_option
@click.pass_context
def jobs(ctx: click.Context, db: str | None, as_json: bool) -> int:
    """The study's jobs, newest first: what was asked for, what became of them."""
    if ctx.invoked_subcommand is not None:
        return ExitCode.GOOD
    return _list_jobs(db, as_json)


def _list_jobs(db: str | None, as_json: bool) -> int:
    from evsctl.db.ledger import list_submissions
    from evsctl.jobs.outcomes import read_outcomes

    study = Study.here(db)
    with study.open() as database:
        submissions = list_submissions(database)
        code = ExitCode.GOOD
        try:
            known = read_outcomes(database, study.settings, study.port(), store=False)
        except SlurmError as error:
            talk(f"evsctl: {error}")
            known, code = {}, ExitCode.NEEDS_ATTENTION
    rows = [_row(item, known.get(item.job_id)) for item in reversed(submissions)]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("No jobs yet; `evsctl submit MODEL` makes one.")
    else:
        _print_table(rows)
    return code


def _row(item: "Submission", outcome: "JobOutcome | None") -> dict[str, object]:
    """One job as `--json` prints it."""
    from evsctl.jobs.attempts import request_from_json

    request = request_from_json(item.request)
    return {
        "job_id": item.job_id,
        "model_id": item.model_id,
        "attempt": item.attempt,
        "backend": item.backend,
        "state": outcome.state if outcome else "unknown",
        "detail": outcome.detail if outcome else "",
        "submitted_at": item.submitted_at,
        "memory_gb": request.memory_gb,
        "walltime_minutes": request.walltime_minutes,
        "constraint": request.constraint,
        "max_rss_gb": outcome.max_rss_gb if outcome else None,
        "elapsed_seconds": outcome.elapsed_seconds if outcome else None,
        "nodes": outcome.nodes if outcome else "",
        "log_path": item.log_path,
    }


def _print_table(rows: list[dict[str, object]]) -> None:
    table: list[tuple[str, ...]] = [("JOB", "MODEL", "#", "STATE", "SUBMITTED", "MEM", "TIME", "NODES", "DETAIL")]
    for row in rows:
        submitted = time.strftime("%m-%d %H:%M", time.localtime(float(str(row["submitted_at"]))))
        minutes = int(str(row["walltime_minutes"]))
        limit = f"{minutes // 60}:{minutes % 60:02d}" if minutes else "-"
        cells = (
            row["job_id"],
            row["model_id"],
            row["attempt"],
            row["state"],
            submitted,
            f"{row['memory_gb']}G",
            limit,
            row["nodes"],
            row["detail"],
        )
        table.append(tuple(str(cell) for cell in cells))
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]) - 1)]
    for line in table:
        click.echo("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]).rstrip())


@jobs.command()
@click.argument("job_id")
@click.argument("model_id")
@db_option
def adopt(job_id: str, model_id: str, db: str | None) -> None:
    """Enter a job in the ledger that was submitted by other means for MODEL_ID."""
    from evsctl.jobs.adopt import adopt_job

    study = Study.here(db)
    with study.open(write=True) as database:
        submission = adopt_job(database, study.settings, study.registry, study.port(), job_id, model_id)
    click.echo(f"Job {submission.job_id} is attempt {submission.attempt} of {submission.model_id}.")
