"""The process that watches over one job on this machine: waits for its turn, starts it, keeps its time, records its end.

It detaches from the front end that started it, so that closing a terminal ends no job. Run as
`python -m evsctl.jobs.local_supervisor FOLDER NUMBER`; the command returns once the supervisor stands.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from evsctl.files import PRIVATE_FILE_MODE, make_private_folder
from evsctl.jobs import local_state
from evsctl.jobs.commands import clean_environment
from evsctl.jobs.local_state import LocalFolder, LocalJob, LocalStatus
from evsctl.journal.claim import process_start

POLL_SECONDS = 0.25
WARNING_SECONDS = 120.0
"""USR1 comes this long before the end, as under SLURM."""
GRACE_SECONDS = float(os.environ.get("EVSCTL_LOCAL_GRACE", "20"))
"""Between TERM and KILL."""


class Supervisor:
    """Watches over one job."""

    def __init__(self, folder: LocalFolder, job: LocalJob) -> None:
        self.folder = folder
        self.job = job
        self.status = LocalStatus(local_state.PENDING, os.getpid(), process_start(os.getpid()))
        self._over: set[int] = set()
        self._stop = False
        signal.signal(signal.SIGTERM, self._ask_to_stop)
        signal.signal(signal.SIGINT, self._ask_to_stop)
        self._write()

    def run(self) -> None:
        """Wait, start, watch, record."""
        while not self._is_my_turn():
            if self._is_cancelled():
                return self._end(local_state.CANCELLED, "0:0")
            time.sleep(POLL_SECONDS)
        try:
            child = self._start()
        except OSError as error:
            print(f"evsctl: the job could not be started: {error}", flush=True)  # noqa: T201  # stdout is the job's log
            return self._end(local_state.FAILED, "0:53")
        end_state = self._watch(child)
        usage = self._reap(child)
        code = child.returncode
        state = end_state or (local_state.COMPLETED if code == 0 else local_state.FAILED)
        self.status = replace(self.status, max_rss_gb=usage)
        return self._end(state, f"0:{-code}" if code < 0 else f"{code}:0")

    def _is_my_turn(self) -> bool:
        """First come, first served: fewer jobs before this one are under way than run at a time. Needs no lock, as numbers only grow."""
        under_way = 0
        for number in self.folder.numbers():
            if number >= self.job.number:
                break
            if number in self._over:
                continue
            job = self.folder.read_job(number)
            status = self.folder.read_status(job) if job is not None else None
            if status is None or status.state not in local_state.ACTIVE:
                self._over.add(number)
            else:
                under_way += 1
        return under_way < self.job.slots and not self._is_cancelled()

    def _start(self) -> subprocess.Popen[bytes]:
        started = time.time()
        log = Path(self.job.log)
        make_private_folder(log.parent)
        environ = {**clean_environment(os.environ), "EVSCTL_JOB_ID": self.job.job_id}
        if self.job.walltime_seconds is not None:
            environ["EVSCTL_JOB_END"] = str(int(started + self.job.walltime_seconds))
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE_MODE)
        try:
            child = subprocess.Popen(
                list(self.job.argv),
                cwd=self.job.working_directory,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=handle,
                stderr=handle,
                process_group=0,
            )
        finally:
            os.close(handle)
        self.status = replace(
            self.status, state=local_state.RUNNING, child_pid=child.pid, child_started=process_start(child.pid), started_at=started
        )
        self._write()
        return child

    def _watch(self, child: subprocess.Popen[bytes]) -> str | None:
        """Wait for the job's process to end, without collecting it; the state, where it was made to end."""
        limit = self.job.walltime_seconds
        started = self.status.started_at or time.time()
        warned = limit is None or limit <= WARNING_SECONDS
        while not _has_ended(child.pid):
            if self._is_cancelled():
                self._make_end(child.pid)
                return local_state.CANCELLED
            if limit is not None and time.time() >= started + limit:
                self._make_end(child.pid)
                return local_state.TIMEOUT
            if not warned and limit is not None and time.time() >= started + limit - WARNING_SECONDS:
                warned = True
                _send(child.pid, signal.SIGUSR1)
            time.sleep(POLL_SECONDS)
        return None

    def _make_end(self, pid: int) -> None:
        _send(-pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while not _has_ended(pid) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS / 5)
        _send(-pid, signal.SIGKILL)

    def _reap(self, child: subprocess.Popen[bytes]) -> float:
        """Collect the job's process and return its peak memory in G."""
        _, wait_status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(wait_status)
        return usage.ru_maxrss / 2**20

    def _is_cancelled(self) -> bool:
        return self._stop or self.folder.cancel_file(self.job.number).exists()

    def _ask_to_stop(self, _number: int, _frame: object) -> None:
        self._stop = True

    def _end(self, state: str, exit_code: str) -> None:
        self.status = replace(self.status, state=state, exit_code=exit_code, ended_at=time.time())
        if state == local_state.CANCELLED:
            self.status = replace(self.status, cancelled_by_uid=self.job.uid)
        self._write()
        self.folder.cancel_file(self.job.number).unlink(missing_ok=True)

    def _write(self) -> None:
        self.folder.write_status(self.job.number, self.status)


def _has_ended(pid: int) -> bool:
    """Whether our child has ended; it stays collectable, so its number cannot be given to another meanwhile."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _send(target: int, number: signal.Signals) -> None:
    """Signal a process, or with a negative number its whole group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(target, number)


def main(argv: list[str]) -> None:
    """Stand up a supervisor apart from this process, and return once its first status is written."""
    folder = LocalFolder(Path(argv[0]))
    job = folder.read_job(int(argv[1]))
    if job is None:
        raise SystemExit(f"no job {argv[1]} in {folder.root}")
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(write_end)
        raise SystemExit(0 if os.read(read_end, 1) else 1)
    os.close(read_end)
    os.setsid()
    supervisor = Supervisor(folder, job)
    os.write(write_end, b"1")
    os.close(write_end)
    supervisor.run()


if __name__ == "__main__":
    main(sys.argv[1:])
