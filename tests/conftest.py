"""Fixtures that every test may ask for."""

import os

# Set before any test imports torch: test processes share few cores, and threads that wait for each other crawl there.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.slurm_fixture import slurm, slurm_cluster  # noqa: F401
