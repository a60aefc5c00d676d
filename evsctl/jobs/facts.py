"""What is known of the cluster: partitions, their limits, and the nodes behind them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class NodeGroup:
    """Nodes of one partition that look alike."""

    partition: str
    is_default: bool
    time_limit_minutes: int | None
    """None: no limit."""
    nodes: int
    cpus: int
    memory_gb: int
    """Memory that one job may have on one of them, in SLURM's G (2³⁰ bytes)."""
    gpus: Mapping[str, int]
    """GPU type → number on each node; the type is empty where the site names none."""
    features: frozenset[str]
    names: str = ""


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The answer of one sinfo call; empty where nobody could be asked."""

    groups: tuple[NodeGroup, ...] = ()

    def select(self, partition: str | None = None, constraint: str | None = None) -> tuple[NodeGroup, ...]:
        """The groups a request may run on; without a partition those of the default one."""
        names = set(partition.split(",")) if partition else {g.partition for g in self.groups if g.is_default}
        return tuple(g for g in self.groups if (not names or g.partition in names) and satisfies(g.features, constraint))

    def memory_limit_gb(self, partition: str | None, constraint: str | None) -> int | None:
        """Memory of the largest node that fits the request; None where that is not known."""
        return max((g.memory_gb for g in self.select(partition, constraint)), default=None)

    def time_limit_minutes(self, partition: str | None) -> int | None:
        """The longest job the partition takes; None: no limit, or not known."""
        limits = [g.time_limit_minutes for g in self.select(partition)]
        known = [limit for limit in limits if limit is not None]
        return max(known) if known and len(known) == len(limits) else None

    def features(self, partition: str | None = None) -> frozenset[str]:
        """All features of the partition's nodes."""
        return frozenset().union(*(g.features for g in self.select(partition)))


@runtime_checkable
class KnowsCluster(Protocol):
    """A port that can describe its cluster."""

    def facts(self) -> ClusterFacts:
        """Ask once; raises SlurmError."""
        ...


def satisfies(features: frozenset[str], constraint: str | None) -> bool:
    """Whether a node with these features fits a constraint made of `|` and `&`; counts and brackets are passed over."""
    if not constraint:
        return True
    plain = re.sub(r"[\[\]()]|\*\d+", "", constraint)
    return any(all(part.strip() in features for part in option.split("&")) for option in plain.split("|"))
