"""The claim on a model: a numbered file made with O_EXCL, naming who may write its journals now.

A claim is never renamed, overwritten or deleted while it is the newest: who takes over number n creates number n + 1,
which one of any number of processes can do. Deleting a dead claim and creating a new one under the same name would be two
steps, and between them a slow contender can delete the claim of a fast one.
Two hosts compare each other's clocks here; they may differ by seconds, not by `STILL_SECONDS`.
"""

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from evsctl.errors import ClaimedError, EngineError
from evsctl.files import PRIVATE_FILE_MODE, current_user, make_private_folder, sync_folder, write_atomically
from evsctl.journal.heartbeat import COMMIT_INTERVAL_SECONDS, read_heartbeat
from evsctl.journal.keys import BAD_LINE
from evsctl.journal.paths import ModelRuns

STILL_SECONDS = 3 * COMMIT_INTERVAL_SECONDS
_BEING_WRITTEN_SECONDS = 1.0


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
    machine: str | None = None
    """Boot and pid namespace: only where these are the same does a pid say anything about another process."""
    number: int = 0
    """Which of the model's claims it is, counted from 1."""
    released: bool = False


def acquire_claim(runs: ModelRuns, run_id: str, job_id: str | None, restart: int) -> Claim:
    """Take the model for this process; raises ClaimedError naming the holder.

    Taken over at once: an earlier restart of the same job, and a holder on this machine whose process is gone.
    Anyone else is taken over when their heartbeat has stood still for three commit intervals. Raises EngineError where
    the folder cannot be written.
    """
    mine = Claim(
        user=current_user(),
        host=socket.gethostname(),
        pid=os.getpid(),
        process_started=process_start(os.getpid()),
        job_id=job_id,
        restart=restart,
        run_id=run_id,
        token=secrets.token_hex(8),
        at=time.time(),
        machine=_machine(),
    )
    for _ in range(20):
        newest = runs.claim_number()
        if newest and not _is_free(runs, newest, mine):
            raise _claimed(runs, newest)
        mine = replace(mine, number=newest + 1)
        if _create(runs.claim_file(mine.number), mine):
            if runs.claim_number() == mine.number:
                _forget_older(runs, mine.number)
                return mine
            # Others went on from `newest` while this process slept, and swept its number free: theirs counts.
            runs.claim_file(mine.number).unlink(missing_ok=True)
    raise ClaimedError(f"Model '{runs.model_id}' could not be claimed: it keeps changing hands.", "Try again.")


def release_claim(runs: ModelRuns, claim: Claim) -> None:
    """Give the model back, if this claim still holds it; a claim that cannot be written is left to be taken over."""
    if still_held(runs, claim):
        with suppress(OSError):
            write_atomically(runs.claim_file(claim.number), json.dumps(asdict(replace(claim, released=True))))


def still_held(runs: ModelRuns, claim: Claim) -> bool:
    """Whether nobody took the model over meanwhile and the claim was neither released nor deleted by hand."""
    if runs.claim_number() != claim.number:
        return False
    try:
        holder = _parse(runs.claim_file(claim.number).read_bytes())
    except BAD_LINE:
        return False
    except OSError:  # a file system that hiccups says nothing about who holds the model
        return True
    return holder.token == claim.token and not holder.released


def read_claim(path: Path) -> Claim | None:
    """Read a claim, usually `ModelRuns.claim`; None where there is none, it was given back, or it is unreadable."""
    with suppress(OSError, *BAD_LINE):
        claim = _parse(path.read_bytes())
        return None if claim.released else claim
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
    """Whether this process made the file. Until it is written readers find it empty, and wait."""
    try:
        make_private_folder(path.parent)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE)
    except FileExistsError:
        return False
    except OSError as error:
        raise EngineError(f"Claim {path} cannot be written: {error}.", "Check permissions and free space there.") from error
    try:
        os.write(handle, json.dumps(asdict(claim)).encode())
        os.fsync(handle)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise EngineError(f"Claim {path} cannot be written: {error}.", "Free space there.") from error
    finally:
        os.close(handle)
    sync_folder(path.parent)
    return True


def _is_free(runs: ModelRuns, number: int, mine: Claim) -> bool:
    try:
        holder = _read_whole(runs.claim_file(number))
        if holder is None:  # its writer died between creating and writing it, or it was garbled
            return time.time() - runs.claim_file(number).stat().st_mtime > STILL_SECONDS
    except FileNotFoundError:  # swept away: a newer one exists, which the attempt to create the next number will show
        return True
    except OSError:
        return False
    if holder.released or (holder.job_id is not None and holder.job_id == mine.job_id and mine.restart > holder.restart):
        return True
    if holder.machine is not None and holder.process_started is not None and (holder.host, holder.machine) == (mine.host, mine.machine):
        return not process_alive(holder.pid, holder.process_started)
    _see_afresh(runs.folder)
    heartbeat = read_heartbeat(runs.heartbeat(holder.run_id))
    last_sign = max(holder.at, heartbeat.updated_at if heartbeat else 0.0)
    return time.time() - last_sign > STILL_SECONDS


def _see_afresh(folder: Path) -> None:
    """Change the folder: an NFS client then forgets what it remembers of its files for up to a minute, twice `STILL_SECONDS`."""
    probe = folder / f".probe.{secrets.token_hex(8)}"
    with suppress(OSError):
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE_MODE))
        probe.unlink()


def _read_whole(path: Path) -> Claim | None:
    """Read a claim that may be in the middle of being written; None where it stays unreadable."""
    for _ in range(20):
        with suppress(*BAD_LINE):
            return _parse(path.read_bytes())
        time.sleep(_BEING_WRITTEN_SECONDS / 20)
    return None


def _parse(raw: bytes) -> Claim:
    known = {item.name for item in fields(Claim)}
    return Claim(**{name: value for name, value in json.loads(raw).items() if name in known})


def _claimed(runs: ModelRuns, number: int) -> ClaimedError:
    holder = read_claim(runs.claim_file(number))
    if holder is None:
        return ClaimedError(
            f"Model '{runs.model_id}' has a claim that could not be read just now: {runs.claim_file(number)}.", "Try again in a minute."
        )
    return ClaimedError(
        f"Model '{runs.model_id}' is being answered by run {holder.run_id} ({holder.user} on {holder.host}, pid {holder.pid}).",
        "Wait for it, or end it with `evsctl cancel`.",
    )


def _forget_older(runs: ModelRuns, number: int) -> None:
    for older in runs.claim_numbers():
        if older < number:
            runs.claim_file(older).unlink(missing_ok=True)


def _machine() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None
