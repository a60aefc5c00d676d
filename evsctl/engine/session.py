"""A session: the steps of one run, in order."""

import logging
import time
from collections.abc import Sequence

from evsctl.engine.executor import Executor
from evsctl.engine.loading import LoadedModel, load_model
from evsctl.engine.meter import Meter
from evsctl.engine.plan import Pack
from evsctl.engine.preparation import RunOptions, Target, Task, find_target, make_task
from evsctl.engine.recorder import Recorder
from evsctl.engine.resident import ResidentExecutor
from evsctl.engine.scoring import Scorer
from evsctl.engine.self_check import self_check
from evsctl.engine.signals import StopSignals

log = logging.getLogger(__name__)


def work(options: RunOptions, recorder: Recorder, signals: StopSignals) -> str | None:
    """Do the whole run; returns why it stopped early, or None where everything asked for was tried."""
    with signals.preparing():
        target = find_target(options)
        recorder.found(target)
        if not target.missing:
            log.info("nothing to do: all %d prompts asked for are answered", len(options.wanted))
            return None
        recorder.beat(phase="planning")
        task = make_task(options, target)
        scorer = _load(options, target, task, recorder, signals) if task.packs else None
        if scorer is None:
            recorder.open(target, task.workload.plan.hash, options.executor)
        recorder.take(task.impossible, impossible=True)
    return None if scorer is None else _run(scorer, task, options, recorder, signals)


def _load(options: RunOptions, target: Target, task: Task, recorder: Recorder, signals: StopSignals) -> Scorer:
    """Load the weights, begin the journal, and prove on a few prompts that packs are right."""
    recorder.beat(phase="loading")
    began = time.monotonic()
    model = load_model(target.folder, target.identity.dtype, target.device)
    executor = make_executor(options.executor, model)
    log.info("loaded %s dtype=%s device=%s in %.1fs", target.folder.path, model.dtype, model.device, time.monotonic() - began)
    recorder.open(target, task.workload.plan.hash, executor.name)
    scorer = Scorer(task.workload, executor, model.head(task.workload.tokens.ids()), signals, recorder.event)
    recorder.beat(phase="self-check")
    units = [unit for pack in task.packs for unit in pack.units]
    if sentence := self_check(scorer, model, units, recorder.event):
        recorder.pulse.note(executor=f"{executor.name}, one prompt at a time", last_error=sentence)
    return scorer


def make_executor(name: str, model: LoadedModel) -> Executor:
    """The executor of that name; `auto` takes the one that fits."""
    return ResidentExecutor(model.body, model.device, quantised=model.is_quantised)


def _run(scorer: Scorer, task: Task, options: RunOptions, recorder: Recorder, signals: StopSignals) -> str | None:
    """Packs, one group after the other, until all are done or something asks to stop."""
    meter = Meter(sum(pack.cost for pack in task.packs))
    recorder.measure(meter)
    recorder.beat(phase="running")
    left = set(task.chosen)
    total_packs, total = len(task.workload.plan.packs), len(options.manifest.prompts)
    slowest, mark = 0.0, time.monotonic()
    for group in _groups(scorer, task.packs):
        if (reason := _why_stop(signals, options.stop_before, slowest)) is not None:
            return reason
        for pack, results in scorer.score(group, left):
            with signals.shielded():
                meter.add(len(results), sum(len(row) for row in pack.rows), pack.cost)
                left.difference_update(result.key for result in results)
                recorder.take(results)
                meter.log_line(pack.index + 1, total_packs, recorder.manifest_done, total)
            now = time.monotonic()
            slowest, mark = max(slowest, now - mark), now
            if left and (reason := _why_stop(signals, options.stop_before, slowest)) is not None:
                return reason
    return None


def _groups(scorer: Scorer, packs: Sequence[Pack]) -> list[tuple[Pack, ...]]:
    return list(scorer.executor.passes(packs))


def _why_stop(signals: StopSignals, stop_before: float | None, slowest_pack: float) -> str | None:
    if signals.name is not None:
        return f"stopped by {signals.name}"
    if stop_before is not None and time.time() + 1.5 * slowest_pack + 1.0 > stop_before:
        return "stopped before the time it was given"
    return None
