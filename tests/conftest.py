"""Fixtures that every test may ask for."""

from tests.slurm_fixture import slurm, slurm_cluster  # noqa: F401
