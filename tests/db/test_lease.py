"""One holder of the lease at a time: whoever is dead is replaced, whoever lost it writes nothing."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from evsctl.db.lease import STALE_SECONDS, Holder, acquire_lease, read_holder
from evsctl.db.populate import register_models
from evsctl.db.sync import sync_journals
from evsctl.errors import DatabaseError
from evsctl.journal.claim import process_start
from evsctl.journal.paths import RunsFolder
from evsctl.models.spec import ModelSpec
from tests.db.factories import Study, an_answer

DEAD = Holder(socket.gethostname(), 999_999_999, "1", "dead", 0.0)


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    """A runs folder that does not exist yet."""
    return RunsFolder(tmp_path / "survey.runs")


def put(runs: RunsFolder, holder: Holder, age: float = 0.0) -> None:
    """Leave a lock file of that age."""
    runs.root.mkdir(exist_ok=True)
    runs.lease.write_text(json.dumps(asdict(holder)))
    os.utime(runs.lease, (time.time() - age, time.time() - age))


def files(runs: RunsFolder) -> list[str]:
    """What lies in the runs folder."""
    return sorted(path.name for path in runs.root.iterdir())


def test_the_lock_file_says_who_holds_it_and_goes_with_the_lease(runs: RunsFolder) -> None:
    with acquire_lease(runs, wait_seconds=0) as lease:
        holder = read_holder(runs.lease)
        assert holder is not None
        assert (holder.host, holder.pid, holder.process_started) == (socket.gethostname(), os.getpid(), process_start(os.getpid()))
        assert runs.lease.stat().st_mode & 0o777 == 0o640
        assert files(runs) == ["lease.json"]
        lease.check()
    assert files(runs) == []


def test_a_held_lease_is_refused_with_its_holder_and_left_alone(runs: RunsFolder) -> None:
    with acquire_lease(runs, wait_seconds=0) as lease:
        with pytest.raises(DatabaseError, match=rf"being written by process {os.getpid()} on {socket.gethostname()}, for \d+ s") as error:
            acquire_lease(runs, wait_seconds=0.1)
        assert error.value.exit_code == 3
        lease.check()
        assert files(runs) == ["lease.json"]


def test_a_waiting_writer_gets_the_lease_when_it_is_given_back(runs: RunsFolder) -> None:
    lease = acquire_lease(runs, wait_seconds=0)
    threading.Timer(0.3, lease.release).start()
    with acquire_lease(runs, wait_seconds=30) as mine:
        mine.check()


def test_a_holder_whose_process_is_gone_is_replaced_at_once(runs: RunsFolder) -> None:
    put(runs, DEAD)
    with acquire_lease(runs, wait_seconds=0) as lease:
        lease.check()
        assert files(runs) == ["lease.json"]


def test_a_pid_given_to_another_process_is_no_holder(runs: RunsFolder) -> None:
    put(runs, replace(DEAD, pid=os.getpid(), process_started="12345"))
    acquire_lease(runs, wait_seconds=0).release()


@pytest.mark.parametrize(("age", "taken"), [(0.0, False), (STALE_SECONDS - 60, False), (STALE_SECONDS + 60, True)])
def test_a_holder_on_another_host_is_replaced_after_ten_minutes_without_renewal(runs: RunsFolder, age: float, taken: bool) -> None:
    put(runs, replace(DEAD, host="elsewhere"), age)
    if taken:
        acquire_lease(runs, wait_seconds=0).release()
    else:
        with pytest.raises(DatabaseError, match="on elsewhere"):
            acquire_lease(runs, wait_seconds=0)


def test_a_lock_file_that_says_nothing_stands_in_the_way_for_a_minute_at_most(runs: RunsFolder) -> None:
    runs.root.mkdir()
    runs.lease.write_text("{")
    with pytest.raises(DatabaseError, match="keeps changing hands"):
        acquire_lease(runs, wait_seconds=0)
    os.utime(runs.lease, (time.time() - 100, time.time() - 100))
    acquire_lease(runs, wait_seconds=1).release()


def test_a_taker_that_died_half_way_bars_the_way_for_a_minute_at_most(runs: RunsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    put(runs, DEAD)
    os.link(runs.lease, runs.root / ".lease.dead.dead")
    with pytest.raises(DatabaseError):
        acquire_lease(runs, wait_seconds=0.1)
    monkeypatch.setattr("evsctl.db.lease.GRAVE_SECONDS", -1.0)
    acquire_lease(runs, wait_seconds=1).release()
    assert files(runs) == []


def test_a_lease_that_was_taken_over_is_noticed_and_never_released_for_the_taker(runs: RunsFolder) -> None:
    lease = acquire_lease(runs, wait_seconds=0)
    put(runs, replace(DEAD, host="elsewhere", token="taker"))
    with pytest.raises(DatabaseError, match="was taken over by process 999999999 on elsewhere; nothing more was written"):
        lease.check()
    lease.release()
    holder = read_holder(runs.lease)
    assert holder is not None
    assert holder.token == "taker"
    assert files(runs) == ["lease.json"]


def test_a_long_holder_renews(runs: RunsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evsctl.db.lease.RENEW_SECONDS", -1.0)
    with acquire_lease(runs, wait_seconds=0) as lease:
        os.utime(runs.lease, (1, 1))
        lease.check()
        assert time.time() - runs.lease.stat().st_mtime < 60


def test_whoever_lost_the_lease_writes_nothing(study: Study) -> None:
    """The token is checked again right before the commit."""
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0])])
    with study.open() as db:

        def write_and_lose() -> None:
            with db.writing() as conn:
                conn.exec_driver_sql("INSERT INTO evaluations VALUES (1, 'tiny', 1, 1.0, 1.0)")
                put(study.runs, replace(DEAD, host="elsewhere", token="taker"))

        with pytest.raises(DatabaseError, match="was taken over"):
            write_and_lose()
        assert study.answers() == []
        with pytest.raises(DatabaseError, match="being written by process 999999999 on elsewhere"):
            sync_journals(db, study.runs, wait_seconds=0)


def test_every_write_takes_the_lease(study: Study) -> None:
    study.populate()
    with study.open() as db, acquire_lease(study.runs, wait_seconds=0), pytest.raises(DatabaseError), db.writing(wait_seconds=0.1):
        pass
    with study.open() as db:
        assert register_models(db, [ModelSpec("new", "org/new", "new")]) == 1


def test_a_runs_folder_that_cannot_be_made_is_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseError, match=r"file/survey\.runs cannot be written: Not a directory"):
        acquire_lease(RunsFolder(tmp_path / "file" / "survey.runs"), wait_seconds=0)


COUNTER = """
import sys
from pathlib import Path
from evsctl.db.lease import acquire_lease
from evsctl.journal.paths import RunsFolder

runs, counter = RunsFolder(Path(sys.argv[1])), Path(sys.argv[2])
for _ in range(int(sys.argv[3])):
    with acquire_lease(runs, wait_seconds=60) as lease:
        number = int(counter.read_text())
        lease.check()
        counter.write_text(str(number + 1))
"""


def test_processes_that_race_for_a_dead_holder_s_lease_never_hold_it_together(runs: RunsFolder, tmp_path: Path) -> None:
    put(runs, DEAD)
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", COUNTER, str(runs.root), str(counter), "10"]
    racers = [subprocess.Popen(command) for _ in range(4)]
    assert [racer.wait(timeout=120) for racer in racers] == [0, 0, 0, 0]
    assert counter.read_text() == "40"
    assert files(runs) == []


def test_threads_never_hold_it_together(runs: RunsFolder) -> None:
    inside, most = [], []

    def work() -> None:
        for _ in range(10):
            with acquire_lease(runs, wait_seconds=60):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) == 40
