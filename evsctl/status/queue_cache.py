"""What the batch system last answered, in one small file that all windows of a user share."""

import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evsctl.files import current_user, make_private_folder, write_atomically
from evsctl.jobs.types import QueueRow

HOUR = 3600.0
ASKING_SECONDS = 20.0
"""A window that said it was asking, and is not back after this long, is gone."""


@dataclass(frozen=True, slots=True)
class QueueAnswer:
    """The newest answer of squeue, and how the asking goes."""

    rows: tuple[QueueRow, ...] = ()
    answered_at: float | None = None
    """When `rows` were told; None where there never was an answer."""
    attempted_at: float | None = None
    error: str | None = None
    """Why the newest attempt failed; `rows` are then older than it."""
    failures: int = 0
    """Failed attempts in a row."""
    quiet: int = 0
    """Answers in a row that said the same, with nothing in the queue."""
    calls: tuple[float, ...] = ()
    """When squeue was called, within the last hour."""

    def age_seconds(self, now: float) -> float | None:
        """Age of `rows`."""
        return None if self.answered_at is None else max(0.0, now - self.answered_at)

    def calls_within_hour(self, now: float) -> int:
        """How often all windows together asked within the last hour."""
        return sum(now - HOUR < at <= now for at in self.calls)

    def answered(self, rows: tuple[QueueRow, ...], now: float) -> "QueueAnswer":
        """This answer followed by a new one."""
        quiet = self.quiet + 1 if not rows and not self.rows and self.answered_at is not None else 0
        return QueueAnswer(rows, now, now, None, 0, quiet, self._called(now))

    def refused(self, error: str, now: float) -> "QueueAnswer":
        """This answer followed by a failed attempt: the rows stay."""
        return replace(self, attempted_at=now, error=error, failures=self.failures + 1, calls=self._called(now))

    def _called(self, now: float) -> tuple[float, ...]:
        return (*(at for at in self.calls if now - HOUR < at <= now), now)


class QueueCache:
    """The file `~/.cache/evsctl/queue-<key>.json`; a cache that cannot be read or written is no error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> QueueAnswer | None:
        """The newest answer any window wrote; None where there is none."""
        try:
            value: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
            rows = tuple(QueueRow(**row) for row in value.pop("rows"))
            return QueueAnswer(rows=rows, calls=tuple(value.pop("calls")), **value)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, answer: QueueAnswer) -> None:
        """Replace the file atomically; a folder that cannot be written leaves each window on its own."""
        try:
            write_atomically(self.path, json.dumps(asdict(answer), ensure_ascii=False) + "\n", mode=0o600)
        except OSError:
            return

    @contextmanager
    def asking(self) -> Iterator[bool]:
        """Say that this window asks now; False where another one already does."""
        flag = self.path.with_suffix(".asking")
        mine = _raise_flag(flag)
        try:
            yield mine
        finally:
            if mine:
                with suppress(OSError):
                    flag.unlink()


def _raise_flag(flag: Path) -> bool:
    try:
        make_private_folder(flag.parent)
        if time.time() - flag.stat().st_mtime > ASKING_SECONDS:
            flag.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    except OSError:
        return True
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except OSError:  # no cache folder: this window is on its own
        return True
    return True


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """`$XDG_CACHE_HOME/evsctl`, else `~/.cache/evsctl`."""
    environ = os.environ if environ is None else environ
    base = environ.get("XDG_CACHE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "evsctl"
    try:
        return Path(environ.get("HOME") or Path.home()) / ".cache" / "evsctl"
    except RuntimeError:  # a user id without a home
        return Path(tempfile.gettempdir()) / f"evsctl-{os.getuid()}"


def queue_cache(backend: str, environ: Mapping[str, str] | None = None) -> QueueCache:
    """The cache that this user's windows on this cluster share."""
    environ = os.environ if environ is None else environ
    return QueueCache(cache_folder(environ) / f"queue-{backend}-{_cluster_key(environ)}.json")


def _cluster_key(environ: Mapping[str, str]) -> str:
    """One key per cluster: a home folder may serve several, and a cluster has several login nodes."""
    conf = environ.get("SLURM_CONF", "/etc/slurm/slurm.conf")
    try:
        named = re.search(r"(?im)^\s*ClusterName\s*=\s*(\S+)", Path(conf).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        named = None
    cluster = named.group(1) if named else re.sub(r"\d+", "", socket.gethostname())
    squeue = shutil.which("squeue", path=environ.get("PATH")) or ""
    parts = (current_user(), cluster, environ.get("SLURM_CONF", ""), environ.get("SLURM_CLUSTERS", ""), squeue)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
