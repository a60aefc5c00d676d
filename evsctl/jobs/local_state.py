"""What is on disk of the jobs that run on this machine: one file of the front end and one of the supervisor per job.

`<n>.json` says what to run and never changes; `<n>.status.json` belongs to the job's supervisor alone.
"""

import json
import os
import re
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evsctl.files import PRIVATE_FILE_MODE, make_private_folder, write_atomically
from evsctl.journal.claim import process_alive

PREFIX = "local-"
PENDING, RUNNING, COMPLETED, FAILED, CANCELLED, TIMEOUT, BOOT_FAIL = (
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "TIMEOUT",
    "BOOT_FAIL",
)
ACTIVE = (PENDING, RUNNING)


@dataclass(frozen=True, slots=True)
class LocalJob:
    """What to run."""

    number: int
    name: str
    model_ids: tuple[str, ...]
    argv: tuple[str, ...]
    log: str
    working_directory: str
    walltime_seconds: float | None
    memory_gb: int
    slots: int
    host: str
    uid: int
    submitted_at: float

    @property
    def job_id(self) -> str:
        """`local-7`."""
        return f"{PREFIX}{self.number}"


@dataclass(frozen=True, slots=True)
class LocalStatus:
    """How it goes; processes are known by pid and start time, because pids are given again."""

    state: str
    supervisor_pid: int
    supervisor_started: str | None
    child_pid: int | None = None
    child_started: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: str = ""
    """`code:signal`, empty where nobody saw the end."""
    max_rss_gb: float | None = None
    cancelled_by_uid: int | None = None

    @property
    def child_alive(self) -> bool:
        """Whether the job's own process runs on this host."""
        return self.child_pid is not None and process_alive(self.child_pid, self.child_started)

    @property
    def supervisor_alive(self) -> bool:
        """Whether someone watches over it on this host."""
        return process_alive(self.supervisor_pid, self.supervisor_started)


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """`survey.runs/.local/`."""

    root: Path

    def job_file(self, number: int) -> Path:
        """What to run."""
        return self.root / f"{number}.json"

    def status_file(self, number: int) -> Path:
        """How it goes."""
        return self.root / f"{number}.status.json"

    def cancel_file(self, number: int) -> Path:
        """Its existence asks the supervisor to end the job."""
        return self.root / f"{number}.cancel"

    def numbers(self) -> list[int]:
        """All jobs there ever were, oldest first."""
        return sorted(int(path.stem) for path in self.root.glob("*.json") if path.stem.isdigit())

    def jobs(self) -> Iterator[LocalJob]:
        """All readable jobs, oldest first."""
        for number in self.numbers():
            if (job := self.read_job(number)) is not None:
                yield job

    def read_job(self, number: int) -> LocalJob | None:
        """One job; None where there is none."""
        value = _read(self.job_file(number))
        try:
            return None if value is None else LocalJob(**{**value, "model_ids": tuple(value["model_ids"]), "argv": tuple(value["argv"])})
        except (TypeError, KeyError):
            return None

    def read_status(self, job: LocalJob) -> LocalStatus | None:
        """How a job goes, told by its supervisor and then checked against the processes that are really there."""
        value = _read(self.status_file(job.number))
        try:
            status = None if value is None else LocalStatus(**value)
        except TypeError:
            return None
        return status if status is None or job.host != socket.gethostname() else checked(status)

    def write_status(self, number: int, status: LocalStatus) -> None:
        """Replace a job's status."""
        write_atomically(self.status_file(number), json.dumps(asdict(status)) + "\n")

    def add(self, job: LocalJob) -> LocalJob:
        """Store a job under the next free number, which makes it the last in the queue."""
        make_private_folder(self.root)
        draft = self.root / f".draft.{secrets.token_hex(8)}"
        number = max(self.numbers(), default=0)
        try:
            while True:
                number += 1
                numbered = replace(job, number=number, log=filled(job.log, f"{PREFIX}{number}"))
                draft.write_text(json.dumps(asdict(numbered)) + "\n", encoding="utf-8")
                draft.chmod(PRIVATE_FILE_MODE)
                try:
                    os.link(draft, self.job_file(number))
                except FileExistsError:
                    continue
                return numbered
        finally:
            draft.unlink(missing_ok=True)


def checked(status: LocalStatus) -> LocalStatus:
    """The status as the living processes of this host bear it out.

    A supervisor that is gone leaves a running job alone: its process says whether it still runs. Gone as well, nobody saw its
    end: FAILED without an exit code. A job whose supervisor went before it started it will never start: BOOT_FAIL.
    """
    if status.state not in ACTIVE or status.supervisor_alive:
        return status
    if status.child_pid is None:
        return replace(status, state=BOOT_FAIL)
    return replace(status, state=RUNNING if status.child_alive else FAILED)


def filled(pattern: str, job_id: str) -> str:
    """sbatch's file name pattern with the job's id in place: `%j` is the id, `%%` a percent sign."""
    return re.sub(r"%[j%]", lambda match: "%" if match[0] == "%%" else job_id, pattern)


def job_number(job_id: str) -> int | None:
    """7 of `local-7`; None for another backend's job."""
    rest = job_id.removeprefix(PREFIX)
    return int(rest) if rest != job_id and rest.isdigit() else None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
