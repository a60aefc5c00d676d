"""What the engine's commands work on: a model's manifest and weights, from a file in a job, from the database elsewhere."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evsctl.cli.context import Study
from evsctl.errors import ExitCode, InputError
from evsctl.journal.manifest import Manifest, read_manifest, write_manifest
from evsctl.journal.paths import ModelRuns


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


def find_work(
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


@contextlib.contextmanager
def work_to_look_at(model_id: str, manifest_path: Path | None, model_path: str | None, dtype: str | None, db: str | None) -> Iterator[Work]:
    """The model's newest manifest, answered or not; where there is none yet, one of what is pending that lasts for the look.

    Reads only: looking at a field database does not adopt it.
    """
    from evsctl.jobs.manifests import prepare_manifest

    study = Study.here(db)
    if manifest_path is None and (written := study.runs.model(model_id).manifests()):
        manifest_path = written[0]
    if manifest_path is not None:
        spec = study.registry.find(model_id)
        yield find_work(model_id, manifest_path, model_path or (spec.path if spec else None), dtype, (), (), None, db, in_job=False)
        return
    with study.open() as database:
        prepared = prepare_manifest(database, study.settings, study.registry, model_id, dtype=dtype, model_path=model_path)
    with tempfile.TemporaryDirectory(prefix="evsctl-") as folder:
        path = write_manifest(ModelRuns(Path(folder), prepared.spec.model_id), prepared.manifest)
        yield Work(path, prepared.manifest, prepared.model_path)


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


def log_to_stderr() -> None:
    """The engine's own lines, with the time of day, into the job's log; libraries speak from warnings on."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("evsctl").setLevel(logging.INFO)
