"""NEXT: either nothing to do, or one key and the reason in six words."""

import time
from dataclasses import dataclass

from evsctl.jobs.reasons import never_starts
from evsctl.jobs.types import (
    CANCELLED,
    COMPLETING,
    DONE,
    FAILED,
    IDLE,
    OOM,
    PENDING,
    PREEMPTED,
    RUNNING,
    TIMEOUT,
    UNKNOWN,
    Advice,
    JobRequest,
)
from evsctl.status.amounts import rough_span, span, walltime

LOW_P_VALID = 0.10
ENOUGH_PROMPTS = 200
"""So many answers make a mean p_valid worth a word."""
PATIENCE_SECONDS = 600.0
"""So long a job may be unknown, or silent while it runs, before it needs a person."""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that NEXT and attention are told from."""

    state: str
    done: int
    total: int
    in_study: bool = True
    p_valid: float | None = None
    eta_s: float | None = None
    time_left_s: float | None = None
    silent_s: float | None = None
    """Age of the running job's heartbeat where it is older than it should be."""
    unknown_s: float = 0.0
    """How long nothing has been known of the job."""
    pending_reason: str = ""
    """SLURM's own word."""
    start_estimate: float | None = None
    is_final: bool = True
    """False where SLURM may still requeue a preempted job."""
    slurm_reachable: bool = True
    is_asked: bool = True
    """False until SLURM was asked for the first time."""
    attempts: int = 0
    advice: Advice | None = None
    previous: JobRequest | None = None


def needs_attention(now: Situation) -> bool:
    """Whether a person has to do something: failed, stopped, unknown or silent for ten minutes, unable to start. Idle is not."""
    if now.state in (FAILED, TIMEOUT, OOM):
        return True
    if now.state == PREEMPTED:
        return now.is_final
    if now.state == UNKNOWN:
        return now.slurm_reachable and now.unknown_s >= PATIENCE_SECONDS
    if now.state == RUNNING:
        return (now.silent_s or 0.0) >= PATIENCE_SECONDS
    if now.state == PENDING:
        return never_starts(now.pending_reason)
    return now.state == IDLE and now.advice is not None and now.advice.stop is not None


def next_action(now: Situation, clock: float) -> str:
    """The words of the NEXT column at the time `clock`; empty where there is nothing to do."""
    if now.p_valid is not None and now.p_valid < LOW_P_VALID and now.done >= ENOUGH_PROMPTS:
        return f"p_valid {now.p_valid:.2f}: c check"
    if now.state == DONE:
        return ""
    if now.state == RUNNING:
        return _running(now)
    if now.state == COMPLETING:
        return "ending"
    if now.state == PENDING:
        return _pending(now, clock)
    if now.state == UNKNOWN:
        if not now.is_asked:
            return "asking SLURM"
        return "vanished: w why" if needs_attention(now) else "wait for accounting"
    if now.state == PREEMPTED and not now.is_final:
        return "wait: may be requeued"
    return _resubmit(now)


def _running(now: Situation) -> str:
    if now.silent_s is not None:
        return f"silent for {rough_span(now.silent_s)}: l log"
    if now.eta_s is None or now.time_left_s is None:
        return ""
    spare = now.time_left_s - now.eta_s
    if spare >= 0:
        return f"ends {rough_span(spare)} before limit"
    return f"limit hits {rough_span(-spare)} early"


def _pending(now: Situation, clock: float) -> str:
    if 0 < now.total <= now.done:
        return "nothing left: x cancel"
    reason = now.pending_reason.strip("()").split(",")[0] or "queued"
    if never_starts(reason):
        return f"{reason}: w why"
    if reason == "JobHeldUser":
        return "held: scontrol release"
    if now.start_estimate is None or now.start_estimate <= clock:
        return f"wait: {reason}"
    return f"wait: {reason}, ~{clock_time(now.start_estimate, clock)}"


def _resubmit(now: Situation) -> str:
    if now.total == 0:
        return "no prompts for it yet"
    if now.attempts == 0 and not now.in_study:
        return "not in the study"
    if now.advice is not None and now.advice.stop is not None and now.state != CANCELLED:
        return "stopped: w why"
    if now.attempts == 0 or now.state == CANCELLED or now.advice is None or now.previous is None:
        return "s submit"
    changes = request_changes(now.previous, now.advice.request)
    same = "the rest" if now.state == IDLE else "the same again"
    return f"s: {', '.join(changes) or same}"


def request_changes(before: JobRequest, after: JobRequest) -> list[str]:
    """What the next request changes, in words: `48G → 96G`, `4h → 8h`, `on h100`, `without gpu017`."""
    changes = []
    if before.memory_gb != after.memory_gb:
        changes.append(f"{before.memory_gb}G → {after.memory_gb}G")
    if before.walltime_minutes != after.walltime_minutes:
        changes.append(f"{walltime(before.walltime_minutes)} → {walltime(after.walltime_minutes)}")
    if before.gpus != after.gpus:
        changes.append(f"{before.gpus} → {after.gpus} GPUs")
    if before.constraint != after.constraint:
        changes.append(f"on {after.constraint or 'any GPU'}")
    new = [node for node in after.exclude if node not in before.exclude]
    return changes + ([f"without {','.join(new)}"] if new else [])


def clock_time(moment: float, now: float) -> str:
    """`14:20` within a day, `Tue 14h` within a week, else the date; local time."""
    pattern = "%H:%M" if moment - now < 20 * 3600 else "%a %Hh" if moment - now < 6 * 86400 else "%d %b"
    return time.strftime(pattern, time.localtime(moment))


def time_use(elapsed_s: float | None, limit_minutes: int) -> str:
    """`1h12 of 4h`; `4h asked` before it starts; `1h12` where there is no limit."""
    if elapsed_s is None:
        return f"{walltime(limit_minutes)} asked"
    return f"{span(elapsed_s)} of {walltime(limit_minutes)}" if limit_minutes else span(elapsed_s)
