"""A session: the steps of one run, in order, each of them small."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

import evsctl
from evsctl.engine.commits import Commits
from evsctl.engine.executor import Executor
from evsctl.engine.loading import LoadedModel, check_dtype, choose_device, end_ids, load_model, load_tokenizer
from evsctl.engine.meter import Meter, peak_gpu_memory_gb, peak_host_memory_gb
from evsctl.engine.model_folder import ModelFolder, find_model
from evsctl.engine.place import RunPlace
from evsctl.engine.plan import Pack
from evsctl.engine.pulse import Pulse
from evsctl.engine.resident import ResidentExecutor
from evsctl.engine.resume import check_identity, complete_identity, read_done
from evsctl.engine.scoring import Scorer
from evsctl.engine.self_check import self_check
from evsctl.engine.signals import StopSignals
from evsctl.engine.workload import Workload, make_workload
from evsctl.errors import EngineError, EvsctlError, InputError
from evsctl.journal.claim import Claim
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import Manifest
from evsctl.journal.paths import ModelRuns
from evsctl.journal.records import JournalFooter, JournalHeader, PromptResult
from evsctl.journal.writer import JournalWriter

log = logging.getLogger(__name__)

TOKENS_PER_PACK = {"cpu": 1024, "cuda": 16_384}
"""Padded tokens per pack where none are asked for. Fixed per kind of device: a size that followed the free memory
would give other packs, and so other last digits, from run to run."""

EXECUTORS = ("auto", "resident")
FAILED_SHARE = 0.01
FAILED_HANDFUL = 5


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `run_model` was asked for."""

    manifest: Manifest
    runs: ModelRuns
    model_path: str
    identity: ModelIdentity
    wanted: frozenset[PromptKey]
    limit: int | None
    commit_every: int
    executor: str
    stop_before: float | None
    tokens_per_pack: int | None
    device: str | None
    threads: int | None


@dataclass(slots=True)
class Progress:
    """Counts of this run."""

    done: int = 0
    failed: int = 0
    remaining: int = 0
    broken: int = 0
    """Failed because numbers were not finite: many of them mean that the machine or the model is at fault."""
    p_valid_sum: float = 0.0
    before: int = 0
    """Prompts of the manifest that were answered before this run."""


@dataclass
class Session:
    """One run, with everything it opens."""

    options: RunOptions
    place: RunPlace
    claim: Claim
    pulse: Pulse
    signals: StopSignals
    progress: Progress
    writer: JournalWriter | None = None
    commits: Commits | None = None
    missing: set[PromptKey] = field(default_factory=set)

    def work(self) -> str | None:
        """Do the whole run; returns why it stopped early, or None where everything asked for was tried."""
        options = self.options
        with self.signals.preparing():
            folder, device, identity = self._look()
            if not self.missing:
                log.info("nothing to do: all %d prompts asked for are answered", len(options.wanted))
                return None
            tokenizer = load_tokenizer(folder)
            self.pulse.beat(phase="planning")
            ends = end_ids(folder, tokenizer, identity.chat_template)
            size = options.tokens_per_pack or TOKENS_PER_PACK.get(device.type, TOKENS_PER_PACK["cuda"])
            workload = make_workload(options.manifest, tokenizer, folder, ends, identity.chat_template, size)
            packs, chosen = workload.select(self.missing, options.limit)
            impossible = [workload.impossible[key] for key in sorted(self.missing & workload.impossible.keys(), key=str)]
            self.missing = chosen
            self.progress.remaining = len(chosen)
            plan = workload.plan
            log.info(
                "plan %s prompts=%d packs=%d of %d tokens=%d padded=%d",
                plan.hash,
                len(chosen),
                len(packs),
                len(plan.packs),
                plan.tokens,
                plan.cost,
            )
            self.pulse.beat(phase="loading")
            model = load_model(folder, identity.dtype, device)
            executor = make_executor(options.executor, model)
            self._open(identity, workload, executor)
            self._take(impossible)
            scorer = Scorer(workload, executor, model.head(workload.tokens.ids()), self.signals, self._event)
            if packs:
                self._check_itself(scorer, model, packs)
        return self._run_packs(scorer, packs)

    def _look(self) -> tuple[ModelFolder, torch.device, ModelIdentity]:
        """Find the model and what is left to do; everything cheap that can refuse comes here."""
        options = self.options
        if options.executor not in EXECUTORS:
            raise InputError(f"Unknown executor '{options.executor}'.", f"Known: {', '.join(EXECUTORS)}.")
        if options.threads:
            torch.set_num_threads(options.threads)
        folder = find_model(options.model_path, options.identity.revision)
        device = choose_device(options.device)
        identity = complete_identity(options.identity, folder)
        check_identity(options.runs, identity)
        check_dtype(folder, identity.dtype, device)
        done = read_done(options.runs, options.manifest, identity)
        self.missing = set(options.wanted - done)
        self.progress.before = len(done)
        total = len(options.manifest.prompts)
        gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
        self.pulse.beat(dtype=identity.dtype, gpu=gpu, manifest_total=total, model_total=options.manifest.model_total, **self._counts())
        return folder, device, identity

    def _counts(self) -> dict[str, Any]:
        manifest, progress = self.options.manifest, self.progress
        done = progress.before + progress.done
        return {
            "manifest_done": done,
            "model_done": max(0, manifest.model_total - len(manifest.prompts)) + done,
            "failed": progress.failed,
            "p_valid_mean": progress.p_valid_sum / progress.done if progress.done else None,
            "peak_host_memory_gb": peak_host_memory_gb(),
            "peak_gpu_memory_gb": peak_gpu_memory_gb(),
        }

    def _open(self, identity: ModelIdentity, workload: Workload, executor: Executor) -> None:
        header = JournalHeader(
            run_id=self.place.run_id,
            model_id=identity.model_id,
            manifest_hash=self.options.manifest.hash,
            identity=identity,
            plan_hash=workload.plan.hash,
            executor=executor.name,
            engine_version=evsctl.__version__,
            host=self.place.host,
            gpu=self.pulse.heartbeat.gpu,
            job_id=self.place.job_id,
            restart=self.place.restart,
            started_at=self.pulse.heartbeat.started_at,
        )
        with self.signals.shielded():
            self.writer = JournalWriter(self.options.runs.journal(self.place.run_id), header)
            self.commits = Commits(self.writer, self.options.runs, self.claim, self.signals, self.options.commit_every)
        self.pulse.note(executor=executor.name)

    def _event(self, **values: Any) -> None:
        assert self.writer is not None
        with self.signals.shielded():
            self.writer.event(**values)

    def _check_itself(self, scorer: Scorer, model: LoadedModel, packs: Sequence[Pack]) -> None:
        self.pulse.beat(phase="self-check")
        fallback = self_check(scorer, model, [unit for pack in packs for unit in pack.units], self._event)
        if fallback:
            self.pulse.note(executor=f"{scorer.executor.name}, one prompt at a time", last_error=fallback)

    def _run_packs(self, scorer: Scorer, packs: Sequence[Pack]) -> str | None:
        meter = Meter(sum(pack.cost for pack in packs))
        self.pulse.beat(phase="running")
        finished, slowest, mark = 0, 0.0, time.monotonic()
        for group in scorer.executor.passes(packs):
            for pack, results in scorer.score(group, self.missing):
                with self.signals.shielded():
                    meter.add(len(results), sum(len(row) for row in pack.rows), pack.cost)
                    finished = max(finished, pack.index + 1)
                    self._take(results, meter)
                    meter.log_line(
                        finished, len(scorer.workload.plan.packs), self._counts()["manifest_done"], len(self.options.manifest.prompts)
                    )
                now = time.monotonic()
                slowest, mark = max(slowest, now - mark), now
                if (reason := self._why_stop(slowest)) is not None and self.missing:
                    return reason
        return None

    def _why_stop(self, pack_seconds: float) -> str | None:
        if self.signals.name is not None:
            return f"stopped by {self.signals.name}"
        limit = self.options.stop_before
        if limit is not None and time.time() + 1.5 * pack_seconds + 1.0 > limit:
            return "stopped before the time it was given"
        return None

    def _take(self, results: Sequence[PromptResult], meter: Meter | None = None) -> None:
        """Count results and hand them to the next commit."""
        assert self.commits is not None
        for result in results:
            self.missing.discard(result.key)
            if result.failed is None:
                self.progress.done += 1
                self.progress.p_valid_sum += result.p_valid or 0.0
            else:
                self.progress.failed += 1
                self.progress.broken += meter is not None
                log.warning("failed %s: %s", " ".join(str(part) for part in result.key), result.failed)
        self.progress.remaining = len(self.missing) + self.progress.failed
        if self.commits.add(results):
            self._beat(meter)
        broken, tried = self.progress.broken, self.progress.broken + self.progress.done
        if broken >= FAILED_HANDFUL and broken > FAILED_SHARE * tried:
            raise EngineError(
                f"{broken} of {tried} prompts gave numbers that are not finite.", "Check the model's files, its dtype and the GPU."
            )

    def _beat(self, meter: Meter | None = None) -> None:
        rates: dict[str, Any] = {}
        if meter is not None:
            now = meter.rates()
            rates = {
                "prompts_per_second": now.prompts_per_second,
                "unique_tokens_per_second": now.tokens_per_second,
                "eta_seconds": now.eta_seconds,
            }
        self.pulse.beat(**self._counts(), **rates)

    def end(self, phase: str, reason: str | None) -> None:
        """Write what is scored, the footer and the last heartbeat; on a full disk as much of it as goes."""
        try:
            if self.commits is not None:
                self.commits.flush()
            if self.writer is not None:
                self.writer.close(JournalFooter(self.progress.done, self.progress.failed, phase, time.time()))
        except EvsctlError as error:
            if phase != "failed":
                phase, reason = "failed", error.message
                raise
        finally:
            if self.writer is not None:
                self.writer.close()
            shown = {"last_error": reason} if reason and phase == "failed" else {}
            self.pulse.end(phase=phase, eta_seconds=None, **shown, **self._counts())


def make_executor(name: str, model: LoadedModel) -> Executor:
    """The executor of that name; `auto` takes the one that fits."""
    if name not in EXECUTORS:
        raise InputError(f"Unknown executor '{name}'.", f"Known: {', '.join(EXECUTORS)}.")
    return ResidentExecutor(model.body, model.device, quantised=model.is_quantised)
