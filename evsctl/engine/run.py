"""`run_model`: one run of one model over one manifest, from claim to footer."""

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from evsctl.engine import signals as signal_handlers
from evsctl.engine.place import RunPlace, read_place
from evsctl.engine.preparation import RunOptions
from evsctl.engine.pulse import Pulse
from evsctl.engine.recorder import Recorder
from evsctl.engine.requeue import requeue_if_allowed
from evsctl.engine.session import work
from evsctl.engine.signals import StopNow, StopSignals
from evsctl.errors import EvsctlError, ExitCode
from evsctl.journal.claim import Claim, acquire_claim, release_claim
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
    """Prompts that this run tried and could not answer."""
    remaining: int
    """Prompts asked for (whatever `limit` is) that still have no answer."""
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

    `langs`, `configs` and `limit` choose among the manifest's prompts; they change no pack and so no number.
    `stop_before` is in seconds since the epoch. Raises InputError (files, identity, dtype), ClaimedError (another run
    has the model) and EngineError (memory, numbers, full disk); what was scored before is in the journal.
    """
    manifest = read_manifest(manifest_path)
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
    options.check()
    with signal_handlers.standing() as signals:
        place = _unused(read_place(), runs)
        with _claimed(runs, place, signals) as claim:
            recorder = Recorder(options, place, claim, signals, Pulse(runs, place, os.getpid()))
            outcome = _run(options, recorder, place, signals)
        if outcome.exit_code is ExitCode.WANTS_TO_GO_ON and signals.name is not None:
            requeue_if_allowed(runs, place, signals, outcome.done)
        return outcome


def _wanted(manifest: Manifest, langs: Collection[str] | None, configs: Collection[str] | None) -> frozenset[PromptKey]:
    keys = (prompt.key for prompt in manifest.prompts)
    return frozenset(key for key in keys if (not langs or key.lang in langs) and (not configs or key.config in configs))


def _unused(place: RunPlace, runs: ModelRuns) -> RunPlace:
    """The same place with a run id that no earlier run of the model had: an allocation may start the engine twice."""
    for number in count(1):
        run_id = place.run_id if number == 1 else f"{place.run_id}.{number}"
        if not runs.journal(run_id).exists() and not runs.heartbeat(run_id).exists():
            return replace(place, run_id=run_id)
    raise AssertionError("unreachable")


@contextmanager
def _claimed(runs: ModelRuns, place: RunPlace, signals: StopSignals) -> Iterator[Claim]:
    """Hold the model for the length of the run; signals are kept for later from here on."""
    with signals.shielded():
        claim = acquire_claim(runs, place.run_id, place.job_id, place.restart)
        try:
            yield claim
        finally:
            release_claim(runs, claim)


def _run(options: RunOptions, recorder: Recorder, place: RunPlace, signals: StopSignals) -> RunOutcome:
    counts = recorder.counts
    recorder.pulse.start()
    try:
        stopped = work(options, recorder, signals)
    except StopNow as stop:
        stopped = f"stopped by {stop.name}"
    except BaseException as error:
        _end_failed(recorder, _sentence(error))
        raise
    recorder.end("stopped" if stopped else "finished")
    log.info(
        "run %s %s done=%d failed=%d remaining=%d p_valid=%s",
        place.run_id,
        stopped or "finished",
        counts.done,
        counts.failed,
        counts.remaining,
        "-" if counts.p_valid_mean is None else f"{counts.p_valid_mean:.3f}",
    )
    code = ExitCode.WANTS_TO_GO_ON if stopped else ExitCode.NEEDS_ATTENTION if counts.failed else ExitCode.GOOD
    return RunOutcome(place.run_id, counts.done, counts.failed, counts.remaining, code)


def _end_failed(recorder: Recorder, sentence: str) -> None:
    """Save what can be saved; the first error is the one that counts."""
    try:
        recorder.end("failed", sentence)
    except EvsctlError as error:
        log.warning("the last results could not be written: %s", error)


def _sentence(error: BaseException) -> str:
    if isinstance(error, EvsctlError):
        return error.message
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
