"""`evsctl engine`: ask a model its prompts. Inside a job it reads a manifest and writes a journal, and nothing else."""

import os
from pathlib import Path

import click

from evsctl.cli.context import Study, db_option, talk
from evsctl.cli.engine_look import check, plan
from evsctl.cli.engine_work import Work, find_work, log_to_stderr, parse_time, worst
from evsctl.errors import EvsctlError, ExitCode, InputError
from evsctl.models.spec import DTYPES


@click.group()
def engine() -> None:
    """Ask a model its prompts (what a job runs)."""


engine.add_command(plan)
engine.add_command(check)


@engine.command()
@click.argument("model_ids", nargs=-1, required=True, metavar="MODEL…")
@click.option("--manifest", "manifest_path", type=click.Path(path_type=Path), help="what to answer (default: what the database lacks)")
@click.option("--model-path", help="a local folder with config, tokenizer and safetensors (default: the registry's, else the hub's)")
@click.option("--dtype", type=click.Choice(DTYPES), help="default: the registry's")
@click.option("--config", "configs", multiple=True, help="only this prompt configuration (repeatable)")
@click.option("--lang", "langs", multiple=True, help="only this language (repeatable)")
@click.option("--limit", type=click.IntRange(min=1), help="at most this many prompts")
@click.option("--commit-every", type=click.IntRange(min=1), default=50, show_default=True, help="prompts between two commits")
@click.option("--executor", type=click.Choice(["auto", "resident"]), default="auto", show_default=True)
@click.option("--stop-before", metavar="TIME", help="stop in time: seconds since the epoch, or 2026-11-22T14:00:00")
@click.option("--as", "new_id", help="store the answers under another model id (another dtype or revision)")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads")
@db_option
def run(
    model_ids: tuple[str, ...],
    manifest_path: Path | None,
    model_path: str | None,
    dtype: str | None,
    configs: tuple[str, ...],
    langs: tuple[str, ...],
    limit: int | None,
    commit_every: int,
    executor: str,
    stop_before: str | None,
    new_id: str | None,
    threads: int | None,
    db: str | None,
) -> int:
    """Answer what the manifest asks and the journals lack; killed at any moment, it goes on from its last commit."""
    # Before torch is imported, which takes seconds: a signal in that time must not be lost.
    from evsctl.engine.signals import install, leave

    install()
    # Threads that spin while they wait stall each other for seconds where cores are shared; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    log_to_stderr()
    if len(model_ids) > 1 and (manifest_path or model_path or new_id):
        raise InputError("--manifest, --model-path and --as are of one model.", "Give one MODEL with them.")
    in_job = manifest_path is not None or "SLURM_JOB_ID" in os.environ
    deadline = parse_time(stop_before) if stop_before else None
    codes = []
    for model_id in model_ids:
        try:
            work = find_work(model_id, manifest_path, model_path, dtype, configs, langs, new_id, db, in_job)
            codes.append(_answer(work, configs, langs, limit, commit_every, executor, deadline, threads))
        except EvsctlError as error:
            if len(model_ids) == 1:
                raise
            talk(f"evsctl: {model_id}: {error}")
            codes.append(error.exit_code)
        if codes[-1] is ExitCode.WANTS_TO_GO_ON:
            break  # told to stop: the next model is the next run's
    if not in_job:
        _merge(db)
    if worst(codes) is ExitCode.WANTS_TO_GO_ON:
        leave(ExitCode.WANTS_TO_GO_ON)
    return worst(codes)


def _answer(
    work: Work,
    configs: tuple[str, ...],
    langs: tuple[str, ...],
    limit: int | None,
    commit_every: int,
    executor: str,
    deadline: float | None,
    threads: int | None,
) -> ExitCode:
    from evsctl.engine.run import run_model

    outcome = run_model(
        manifest_path=work.manifest_path,
        runs=work.runs,
        model_path=work.model_path,
        identity=work.manifest.identity,
        limit=limit,
        langs=langs or None,
        configs=configs or None,
        commit_every=commit_every,
        executor=executor,
        stop_before=deadline,
        threads=threads,
    )
    talk(f"{work.manifest.identity.model_id}: {outcome.done:,} answered, {outcome.failed:,} failed, {outcome.remaining:,} left.")
    return outcome.exit_code


def _merge(db: str | None) -> None:
    from evsctl.db.sync import sync_journals

    study = Study.here(db)
    with study.open(write=True) as database:
        report = sync_journals(database, study.runs)
    talk(f"{report.merged:,} prompts merged into {study.settings.database.display}.")
