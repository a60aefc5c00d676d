"""`run_model`: one run of one model over one manifest, from claim to footer."""

import logging
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from evsctl.engine import signals as signal_handlers
from evsctl.engine.place import RunPlace, read_place
from evsctl.engine.pulse import Pulse
from evsctl.engine.requeue import requeue_if_allowed
from evsctl.engine.session import Progress, RunOptions, Session
from evsctl.engine.signals import StopNow, StopSignals
from evsctl.errors import EvsctlError, ExitCode, InputError
from evsctl.journal.claim import acquire_claim, release_claim
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import Manifest, read_manifest
from evsctl.journal.paths import ModelRuns

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """How a run ended."""

    run_id: str
    done: int
    """Prompts answered by this run."""
    failed: int
    """Prompts that this run could not answer."""
    remaining: int
    """Prompts of the manifest that were asked for and still have no answer."""
    exit_code: ExitCode


def run_model(
    *,
    manifest_path: Path,
    runs: ModelRuns,
    model_path: str,
    identity: ModelIdentity,
    limit: int | None = None,
    langs: Sequence[str] | None = None,
    configs: Sequence[str] | None = None,
    commit_every: int = 50,
    executor: str = "auto",
    stop_before: float | None = None,
    tokens_per_pack: int | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> RunOutcome:
    """Answer what the manifest asks and the model's journals lack; every answer ends up in a journal of this run.

    `langs`, `configs` and `limit` choose among the manifest's prompts, they change no pack and so no number.
    `stop_before` is in seconds since the epoch. Raises InputError (files, identity, dtype), ClaimedError (another run
    has the model) and EngineError (memory, numbers, full disk); what was scored before is in the journal.
    """
    handlers = signal_handlers.install()
    manifest = read_manifest(manifest_path)
    _check_ids(manifest, runs, identity)
    place = _unused(read_place(), runs)
    options = RunOptions(
        manifest=manifest,
        runs=runs,
        model_path=model_path,
        identity=identity,
        wanted=_wanted(manifest, langs, configs),
        limit=limit,
        commit_every=commit_every,
        executor=executor,
        stop_before=stop_before,
        tokens_per_pack=tokens_per_pack,
        device=device,
        threads=threads,
    )
    return _claimed(options, place, handlers)


def _unused(place: RunPlace, runs: ModelRuns) -> RunPlace:
    """The same place with a run id that no earlier run of the model had: an allocation may start the engine twice."""
    for number in count(1):
        run_id = place.run_id if number == 1 else f"{place.run_id}.{number}"
        if not runs.journal(run_id).exists() and not runs.heartbeat(run_id).exists():
            return replace(place, run_id=run_id)
    raise AssertionError("unreachable")


def _check_ids(manifest: Manifest, runs: ModelRuns, identity: ModelIdentity) -> None:
    if not manifest.identity.model_id == runs.model_id == identity.model_id:
        raise InputError(
            f"Manifest of '{manifest.identity.model_id}', identity of '{identity.model_id}', folder of '{runs.model_id}': not one model.",
            "Use the manifest that `evsctl submit` wrote for this model.",
        )


def _wanted(manifest: Manifest, langs: Collection[str] | None, configs: Collection[str] | None) -> frozenset[PromptKey]:
    keys = (prompt.key for prompt in manifest.prompts)
    return frozenset(key for key in keys if (not langs or key.lang in langs) and (not configs or key.config in configs))


def _claimed(options: RunOptions, place: RunPlace, handlers: StopSignals) -> RunOutcome:
    """Hold the model's claim for the length of the run, and say in the heartbeat how the run ended."""
    claim = acquire_claim(options.runs, place.run_id, place.job_id, place.restart)
    pulse = Pulse(options.runs, place, os.getpid())
    progress = Progress()
    try:
        pulse.start()
        session = Session(options, place, claim, pulse, handlers, progress)
        outcome = _run(session, place)
    finally:
        with handlers.shielded():
            release_claim(options.runs, claim)
    if outcome.exit_code is ExitCode.WANTS_TO_GO_ON and handlers.name is not None:
        requeue_if_allowed(options.runs, place, handlers, progress.done)
    return outcome


def _run(session: Session, place: RunPlace) -> RunOutcome:
    progress, handlers = session.progress, session.signals
    try:
        stopped = session.work()
    except (StopNow, KeyboardInterrupt) as error:
        stopped = f"stopped by {getattr(error, 'name', 'SIGINT')}"
    except BaseException as error:
        with handlers.shielded():
            session.end("failed", _sentence(error))
        raise
    with handlers.shielded():
        session.end("stopped" if stopped else "finished", stopped)
    code = ExitCode.GOOD
    if stopped:
        code = ExitCode.WANTS_TO_GO_ON
    elif progress.failed:
        code = ExitCode.NEEDS_ATTENTION
    log.info(
        "run %s %s done=%d failed=%d remaining=%d", place.run_id, stopped or "finished", progress.done, progress.failed, progress.remaining
    )
    return RunOutcome(place.run_id, progress.done, progress.failed, progress.remaining, code)


def _sentence(error: BaseException) -> str:
    if isinstance(error, EvsctlError):
        return error.message
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
