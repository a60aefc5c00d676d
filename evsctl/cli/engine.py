"""`evsctl engine`: ask a model its prompts. Inside a job it reads a manifest and writes a journal, and nothing else."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import click

from evsctl.cli.context import Study, db_option, json_option, print_json, talk
from evsctl.errors import EvsctlError, ExitCode, InputError
from evsctl.journal.manifest import Manifest, read_manifest
from evsctl.journal.paths import ModelRuns
from evsctl.models.spec import DTYPES


@dataclass(frozen=True, slots=True)
class Work:
    """One model's manifest, and where its weights are."""

    manifest_path: Path
    manifest: Manifest
    model_path: str

    @property
    def runs(self) -> ModelRuns:
        """The folder the manifest lies in is the model's: journals go beside it."""
        return ModelRuns(self.manifest_path.parent, self.manifest.identity.model_id)


@click.group()
def engine() -> None:
    """Ask a model its prompts (what a job runs)."""


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
    from evsctl.engine.signals import install

    install()
    # Threads that spin while they wait stall each other for seconds where cores are shared; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    _log_to_stderr()
    if len(model_ids) > 1 and (manifest_path or model_path or new_id):
        raise InputError("--manifest, --model-path and --as are of one model.", "Give one MODEL with them.")
    in_job = manifest_path is not None or "SLURM_JOB_ID" in os.environ
    deadline = parse_time(stop_before) if stop_before else None
    codes = []
    for model_id in model_ids:
        try:
            work = _work(model_id, manifest_path, model_path, dtype, configs, langs, new_id, db, in_job)
            codes.append(_answer(work, configs, langs, limit, commit_every, executor, deadline, threads))
        except EvsctlError as error:
            if len(model_ids) == 1:
                raise
            talk(f"evsctl: {model_id}: {error}")
            codes.append(error.exit_code)
    if not in_job:
        _merge(db)
    return worst(codes)


def _log_to_stderr() -> None:
    """The engine's own lines, with the time of day, into the job's log; libraries speak from warnings on."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("evsctl").setLevel(logging.INFO)


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


def _work(
    model_id: str,
    manifest_path: Path | None,
    model_path: str | None,
    dtype: str | None,
    configs: tuple[str, ...],
    langs: tuple[str, ...],
    new_id: str | None,
    db: str | None,
    in_job: bool,
) -> Work:
    if manifest_path is not None:
        manifest = read_manifest(manifest_path)
        if manifest.identity.model_id not in (model_id, new_id):
            raise InputError(f"{manifest_path} is a manifest of '{manifest.identity.model_id}', not of '{model_id}'.", "Give its own.")
        if dtype is not None and dtype != manifest.identity.dtype:
            raise InputError(
                f"{manifest_path} asks for {manifest.identity.dtype}, not {dtype}: a dtype never changes by itself.",
                f"`evsctl submit {model_id} --dtype {dtype} --as NEW_ID` keeps the two apart.",
            )
        return Work(manifest_path, manifest, model_path or manifest.identity.hub_id)
    if in_job:
        raise InputError("A job reads a manifest, never the database.", "Give --manifest; `evsctl submit` does.")
    return _work_from_database(model_id, model_path, dtype, configs, langs, new_id, db)


def _work_from_database(
    model_id: str,
    model_path: str | None,
    dtype: str | None,
    configs: tuple[str, ...],
    langs: tuple[str, ...],
    new_id: str | None,
    db: str | None,
) -> Work:
    from evsctl.jobs.manifests import prepare_manifest, write_prepared

    study = Study.here(db)
    with study.open(write=True) as database:
        prepared = prepare_manifest(
            database,
            study.settings,
            study.registry,
            model_id,
            configs=configs or None,
            langs=langs or None,
            dtype=dtype,
            model_path=model_path,
            new_id=new_id,
        )
        path = write_prepared(database, study.settings, prepared)
    return Work(path, prepared.manifest, prepared.model_path)


def _merge(db: str | None) -> None:
    from evsctl.db.sync import sync_journals

    study = Study.here(db)
    with study.open(write=True) as database:
        report = sync_journals(database, study.runs)
    talk(f"{report.merged:,} prompts merged into {study.settings.database.display}.")


def parse_time(text: str) -> float:
    """Seconds since the epoch from themselves or from local ISO time as SLURM prints it; raises InputError."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        raise InputError(f"--stop-before {text!r} is no time.", "Seconds since the epoch, or 2026-11-22T14:00:00.") from None


def worst(codes: list[ExitCode]) -> ExitCode:
    """The exit code of several: a failure wins over wanting to go on, which wins over good."""
    order = (ExitCode.GOOD, ExitCode.WANTS_TO_GO_ON, ExitCode.NEEDS_ATTENTION, ExitCode.OUT_OF_REACH, ExitCode.BAD_INPUT)
    return max(codes, key=order.index, default=ExitCode.GOOD)


@engine.command()
@click.argument("model_id")
@click.option("--manifest", "manifest_path", type=click.Path(path_type=Path))
@click.option("--model-path")
@click.option("--dtype", type=click.Choice(DTYPES))
@click.option("--prompts", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads")
@db_option
@json_option
def check(
    model_id: str,
    manifest_path: Path | None,
    model_path: str | None,
    dtype: str | None,
    prompts: int,
    threads: int | None,
    db: str | None,
    as_json: bool,
) -> int:
    """Compare the engine with the plain one-prompt forward: differences of log-probabilities and flipped answers."""
    from dataclasses import asdict

    from evsctl.engine.check import check_model

    _log_to_stderr()
    if manifest_path is None and (written := Study.here(db).runs.model(model_id).manifests()):
        manifest_path = written[0]
    work = _work(model_id, manifest_path, model_path, dtype, (), (), None, db, in_job=False)
    report = check_model(
        manifest_path=work.manifest_path, model_path=work.model_path, identity=work.manifest.identity, prompts=prompts, threads=threads
    )
    if as_json:
        print_json(asdict(report))
    else:
        for name, value in asdict(report).items():
            click.echo(f"{name:28} {value}")
    return ExitCode.GOOD if report.passed else ExitCode.NEEDS_ATTENTION
