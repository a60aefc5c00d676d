"""What opening a database says about each thing that can be wrong with it, and what it leaves behind."""

import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest

from evsctl.db import engines
from evsctl.db.connection import open_database
from evsctl.db.populate import register_models
from evsctl.db.progress import read_progress
from evsctl.db.sync import best_effort_sync
from evsctl.errors import DatabaseError, ExitCode, InputError
from evsctl.settings import database_location
from tests.db.factories import CONFIGS, REGISTRY, TINY, Study, an_answer, as_stranger, dump, whole_dump
from tests.db.field import make_field_database


def test_a_missing_database_is_named_with_both_ways_out(study: Study) -> None:
    with pytest.raises(InputError) as error:
        study.open(write=False)
    assert error.value.message == (f"There is no survey database: here and in the folders above there is none; it would be {study.file}.")
    assert error.value.fix == "Go to the study's folder, name it with `--db`, or make one with `evsctl survey populate`."
    assert error.value.exit_code == ExitCode.BAD_INPUT
    assert list(study.folder.iterdir()) == []


def test_a_missing_database_that_was_named_says_who_named_it(tmp_path: Path) -> None:
    location = database_location("nowhere/survey.db", tmp_path, "EVSCTL_DB")
    with pytest.raises(InputError, match=r"EVSCTL_DB names .*nowhere/survey\.db"):
        open_database(location, write=True)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("garbage", [b"no database at all\n" * 100, b"short", bytes(range(256)) * 64], ids=["text", "short text", "bytes"])
@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_a_file_that_is_no_database_is_refused_and_left_as_it_was(study: Study, garbage: bytes, write: bool) -> None:
    study.file.write_bytes(garbage)
    with pytest.raises(InputError, match=r"survey\.db is not a database\. Name the survey's database with `--db`\."):
        study.open(write=write)
    assert study.file.read_bytes() == garbage
    assert [path.name for path in study.folder.iterdir()] == ["survey.db"]


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_an_empty_file_is_no_database_yet_and_may_become_one(study: Study, write: bool) -> None:
    """It is what a creation that was cut short leaves."""
    study.file.touch()
    with pytest.raises(InputError, match="There is no survey database"):
        study.open(write=write)
    assert study.file.read_bytes() == b""
    study.populate()
    study.open(write=write).close()


def test_a_database_without_tables_lacks_the_five(study: Study) -> None:
    study.execute("CREATE TABLE gone (x)", "DROP TABLE gone")
    with pytest.raises(InputError, match="is no survey database: it lacks evaluations, human_distributions, models, prompts, questions"):
        study.open(write=False)


def test_a_folder_is_no_file(study: Study) -> None:
    study.file.mkdir()
    with pytest.raises(InputError, match=r"survey\.db is a folder\. Name the file, such as"):
        study.open(write=False)


def test_a_full_disk_loses_nothing(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = study.populate(questions=40)
    study.journal("1-r0", [an_answer(prompt) for prompt in prompts])
    before = dump(study.file)
    whole = engines.sqlite_connection

    def small(*args: object) -> sqlite3.Connection:
        conn = whole(*args)  # type: ignore[arg-type]
        conn.execute(f"PRAGMA max_page_count={study.file.stat().st_size // 4096}")
        return conn

    with monkeypatch.context() as patch:
        patch.setattr(engines, "sqlite_connection", small)
        with pytest.raises(DatabaseError, match="cannot grow: the disk or the quota is full; nothing was written"):
            study.sync()
    assert dump(study.file) == before
    assert study.sync().merged == len(prompts)


@pytest.mark.parametrize("create", [False, True], ids=["opening", "creating"])
def test_somebody_elses_database_is_refused_and_left_as_it_was(study: Study, create: bool) -> None:
    study.execute("CREATE TABLE recipes (name TEXT)")
    before = study.file.read_bytes()
    with pytest.raises(InputError, match="is no survey database: it lacks"):
        open_database(study.location, write=True, create=create)
    assert study.file.read_bytes() == before


def test_a_table_of_the_five_without_a_column_is_named(study: Study) -> None:
    make_field_database(study.file, journal_mode="delete")
    study.execute("ALTER TABLE models DROP COLUMN notes")
    with pytest.raises(InputError, match=r"is no survey database: it lacks models\.notes\."):
        study.open(write=False)


def test_a_damaged_database_says_what_to_put_back(study: Study) -> None:
    study.populate(questions=60)
    raw = bytearray(study.file.read_bytes())
    raw[4096:] = b"\xff" * (len(raw) - 4096)
    study.file.write_bytes(raw)
    with pytest.raises(InputError, match=r"is damaged .*newest backup"), study.open(write=False) as db:
        read_progress(db, CONFIGS, REGISTRY)


@pytest.mark.parametrize("write", [False, True], ids=["reading", "writing"])
def test_a_locked_database_is_out_of_reach_soon(study: Study, write: bool) -> None:
    study.populate()
    with closing(sqlite3.connect(study.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(DatabaseError, match="is locked: another process is writing it") as error:
            open_database(study.location, write=write, busy_seconds=0.2)
        assert time.monotonic() - began < 20
    assert error.value.exit_code == ExitCode.OUT_OF_REACH
    with study.open(write=write) as db:
        assert len(read_progress(db, CONFIGS, REGISTRY)) == 2


def test_the_default_patience_is_within_five_seconds(study: Study) -> None:
    study.populate()
    with closing(sqlite3.connect(study.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(DatabaseError):
            study.open(write=False)
        assert time.monotonic() - began < 25


def test_a_writer_that_meets_another_writer_says_so_and_changes_nothing(study: Study) -> None:
    study.populate()
    with (
        open_database(study.location, write=True, busy_seconds=0.2) as db,
        closing(sqlite3.connect(study.file, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseError, match="is locked"):
            register_models(db, [TINY.with_dtype("int4")])
        other.execute("ROLLBACK")
        assert not study.runs.lease.exists()


def test_a_study_of_someone_else_is_read_and_not_written(study: Study) -> None:
    study.populate()
    study.sync()
    with study.open(write=False) as db:
        wanted = read_progress(db, CONFIGS, REGISTRY)
    make_strangers(study.folder)
    before = whole_dump(study.file)

    def look() -> tuple[object, str, str]:
        with open_database(study.location) as db:
            found = read_progress(db, CONFIGS, REGISTRY)
        try:
            open_database(study.location, write=True)
        except DatabaseError as error:
            return found, str(error), best_effort_sync(study.location).reason
        return found, "opened for writing", ""

    found, refused, reason = as_stranger(look)
    assert found == wanted
    assert refused == f"{study.file} cannot be written. Check who owns the file and its folder; reading commands still work."
    assert reason == f"{study.file} is read-only here: shown as it is, journals are not merged."
    assert whole_dump(study.file) == before


def test_a_field_database_in_wal_mode_is_read_from_a_folder_that_cannot_be_written(study: Study) -> None:
    prompts = make_field_database(study.file)
    make_strangers(study.folder)

    def look() -> tuple[int, int]:
        with open_database(study.location) as db:
            return db.step, sum(row.done for row in read_progress(db, CONFIGS, REGISTRY))

    assert as_stranger(look) == (0, len(prompts) + 100)


def test_reading_a_field_database_changes_no_byte_of_it(study: Study) -> None:
    make_field_database(study.file)
    before = study.file.read_bytes()
    with study.open(write=False) as db:
        assert db.step == 0
        assert len(read_progress(db, CONFIGS, REGISTRY)) == 23
    assert study.file.read_bytes() == before


def test_what_was_opened_for_reading_refuses_to_write(study: Study) -> None:
    study.populate()
    with study.open(write=False) as db, pytest.raises(DatabaseError, match="was opened for reading"):
        register_models(db, [TINY])


def test_new_files_are_not_readable_by_the_world(study: Study) -> None:
    study.populate()
    study.sync()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in study.folder.iterdir()}
    assert modes == {"survey.db": 0o640, "survey.runs": 0o750}


def test_neither_wal_nor_a_lease_is_left_behind(study: Study) -> None:
    study.populate()
    assert study.rows("PRAGMA journal_mode") == [("delete",)]
    assert sorted(path.name for path in study.folder.rglob("*")) == ["survey.db", "survey.runs"]


def test_a_database_that_another_tool_put_into_wal_again_leaves_it_at_the_next_writing(study: Study) -> None:
    study.populate()
    study.execute("PRAGMA journal_mode=WAL")
    assert study.rows("PRAGMA journal_mode") == [("wal",)]
    study.open().close()
    assert study.rows("PRAGMA journal_mode") == [("delete",)]


def test_foreign_keys_bind(study: Study) -> None:
    study.populate()
    with study.open() as db, db.reading() as conn:
        assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


def test_names_with_signs_that_mean_something_in_a_url_are_files(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.location = database_location("a?b#c%20d&mode=ro.db", tmp_path, "--db")
    study.populate()
    assert (tmp_path / "a?b#c%20d&mode=ro.db").is_file()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("oracle+nothing://host/name", "is no database URL that evsctl knows"),
        ("mysql+pymysql://host/name", "The driver for"),
        ("postgresql://nobody:secret@127.0.0.1:9/none", r"The database postgresql\+psycopg://127.0.0.1:9/none is out of reach"),
    ],
)
def test_a_server_that_cannot_be_reached_is_named_without_its_password(tmp_path: Path, url: str, sentence: str) -> None:
    with pytest.raises((InputError, DatabaseError), match=sentence) as error:
        open_database(database_location(url, tmp_path, "--db"), write=True)
    assert "secret" not in str(error.value)


def make_strangers(folder: Path) -> None:
    """Let others read the folder and everything in it, and write nothing."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in folder.parents:
        if parent.stat().st_uid == folder.stat().st_uid and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
