"""Jobs as processes of this machine: they outlive who started them, and their ends are told truthfully."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evsctl.errors import SlurmError
from evsctl.jobs.local_port import LocalPort
from evsctl.jobs.states import judge
from evsctl.jobs.types import HistoryRow, JobRequest, JobSpec
from evsctl.journal.paths import RunsFolder


@pytest.fixture
def port(tmp_path: Path) -> LocalPort:
    return LocalPort(RunsFolder(tmp_path / "survey.runs"), slots=1)


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., JobSpec]:
    def make(body: str, walltime_seconds: float = 0, name: str = "evs-study-m") -> JobSpec:
        script = tmp_path / f"{abs(hash(body))}.sbatch"
        script.write_text(body)
        request = JobRequest(1, walltime_seconds / 60)  # type: ignore[arg-type]  # shorter than a minute, for the test
        return JobSpec(name, ("m",), request, script, str(tmp_path / "survey.runs/m/%j.log"), tmp_path, ("--dtype", "int4"))

    return make


def wait_for(test: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not test():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def end_of(port: LocalPort, job_id: str) -> HistoryRow:
    wait_for(lambda: job_id not in {row.job_id for row in port.queue()})
    (row,) = port.history((job_id,))
    return row


def log_of(tmp_path: Path, job_id: str) -> str:
    return (tmp_path / f"survey.runs/m/{job_id}.log").read_text()


def state_of(port: LocalPort, job_id: str) -> str:
    return {row.job_id: row.state for row in port.queue()}.get(job_id, "")


def test_a_job_runs_with_its_arguments_and_its_end_is_read_back(port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path) -> None:
    job_id = port.submit(make_job('echo "hello $EVSCTL_JOB_ID $PWD $*"'))
    row = end_of(port, job_id)
    assert job_id == "local-1"
    assert (row.state, row.exit_code) == ("COMPLETED", "0:0")
    assert row.max_rss_gb is not None
    assert row.max_rss_gb > 0
    assert log_of(tmp_path, job_id) == f"hello local-1 {tmp_path} --dtype int4\n"


@pytest.mark.parametrize(
    ("body", "exit_code"), [("exit 7", "7:0"), ("exit 75", "75:0"), ("kill -SEGV $$", "0:11"), ("no-such-program", "127:0")]
)
def test_exit_codes_read_as_slurm_writes_them(port: LocalPort, make_job: Callable[..., JobSpec], body: str, exit_code: str) -> None:
    row = end_of(port, port.submit(make_job(body)))
    assert (row.state, row.exit_code) == ("FAILED", exit_code)


def test_jobs_run_one_after_the_other_in_the_order_they_came(port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path) -> None:
    wait = f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; sleep 0.2"
    body = f'echo "start $EVSCTL_JOB_ID" >> {tmp_path}/order; {wait}; echo "end $EVSCTL_JOB_ID" >> {tmp_path}/order'
    ids = [port.submit(make_job(body)) for _ in range(3)]
    wait_for(lambda: state_of(port, ids[0]) == "RUNNING")
    assert [state_of(port, job_id) for job_id in ids] == ["RUNNING", "PENDING", "PENDING"]
    (tmp_path / "go").touch()
    wait_for(lambda: not port.queue())
    assert (tmp_path / "order").read_text().split("\n")[:-1] == [f"{what} {job_id}" for job_id in ids for what in ("start", "end")]


def test_a_job_outlives_the_process_that_submitted_it(make_job: Callable[..., JobSpec], tmp_path: Path, port: LocalPort) -> None:
    spec = make_job("sleep 1; echo survived")
    code = (
        "import sys; from pathlib import Path; from evsctl.jobs.local_port import LocalPort; from evsctl.jobs.types import *;"
        "from evsctl.journal.paths import RunsFolder;"
        "print(LocalPort(RunsFolder(Path(sys.argv[1]))).submit("
        "JobSpec('n', ('m',), JobRequest(1, 0), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[1]).parent)))"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "survey.runs"), str(spec.script), spec.log_pattern]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, start_new_session=True)
    job_id = done.stdout.strip()
    assert state_of(port, job_id) in ("PENDING", "RUNNING")
    assert end_of(port, job_id).state == "COMPLETED"
    assert log_of(tmp_path, job_id) == "survived\n"


def test_cancelling_ends_the_job_and_all_its_children(port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path) -> None:
    job_id = port.submit(make_job(f"sleep 300 & echo $! > {tmp_path}/child; wait"))
    wait_for(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().strip())
    port.cancel((job_id,))
    row = end_of(port, job_id)
    assert (row.state, row.cancelled_by_uid) == ("CANCELLED", os.getuid())
    child = int((tmp_path / "child").read_text())
    wait_for(lambda: not _runs(child))


def test_a_waiting_job_is_cancelled_without_ever_starting(port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path) -> None:
    first = port.submit(make_job("sleep 300"))
    second = port.submit(make_job(f"touch {tmp_path}/started"))
    port.cancel((second,))
    assert end_of(port, second).state == "CANCELLED"
    port.cancel((first,))
    end_of(port, first)
    assert not (tmp_path / "started").exists()


def test_a_job_that_does_not_listen_is_killed(
    port: LocalPort, make_job: Callable[..., JobSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVSCTL_LOCAL_GRACE", "0.3")
    job_id = port.submit(make_job(f"trap '' TERM; touch {tmp_path}/ready; while true; do sleep 0.1; done"))
    wait_for((tmp_path / "ready").exists)
    port.cancel((job_id,))
    assert end_of(port, job_id).state == "CANCELLED"


def test_the_time_limit_is_kept_and_told_to_the_job(port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path) -> None:
    before = time.time()
    job_id = port.submit(make_job('echo "$EVSCTL_JOB_END"; sleep 300', walltime_seconds=1.0))
    row = end_of(port, job_id)
    assert (row.state, row.time_limit_seconds) == ("TIMEOUT", pytest.approx(1.0))
    assert before <= float(log_of(tmp_path, job_id)) <= time.time() + 1


def test_without_a_time_limit_no_end_is_told(port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path) -> None:
    job_id = port.submit(make_job('echo "end: $EVSCTL_JOB_END"'))
    end_of(port, job_id)
    assert log_of(tmp_path, job_id) == "end: \n"


def test_a_job_whose_supervisor_was_killed_runs_on_and_is_told_so(
    port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path
) -> None:
    job_id = port.submit(make_job(f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done"))
    wait_for(lambda: state_of(port, job_id) == "RUNNING")
    _kill_supervisor(port)
    assert state_of(port, job_id) == "RUNNING"
    (tmp_path / "go").touch()
    row = end_of(port, job_id)
    assert (row.state, row.exit_code) == ("FAILED", "")
    assert judge(job_id, None, [row]).detail == "nobody saw its end: its supervisor was killed, or the machine was restarted"


def test_a_job_whose_supervisor_was_killed_can_still_be_cancelled(port: LocalPort, make_job: Callable[..., JobSpec]) -> None:
    job_id = port.submit(make_job("exec sleep 300"))
    wait_for(lambda: state_of(port, job_id) == "RUNNING")
    _kill_supervisor(port)
    port.cancel((job_id,))
    assert end_of(port, job_id).state == "CANCELLED"


def test_a_job_whose_supervisor_was_killed_before_its_turn_never_starts_and_blocks_nobody(
    port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path
) -> None:
    first = port.submit(make_job(f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done"))
    second = port.submit(make_job("true"))
    third = port.submit(make_job("true"))
    _kill_supervisor(port, 2)
    (tmp_path / "go").touch()
    assert [end_of(port, job_id).state for job_id in (first, third, second)] == ["COMPLETED", "COMPLETED", "BOOT_FAIL"]


def test_a_pid_that_was_given_to_another_process_is_not_taken_for_the_job(port: LocalPort, make_job: Callable[..., JobSpec]) -> None:
    job_id = port.submit(make_job("true"))
    end_of(port, job_id)
    (job,) = port.folder.jobs()
    stored = json.loads(port.folder.status_file(1).read_text())
    bystander = subprocess.Popen(["sleep", "300"])
    try:
        status = replace(port.folder.read_status(job), state="RUNNING", ended_at=None, exit_code="")  # type: ignore[type-var]
        reused = replace(status, supervisor_pid=bystander.pid, child_pid=bystander.pid, child_started="1", supervisor_started="1")
        port.folder.write_status(1, reused)
        assert port.queue() == ()
        port.cancel((job_id,))
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert stored["state"] == "COMPLETED"


def test_a_job_of_another_host_is_shown_as_recorded_and_cancelled_only_there(port: LocalPort, make_job: Callable[..., JobSpec]) -> None:
    job_id = port.submit(make_job("true"))
    end_of(port, job_id)
    path = port.folder.job_file(1)
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": "elsewhere"}))
    (job,) = port.folder.jobs()
    port.folder.write_status(1, replace(port.folder.read_status(job), state="RUNNING"))  # type: ignore[type-var]
    assert state_of(port, job_id) == "RUNNING"
    with pytest.raises(SlurmError, match="runs on elsewhere"):
        port.cancel((job_id,))


def test_two_windows_see_the_same_jobs(port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path) -> None:
    job_id = port.submit(make_job("true"))
    end_of(port, job_id)
    assert LocalPort(RunsFolder(tmp_path / "survey.runs")).history((job_id,)) == port.history((job_id,))


def test_unknown_jobs_have_no_history(port: LocalPort) -> None:
    assert port.history(("local-9", "52554809")) == ()
    port.cancel(("local-9", "52554809"))


def test_nothing_it_writes_is_readable_by_the_world(port: LocalPort, make_job: Callable[..., JobSpec], tmp_path: Path) -> None:
    end_of(port, port.submit(make_job("echo secret")))
    written = [path for path in (tmp_path / "survey.runs").rglob("*") if path.is_file()]
    assert written
    assert [path.name for path in written if path.stat().st_mode & 0o007] == []


def test_an_interactive_jobs_environment_does_not_reach_the_local_job(
    port: LocalPort, make_job: Callable[..., JobSpec], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    job_id = port.submit(make_job('echo "job: $SLURM_JOB_ID"'))
    end_of(port, job_id)
    assert log_of(tmp_path, job_id) == "job: \n"


def _kill_supervisor(port: LocalPort, number: int = 1) -> None:
    job = port.folder.read_job(number)
    assert job is not None
    status = port.folder.read_status(job)
    assert status is not None
    os.kill(status.supervisor_pid, signal.SIGKILL)
    wait_for(lambda: not status.supervisor_alive)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
