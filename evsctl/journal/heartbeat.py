"""The heartbeat: the one small file by which a running job is watched."""

import errno
import json
import math
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from evsctl.files import write_atomically
from evsctl.journal.keys import BAD_LINE

COMMIT_INTERVAL_SECONDS = 10.0
"""The longest time between two commits of a healthy run that is computing."""

ACTIVE_PHASES = ("starting", "loading", "planning", "self-check", "running", "stopping")


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a run says of itself at each commit."""

    run_id: str
    model_id: str
    job_id: str | None
    restart: int
    phase: str
    """One of `ACTIVE_PHASES`, or `finished`, `stopped` (wants to go on), `failed`."""
    host: str
    """SLURM's node name inside a job, else the host name."""
    pid: int
    gpu: str | None = None
    executor: str | None = None
    dtype: str | None = None
    layer: int | None = None
    layers: int | None = None
    manifest_done: int = 0
    manifest_total: int = 0
    model_done: int = 0
    model_total: int = 0
    failed: int = 0
    p_valid_mean: float | None = None
    """Mean over this run's answered prompts."""
    prompts_per_second: float | None = None
    unique_tokens_per_second: float | None = None
    share_of_peak: float | None = None
    eta_seconds: float | None = None
    peak_host_memory_gb: float | None = None
    peak_gpu_memory_gb: float | None = None
    started_at: float = 0.0
    updated_at: float = 0.0
    last_error: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether the run had not ended when it wrote this."""
        return self.phase in ACTIVE_PHASES

    def age_seconds(self, now: float | None = None) -> float:
        """Seconds since it was written."""
        return max(0.0, (time.time() if now is None else now) - self.updated_at)


def write_heartbeat(path: Path, heartbeat: Heartbeat) -> None:
    """Replace the heartbeat atomically; raises OSError where the folder cannot be written.

    A number that is none (a rate of 0 by 0) is written as unknown: JSON has no word for it.
    """
    value = {name: None if isinstance(item, float) and not math.isfinite(item) else item for name, item in asdict(heartbeat).items()}
    write_atomically(path, json.dumps(value, ensure_ascii=False) + "\n")


def read_heartbeat(path: Path) -> Heartbeat | None:
    """Read a heartbeat; None where there is none, or it is not one. What a later version adds is passed over."""
    try:
        value = json.loads(_read_replaced(path).decode("utf-8"))
        known: dict[str, Any] = {item.name: item.type for item in fields(Heartbeat)}
        if not all(_fits(item, known[name]) for name, item in value.items() if name in known):
            return None
        return Heartbeat(**{name: item for name, item in value.items() if name in known})
    except (OSError, *BAD_LINE):
        return None


def _read_replaced(path: Path) -> bytes:
    """Read a file that another host may replace meanwhile: over NFS the old one is then gone in the middle of reading."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        return path.read_bytes()


def _fits(value: object, kind: Any) -> bool:
    """Whether a JSON value may stand in a field of this type; whole numbers are numbers."""
    return isinstance(value, kind) or (isinstance(value, int) and isinstance(0.0, kind))
