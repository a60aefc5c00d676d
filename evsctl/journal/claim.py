"""The claim on a model: one file, made with O_EXCL, naming who may write its journals now."""

import getpass
import json
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from evsctl.errors import ClaimedError
from evsctl.files import PRIVATE_FILE_MODE, make_private_folder
from evsctl.journal.heartbeat import COMMIT_INTERVAL_SECONDS, read_heartbeat
from evsctl.journal.paths import ModelRuns

STILL_SECONDS = 3 * COMMIT_INTERVAL_SECONDS


@dataclass(frozen=True, slots=True)
class Claim:
    """Who holds a model."""

    user: str
    host: str
    pid: int
    process_started: str | None
    """The process's start time as the kernel counts it: a pid alone may have been given to another."""
    job_id: str | None
    restart: int
    run_id: str
    token: str
    at: float


def acquire_claim(runs: ModelRuns, run_id: str, job_id: str | None, restart: int) -> Claim:
    """Take the model for this process; raises ClaimedError naming the holder.

    Taken over at once: an earlier restart of the same job, and a holder on this host whose process is gone.
    Anyone else is taken over when their heartbeat has stood still for three commit intervals.
    """
    make_private_folder(runs.folder)
    mine = Claim(
        getpass.getuser(), socket.gethostname(), os.getpid(), process_start(os.getpid()), job_id, restart, run_id, secrets.token_hex(8), time.time()
    )
    for _ in range(20):
        if _create(runs.claim, mine):
            return mine
        holder = read_claim(runs.claim)
        if holder is not None and not _is_free(runs, holder, mine):
            raise ClaimedError(
                f"Model '{runs.model_id}' is being answered by run {holder.run_id} ({holder.user} on {holder.host}, pid {holder.pid}).",
                "Wait for it, or end it with `evsctl cancel`.",
            )
        _remove(runs.claim, holder)
    raise ClaimedError(f"Model '{runs.model_id}' could not be claimed: {runs.claim} keeps changing hands.", "Try again.")


def release_claim(runs: ModelRuns, claim: Claim) -> None:
    """Give the model back, if this claim still holds it."""
    if still_held(runs, claim):
        runs.claim.unlink(missing_ok=True)


def still_held(runs: ModelRuns, claim: Claim) -> bool:
    """Whether nobody took the model over meanwhile."""
    holder = read_claim(runs.claim)
    return holder is not None and holder.token == claim.token


def read_claim(path: Path) -> Claim | None:
    """Read a claim; None where there is none or it is unreadable."""
    try:
        return Claim(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def process_start(pid: int) -> str | None:
    """A process's start time in clock ticks since boot (field 22 of /proc/PID/stat); None where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def process_alive(pid: int, started: str | None) -> bool:
    """Whether that very process still runs on this host; a zombie does not."""
    try:
        rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return rest[0] not in ("Z", "X") and (started is None or rest[19] == started)


def _create(path: Path, claim: Claim) -> bool:
    """Make the claim appear whole or not at all: a file of its own, hard-linked to the name."""
    draft = path.with_name(f".claim.{claim.token}")
    draft.write_text(json.dumps(asdict(claim)), encoding="utf-8")
    draft.chmod(PRIVATE_FILE_MODE)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink(missing_ok=True)
    return True


def _is_free(runs: ModelRuns, holder: Claim, mine: Claim) -> bool:
    if holder.job_id is not None and holder.job_id == mine.job_id and mine.restart > holder.restart:
        return True
    if holder.host == mine.host and holder.process_started is not None:
        return not process_alive(holder.pid, holder.process_started)
    heartbeat = read_heartbeat(runs.heartbeat(holder.run_id))
    last_sign = max(holder.at, heartbeat.updated_at if heartbeat else 0.0)
    return time.time() - last_sign > STILL_SECONDS


def _remove(path: Path, holder: Claim | None) -> None:
    """Take a dead claim away by renaming it: of two that try, one renames the dead one, the other finds it gone or new."""
    grave = path.with_name(f".claim.dead.{secrets.token_hex(8)}")
    try:
        os.rename(path, grave)
    except FileNotFoundError:
        return
    buried = read_claim(grave)
    if holder is not None and buried is not None and buried.token != holder.token:
        # A live claim was moved by mistake: put it back unless a third one took the place.
        try:
            os.link(grave, path)
        except FileExistsError:
            pass
    grave.unlink(missing_ok=True)
