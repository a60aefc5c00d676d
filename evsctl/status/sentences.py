"""The lines around the table: where this is, how old it is, what it adds up to; pure, for both front ends."""

from evsctl.status.amounts import age
from evsctl.status.order import Totals, totals
from evsctl.status.snapshot import SlurmHealth, Snapshot

OLD_DATABASE_SECONDS = 30.0


def source_line(snapshot: Snapshot) -> str:
    """How fresh what is shown is: `queue 12 s ago · 18 calls/h`."""
    parts = [queue_words(snapshot.slurm)]
    if snapshot.slurm.backend != "local" and snapshot.slurm.calls_per_hour:
        parts.append(f"{snapshot.slurm.calls_per_hour} call{'' if snapshot.slurm.calls_per_hour == 1 else 's'}/h")
    if (snapshot.db_age_seconds or 0.0) > OLD_DATABASE_SECONDS:
        parts.append(f"database {age(snapshot.db_age_seconds)}")
    return " · ".join(parts)


def queue_words(slurm: SlurmHealth) -> str:
    """`queue 12 s ago`, `SLURM down, queue 3 min ago`, `no SLURM here: jobs run locally`."""
    if slurm.backend == "local":
        return "no SLURM: local jobs"
    if slurm.reachable:
        return f"queue {age(slurm.age_seconds)}" if slurm.age_seconds is not None else "queue not asked yet"
    if slurm.age_seconds is None:
        return "SLURM does not answer" if slurm.error else "asking SLURM"
    return f"SLURM down, queue {age(slurm.age_seconds)}"


def attention_words(snapshot: Snapshot) -> str:
    """`⚠ 2`, or nothing."""
    return f"⚠ {snapshot.attention}" if snapshot.attention else ""


def totals_line(snapshot: Snapshot, width: int = 1000) -> str:
    """`22 of 25 done · 1 running · 1 needs you · 47,311 of 83,452 left · 11.2 GPU-h`, as much as fits."""
    sums = totals(snapshot)
    if sums.is_finished:
        return f"{_count(sums.models, 'model')} · all done · {sums.prompts:,} prompts answered · next: evsctl figures all"
    parts = _parts(sums)
    while len(" · ".join(parts)) > width:
        parts.pop()
    return " · ".join(parts)


def _parts(sums: Totals) -> list[str]:
    parts = [f"{sums.done} of {sums.models} done"]
    if sums.running:
        parts.append(f"{sums.running} running")
    if sums.pending:
        parts.append(f"{sums.pending} pending")
    if sums.attention:
        parts.append(f"{sums.attention} need{'s' if sums.attention == 1 else ''} you")
    parts.append(f"{sums.prompts_left:,} of {sums.prompts:,} left")
    if sums.gpu_hours >= 0.05:
        parts.append(f"{sums.gpu_hours:.1f} GPU-h")
    return parts


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def empty_sentence(snapshot: Snapshot) -> str:
    """Why there is no table, and what changes that; empty where there is one."""
    if snapshot.models and snapshot.prompts:
        return ""
    if snapshot.db_age_seconds is None and snapshot.errors:
        return f"Nothing to show yet: {snapshot.errors[0]}"
    if not snapshot.prompts and any("[study] configs" in error for error in snapshot.errors):
        return "No prompts in the configurations of the study."
    if not snapshot.prompts:
        return f"{snapshot.db} holds no prompts yet. `evsctl survey populate --questions FILE` fills it; `evsctl demo` shows how it goes."
    return "No models are registered in this database. `evsctl models add ID --hub-id HUB` adds one."
