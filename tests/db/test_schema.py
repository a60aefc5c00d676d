"""New databases have the field's five tables, and evsctl's own by numbered steps."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from evsctl.db.schema import OWN
from evsctl.db.steps import LATEST, STEPS
from evsctl.errors import InputError
from tests.db.factories import FIVE, Study, query_rows
from tests.db.field import DDL, make_field_database


def facts(path: Path, table: str) -> dict[str, object]:
    """Columns (name, type, NOT NULL, default, primary key), foreign keys and indexes of a table."""
    indexes = {}
    for _, name, unique, origin, _ in query_rows(path, f"PRAGMA index_list({table})"):
        columns = tuple(row[2] for row in query_rows(path, f"PRAGMA index_info({name})"))
        indexes["unnamed" if origin != "c" else name, columns] = (unique, origin)
    return {
        "columns": [row[1:] for row in query_rows(path, f"PRAGMA table_info({table})")],
        "foreign keys": sorted((row[2], row[3]) for row in query_rows(path, f"PRAGMA foreign_key_list({table})")),
        "indexes": indexes,
    }


@pytest.mark.parametrize("table", FIVE)
def test_a_new_database_has_the_field_s_tables_column_by_column(study: Study, tmp_path: Path, table: str) -> None:
    study.populate()
    with closing(sqlite3.connect(tmp_path / "field.db")) as conn:
        conn.executescript(DDL)
    assert facts(study.file, table) == facts(tmp_path / "field.db", table)


def test_prompt_numbers_are_never_given_twice(study: Study) -> None:
    study.populate()
    assert "AUTOINCREMENT" in study.rows("SELECT sql FROM sqlite_master WHERE name = 'prompts'")[0][0]


def test_the_steps_make_every_table_and_column_that_statements_name(study: Study) -> None:
    study.populate()
    made = {
        name: [row[1] for row in study.rows(f"PRAGMA table_info({name})")]
        for (name,) in study.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        if name not in FIVE
    }
    assert {name: set(columns) for name, columns in made.items()} == {table.name: set(table.c.keys()) for table in OWN}


def test_steps_are_numbered_from_one_without_gaps_and_recorded(study: Study) -> None:
    study.populate()
    assert [step for step, _, _ in STEPS] == list(range(1, LATEST + 1))
    assert study.rows("SELECT step, name FROM schema_steps ORDER BY step") == [(step, name) for step, name, _ in STEPS]


def test_a_database_of_a_newer_evsctl_is_read_and_not_written(study: Study) -> None:
    study.populate()
    study.execute("INSERT INTO schema_steps VALUES (99, 'from the future')")
    with pytest.raises(InputError, match=r"written by a newer evsctl \(step 99, this one knows 1\)\. Update evsctl\."):
        study.open()
    with study.open(write=False) as db:
        assert db.step == 99


def test_a_foreign_table_of_one_of_our_names_is_never_taken_for_ours(study: Study) -> None:
    make_field_database(study.file, journal_mode="delete")
    study.execute("CREATE TABLE runs (mine TEXT)", "INSERT INTO runs VALUES ('kept')")
    with pytest.raises(InputError, match="foreign tables named runs"):
        study.open()
    assert study.rows("SELECT * FROM runs") == [("kept",)]
    assert study.rows("SELECT count(*) FROM sqlite_master WHERE name = 'schema_steps'") == [(0,)]


def test_a_column_that_the_field_added_is_no_obstacle(study: Study) -> None:
    make_field_database(study.file, journal_mode="delete")
    study.execute("ALTER TABLE models ADD COLUMN colour TEXT", "UPDATE models SET colour = 'blue'")
    study.open().close()
    assert study.rows("SELECT DISTINCT colour FROM models") == [("blue",)]
