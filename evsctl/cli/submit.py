"""`evsctl submit`: the plan, a reason for each number, then the job."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from evsctl.cli.context import Study, db_option, talk
from evsctl.errors import ExitCode, InputError
from evsctl.models.spec import DTYPES

if TYPE_CHECKING:
    from evsctl.db.connection import Database
    from evsctl.jobs.plan import SubmissionPlan
    from evsctl.jobs.types import JobPort


@click.command()
@click.argument("model_ids", nargs=-1, metavar="MODEL…")
@click.option("--all", "take_all", is_flag=True, help="every model of the study that is incomplete and has no job")
@click.option("--dry-run", is_flag=True, help="print the plan, the sbatch line and the script; submit nothing")
@click.option("--yes", is_flag=True, help="do not ask when there are several")
@click.option("--local", is_flag=True, help="on this machine, without SLURM")
@click.option("--config", "configs", multiple=True, help="only this prompt configuration (repeatable)")
@click.option("--lang", "langs", multiple=True, help="only this language (repeatable)")
@click.option("--mem", metavar="96G", help="memory, with its unit")
@click.option("--time", metavar="4:00:00", help="time limit as SLURM writes it")
@click.option("--gpus", type=int)
@click.option("--constraint", metavar='"a100|h100"')
@click.option("--partition")
@click.option("--account")
@click.option("--qos")
@click.option("--cpus", type=int)
@click.option("--exclude", metavar="NODE,…")
@click.option("--dtype", type=click.Choice(DTYPES), help="other numbers need an id of their own: --as")
@click.option("--model-path", help="a local folder with the weights")
@click.option("--as", "new_id", help="store the answers under another model id")
@db_option
def submit(
    model_ids: tuple[str, ...],
    take_all: bool,
    dry_run: bool,
    yes: bool,
    local: bool,
    configs: tuple[str, ...],
    langs: tuple[str, ...],
    dtype: str | None,
    model_path: str | None,
    new_id: str | None,
    db: str | None,
    **request: Any,
) -> int:
    """Submit what a model still has to answer, with the request that its history advises.

    The plan is printed first; several models are asked for once. Exit code 2 when SLURM refuses, with its words.
    """
    from evsctl.jobs.overrides import RequestOverrides

    if bool(model_ids) == take_all:
        raise InputError("Which models?", "Name some, or give --all.")
    study = Study.here(db)
    study.check_models()
    for model_id in model_ids:
        study.registry.get(model_id)
    wanted: dict[str, Any] = {
        "configs": configs or None,
        "langs": langs or None,
        "overrides": RequestOverrides.from_text(**request),
        "dtype": dtype,
        "model_path": model_path,
        "new_id": new_id,
        "hypothetical": dry_run or take_all,
    }
    port = study.port(local=local)
    with study.open(write=not dry_run) as database:
        plans = _plans(study, database, port, model_ids, wanted)
        for plan in plans:
            show_plan(plan, with_script=dry_run)
        if len(plans) > 1:
            talk(_summary(plans))
        if dry_run:
            return ExitCode.BAD_INPUT if any(plan.problems for plan in plans) and not take_all else ExitCode.GOOD
        _submit_ready(study, database, port, plans, yes)
    return ExitCode.GOOD


def _plans(study: Study, database: "Database", port: "JobPort", model_ids: Sequence[str], wanted: dict[str, Any]) -> "list[SubmissionPlan]":
    """A plan per model, all made on one look at the queue; no model named means every incomplete one of the study."""
    from evsctl.db.sync import best_effort_sync
    from evsctl.jobs.plan import look_around, plan_submission

    best_effort_sync(study.settings.database)
    around = look_around(database, study.settings, port)
    chosen = list(model_ids) or incomplete_models(study, database)
    plans = []
    for model_id in chosen:
        try:
            plans.append(plan_submission(database, study.settings, study.registry, port, model_id, surroundings=around, **wanted))
        except InputError as error:
            if model_ids:
                raise
            talk(f"{model_id} stays behind: {error}")
    return plans


def _submit_ready(study: Study, database: "Database", port: "JobPort", plans: "Sequence[SubmissionPlan]", yes: bool) -> None:
    from evsctl.jobs.submit import submit_plan

    ready = [plan for plan in plans if not plan.problems]
    if not ready:
        raise InputError("There is nothing to submit.", "`evsctl status` shows why.")
    if len(ready) > 1 and not yes and not click.confirm(_question(ready), err=True):
        raise click.Abort
    for plan in ready:
        submission = submit_plan(database, study.settings, port, plan)
        click.echo(f"{submission.job_id}\t{plan.model_id}")


def incomplete_models(study: Study, database: "Database") -> list[str]:
    """The study's models that lack answers, in the order of its table."""
    from evsctl.db.progress import read_progress

    named = study.settings.study.models
    rows = read_progress(database, study.settings.study.configs, study.registry)
    return [row.model_id for row in rows if row.done < row.total and _is_in_study(study, row.model_id, named)]


def _is_in_study(study: Study, model_id: str, named: Sequence[str]) -> bool:
    if named:
        return model_id in named
    spec = study.registry.find(model_id)
    return spec is not None and spec.in_study


def show_plan(plan: "SubmissionPlan", with_script: bool) -> None:
    """Print a plan: numbers with their reasons, warnings, the exact command, and on a dry run the script."""
    from evsctl.jobs.display import shell_line

    work = f"{plan.pending:,} of {plan.prepared.total:,} prompts to answer"
    talk(f"{plan.model_id} · attempt {plan.attempt} · {work} · {plan.dtype} · {plan.backend}")
    for name, reason in plan.advice.reasons.items():
        value = getattr(plan.request, name, None)
        talk(f"  {name:17} {'-' if value in (None, ()) else value!s:16} {reason}")
    for warning in plan.advice.warnings:
        talk(f"  warning: {warning}")
    if better := plan.advice.alternative:
        talk(f"  better: --constraint '{better.request.constraint}': {better.reason}")
    if plan.advice.stop:
        talk(f"  stop: {plan.advice.stop}")
    for problem in plan.problems:
        talk(f"  cannot be submitted: {problem}")
    if with_script:
        click.echo(shell_line(plan.argv))
        talk(f"\n{plan.spec.script}:")
        click.echo(plan.script_text)
    else:
        talk(f"  {shell_line(plan.argv)}")


def _summary(plans: "Sequence[SubmissionPlan]") -> str:
    """What several plans come to, and which of them deserve a second look."""
    ready = [plan for plan in plans if not plan.problems]
    hours = sum(plan.request.gpus * plan.request.walltime_minutes for plan in ready) / 60
    doubtful = [plan.model_id for plan in ready if plan.advice.warnings or plan.advice.stop]
    words = f"{len(ready)} of {len(plans)} can be submitted, at most {hours:,.0f} GPU-hours"
    return words + (f"; with a warning above: {', '.join(doubtful)}." if doubtful else ".")


def _question(plans: Sequence["SubmissionPlan"]) -> str:
    hours = sum(plan.request.gpus * plan.request.walltime_minutes for plan in plans) / 60
    return f"Submit {len(plans)} jobs, at most {hours:,.0f} GPU-hours?"
