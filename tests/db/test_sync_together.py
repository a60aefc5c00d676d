"""Syncs at the same time, and syncs that were killed: no double rows, no error, nothing lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from evsctl.db.progress import read_progress
from evsctl.db.sync import best_effort_sync, sync_journals
from evsctl.survey.types import Prompt
from tests.db.factories import CONFIGS, REGISTRY, Study, an_answer, append_lines, dump
from tests.db.field import make_field_database

SYNC = """
import sys
from pathlib import Path
from evsctl.db.connection import open_database
from evsctl.db.sync import sync_journals
from evsctl.journal.paths import RunsFolder
from evsctl.settings import database_location

location = database_location(sys.argv[1], Path("/"), "--db")
with open_database(location, write=True) as db:
    for _ in range(int(sys.argv[2])):
        print(sync_journals(db, RunsFolder(location.runs_dir), wait_seconds=120).merged, flush=True)
"""
SLOW_SYNC = """
import time
import evsctl.db.batch as batch
import evsctl.db.merge as merge

batch.CHUNK_BYTES = 2000
whole = merge.ModelMerger.merge

def slowly(self, lines):
    outcome = whole(self, lines)
    print("chunk", flush=True)
    time.sleep(0.05)
    return outcome

merge.ModelMerger.merge = slowly
import evsctl.db.sync as sync
sync.LINES_PER_COMMIT = 20
"""


def wanted(prompts: list[Prompt]) -> list[tuple[object, ...]]:
    """The rows that answers `n / 256` come to, sorted."""
    return sorted(
        (p.question_id, p.lang, p.permutation_idx, value, prob, 0.9)
        for n, p in enumerate(prompts)
        for value, prob in ((1, n / 256), (2, 1 - n / 256))
    )


def test_threads_that_sync_together_merge_everything_once(study: Study) -> None:
    prompts = study.populate(questions=25)
    for run in range(5):
        study.journal(f"{run}-r0", [an_answer(p, n / 256) for n, p in enumerate(prompts)], started_at=run)
    merged: list[int] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with study.open() as db:
                merged.append(sync_journals(db, study.runs, wait_seconds=120).merged)
        except BaseException as error:  # noqa: BLE001  # shown below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(merged) == len(prompts)
    assert study.answers() == wanted(prompts)


def test_threads_share_one_open_database(study: Study) -> None:
    prompts = study.populate(questions=5)
    study.journal("1-r0", [an_answer(p, n / 256) for n, p in enumerate(prompts)])
    seen: list[int] = []
    with study.open() as db:

        def look() -> None:
            seen.extend(read_progress(db, CONFIGS, REGISTRY)[0].done for _ in range(20))

        threads = [threading.Thread(target=look) for _ in range(3)]
        for thread in threads:
            thread.start()
        sync_journals(db, study.runs)
        for thread in threads:
            thread.join()
    assert len(seen) == 60
    assert set(seen) <= {0, len(prompts)}


def test_processes_that_sync_together_while_a_journal_grows_merge_everything_once(study: Study) -> None:
    prompts = study.populate(questions=25)
    path = study.journal("1-r0", [])
    syncs = [subprocess.Popen([sys.executable, "-c", SYNC, str(study.file), "4"], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for n, prompt in enumerate(prompts):
        append_lines(path, [an_answer(prompt, n / 256)])
        if n % 10 == 0:
            time.sleep(0.02)
    merged = 0
    for process in syncs:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        merged += sum(map(int, out.split()))
    assert merged + study.sync().merged == len(prompts)
    assert study.answers() == wanted(prompts)


def test_a_best_effort_sync_beside_a_sync_neither_waits_nor_fails(study: Study) -> None:
    prompts = study.populate(questions=25)
    study.journal("1-r0", [an_answer(p, n / 256) for n, p in enumerate(prompts)])
    with start(study, SLOW_SYNC + SYNC) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "chunk\n"
        began = time.monotonic()
        outcome = best_effort_sync(study.location)
        assert time.monotonic() - began < 20
        assert outcome.report is None
        assert "is being written by process" in outcome.reason or "is locked" in outcome.reason
        process.communicate(timeout=120)
    assert study.answers() == wanted(prompts)


def start(study: Study, script: str) -> "subprocess.Popen[str]":
    """Run a sync in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", script, str(study.file), "1"], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("chunks", [1, 4, 9])
def test_a_sync_that_was_killed_is_completed_by_the_next(study: Study, chunks: int) -> None:
    prompts = study.populate(questions=25)
    study.journal("1-r0", [an_answer(p, n / 256) for n, p in enumerate(prompts)])
    with start(study, SLOW_SYNC + SYNC) as process:
        assert process.stdout is not None
        for _ in range(chunks):
            assert process.stdout.readline() == "chunk\n"
        os.kill(process.pid, signal.SIGKILL)
    assert study.runs.lease.exists()
    with study.open(write=False) as db:
        done = read_progress(db, CONFIGS, REGISTRY)[0].done
    assert 0 <= done < len(prompts)
    assert study.sync().merged == len(prompts) - done
    assert study.answers() == wanted(prompts)
    assert [path.name for path in study.folder.iterdir() if path.name.startswith("survey.db")] == ["survey.db"]


OPEN = """
import sys
from pathlib import Path
from evsctl.db.connection import open_database
from evsctl.settings import database_location

print(open_database(database_location(sys.argv[1], Path("/"), "--db"), write=True).adoption is not None)
"""


def test_commands_that_write_a_field_database_first_at_once_adopt_it_once(study: Study) -> None:
    make_field_database(study.file, journal_mode="delete")
    before = dump(study.file)
    openers = [start(study, OPEN) for _ in range(3)]
    said = [opener.communicate(timeout=120)[0] for opener in openers]
    assert said.count("True\n") == 1
    assert len(list(study.folder.glob("survey.db.backup-*"))) == 1
    assert dump(study.file) == before


SPILL = """
import sqlite3, sys, time
conn = sqlite3.connect(sys.argv[1], isolation_level=None)
conn.execute("PRAGMA cache_size=1")
conn.execute("BEGIN IMMEDIATE")
conn.execute("UPDATE prompts SET prompt_text = 'half written'")
conn.execute("CREATE TABLE junk AS SELECT a.prompt_text FROM prompts a, prompts b")
print("spilled", flush=True)
time.sleep(100)
"""


def test_reading_rolls_back_what_a_killed_writer_left_half_written(study: Study) -> None:
    """A dashboard must not need a writing command after a crash."""
    prompts = study.populate(questions=25)
    with start(study, SPILL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "spilled\n"
        os.kill(process.pid, signal.SIGKILL)
    assert Path(f"{study.file}-journal").stat().st_size > 0
    with study.open(write=False) as db:
        assert read_progress(db, CONFIGS, REGISTRY)[0].total == len(prompts)
    assert study.rows("SELECT count(*) FROM prompts WHERE prompt_text = 'half written'") == [(0,)]
