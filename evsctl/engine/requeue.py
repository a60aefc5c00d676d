"""The requeue from inside a job: an unchanged repeat, within the caps that submit left for it."""

import json
import logging
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evsctl.engine.place import RunPlace
from evsctl.engine.signals import StopSignals
from evsctl.journal.heartbeat import read_heartbeat
from evsctl.journal.paths import ModelRuns

log = logging.getLogger(__name__)

NEAR_END_SECONDS = 150.0
"""A TERM this close to the job's time limit is the limit; any earlier one is somebody's wish to stop."""


def requeue_if_allowed(runs: ModelRuns, place: RunPlace, signals: StopSignals, committed: int) -> bool:
    """Ask SLURM to run this job again, and say in the log why or why not; returns whether it was asked.

    Everything must be on disk before: SLURM ends this process once it has the request.
    """
    refusal = why_not_requeue(runs, place, signals, committed)
    if refusal is not None:
        log.info("no requeue from inside the job: %s", refusal)
        return False
    argv = ["scontrol", "requeue", str(place.job_id)]
    log.info("running %s", " ".join(argv))
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("scontrol failed: %s", error)
        return False
    if answer.returncode != 0:
        log.warning("scontrol refused: %s", answer.stderr.strip())
    return answer.returncode == 0


def why_not_requeue(runs: ModelRuns, place: RunPlace, signals: StopSignals, committed: int) -> str | None:
    """Why this run must not put itself back into the queue, or None."""
    if place.job_id is None:
        return "not inside SLURM"
    at_limit = signals.name == "SIGTERM" and place.ends_at is not None and signals.at >= place.ends_at - NEAR_END_SECONDS
    if not (signals.warned or at_limit):
        return "it was not stopped by its time limit"
    caps = _read_caps(runs.auto)
    if caps is None:
        return f"{runs.auto.name} is absent"
    if not caps.get("on", True):
        return "auto is off"
    if committed == 0:
        return "this attempt answered nothing new"
    attempts, hours = float(caps.get("attempts") or 0), float(caps.get("gpu_hours") or 0)
    if attempts and place.restart + 1 >= attempts:
        return f"{place.restart + 1} of {attempts:g} attempts are used"
    if hours and (used := gpu_hours(runs, place)) >= hours:
        return f"{used:.1f} of {hours:g} GPU-hours are used"
    if not shutil.which("scontrol"):
        return "scontrol is not installed here"
    return None


def gpu_hours(runs: ModelRuns, place: RunPlace) -> float:
    """What this model's SLURM runs took so far, from their heartbeats."""
    total = 0.0
    for path in runs.heartbeats():
        heartbeat = read_heartbeat(path)
        if heartbeat is not None and heartbeat.job_id is not None:
            total += max(0.0, heartbeat.updated_at - heartbeat.started_at)
    return total * place.gpus / 3600


def _read_caps(path: Path) -> Mapping[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(value, dict):
        return None
    caps = value.get("caps", value)
    return caps if isinstance(caps, dict) else None
