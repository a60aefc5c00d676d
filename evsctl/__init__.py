"""evsctl: run a values survey through language models on a SLURM cluster, watch it, and draw its figures."""

__version__ = "0.1.0"
