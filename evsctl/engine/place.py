"""Where a run runs: its id, its node, its SLURM job if there is one."""

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunPlace:
    """What the environment says of this process's job."""

    run_id: str
    host: str
    job_id: str | None
    restart: int
    gpus: int
    ends_at: float | None
    """When the job's time limit strikes, seconds since the epoch; None where SLURM does not say."""


def read_place(environ: Mapping[str, str] | None = None) -> RunPlace:
    """Inside SLURM the run is `<job id>-r<restart>`, elsewhere a timestamp and the process id."""
    environ = os.environ if environ is None else environ
    job_id = environ.get("SLURM_JOB_ID") or None
    restart = _number(environ.get("SLURM_RESTART_COUNT"))
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + f"-{os.getpid()}"
    ends_at = environ.get("SLURM_JOB_END_TIME", "")
    return RunPlace(
        run_id=f"{job_id}-r{restart}" if job_id else stamp,
        host=(environ.get("SLURMD_NODENAME") if job_id else None) or socket.gethostname(),
        job_id=job_id,
        restart=restart,
        gpus=max(1, _number(environ.get("SLURM_GPUS_ON_NODE"))),
        ends_at=float(ends_at) if ends_at.isdigit() else None,
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0
