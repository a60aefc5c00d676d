"""The recorder: counts a run's results, writes them to its journal, and tells the heartbeat."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import evsctl
from evsctl.engine.commits import Commits
from evsctl.engine.meter import Meter, peak_gpu_memory_gb, peak_host_memory_gb
from evsctl.engine.place import RunPlace
from evsctl.engine.preparation import RunOptions, Target
from evsctl.engine.pulse import Pulse
from evsctl.engine.signals import StopSignals
from evsctl.errors import ClaimedError, EngineError
from evsctl.journal.claim import Claim
from evsctl.journal.records import JournalFooter, JournalHeader, PromptResult
from evsctl.journal.writer import JournalWriter

log = logging.getLogger(__name__)

FAILED_SHARE = 0.01
FAILED_HANDFUL = 5


@dataclass(slots=True)
class Counts:
    """What a run did so far."""

    done: int = 0
    failed: int = 0
    broken: int = 0
    """Failed because numbers were not finite: many of them mean that the machine or the model is at fault."""
    p_valid_sum: float = 0.0
    before: int = 0
    """Prompts of the manifest that were answered before this run."""
    asked: int = 0
    """Prompts asked for that had no answer when the run began."""

    @property
    def remaining(self) -> int:
        """Prompts asked for that still have no answer."""
        return self.asked - self.done

    @property
    def p_valid_mean(self) -> float | None:
        """Mean mass on valid answers."""
        return self.p_valid_sum / self.done if self.done else None


class Recorder:
    """Everything that a run leaves behind goes through here; nothing in here is ever interrupted by a signal."""

    def __init__(self, options: RunOptions, place: RunPlace, claim: Claim, signals: StopSignals, pulse: Pulse) -> None:
        self.counts = Counts()
        self.signals = signals
        self.pulse = pulse
        self._options = options
        self._place = place
        self._claim = claim
        self._writer: JournalWriter | None = None
        self._commits: Commits | None = None
        self._meter: Meter | None = None

    def found(self, target: Target) -> None:
        """The model is found: say what there is to do."""
        manifest = self._options.manifest
        self.counts.before, self.counts.asked = len(target.done), len(target.missing)
        self.pulse.note(dtype=target.identity.dtype, gpu=target.gpu, manifest_total=len(manifest.prompts), model_total=manifest.model_total)
        self.beat()

    def open(self, target: Target, plan_hash: str, executor: str) -> None:
        """Begin the journal."""
        header = JournalHeader(
            run_id=self._place.run_id,
            model_id=target.identity.model_id,
            manifest_hash=self._options.manifest.hash,
            identity=target.identity,
            plan_hash=plan_hash,
            executor=executor,
            engine_version=evsctl.__version__,
            host=self._place.host,
            gpu=target.gpu,
            job_id=self._place.job_id,
            restart=self._place.restart,
            started_at=self.pulse.heartbeat.started_at,
        )
        with self.signals.shielded():
            self._writer = JournalWriter(self._options.runs.journal(self._place.run_id), header)
            self._commits = Commits(self._writer, self._options.runs, self._claim, self.signals, self._options.commit_every)
        self.pulse.note(executor=executor)

    def event(self, **values: Any) -> None:
        """Note in the journal something about the run itself."""
        assert self._writer is not None
        with self.signals.shielded():
            self._writer.event(**values)

    def measure(self, meter: Meter) -> None:
        """Show this meter's rates from now on."""
        self._meter = meter

    def take(self, results: Sequence[PromptResult], *, impossible: bool = False) -> None:
        """Count results and hand them to the next commit; raises EngineError where too many are not finite."""
        assert self._commits is not None
        counts = self.counts
        with self.signals.shielded():
            for result in results:
                if result.failed is None:
                    counts.done += 1
                    counts.p_valid_sum += result.p_valid or 0.0
                else:
                    counts.failed += 1
                    counts.broken += not impossible
                    log.warning("failed %s: %s", " ".join(str(part) for part in result.key), result.failed)
            if self._commits.add(results):
                self.beat()
        tried = counts.broken + counts.done
        if counts.broken >= FAILED_HANDFUL and counts.broken > FAILED_SHARE * tried:
            raise EngineError(
                f"{counts.broken} of {tried} prompts gave numbers that are not finite.", "Check the model's files, its dtype and the GPU."
            )

    @property
    def manifest_done(self) -> int:
        """Prompts of the manifest that have an answer."""
        return self.counts.before + self.counts.done

    def beat(self, **changes: Any) -> None:
        """Write the heartbeat now."""
        manifest, counts = self._options.manifest, self.counts
        if self._meter is not None:
            rates = self._meter.rates()
            changes = {
                "prompts_per_second": rates.prompts_per_second,
                "unique_tokens_per_second": rates.tokens_per_second,
                "eta_seconds": rates.eta_seconds,
                **changes,
            }
        self.pulse.beat(
            manifest_done=self.manifest_done,
            model_done=max(0, manifest.model_total - len(manifest.prompts)) + self.manifest_done,
            failed=counts.failed,
            p_valid_mean=counts.p_valid_mean,
            peak_host_memory_gb=peak_host_memory_gb(),
            peak_gpu_memory_gb=peak_gpu_memory_gb(),
            **changes,
        )

    def end(self, phase: str, error: str | None = None) -> None:
        """Write what is scored, the footer and the last heartbeat; raises EngineError or ClaimedError where that fails."""
        with self.signals.shielded():
            try:
                if self._commits is not None and self._writer is not None:
                    self._commits.flush()
                    self._writer.close(JournalFooter(self.counts.done, self.counts.failed, phase, time.time()))
            except (EngineError, ClaimedError) as failure:
                phase, error = "failed", error or failure.message
                raise
            finally:
                if self._writer is not None:
                    self._writer.close()
                self.beat_last(phase, error)

    def beat_last(self, phase: str, error: str | None) -> None:
        """The heartbeat that says how it ended."""
        self.pulse.stop()
        shown = {"last_error": error} if error else {}
        self.beat(phase=phase, eta_seconds=None, **shown)
