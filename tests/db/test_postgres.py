"""The same code on a PostgreSQL server."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from sqlalchemy import select

from evsctl.db.connection import Database, open_database
from evsctl.db.ledger import StoredOutcome, Submission, list_submissions, outcomes, record_outcomes, record_submission
from evsctl.db.pending import fixed_identity, pending_prompts
from evsctl.db.populate import populate_survey
from evsctl.db.progress import count_prompts, read_progress, survey_languages
from evsctl.db.results import HumanRow, human_rows, likert10_unlabelled, result_rows, write_human_rows
from evsctl.db.retract import count_left_alone, count_retractable, retract
from evsctl.db.schema import evaluations, superseded
from evsctl.db.sync import SyncReport, best_effort_sync, last_sync_time, rebuild_results, sync_journals
from evsctl.errors import DatabaseError, InputError
from evsctl.settings import DatabaseLocation, database_location
from tests.db.factories import CONFIGS, IDENTITY, REGISTRY, Study, a_failure, a_survey, an_answer
from tests.db.test_ledger import OUTCOME, SUBMISSION

pytestmark = pytest.mark.postgres


def program(name: str) -> str | None:
    """A program of the server, which distributions keep off the path."""
    return shutil.which(name) or next((str(path) for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), None)


def another_user() -> dict[str, object]:
    """The server refuses to run as root: options of `subprocess` that run it as somebody else."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return {}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """`host:port` of a server of our own, trusting everyone on this machine."""
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    if initdb is None or pg_ctl is None:
        pytest.skip("no PostgreSQL server (initdb, pg_ctl) on this machine")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    folder = Path(mkdtemp(prefix="evs-pg-"))
    user = another_user()
    if user:
        os.chown(folder, int(str(user["user"])), int(str(user["group"])))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=120, **user)  # type: ignore[call-overload]

    run(initdb, "-D", str(data), "-U", "evs", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    run(pg_ctl, "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
    try:
        yield f"127.0.0.1:{port}"
    finally:
        run(pg_ctl, "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def location(server: str, tmp_path: Path) -> DatabaseLocation:
    """A new, empty database on the server."""
    import psycopg

    with psycopg.connect(f"postgresql://evs@{server}/postgres", autocommit=True) as conn:
        conn.execute("DROP DATABASE IF EXISTS study")
        conn.execute("CREATE DATABASE study")
    return database_location(f"postgresql://evs@{server}/study", tmp_path, "--db")


@pytest.fixture
def study(location: DatabaseLocation, tmp_path: Path) -> Study:
    """A study whose database is on the server."""
    study = Study(tmp_path)
    study.location = location
    assert study.location.runs_dir == study.runs.root
    return study


def answers(db: Database) -> list[tuple[object, ...]]:
    """Every evaluation row."""
    with db.reading() as conn:
        return [tuple(row) for row in conn.execute(select(evaluations).order_by(*list(evaluations.c)[:3]))]


def test_an_empty_server_is_no_survey_database_until_it_is_populated(study: Study) -> None:
    with pytest.raises(InputError, match="is no survey database"):
        study.open(write=False)
    assert best_effort_sync(study.location).reason.startswith("postgresql+psycopg://127.0.0.1")


def test_a_study_lives_on_a_server_as_in_a_file(study: Study) -> None:
    prompts = study.populate()
    survey, _ = a_survey()
    with study.open() as db:
        assert populate_survey(db, survey, prompts, REGISTRY).prompts_added == 0
        assert (count_prompts(db, CONFIGS), survey_languages(db)) == (12, ("eng", "fra"))
        assert [prompt.prompt_id for prompt in pending_prompts(db, "mono_eng", CONFIGS, REGISTRY)] == [1, 2, 5, 6, 9, 10]
        study.journal("1-r0", [an_answer(prompt, 1 / 3, 0.123456789012345) for prompt in prompts[:8]])
        study.journal("2-r0", [an_answer(prompts[8]), a_failure(prompts[9])], started_at=2000, identity=replace(IDENTITY, revision="main"))
        assert sync_journals(db, study.runs) == SyncReport(9, {"failed": 1}, (), {"tiny": 9}, True)
        assert sync_journals(db, study.runs) == SyncReport(0, {}, (), {}, True)
        assert last_sync_time(db) is not None
        assert answers(db)[0] == (1, "tiny", 1, 1 / 3, 0.123456789012345)
        tiny = next(row for row in read_progress(db, CONFIGS, REGISTRY) if row.model_id == "tiny")
        assert (tiny.total, tiny.done, tiny.failed) == (12, 9, 1)
        assert fixed_identity(db, "tiny") == replace(IDENTITY, revision="main")
        assert len(result_rows(db)) == 18
        assert likert10_unlabelled(db) == set()


def test_rebuilding_and_retracting_work_there_too(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompt) for prompt in prompts])
    with study.open() as db:
        sync_journals(db, study.runs)
        before = answers(db)
        assert rebuild_results(db, study.runs).merged == 12
        assert answers(db) == before
        assert count_retractable(db, study.runs, "tiny", langs=["fra"]) == 6
        assert retract(db, study.runs, "tiny", langs=["fra"], reason="wrong") == 6
        assert count_left_alone(db, "tiny") == 0
        with db.reading() as conn:
            assert len(conn.execute(select(superseded)).all()) == 12
        assert rebuild_results(db, study.runs).merged == 6
    assert best_effort_sync(study.location).report == SyncReport(0, {}, (), {}, True)


def test_the_ledger_and_human_answers_work_there_too(study: Study) -> None:
    study.populate()
    plain: Submission = replace(SUBMISSION, inputs={})
    unknown: StoredOutcome = replace(OUTCOME, job_id="2", fingerprint=None, exit_code=None, rows_before=None)
    rows = [HumanRow("eng", "v0", 1, 1 / 3, 100, 90), HumanRow("eng", "v0", 2, 2 / 3, None, None)]
    with study.open() as db:
        assert [record_submission(db, plain), record_submission(db, plain)] == [1, 2]
        assert list_submissions(db) == (replace(plain, submission_id=1), replace(plain, submission_id=2))
        record_outcomes(db, [OUTCOME, unknown])
        record_outcomes(db, [OUTCOME])
        assert outcomes(db) == {("cli", "4711"): OUTCOME, ("cli", "2"): unknown}
        assert write_human_rows(db, rows, "ZA7500") == 2
        assert human_rows(db) == rows


def test_what_was_opened_for_reading_writes_nothing_on_a_server(study: Study) -> None:
    study.populate()
    with study.open(write=False) as db, db.reading() as conn, pytest.raises(DatabaseError, match="read-only transaction"):
        conn.exec_driver_sql("DELETE FROM prompts")


def test_two_opening_at_once_make_one_database(study: Study) -> None:
    open_database(study.location, create=True).close()
    with open_database(study.location, create=True) as db:
        assert read_progress(db, CONFIGS, REGISTRY) == ()
