"""Builds the Snapshot: sync, progress, heartbeats, queue and outcomes, joined; failures become sentences in it."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from evsctl.db.connection import Database, open_database
from evsctl.db.ledger import Submission
from evsctl.db.sync import best_effort_sync
from evsctl.errors import DatabaseError, EvsctlError
from evsctl.jobs.outcomes import read_outcomes
from evsctl.jobs.types import PENDING, Advice, JobOutcome, JobPort
from evsctl.journal.paths import RunsFolder
from evsctl.models.registry import Registry
from evsctl.settings import POLL_FLOOR_SECONDS, Settings
from evsctl.status.advising import Adviser
from evsctl.status.join import Evidence, join_model
from evsctl.status.order import in_order
from evsctl.status.queue_cache import QueueAnswer, QueueCache, queue_cache
from evsctl.status.queue_feed import QueueFeed
from evsctl.status.snapshot import SlurmHealth, Snapshot
from evsctl.status.sources import DatabaseFacts, database_signature, in_study, log_of, newest_heartbeats, read_database

SYNC_SECONDS = 10.0
"""Journals are merged at most so often; heartbeats tell the progress between."""
TRUST_SECONDS = 60.0
"""So long an unchanged file stands for unchanged content."""
LOCAL = "local"


@dataclass(frozen=True)
class JobFacts:
    """What the batch system said, and what follows from it."""

    answer: QueueAnswer = field(default_factory=QueueAnswer)
    outcomes: Mapping[str, JobOutcome] = field(default_factory=dict)
    advice: Mapping[str, Advice] = field(default_factory=dict)
    last_seen: Mapping[str, float] = field(default_factory=dict)
    """When a job was last seen in the queue."""
    is_judged: bool = False
    """False until SLURM was asked for the first time."""


class Collector:
    """Both front ends' one source. `look` and `poll` may be called from different threads."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        port: JobPort,
        *,
        cache: QueueCache | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._port = port
        self._clock = clock
        self._runs = RunsFolder(settings.database.runs_dir)
        # The local port answers from files: it is asked every time, and its answer holds for one study only.
        shared = None if port.name == LOCAL else cache or queue_cache(port.name)
        self._feed = QueueFeed(port, 0.0 if port.name == LOCAL else settings.cluster.poll, shared, clock)
        self._polling = threading.Lock()
        self._reading = threading.Lock()
        self._jobs = JobFacts()
        self._facts: DatabaseFacts | None = None
        self._signature: object = None
        self._faults: dict[str, str] = {}
        self._synced_at = 0.0
        self._adviser = Adviser(settings, registry, self._runs, is_local=port.name == LOCAL)

    def collect(self, *, force_poll: bool = False) -> Snapshot:
        """The study now: sync, ask SLURM when that is due or forced, look.

        Raises InputError or DatabaseError where the database could never be read; every later failure is data.
        """
        self._sync()
        self._read()
        # Windows that stay open ask a silent SLURM ever more rarely; who asks once wants to know whether it is back.
        answer = self._feed.newest()
        impatient = answer.error is not None and self._clock() - (answer.attempted_at or 0.0) >= POLL_FLOOR_SECONDS
        self.poll(force=force_poll or impatient)
        return self.look()

    def look(self) -> Snapshot:
        """Files and database as they are now, with SLURM's last answer; raises as `collect` does."""
        self._sync()
        facts, now, jobs = self._read(), self._clock(), self._jobs
        beats = newest_heartbeats(self._runs)
        reachable = jobs.answer.error is None and jobs.answer.answered_at is not None
        reasons = {row.job_id: row.reason for row in jobs.answer.rows}
        rows = []
        for progress in facts.progress:
            mine = facts.of_model(progress.model_id)
            beat = beats.get(progress.model_id)
            evidence = Evidence(
                progress=progress,
                in_study=in_study(progress.model_id, self._settings, self._registry),
                heartbeat=beat,
                submissions=mine,
                outcomes=_known_outcomes(mine, facts, jobs),
                reasons=reasons,
                last_seen=jobs.last_seen,
                log_path=log_of(mine, beat, self._runs, progress.model_id),
                advice=jobs.advice.get(progress.model_id),
                slurm_reachable=reachable,
                is_asked=jobs.is_judged,
            )
            rows.append(join_model(evidence, now))
        return Snapshot(
            as_of=now,
            db=self._settings.database.display,
            study=self._settings.study.name,
            prompts=facts.prompts,
            models=in_order(rows),
            slurm=self._health(jobs, now),
            errors=tuple(self._faults.values()),
            synced_age_seconds=None if facts.synced_at is None else max(0.0, now - facts.synced_at),
            db_age_seconds=max(0.0, now - facts.read_at),
        )

    def poll(self, *, force: bool = False) -> None:
        """Ask SLURM when that is due or `force`d, and judge all jobs anew. Never raises; may take SLURM's time-outs.

        A second call while one is under way does nothing.
        """
        if not self._polling.acquire(blocking=False):
            return
        try:
            self._poll(force)
        finally:
            self._polling.release()

    def _poll(self, force: bool) -> None:
        facts = self._read_if_possible()
        answer = self._feed.ask(force=force, since=facts.last_submitted_at if facts else 0.0)
        self._tell_slurm(answer)
        facts = self._read_if_possible() or facts  # a job may have been handed in while SLURM was asked
        is_new = answer.attempted_at != self._jobs.answer.attempted_at
        if facts is None or not (is_new or any(item.job_id not in self._jobs.outcomes for item in facts.submissions)):
            self._jobs = replace(self._jobs, answer=answer)
            return
        try:
            self._judge(facts, answer)
            self._faults.pop("jobs", None)
        except (EvsctlError, OSError) as error:
            self._faults["jobs"] = f"Job states could not be read: {error}"
            self._jobs = replace(self._jobs, answer=answer)

    def _judge(self, facts: DatabaseFacts, answer: QueueAnswer) -> None:
        now = self._clock()
        seen = {**self._jobs.last_seen, **{row.job_id: answer.answered_at or now for row in answer.rows}}
        if not facts.submissions:
            self._jobs = JobFacts(answer, {}, {}, seen, True)
            return
        with self._open_to_store() as db:
            judged = read_outcomes(db, self._settings, self._port, queue=answer.rows)
            advice = self._adviser.advise(db, facts, judged, now)
        if {job_id: job.state for job_id, job in judged.items()} != {job_id: job.state for job_id, job in self._jobs.outcomes.items()}:
            self._synced_at = 0.0  # what an ended job answered is merged by the next look, not ten seconds later
        self._jobs = JobFacts(answer, judged, advice, seen, True)

    def _open_to_store(self) -> Database:
        """Opened for writing where that is possible, so that final outcomes are kept and accounting is asked once."""
        try:
            return open_database(self._settings.database, write=True)
        except DatabaseError:
            return open_database(self._settings.database)

    def _read_if_possible(self) -> DatabaseFacts | None:
        try:
            return self._read()
        except (EvsctlError, OSError):  # `look` says so
            return self._facts

    def _read(self) -> DatabaseFacts:
        """The database's facts, read again only when its files changed; the last ones where it cannot be read now."""
        with self._reading:
            return self._read_once()

    def _read_once(self) -> DatabaseFacts:
        now = self._clock()
        # A write within the clock tick of the last reading leaves no trace on the files: the rounded minute catches it.
        signature = (database_signature(self._settings), int(now // TRUST_SECONDS))
        if self._facts is not None and signature[0] and signature == self._signature:
            self._faults.pop("database", None)
            self._facts = replace(self._facts, read_at=now)
            return self._facts
        try:
            self._facts = read_database(self._settings, self._registry, now)
        except (EvsctlError, OSError) as error:
            if self._facts is None:
                raise
            self._faults["database"] = f"The database cannot be read now: {error}"
        else:
            self._faults.pop("database", None)
            self._signature = signature
            self._tell_configs(self._facts)
        return self._facts

    def _sync(self) -> None:
        now = self._clock()
        if 0 <= now - self._synced_at < SYNC_SECONDS:
            return
        self._synced_at = now
        outcome = best_effort_sync(self._settings.database)
        if outcome.report is not None and not outcome.report.finished:
            self._synced_at = 0.0  # the next look goes on where the budget ended this one
            self._faults["merging"] = "Journals are still being merged, so the counts lag behind; `evsctl sync` merges all of them at once."
        else:
            self._faults.pop("merging", None)
        problems = outcome.report.problems if outcome.report is not None else ()
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            # Stays: a line that was passed over is told of once only.
            self._faults["journals"] = f"A journal cannot be read whole: {problems[0]}{more}"

    def _tell_configs(self, facts: DatabaseFacts) -> None:
        """Prompts that no configuration of the study names are no work, but they are there."""
        if facts.prompts or not facts.configs:
            self._faults.pop("configs", None)
            return
        asked, found = ", ".join(self._settings.study.configs), ", ".join(facts.configs)
        self._faults["configs"] = (
            f"[study] configs asks for {asked}, and the survey has prompts in {found} only: name those in evsctl.toml."
        )

    def _tell_slurm(self, answer: QueueAnswer) -> None:
        if answer.error is None:
            self._faults.pop("slurm", None)
        else:
            self._faults["slurm"] = answer.error

    def _health(self, jobs: JobFacts, now: float) -> SlurmHealth:
        answer = jobs.answer
        return SlurmHealth(
            backend=self._port.name,
            reachable=answer.error is None and answer.answered_at is not None,
            age_seconds=answer.age_seconds(now),
            calls_per_hour=answer.calls_within_hour(now),
            error=answer.error,
            partition=self._settings.cluster.partition,
        )


def _known_outcomes(mine: tuple[Submission, ...], facts: DatabaseFacts, jobs: JobFacts) -> Mapping[str, JobOutcome]:
    """The judged outcomes; before the first judgement what was stored; and jobs handed in since then taken for pending."""
    if not jobs.is_judged:
        return facts.ended
    new = {item.job_id: JobOutcome(item.job_id, PENDING, "just submitted") for item in mine if item.job_id not in jobs.outcomes}
    return {**jobs.outcomes, **new} if new else jobs.outcomes
