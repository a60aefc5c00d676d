"""The lease on a study: one file naming who writes the database and merges journals now."""

import contextlib
import errno
import json
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from evsctl.errors import DatabaseError
from evsctl.files import PRIVATE_FILE_MODE, make_private_folder
from evsctl.journal.claim import process_alive, process_start
from evsctl.journal.paths import RunsFolder

STALE_SECONDS = 600.0
"""A holder on another host that renewed nothing for so long is taken for dead."""
RENEW_SECONDS = 30.0
POLL_SECONDS = 0.05
GRAVE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Holder:
    """What the lock file says."""

    host: str
    pid: int
    process_started: str | None
    token: str
    at: float


class Lease:
    """The right to write, until released or lost; a context manager that gives it back."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self.path = path
        self.holder = holder
        self._renewed = time.monotonic()

    def check(self) -> None:
        """Make sure that the lease is still ours, and renew it; raises DatabaseError where it was taken over."""
        now = read_holder(self.path)
        if now is None or now.token != self.holder.token:
            taker = f" by process {now.pid} on {now.host}" if now else ""
            raise DatabaseError(f"The lease {self.path} was taken over{taker}; nothing more was written.", "Run the command again.")
        if time.monotonic() - self._renewed > RENEW_SECONDS:
            os.utime(self.path)
            self._renewed = time.monotonic()

    def release(self) -> None:
        """Give the lease back, if it is still ours."""
        grave = self.path.with_name(f".lease.released.{self.holder.token}")
        try:
            self.path.rename(grave)
        except OSError:
            return
        buried = read_holder(grave)
        if buried is not None and buried.token != self.holder.token:
            # It had been taken over: give the taker's lease back unless a third one stands there already.
            with contextlib.suppress(OSError):
                os.link(grave, self.path)
        grave.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def acquire_lease(runs: RunsFolder, *, wait_seconds: float) -> Lease:
    """Take the lease of the study, waiting for another holder at most `wait_seconds`.

    A holder on this host whose process is gone is replaced at once, one on another host after ten minutes without
    renewal. Raises DatabaseError naming the holder, or where the folder cannot be written.
    """
    mine = Holder(socket.gethostname(), os.getpid(), process_start(os.getpid()), secrets.token_hex(8), time.time())
    draft = runs.root / f".lease.{mine.token}"
    deadline = time.monotonic() + wait_seconds
    try:
        make_private_folder(runs.root)
        _write(draft, mine)
        while True:
            if _create(draft, runs.lease) or _take_over(draft, runs.lease):
                return Lease(runs.lease, mine)
            if time.monotonic() >= deadline:
                raise _held(runs.lease)
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
    except OSError as error:
        fix = "Free space there." if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Check who owns the study's folder."
        raise DatabaseError(f"{runs.root} cannot be written: {error.strerror}.", fix) from error
    finally:
        _unlink(draft)


def read_holder(path: Path) -> Holder | None:
    """Read a lock file; None where there is none or it is not one."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _held(path: Path) -> DatabaseError:
    holder = read_holder(path)
    if holder is None:
        return DatabaseError(f"The study's lease {path} keeps changing hands.", "Try again.")
    since = max(0, round(time.time() - holder.at))
    return DatabaseError(f"The study is being written by process {holder.pid} on {holder.host}, for {since} s.", "Wait for it, or end it.")


def _write(draft: Path, holder: Holder) -> None:
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(holder)))


def _create(draft: Path, path: Path) -> bool:
    """Make the lease appear whole or not at all: the draft, hard-linked to the name."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    return True


def _take_over(draft: Path, path: Path) -> bool:
    """Replace a dead holder's lease by the draft.

    Of several that see the same dead holder, the one that links its grave first goes on: a live lease is never moved.
    """
    dead = read_holder(path)
    if dead is None:
        return _bury_garbage(path, draft)
    if not _is_dead(dead, path, draft):
        return False
    grave = path.with_name(f".lease.dead.{dead.token}")
    try:
        os.link(path, grave)
    except FileExistsError:
        _forget_stalled_taker(grave, draft)
        return False
    except FileNotFoundError:
        return False
    try:
        buried = read_holder(grave)
        if buried is None or buried.token != dead.token:
            return False
        os.replace(draft, path)
        return True
    finally:
        _unlink(grave)


def _is_dead(holder: Holder, path: Path, draft: Path) -> bool:
    if holder.host == socket.gethostname() and holder.process_started is not None:
        return not process_alive(holder.pid, holder.process_started)
    return _age(path, draft) > STALE_SECONDS


def _age(path: Path, draft: Path) -> float:
    """Seconds since the file was written or renewed, both times by the file server's clock: hosts' clocks may differ."""
    try:
        os.utime(draft)
        return draft.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _bury_garbage(path: Path, draft: Path) -> bool:
    """A lock file that nobody can read (written by hand, or cut by a crash) stands in the way for a minute at most."""
    if _age(path, draft) > GRAVE_SECONDS:
        _unlink(path)
    return False


def _forget_stalled_taker(grave: Path, draft: Path) -> None:
    """A taker that died between its two steps would bar the way for ever."""
    try:
        age = draft.stat().st_mtime - grave.stat().st_ctime
    except FileNotFoundError:
        return
    if age > GRAVE_SECONDS:
        _unlink(grave)


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
