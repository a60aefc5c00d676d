"""What the next job of each model would ask for, computed again only when something happened to the model."""

from collections.abc import Mapping
from dataclasses import replace

from evsctl.db.connection import Database
from evsctl.db.ledger import StoredOutcome, outcomes
from evsctl.db.progress import ModelProgress
from evsctl.jobs.advice import advise
from evsctl.jobs.evidence import trusted_rate
from evsctl.jobs.facts import ClusterFacts
from evsctl.jobs.plan import read_attempt
from evsctl.jobs.types import ACTIVE_STATES, Advice, JobOutcome
from evsctl.journal.paths import RunsFolder
from evsctl.models.registry import Registry
from evsctl.settings import Settings
from evsctl.status.sources import DatabaseFacts


class Adviser:
    """Advice without asking SLURM for its nodes: the Plan screen, which does, may cap it."""

    def __init__(self, settings: Settings, registry: Registry, runs: RunsFolder, *, is_local: bool) -> None:
        self._settings = settings
        self._registry = registry
        self._runs = runs
        self._is_local = is_local
        self._known: dict[str, tuple[object, Advice]] = {}

    def advise(self, db: Database, facts: DatabaseFacts, judged: Mapping[str, JobOutcome], now: float) -> dict[str, Advice]:
        """Advice by model id, for models with prompts missing whose jobs have all ended."""
        stored = outcomes(db)
        found: dict[str, Advice] = {}
        for progress in facts.progress:
            jobs = [judged[item.job_id] for item in facts.of_model(progress.model_id) if item.job_id in judged]
            if jobs and progress.done < progress.total and not any(job.state in ACTIVE_STATES for job in jobs):
                advice = self._of_model(progress, facts, judged, stored, now)
                found |= {progress.model_id: advice} if advice is not None else {}
        return found

    def _of_model(
        self,
        progress: ModelProgress,
        facts: DatabaseFacts,
        judged: Mapping[str, JobOutcome],
        stored: Mapping[tuple[str, str], StoredOutcome],
        now: float,
    ) -> Advice | None:
        model_id, pending = progress.model_id, progress.total - progress.done
        mine, spec = facts.of_model(model_id), self._registry.find(model_id)
        if spec is None:
            return None
        key = (len(mine), pending, judged.get(mine[-1].job_id))
        if model_id in self._known and self._known[model_id][0] == key:
            return self._known[model_id][1]
        attempts = [read_attempt(item, judged.get(item.job_id), stored.get((item.backend, item.job_id)), self._runs) for item in mine]
        rate = trusted_rate(self._runs.model(model_id))
        advice = advise(spec.with_dtype(mine[-1].dtype), attempts, pending, ClusterFacts(), self._settings, rate, now)
        if self._is_local:  # nothing is asked for on this machine, so nothing changes
            advice = replace(advice, request=attempts[-1].request)
        self._known[model_id] = (key, advice)
        return advice
