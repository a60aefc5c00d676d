"""Fixtures that give a test a real SLURM cluster; the cluster is started once per test process, on first use."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm_cluster import SlurmCluster
from tests.slurm_machine import missing_programs


@pytest.fixture(scope="session")
def slurm_cluster() -> Iterator[SlurmCluster]:
    """A cluster with accounting, several nodes and pretended GPUs; skips where SLURM is not installed."""
    if missing := missing_programs():
        pytest.skip(f"not installed: {', '.join(missing)}")
    cluster = SlurmCluster(Path(tempfile.mkdtemp(prefix="evs-slurm-")))
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmCluster]:
    """The cluster, with this process's environment pointing to it; whatever a test leaves in the queue is cancelled."""
    for name, value in slurm_cluster.environment.items():
        if name in ("SLURM_CONF", "PATH"):
            monkeypatch.setenv(name, value)
    yield slurm_cluster
    slurm_cluster.cancel_all()
