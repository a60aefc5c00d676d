"""Fixtures that every test may ask for."""

import os

# Set before any test imports torch: test processes share few cores, and threads that wait for each other crawl there.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

from tests.slurm_fixture import slurm, slurm_cluster  # noqa: F401

# Examples that wait for a disk or share a core with other tests take as long as they take.
settings.register_profile("evsctl", deadline=None)
settings.load_profile("evsctl")
