"""What a job left behind on disk: its heartbeat, its journals, the speed it reached."""

import json
from collections.abc import Iterable
from pathlib import Path

import evsctl
from evsctl.db.ledger import Submission
from evsctl.jobs.attempts import TrustedRate
from evsctl.journal.heartbeat import Heartbeat, read_heartbeat
from evsctl.journal.paths import ModelRuns, RunsFolder
from evsctl.journal.records import JournalHeader

TRUSTED_PROMPTS = 500
LONG_RUN_SECONDS = 3600.0


def heartbeat_of(runs: RunsFolder, submission: Submission) -> Heartbeat | None:
    """The newest heartbeat of a submission's job; a run that names no job is known by its time."""
    for path in runs.model(submission.model_id).heartbeats():
        heartbeat = read_heartbeat(path)
        if heartbeat is None:
            continue
        if heartbeat.job_id == submission.job_id:
            return heartbeat
        if heartbeat.job_id is None and submission.backend == "local" and heartbeat.started_at >= submission.submitted_at:
            return heartbeat
    return None


def answered_by(runs: RunsFolder, submission: Submission, ended: float | None) -> int | None:
    """How many prompts the job's journals answer; None where it left no journal to count."""
    counts = []
    for path in runs.model(submission.model_id).journals():
        header = read_header(path)
        if header is not None and _is_of(header, submission, ended):
            counts.append(count_answers(path))
    return sum(counts) if counts else None


def _is_of(header: JournalHeader, submission: Submission, ended: float | None) -> bool:
    if header.job_id is not None:
        return header.job_id == submission.job_id
    return submission.backend == "local" and submission.submitted_at <= header.started_at <= (ended or float("inf"))


def read_header(path: Path) -> JournalHeader | None:
    """The first line of a journal; None where it is missing or bad."""
    try:
        with path.open("rb") as stream:
            return JournalHeader.from_json(json.loads(stream.readline()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def count_answers(path: Path) -> int:
    """Answered prompts in a journal, counted without parsing each: failures, events and the footer are none."""
    with path.open("rb") as stream:
        return sum(line.endswith(b"\n") and b'"probs"' in line for line in stream)


def trusted_rate(runs: ModelRuns, engine_version: str = evsctl.__version__) -> TrustedRate | None:
    """The slowest speed that this engine version has held over at least 500 prompts, by executor and card.

    The slowest, because a constraint may allow several cards and SLURM chooses among them.
    """
    groups: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for path in runs.heartbeats():
        heartbeat = read_heartbeat(path)
        header = read_header(runs.journal(heartbeat.run_id)) if heartbeat is not None else None
        if heartbeat is None or header is None or header.engine_version != engine_version or not heartbeat.prompts_per_second:
            continue
        answers = count_answers(runs.journal(heartbeat.run_id))
        groups.setdefault((header.executor or "", header.gpu or ""), []).append((answers, _speed(heartbeat, answers)))
    rates = [
        TrustedRate(*_mean(runs_), engine_version, executor, gpu)
        for (executor, gpu), runs_ in groups.items()
        if _total(runs_) >= TRUSTED_PROMPTS
    ]
    return min(rates, key=lambda rate: rate.prompts_per_second, default=None)


def _speed(heartbeat: Heartbeat, answers: int) -> float:
    """The heartbeat's speed is that of its last minutes; a run of more than an hour is measured by its whole time, load included."""
    latest = heartbeat.prompts_per_second or 0.0
    seconds = heartbeat.updated_at - heartbeat.started_at
    return min(latest, answers / seconds) if answers and seconds > LONG_RUN_SECONDS else latest


def _total(measured: Iterable[tuple[int, float]]) -> int:
    return sum(answers for answers, _ in measured)


def _mean(measured: list[tuple[int, float]]) -> tuple[float, int]:
    """Prompts per second over all the runs together: total prompts by total time."""
    total = _total(measured)
    seconds = sum(answers / rate for answers, rate in measured)
    return total / seconds if seconds else 0.0, total
