"""Who may answer for a model: one run at a time, and nobody for ever."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from evsctl.errors import ClaimedError, EngineError
from evsctl.journal import claim as claims
from evsctl.journal.claim import STILL_SECONDS, Claim, acquire_claim, process_alive, process_start, read_claim, release_claim, still_held
from evsctl.journal.heartbeat import Heartbeat, write_heartbeat
from evsctl.journal.paths import ModelRuns, RunsFolder
from tests.journal.contenders import contend, take_turns


@pytest.fixture
def runs(tmp_path: Path) -> ModelRuns:
    """The folder of model `tiny`."""
    return RunsFolder(tmp_path / "survey.runs").model("tiny")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Claim:
    """A claim as this process writes it."""
    return acquire_claim(RunsFolder(tmp_path_factory.mktemp("claims")).model("tiny"), "11-r0", "11", 0)


@pytest.fixture
def dead_pid() -> tuple[int, str]:
    """The id and start of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_start(process.pid)
    assert started is not None
    process.communicate(b"\n")
    return process.pid, started


def put(runs: ModelRuns, claim: Claim, number: int = 1) -> Claim:
    """Let `claim` hold the model."""
    runs.create().claim_file(number).write_text(json.dumps(asdict(replace(claim, number=number))))
    return replace(claim, number=number)


def elsewhere(template: Claim, age: float) -> Claim:
    """A claim of another host, made `age` seconds ago."""
    return replace(template, host="node7", machine="another", token="theirs", at=time.time() - age)


def beat(runs: ModelRuns, run_id: str, age: float) -> None:
    """Write the heartbeat of a run, `age` seconds old."""
    now = time.time() - age
    write_heartbeat(runs.heartbeat(run_id), Heartbeat(run_id, "tiny", "11", 0, "running", "node7", 1, updated_at=now))


def test_a_claim_names_user_process_job_and_restart_and_is_read_back(runs: ModelRuns) -> None:
    claim = acquire_claim(runs, "11-r2", "11", 2)
    assert read_claim(runs.claim) == claim
    assert (claim.pid, claim.job_id, claim.restart, claim.run_id, claim.number) == (os.getpid(), "11", 2, "11-r2", 1)
    assert claim.process_started == process_start(os.getpid())
    assert runs.claim.stat().st_mode & 0o007 == 0
    assert still_held(runs, claim)


def test_a_live_holder_is_refused_by_name(runs: ModelRuns) -> None:
    holder = acquire_claim(runs, "11-r0", "11", 0)
    with pytest.raises(ClaimedError) as caught:
        acquire_claim(runs, "12-r0", "12", 0)
    assert str(caught.value) == (
        f"Model 'tiny' is being answered by run 11-r0 ({holder.user} on {holder.host}, pid {os.getpid()}). "
        "Wait for it, or end it with `evsctl cancel`."
    )
    assert still_held(runs, holder)


def test_a_live_process_of_this_machine_is_refused_however_still_it_is(runs: ModelRuns, template: Claim) -> None:
    put(runs, replace(template, at=0.0))
    with pytest.raises(ClaimedError):
        acquire_claim(runs, "12-r0", "12", 0)


def test_a_released_model_is_free_at_once(runs: ModelRuns) -> None:
    first = acquire_claim(runs, "11-r0", "11", 0)
    release_claim(runs, first)
    assert (read_claim(runs.claim), still_held(runs, first)) == (None, False)
    second = acquire_claim(runs, "12-r0", "12", 0)
    assert (still_held(runs, first), still_held(runs, second)) == (False, True)


def test_a_claim_that_was_taken_over_releases_nothing(runs: ModelRuns) -> None:
    first = acquire_claim(runs, "11-r0", "11", 0)
    second = acquire_claim(runs, "11-r1", "11", 1)
    assert not still_held(runs, first)
    release_claim(runs, first)
    assert (read_claim(runs.claim), still_held(runs, second)) == (second, True)


def test_only_the_newest_claim_is_kept(runs: ModelRuns) -> None:
    for restart in range(4):
        acquire_claim(runs, f"11-r{restart}", "11", restart)
    assert [path.name for path in runs.folder.iterdir()] == ["claim-000004.json"]


def test_the_same_jobs_next_restart_takes_over_at_once(runs: ModelRuns, template: Claim) -> None:
    put(runs, elsewhere(template, age=0))
    beat(runs, "11-r0", age=0)
    assert acquire_claim(runs, "11-r1", "11", 1).number == 2


@pytest.mark.parametrize(("job_id", "restart"), [("11", 0), ("12", 1), (None, 1)])
def test_the_same_restart_another_job_and_no_job_do_not(runs: ModelRuns, template: Claim, job_id: str | None, restart: int) -> None:
    put(runs, replace(elsewhere(template, age=0), job_id="11" if job_id else None))
    with pytest.raises(ClaimedError):
        acquire_claim(runs, "new", job_id, restart)


def test_a_dead_process_of_this_machine_is_taken_over_at_once(runs: ModelRuns, template: Claim, dead_pid: tuple[int, str]) -> None:
    put(runs, replace(template, pid=dead_pid[0], process_started=dead_pid[1]))
    beat(runs, "11-r0", age=0)
    assert acquire_claim(runs, "12-r0", "12", 0).number == 2


def test_a_process_id_given_to_another_process_is_dead(runs: ModelRuns, template: Claim) -> None:
    put(runs, replace(template, process_started="1"))
    assert acquire_claim(runs, "12-r0", "12", 0).number == 2


def test_a_host_of_the_same_name_is_not_judged_by_its_process_ids(runs: ModelRuns, template: Claim, dead_pid: tuple[int, str]) -> None:
    """Two clusters may both have a node1, and a container may carry its host's name."""
    put(runs, replace(template, pid=dead_pid[0], process_started=dead_pid[1], machine="another boot"))
    with pytest.raises(ClaimedError):
        acquire_claim(runs, "12-r0", "12", 0)


@pytest.mark.parametrize("age", [0.0, STILL_SECONDS - 5])
def test_another_host_holds_the_model_while_its_heartbeat_moves(runs: ModelRuns, template: Claim, age: float) -> None:
    put(runs, elsewhere(template, age=1000))
    beat(runs, "11-r0", age=age)
    with pytest.raises(ClaimedError):
        acquire_claim(runs, "12-r0", "12", 0)


@pytest.mark.parametrize("has_heartbeat", [True, False])
def test_another_host_is_taken_over_after_three_still_commit_intervals(runs: ModelRuns, template: Claim, has_heartbeat: bool) -> None:
    put(runs, elsewhere(template, age=STILL_SECONDS + 1))
    if has_heartbeat:
        beat(runs, "11-r0", age=STILL_SECONDS + 1)
    assert acquire_claim(runs, "12-r0", "12", 0).number == 2


def test_another_hosts_heartbeat_is_judged_after_a_change_of_the_folder(
    runs: ModelRuns, template: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over NFS an old heartbeat may be remembered for a minute; a change of the folder makes its client look again."""
    put(runs, elsewhere(template, age=1000))
    beat(runs, "11-r0", age=0)
    os.utime(runs.folder, (1000, 1000))
    changed: list[float] = []
    real = claims.read_heartbeat

    def read(path: Path) -> Heartbeat | None:
        changed.append(runs.folder.stat().st_mtime)
        return real(path)

    monkeypatch.setattr(claims, "read_heartbeat", read)
    with pytest.raises(ClaimedError):
        acquire_claim(runs, "12-r0", "12", 0)
    assert [when > 1000 for when in changed] == [True]
    assert sorted(path.name for path in runs.folder.iterdir()) == ["11-r0.status.json", "claim-000001.json"]


def test_a_fresh_claim_of_another_host_holds_before_its_first_heartbeat(runs: ModelRuns, template: Claim) -> None:
    put(runs, elsewhere(template, age=1))
    with pytest.raises(ClaimedError):
        acquire_claim(runs, "12-r0", "12", 0)


def test_an_empty_claim_is_waited_for_and_freed_only_when_its_writer_must_be_dead(runs: ModelRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "_BEING_WRITTEN_SECONDS", 0.01)
    runs.create().claim_file(1).touch()
    with pytest.raises(ClaimedError, match="could not be read just now"):
        acquire_claim(runs, "12-r0", "12", 0)
    old = time.time() - STILL_SECONDS - 1
    os.utime(runs.claim_file(1), (old, old))
    assert acquire_claim(runs, "12-r0", "12", 0).number == 2


def test_a_claim_that_may_not_be_read_is_held(runs: ModelRuns, template: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    path = runs.claim_file(put(runs, replace(template, at=0.0)).number)
    os.utime(path, (0, 0))

    def forbidden(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(ClaimedError):
        acquire_claim(runs, "12-r0", "12", 0)


def test_a_claim_of_a_later_version_with_more_fields_is_understood(runs: ModelRuns, template: Claim) -> None:
    runs.create().claim_file(1).write_text(json.dumps({**asdict(template), "colour": "blue"}))
    assert read_claim(runs.claim) == template
    with pytest.raises(ClaimedError):
        acquire_claim(runs, "12-r0", "12", 0)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '"claim"'])
def test_what_is_no_claim_reads_as_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "claim").write_text(content)
    assert read_claim(tmp_path / "claim") is None


def test_a_claim_deleted_by_hand_is_not_held_any_more(runs: ModelRuns) -> None:
    first = acquire_claim(runs, "11-r0", "11", 0)
    runs.claim.unlink()
    assert not still_held(runs, first)
    second = acquire_claim(runs, "12-r0", "12", 0)
    assert (first.number, second.number) == (1, 1)
    assert (still_held(runs, first), still_held(runs, second)) == (False, True)


def test_a_full_disk_makes_no_claim_and_leaves_none(runs: ModelRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(EngineError, match="No space left on device"):
        acquire_claim(runs, "11-r0", "11", 0)
    assert runs.claim_numbers() == ()


def test_releasing_on_a_full_disk_fails_quietly(runs: ModelRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = acquire_claim(runs, "11-r0", "11", 0)

    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(claims, "write_atomically", full)
    release_claim(runs, claim)
    assert still_held(runs, claim)


def test_a_user_without_a_name_can_claim(runs: ModelRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nameless)
    assert acquire_claim(runs, "11-r0", "11", 0).user == str(os.getuid())


def test_processes_are_known_by_id_and_start() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_start(process.pid)
    assert process_alive(process.pid, started)
    assert process_alive(process.pid, None)
    assert not process_alive(process.pid, "1")
    assert process.stdin is not None
    process.stdin.close()
    while process_alive(process.pid, started):  # it ends, and is a zombie until somebody waits for it
        time.sleep(0.01)
    assert process_start(process.pid) == started
    process.wait()
    assert process_start(process.pid) is None


class TestContenders:
    """Takeovers are decided by creating the next number; whoever was slow finds out."""

    def interleave(self, monkeypatch: pytest.MonkeyPatch, moment: str, meanwhile: Callable[[], None]) -> None:
        """Run `meanwhile` once, when a contender is about to call `claims.<moment>`."""
        real, left = getattr(claims, moment), [meanwhile]

        def slow(*args: object) -> object:
            if left:
                left.pop()()
            return real(*args)

        monkeypatch.setattr(claims, moment, slow)

    def test_a_contender_that_judged_a_dead_claim_free_does_not_disturb_who_took_it_over(
        self, runs: ModelRuns, template: Claim, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(runs, replace(template, process_started="1"))
        winners: list[Claim] = []
        self.interleave(monkeypatch, "_create", lambda: winners.append(acquire_claim(runs, "fast", "12", 0)))
        with pytest.raises(ClaimedError, match="run fast"):
            acquire_claim(runs, "slow", "13", 0)
        assert still_held(runs, winners[0])

    def test_a_contender_that_slept_through_two_takeovers_does_not_win_with_a_number_that_was_swept_free(
        self, runs: ModelRuns, template: Claim, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(runs, replace(template, process_started="1"))
        winners: list[Claim] = []

        def two_takeovers() -> None:
            release_claim(runs, acquire_claim(runs, "first", "12", 0))
            winners.append(acquire_claim(runs, "second", "13", 0))

        self.interleave(monkeypatch, "_create", two_takeovers)
        with pytest.raises(ClaimedError, match="run second"):
            acquire_claim(runs, "slow", "14", 0)
        assert still_held(runs, winners[0])
        assert runs.claim_numbers() == (winners[0].number,)

    def test_a_late_release_does_not_disturb_who_took_over_meanwhile(self, runs: ModelRuns, monkeypatch: pytest.MonkeyPatch) -> None:
        first = acquire_claim(runs, "11-r0", "11", 0)
        winners: list[Claim] = []
        self.interleave(monkeypatch, "write_atomically", lambda: winners.append(acquire_claim(runs, "11-r1", "11", 1)))
        release_claim(runs, first)
        assert still_held(runs, winners[0])

    @pytest.mark.parametrize("held_by", ["nobody", "a dead process"])
    def test_of_two_processes_that_race_exactly_one_wins(self, tmp_path: Path, template: Claim, held_by: str) -> None:
        rounds = 20
        if held_by == "a dead process":
            for number in range(rounds):
                put(RunsFolder(tmp_path).model(f"m{number}"), replace(template, process_started="1"))
        outcomes = self.run_processes(contend, 2, tmp_path, rounds)
        won = [sum(held for number, _, held in outcomes if number == wanted) for wanted in range(rounds)]
        assert won == [1] * rounds

    def test_processes_that_take_turns_are_never_inside_together(self, tmp_path: Path) -> None:
        outcomes = self.run_processes(take_turns, 3, tmp_path, 15)
        assert len(outcomes) == 45
        assert all(alone for _, _, alone in outcomes)

    def run_processes(self, work: Callable[..., None], n_processes: int, root: Path, rounds: int) -> list[tuple[int, str, bool]]:
        """Run `work` in that many fresh processes; returns all they put into the queue."""
        context = multiprocessing.get_context("spawn")
        barrier, outcomes = context.Barrier(n_processes), context.Queue()
        processes = [context.Process(target=work, args=(root, rounds, f"p{n}", barrier, outcomes)) for n in range(n_processes)]
        for process in processes:
            process.start()
        found = [outcomes.get(timeout=60) for _ in range(n_processes * rounds)]
        for process in processes:
            process.join(timeout=60)
        assert [process.exitcode for process in processes] == [0] * n_processes
        return found
