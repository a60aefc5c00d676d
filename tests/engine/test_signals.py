"""Signals: what is scored is written, the rest is left, and SLURM is asked for another go where it may be."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from evsctl.engine import signals
from evsctl.engine.place import RunPlace, read_place
from evsctl.engine.requeue import gpu_hours, why_not_requeue
from evsctl.engine.signals import StopNow, StopSignals
from evsctl.errors import ClaimedError, ExitCode
from evsctl.journal.heartbeat import Heartbeat, write_heartbeat
from evsctl.journal.paths import ModelRuns
from evsctl.journal.reader import read_journal
from tests.engine.factories import Study
from tests.engine.processes import a_process, heartbeat_of, wait_for


def footer_reason(study: Study) -> str | None:
    (path,) = study.runs.journals()
    content = read_journal(path)
    assert content.problems == []
    return content.footer.reason if content.footer else None


@pytest.mark.slow
def test_term_writes_what_is_scored_and_leaves_at_once_and_meanwhile_nobody_else_may_run(study: Study) -> None:
    with a_process(study, delay=0.4, options={"tokens_per_pack": 400}) as process:
        wait_for(study, process, "running")
        time.sleep(2.0)
        with pytest.raises(ClaimedError, match="is being answered by run"):
            study.run()
        sent = time.time()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == ExitCode.WANTS_TO_GO_ON
        took = time.time() - sent
    beat = heartbeat_of(study, process.pid)
    assert beat is not None
    assert beat.phase == "stopped"
    assert beat.manifest_done == len(study.answers()) > 0  # the commit of 50 prompts was not yet due
    assert footer_reason(study) == "stopped"
    assert beat.updated_at - sent < 3, "all was written (a second, on a machine with nothing else to do)"
    assert took < 5, "and the process was gone"
    assert study.run().remaining == 0
    assert len(study.answers()) == 120


@pytest.mark.slow
def test_usr1_finishes_the_pack_commits_and_puts_the_job_back_into_the_queue(study: Study, tmp_path: Path) -> None:
    calls, seen = tmp_path / "calls", tmp_path / "journal-at-requeue"
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {calls}\ncp {study.runs.journal("77-r0")} {seen}\n')
    scontrol.chmod(0o755)
    study.runs.auto.write_text(json.dumps({"caps": {"on": True, "attempts": 5, "gpu_hours": 0.0}}))
    environ = {"SLURM_JOB_ID": "77", "PATH": f"{scontrol.parent}:{os.environ['PATH']}"}
    with a_process(study, environ, delay=0.4, options={"tokens_per_pack": 400}) as process:
        wait_for(study, process, "running")
        time.sleep(0.6)
        process.send_signal(signal.SIGUSR1)
        assert process.wait(timeout=60) == ExitCode.WANTS_TO_GO_ON
    assert calls.read_text() == "requeue 77\n"
    assert seen.read_text() == study.runs.journal("77-r0").read_text(), "everything was on disk before SLURM was asked"
    assert footer_reason(study) == "stopped"
    assert len(study.answers()) > 0


@pytest.mark.slow
def test_a_signal_while_libraries_load_ends_the_process_with_75(study: Study) -> None:
    with a_process(study) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "handlers stand\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == ExitCode.WANTS_TO_GO_ON
    assert study.runs.journals() == ()


def test_a_run_gives_the_signals_back_to_whoever_had_them(study: Study) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)]
    study.run(limit=3)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)] == before


def test_a_run_works_in_a_thread_where_no_handler_can_stand(study: Study) -> None:
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(study.run(limit=3)))
    thread.start()
    thread.join()
    assert [outcome.done for outcome in outcomes] == [3]


def test_control_c_ends_a_run_as_term_does(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("evsctl.engine.resident.ResidentExecutor._forward", pressed)
    outcome = study.run()
    assert (outcome.done, outcome.exit_code) == (0, ExitCode.WANTS_TO_GO_ON)


def test_shielded_work_is_never_interrupted_and_the_signal_counts_afterwards() -> None:
    with signals.standing() as handlers:
        with handlers.shielded():
            signal.raise_signal(signal.SIGTERM)
        assert handlers.name == "SIGTERM"
        with pytest.raises(StopNow), handlers.computing():
            pytest.fail("it began to compute")


def test_the_gentle_signal_lets_a_pack_finish_but_not_the_loading() -> None:
    with signals.standing() as handlers:
        with handlers.computing():
            signal.raise_signal(signal.SIGUSR1)
        assert handlers.name == "SIGUSR1"
        with pytest.raises(StopNow), handlers.preparing():
            pytest.fail("it began to load")


def test_an_urgent_signal_after_the_gentle_one_counts_and_the_warning_is_remembered() -> None:
    with signals.standing() as handlers, handlers.shielded():
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGUSR1)
        assert (handlers.name, handlers.warned) == ("SIGTERM", True)


def stopped(name: str, at: float = 1000.0, warned: bool = False) -> StopSignals:
    found = StopSignals()
    found.name, found.at, found.warned = name, at, warned
    return found


def in_job(restart: int = 0, ends_at: float | None = None) -> RunPlace:
    return RunPlace("77-r0", "node", "77", restart, 1, ends_at)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRuns:
    """A model's folder with caps that allow a requeue, and an scontrol to be found."""
    (tmp_path / "scontrol").write_text("#!/bin/sh\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = ModelRuns(tmp_path / "runs", "tiny").create()
    found.auto.write_text('{"caps": {"on": true, "attempts": 0, "gpu_hours": 0}}')
    return found


WARNED = stopped("SIGUSR1", warned=True)


def test_a_requeue_is_allowed_after_the_warning_within_the_caps(runs: ModelRuns) -> None:
    assert why_not_requeue(runs, in_job(), WARNED, 5) is None
    assert why_not_requeue(runs, in_job(), stopped("SIGTERM", warned=True), 5) is None
    assert why_not_requeue(runs, in_job(ends_at=1010.0), stopped("SIGTERM"), 5) is None


@pytest.mark.parametrize(
    ("place", "handlers", "committed", "caps", "reason"),
    [
        (RunPlace("x", "node", None, 0, 1, None), WARNED, 5, {}, "not inside SLURM"),
        (in_job(), stopped("SIGTERM"), 5, {}, "it was not stopped by its time limit"),
        (in_job(ends_at=9999.0), stopped("SIGTERM"), 5, {}, "it was not stopped by its time limit"),
        (in_job(), stopped("SIGINT"), 5, {}, "it was not stopped by its time limit"),
        (in_job(), WARNED, 0, {}, "this attempt answered nothing new"),
        (in_job(), WARNED, 5, {"on": False}, "auto is off"),
        (in_job(restart=2), WARNED, 5, {"attempts": 3}, "3 of 3 attempts are used"),
        (in_job(), WARNED, 5, {"gpu_hours": 1.5}, "2.0 of 1.5 GPU-hours are used"),
        (in_job(), WARNED, 5, None, "auto.json is absent"),
    ],
)
def test_a_requeue_is_refused_with_its_reason(
    runs: ModelRuns, place: RunPlace, handlers: StopSignals, committed: int, caps: dict[str, object] | None, reason: str
) -> None:
    beat = Heartbeat("76-r0", "tiny", "76", 0, "stopped", "node", 1, started_at=0.0, updated_at=7200.0)
    write_heartbeat(runs.heartbeat("76-r0"), beat)
    runs.auto.unlink()
    if caps is not None:
        runs.auto.write_text(json.dumps({"caps": {"on": True, "attempts": 0, "gpu_hours": 0, **caps}}))
    assert why_not_requeue(runs, place, handlers, committed) == reason


def test_gpu_hours_count_every_gpu_of_every_slurm_run(runs: ModelRuns) -> None:
    for number, job in (("1-r0", "1"), ("2-r0", "2"), ("2026", None)):
        write_heartbeat(runs.heartbeat(number), Heartbeat(number, "tiny", job, 0, "stopped", "node", 1, started_at=0.0, updated_at=1800.0))
    assert gpu_hours(runs, RunPlace("3-r0", "node", "3", 0, 4, None)) == 4.0


def test_a_job_names_its_run_by_job_and_restart() -> None:
    environ = {
        "SLURM_JOB_ID": "5",
        "SLURM_RESTART_COUNT": "3",
        "SLURMD_NODENAME": "n1",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_JOB_END_TIME": "99",
    }
    assert read_place(environ) == RunPlace("5-r3", "n1", "5", 3, 2, 99.0)
    assert read_place({"SLURM_JOB_ID": "5"}).run_id == "5-r0"
    outside = read_place({"SLURMD_NODENAME": "n1"})
    assert outside.job_id is None
    assert outside.host != "n1"
    assert outside.run_id.endswith(f"Z-{os.getpid()}")
