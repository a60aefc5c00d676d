"""The port against a real SLURM: every state that can be made is made, and read back."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evsctl.errors import SlurmError, SubmissionRefusedError
from evsctl.jobs.cli_port import CliPort
from evsctl.jobs.commands import CommandRunner
from evsctl.jobs.states import judge, runs_of
from evsctl.jobs.types import JobOutcome, JobRequest, JobSpec
from tests.slurm_cluster import SlurmCluster

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

SMALL = JobRequest(1, 10, gpus=0, cpus=1)


@pytest.fixture
def port(slurm: SlurmCluster) -> CliPort:
    return CliPort()


@pytest.fixture
def make_job(tmp_path: Path) -> Callable[..., JobSpec]:
    def make(body: str = "true", name: str = "evs-study-m", arguments: tuple[str, ...] = (), **request: object) -> JobSpec:
        runs = tmp_path / "survey.runs" / "m"
        runs.mkdir(parents=True, exist_ok=True)
        script = runs / f"{name}.sbatch"
        script.write_text("#!/bin/bash\n" + body + "\n")
        wanted = replace(SMALL, **request)  # type: ignore[arg-type]
        return JobSpec(name, ("m",), wanted, script, str(runs / "%j.log"), tmp_path, arguments)

    return make


def outcome_of(slurm: SlurmCluster, port: CliPort, job_id: str, log: Path | None = None) -> JobOutcome:
    """Wait for a job's end and judge it as evsctl would."""
    slurm.wait_until(lambda: job_id not in {row.job_id for row in port.queue()}, f"job {job_id} to leave the queue", 60)
    slurm.wait_for_record(job_id)
    return judge(job_id, None, port.history((job_id,)), None, log.read_text() if log is not None and log.exists() else "")


def test_a_job_from_pending_to_its_end(slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec], tmp_path: Path) -> None:
    """Submit twice under one name: the second waits for the first, then both have ended well."""
    first = port.submit(make_job("sleep 2; echo done with $1", arguments=("an argument",)))
    second = port.submit(make_job("true"))
    slurm.wait_for_state(first, "RUNNING")
    rows = {row.job_id: row for row in port.queue()}
    assert (rows[first].state, rows[first].name, rows[first].time_limit_seconds) == ("RUNNING", "evs-study-m", 600.0)
    assert rows[first].nodes in {node.name for node in slurm.nodes}
    assert abs((rows[first].start_time or 0) - time.time()) < 30
    assert (rows[second].state, rows[second].reason) == ("PENDING", "Dependency")
    assert judge(second, rows[second]).detail == "Dependency: waits for the earlier job of this model to end"
    outcome = outcome_of(slurm, port, first)
    assert (outcome.state, outcome.exit_code, outcome.is_final) == ("done", "0:0", True)
    assert outcome.elapsed_seconds == pytest.approx(2, abs=2)
    assert (tmp_path / f"survey.runs/m/{first}.log").read_text() == "done with an argument\n"
    assert outcome_of(slurm, port, second).state == "done"


def test_what_is_asked_for_is_what_slurm_has(slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec]) -> None:
    job_id = port.submit(make_job("sleep 60", memory_gb=96, walltime_minutes=240, gpus=1, constraint="a100|h100", cpus=4, qos="normal"))
    shown = slurm.run("scontrol", "show", "job", job_id)
    for expected in ("mem=96G", "TimeLimit=04:00:00", "Features=a100|h100", "gres/gpu=1", "CPUs/Task=4", "Requeue=1", "Dependency="):
        assert expected in shown


def test_excluded_nodes_are_left_out(slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec]) -> None:
    job_id = port.submit(make_job("sleep 60", constraint="a100", exclude=(slurm.node("a100-1"),)))
    slurm.wait_for_state(job_id, "RUNNING")
    (row,) = [row for row in port.queue() if row.job_id == job_id]
    assert row.nodes == slurm.node("a100-2")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"partition": "nosuch"}, "Invalid partition name specified"),
        ({"constraint": "nosuch"}, "Invalid feature specification"),
        ({"memory_gb": 9000}, "Memory specification can not be satisfied"),
        ({"gpus": 64}, "Requested node configuration is not available"),
        ({"partition": "short", "walltime_minutes": 600}, "Requested time limit is invalid"),
        ({"extra": ("--no-such-option",)}, "unrecognized option"),
    ],
)
def test_a_refusal_comes_in_slurms_own_words(
    port: CliPort, make_job: Callable[..., JobSpec], request_: dict[str, object], words: str
) -> None:
    with pytest.raises(SubmissionRefusedError, match=words):
        port.submit(make_job(**request_))


def test_a_cancelled_job_was_cancelled_by_its_user(slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec]) -> None:
    job_id = port.submit(make_job("sleep 300"))
    slurm.wait_for_state(job_id, "RUNNING")
    port.cancel((job_id,))
    outcome = outcome_of(slurm, port, job_id)
    assert (outcome.state, outcome.detail, outcome.is_final) == ("cancelled", "cancelled by you", True)
    port.cancel((job_id,))


def test_a_job_that_reaches_its_limit_timed_out(slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec]) -> None:
    job_id = port.submit(make_job("sleep 300"))
    slurm.wait_for_state(job_id, "RUNNING")
    slurm.run("scontrol", "update", f"jobid={job_id}", "EndTime=now+2")
    assert outcome_of(slurm, port, job_id).state == "timeout"


def test_a_job_that_takes_too_much_memory_is_oom(
    slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec], tmp_path: Path
) -> None:
    body = """exec python3 -c "
x = []
import time
for _ in range(600):
    x.append(bytearray(16 << 20)); time.sleep(0.05)
" """
    job_id = port.submit(make_job(body, extra=("--mem=100M",)))
    outcome = outcome_of(slurm, port, job_id, tmp_path / f"survey.runs/m/{job_id}.log")
    assert (outcome.state, outcome.is_final) == ("oom", True)
    assert (outcome.fingerprint or "").startswith("oom-host")


@pytest.mark.parametrize(("body", "state", "detail"), [
    ("exit 7", "failed", "exit code 7"),
    ("kill -SEGV $$", "failed", "killed by signal 11"),
    ("exit 75", "done", "stopped early and wants to go on"),
])  # fmt: skip
def test_a_jobs_own_end(slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec], body: str, state: str, detail: str) -> None:
    outcome = outcome_of(slurm, port, port.submit(make_job(body)))
    assert (outcome.state, outcome.detail) == (state, detail)


def test_a_log_folder_that_is_missing_is_named(slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec]) -> None:
    spec = replace(make_job(), log_pattern="/nonexistent/folder/%j.log")
    assert outcome_of(slurm, port, port.submit(spec)).detail == "SLURM could not start it: is the log's folder there?"


def test_a_failed_node_is_named(slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec]) -> None:
    node = slurm.node("l40s-1")
    job_id = port.submit(make_job("sleep 300", constraint="l40s", extra=("--no-requeue",)))
    slurm.wait_for_state(job_id, "RUNNING")
    slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        outcome = outcome_of(slurm, port, job_id)
    finally:
        slurm.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
    assert (outcome.state, outcome.fingerprint) == ("failed", f"node-failure@{node}")


def test_a_requeued_job_is_pending_under_its_id_and_keeps_its_log(
    slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec], tmp_path: Path
) -> None:
    job_id = port.submit(make_job('echo "restart ${SLURM_RESTART_COUNT:-0}"; [ -n "$SLURM_RESTART_COUNT" ] || sleep 300'))
    slurm.wait_for_state(job_id, "RUNNING")
    log = tmp_path / f"survey.runs/m/{job_id}.log"
    slurm.wait_until(lambda: log.exists() and "restart 0" in log.read_text(), "its first words")
    slurm.run("scontrol", "requeue", job_id)
    slurm.wait_for_state(job_id, "PENDING")
    (row,) = [row for row in port.queue() if row.job_id == job_id]
    assert judge(job_id, row).detail == "BeginTime: waits out the pause after a requeue"
    slurm.let_go(job_id)
    assert outcome_of(slurm, port, job_id).state == "done"
    assert [run.job.state for run in runs_of(job_id, port.history((job_id,)))] == ["REQUEUED", "COMPLETED"]
    words = (tmp_path / f"survey.runs/m/{job_id}.log").read_text()
    assert words.startswith("restart 0\n")
    assert words.endswith("restart 1\n")


def test_a_job_nobody_knows_is_unknown(port: CliPort) -> None:
    outcome = judge("999999", None, port.history(("999999",)))
    assert (outcome.state, outcome.is_final) == ("unknown", False)


def test_usr1_reaches_the_program_that_replaced_the_shell(
    slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec], tmp_path: Path
) -> None:
    program = "import signal,sys,time; signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75)); print('ready', flush=True); time.sleep(300)"
    job_id = port.submit(make_job(f'exec python3 -c "{program}"'))
    log = tmp_path / f"survey.runs/m/{job_id}.log"
    slurm.wait_until(lambda: log.exists() and "ready" in log.read_text(), "the program")
    slurm.run("scancel", "--signal=USR1", "--batch", job_id)
    assert outcome_of(slurm, port, job_id).exit_code == "75:0"


def test_one_squeue_serves_any_number_of_jobs(
    slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {port.submit(make_job("sleep 300", name=f"evs-study-m{i}")) for i in range(12)}
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("squeue", "sacct"):
        (folder / name).write_text(f'#!/bin/bash\necho {name} >> {tmp_path}/calls\nexec /usr/bin/{name} "$@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    assert ids <= {row.job_id for row in port.queue()}
    port.history(tuple(ids))
    assert (tmp_path / "calls").read_text() == "squeue\nsacct\n"


def test_squeue_defaults_of_the_user_change_nothing(
    slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_STATES", "COMPLETED")
    monkeypatch.setenv("SQUEUE_FORMAT", "%i")
    monkeypatch.setenv("SLURM_TIME_FORMAT", "relative")
    job_id = port.submit(make_job("sleep 300"))
    slurm.wait_for_state(job_id, "RUNNING")
    (row,) = [row for row in port.queue() if row.job_id == job_id]
    assert row.start_time is not None


def test_the_cluster_is_described_by_one_sinfo(slurm: SlurmCluster, port: CliPort) -> None:
    facts = port.facts()
    assert facts.memory_limit_gb(None, "a100|h100") == 1000
    assert facts.memory_limit_gb(None, "l40s") == 500
    assert facts.time_limit_minutes("short") == 30
    assert {"a100", "a100-80g", "l40s", "h100", "cpu"} <= facts.features()


def test_a_controller_that_is_down_is_one_sentence_and_later_all_is_well(
    slurm: SlurmCluster, port: CliPort, make_job: Callable[..., JobSpec]
) -> None:
    job_id = port.submit(make_job("sleep 300"))
    slurm.wait_for_state(job_id, "RUNNING")
    slurm.stop_controller()
    try:
        with pytest.raises(
            SlurmError, match="SLURM does not answer: squeue says 'slurm_load_jobs error: Unable to contact slurm controller"
        ):
            port.queue()
        impatient = CliPort(CommandRunner(timeout=1.0))
        with pytest.raises(SlurmError, match="`scancel` took more than 1 s"):
            impatient.cancel((job_id,))
    finally:
        slurm.start_controller()
    slurm.wait_until(lambda: job_id in {row.job_id for row in port.queue()}, "the job to be back")
    port.cancel((job_id,))


def test_slurm_that_is_not_installed_is_said_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match=r"SLURM is not installed here: there is no `squeue`\. Use `--local`"):
        CliPort().queue()
