"""One look at the batch system and its cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from evsctl.db.connection import Database
from evsctl.errors import SlurmError
from evsctl.jobs.facts import ClusterFacts, KnowsCluster
from evsctl.jobs.outcomes import read_outcomes
from evsctl.jobs.types import JobOutcome, JobPort, QueueRow
from evsctl.settings import Settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One look at the batch system, good for the plans of many models."""

    queue: tuple[QueueRow, ...] = ()
    facts: ClusterFacts = field(default_factory=ClusterFacts)
    outcomes: Mapping[str, JobOutcome] = field(default_factory=dict)
    error: str | None = None
    """Why the batch system could not be asked."""


def look_around(db: Database, settings: Settings, port: JobPort) -> Surroundings:
    """Ask the batch system once; a failure is data. Writes nothing."""
    try:
        queue = port.queue()
        return Surroundings(queue, _facts(port), read_outcomes(db, settings, port, queue=queue, store=False))
    except SlurmError as error:
        return Surroundings(error=str(error))


def _facts(port: JobPort) -> ClusterFacts:
    """What the cluster looks like; a site that does not say limits nothing."""
    try:
        return port.facts() if isinstance(port, KnowsCluster) else ClusterFacts()
    except SlurmError:
        return ClusterFacts()
