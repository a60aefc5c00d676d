"""A field database is taken over whole: backed up, out of WAL, its rows in journals, nothing in its five tables changed."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from evsctl.db.connection import open_database
from evsctl.db.pending import fixed_identity, pending_prompts
from evsctl.db.populate import populate_survey
from evsctl.db.progress import read_progress
from evsctl.db.sync import SyncReport, rebuild_results, sync_journals
from evsctl.errors import DatabaseError
from evsctl.journal.reader import read_journal
from evsctl.models.registry import Registry, load_registry
from evsctl.survey.types import Prompt
from tests.db.factories import Study, a_survey, an_answer, append_lines, dump, key_of, query_rows
from tests.db.field import LANGS, answer, field_connection, insert_models, insert_prompts, make_field_database

REGISTRY = load_registry()
CONFIGS = ("legacy", "rephrase")
MODELS = sorted([*(f"hplt2c_{lang}" for lang in LANGS), "eurollm22b"])
EVALUATIONS = """SELECT model_id, question_id, lang, COALESCE(config, 'legacy'), permutation_idx, response_value, prob, p_valid
    FROM evaluations JOIN prompts USING (prompt_id) ORDER BY 1, 2, 3, 4, 5, 6"""

CRASH = """
import os, sqlite3, sys
conn = sqlite3.connect(sys.argv[1])
conn.execute("UPDATE models SET notes = 'in the log'")
conn.commit()
os._exit(0)
"""


@pytest.fixture
def field(study: Study) -> list[Prompt]:
    """The prompts of a field database in WAL mode, with rows in every table, that stands where the study's will."""
    return make_field_database(study.file)


def backups(study: Study) -> list[Path]:
    """The backups beside the database."""
    return sorted(study.folder.glob("survey.db.backup-*"))


def test_adopting_changes_nothing_in_the_five_tables_and_leaves_wal(study: Study, field: list[Prompt]) -> None:
    before = dump(study.file)
    assert study.rows("PRAGMA journal_mode") == [("wal",)]
    assert all(rows for _, rows in before.values())
    with study.open() as db:
        assert db.adoption is not None
    assert dump(study.file) == before
    assert study.rows("PRAGMA journal_mode") == [("delete",)]
    assert study.rows("SELECT step FROM schema_steps") == [(1,)]


def test_the_backup_is_the_whole_database_even_what_is_only_in_the_log(study: Study, field: list[Prompt]) -> None:
    """A crashed writer leaves rows in the write-ahead log, which a copy of the file would lose."""
    subprocess.run([sys.executable, "-c", CRASH, str(study.file)], check=True)
    assert Path(f"{study.file}-wal").stat().st_size > 0
    with study.open() as db:
        report = db.adoption
    assert report is not None
    assert report.backup is not None
    assert report.backup.stat().st_mode & 0o777 == 0o640
    assert backups(study) == [report.backup]
    assert dump(report.backup) == dump(study.file)
    assert query_rows(report.backup, "SELECT DISTINCT notes FROM models") == [("in the log",)]
    assert query_rows(report.backup, "PRAGMA journal_mode") == [("delete",)]


def test_adoption_happens_once(study: Study, field: list[Prompt]) -> None:
    study.open().close()
    files = sorted(study.folder.rglob("*"))
    with study.open() as db:
        assert db.adoption is None
    assert sorted(study.folder.rglob("*")) == files


def test_the_report_says_what_was_done(study: Study, field: list[Prompt]) -> None:
    with study.open() as db:
        report = db.adoption
    assert report is not None
    assert (report.prompts, report.duplicates, report.problems) == (len(field) + 100, 0, ())
    assert sorted(path.parent.name for path in report.journals) == MODELS


def test_every_row_is_in_a_journal_of_unknown_provenance(study: Study, field: list[Prompt]) -> None:
    study.open().close()
    found = []
    for model in study.runs.models():
        (path,) = model.journals()
        content = read_journal(path)
        assert content.header is not None
        assert (content.header.run_id, content.header.model_id, content.header.identity) == (path.stem, model.model_id, None)
        assert (path.name.startswith("field-"), content.problems) == (True, [])
        for line in content.lines:
            assert line.result.probs is not None
            key = line.result.key
            found += [
                (model.model_id, key.question_id, key.lang, key.config, key.permutation_idx, int(value), prob, line.result.p_valid)
                for value, prob in line.result.probs.items()
            ]
    assert sorted(found) == study.rows(EVALUATIONS)


def test_the_journals_bear_the_same_names_for_the_same_rows(study: Study, field: list[Prompt], tmp_path: Path) -> None:
    other = Study(tmp_path / "other")
    other.folder.mkdir()
    make_field_database(other.file)
    for one in (study, other):
        one.open().close()
    names = [sorted(str(path.relative_to(one.folder)) for path in one.runs.root.rglob("*.jsonl")) for one in (study, other)]
    assert names[0] == names[1]


def test_eurollm_goes_on_at_its_101st_prompt_and_the_finished_models_are_finished(study: Study, field: list[Prompt]) -> None:
    with study.open() as db:
        pending = pending_prompts(db, "eurollm22b", CONFIGS, REGISTRY)
        progress = {row.model_id: (row.done, row.total, row.failed) for row in read_progress(db, CONFIGS, REGISTRY)}
        assert pending_prompts(db, "hplt2c_eng", CONFIGS, REGISTRY) == ()
        assert fixed_identity(db, "eurollm22b") is None
    assert [prompt.prompt_id for prompt in pending] == list(range(101, len(field) + 1))
    assert [prompt.key for prompt in pending] == [key_of(prompt) for prompt in field[100:]]
    assert progress.pop("eurollm22b") == (100, len(field), 0)
    assert set(progress.values()) == {(12, 12, 0)}
    assert len(progress) == 22


def test_a_sync_after_adoption_finds_nothing_new(study: Study, field: list[Prompt]) -> None:
    before = dump(study.file)
    with study.open() as db:
        assert sync_journals(db, study.runs) == SyncReport(0, {}, (), {}, True)
    assert dump(study.file) == before


def test_a_rebuild_of_the_adopted_database_keeps_the_field_s_rows_untouched(study: Study, field: list[Prompt]) -> None:
    before = dump(study.file)
    with study.open() as db:
        assert rebuild_results(db, study.runs) == SyncReport(0, {}, (), {}, True)
    assert dump(study.file) == before


def test_a_lost_database_comes_back_from_the_journals(study: Study, field: list[Prompt]) -> None:
    before = study.rows(EVALUATIONS)
    study.open().close()
    study.file.unlink()
    survey, _ = a_survey(6, LANGS)
    with open_database(study.location, create=True) as db:
        populate_survey(db, survey, field, REGISTRY)
        report = rebuild_results(db, study.runs)
    assert report.merged == len(field) + 100
    assert study.rows(EVALUATIONS) == before


def test_new_answers_join_the_field_s_and_never_replace_them(study: Study, field: list[Prompt]) -> None:
    before = dump(study.file)["evaluations"][1]
    study.open().close()
    path = study.journal("1-r0", [], model_id="eurollm22b")
    append_lines(path, [an_answer(field[99]), an_answer(field[100])])
    assert study.sync().by_model == {"eurollm22b": 1}
    after = dump(study.file)["evaluations"][1]
    assert after[: len(before)] == before
    assert [row[1] for row in after[len(before) :]] == [101, 101]


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_adoption_is_refused_while_another_process_writes(study: Study, mode: str) -> None:
    make_field_database(study.file, journal_mode=mode)
    before = dump(study.file)
    with closing(sqlite3.connect(study.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE models SET notes = 'being written'")
        with pytest.raises(DatabaseError) as error:
            open_database(study.location, write=True, busy_seconds=0.2)
        other.execute("ROLLBACK")
    assert error.value.message == (
        f"{study.file} is in use by another process, and a database from the field is adopted only while nothing else has it open."
    )
    assert error.value.fix == f"End the jobs and programs that use it (`fuser {study.file}` names them), then run the command again."
    assert dump(study.file) == before
    assert study.rows("PRAGMA journal_mode") == [(mode,)]
    assert backups(study) == []
    study.open().close()
    assert dump(study.file) == before


def test_adoption_is_refused_while_another_process_has_a_wal_database_open(study: Study, field: list[Prompt]) -> None:
    with closing(sqlite3.connect(study.file, isolation_level=None)) as other:
        other.execute("SELECT count(*) FROM models").fetchall()
        with pytest.raises(DatabaseError, match="is in use by another process"):
            open_database(study.location, write=True, busy_seconds=0.2)
    study.open().close()


@pytest.mark.parametrize("place", ["evsctl.db.adopt.write_field_journals", "evsctl.db.adopt.refresh_cache", "evsctl.db.adopt.apply_steps"])
def test_an_adoption_that_was_cut_short_is_done_again(
    study: Study, field: list[Prompt], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def crash(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    before = dump(study.file)
    with monkeypatch.context() as patch:
        patch.setattr(place, crash)
        with pytest.raises(KeyboardInterrupt):
            study.open()
    assert dump(study.file) == before
    assert study.rows("SELECT count(*) FROM sqlite_master WHERE name = 'schema_steps'") == [(0,)]
    with study.open() as db:
        assert db.adoption is not None
        assert db.adoption.prompts == len(field) + 100
    assert dump(study.file) == before
    assert len(list(study.runs.root.glob("*/*.jsonl"))) == 23


def test_duplicates_are_reported_counted_once_and_never_run(study: Study) -> None:
    survey, prompts = a_survey(2, ("eng",))
    with closing(field_connection(study.file)) as conn:
        conn.executemany("INSERT INTO questions VALUES (?,?)", [(q.question_id, q.response_type) for q in survey])
        insert_models(conn)
        for _ in range(3):
            insert_prompts(conn, prompts, config=None)
        insert_prompts(conn, prompts[:1], config="legacy", chat_template=1)
        answer(conn, "hplt2c_eng", [2, 6])
        answer(conn, "eurollm22b", [9])
        conn.commit()
    before = dump(study.file)
    with study.open() as db:
        assert db.adoption is not None
        assert db.adoption.duplicates == 9
        found = {row.model_id: (row.done, row.total) for row in read_progress(db, CONFIGS, REGISTRY)}
        assert (found["hplt2c_eng"], found["eurollm22b"]) == ((1, 4), (1, 4))
        assert [prompt.prompt_id for prompt in pending_prompts(db, "hplt2c_eng", CONFIGS, REGISTRY)] == [1, 3, 4]
        assert [prompt.prompt_id for prompt in pending_prompts(db, "eurollm22b", CONFIGS, REGISTRY)] == [2, 3, 4]
    study.journal("1-r0", [an_answer(prompt) for prompt in prompts], model_id="eurollm22b")
    assert study.sync().by_model == {"eurollm22b": 3}
    after = dump(study.file)
    assert [row[1] for row in after["evaluations"][1][len(before["evaluations"][1]) :: 2]] == [2, 3, 4]


def test_what_no_journal_can_hold_is_named_and_stays_in_the_database(study: Study) -> None:
    survey, prompts = a_survey(3, ("eng",), 1)
    with closing(field_connection(study.file)) as conn:
        conn.executemany("INSERT INTO questions VALUES (?,?)", [(q.question_id, q.response_type) for q in survey])
        insert_prompts(conn, prompts)
        conn.execute("UPDATE prompts SET value_map = 'nonsense' WHERE prompt_id = 2")
        rows = [
            (1, "hplt2c_eng", 1, 1.5, 0.5),
            (2, "hplt2c_eng", 1, 0.5, 0.5),
            (3, "hplt2c_eng", 1, 0.5, 0.5),
            (3, "hplt2c_eng", 2, 0.5, 0.25),
            (7, "hplt2c_eng", 1, 0.5, 0.5),
            (1, "../evil/model", 1, 1.0, 0.5),
        ]
        conn.executemany("INSERT INTO evaluations VALUES (?,?,?,?,?)", rows)
        insert_models(conn)
        conn.commit()
    before = dump(study.file)
    with study.open() as db:
        report = db.adoption
    assert report is not None
    assert report.problems == (
        "Model '../evil/model' cannot name a folder: its 1 prompts are in no journal.",
        "Prompt 1 of hplt2c_eng has probabilities beyond 0 and 1: its answer is in no journal.",
        "Prompt 2 of hplt2c_eng has no readable prompt row: its answer is in no journal.",
        "Prompt 3 of hplt2c_eng has several p_valid: its answer is in no journal.",
        "Prompt 7 of hplt2c_eng has no readable prompt row: its answer is in no journal.",
    )
    assert report.journals == ()
    assert dump(study.file) == before
    assert list(study.runs.root.iterdir()) == []


def test_an_empty_field_database_is_adopted_too(study: Study) -> None:
    field_connection(study.file).close()
    with study.open() as db:
        assert db.adoption is not None
        assert (db.adoption.prompts, db.adoption.journals) == (0, ())
        assert read_progress(db, CONFIGS, Registry({})) == ()


@pytest.mark.slow
def test_half_a_million_rows_are_adopted_whole(study: Study) -> None:
    """The field's own size: 22 finished monolingual models and three and a half multilingual ones, 453,000 rows."""
    survey, prompts = a_survey(79, LANGS, 12)
    with closing(field_connection(study.file)) as conn:
        conn.executemany("INSERT INTO questions VALUES (?,?)", [(q.question_id, q.response_type) for q in survey])
        insert_prompts(conn, prompts)
        insert_models(conn)
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
        conn.execute(numbers.format(5) + " INSERT INTO evaluations SELECT prompt_id, 'eurollm22b', i, 0.2, 0.5 FROM prompts, n")
        conn.execute(numbers.format(17) + " INSERT INTO evaluations SELECT prompt_id, 'hplt2c_' || lang, i, 1.0 / 17, 0.5 FROM prompts, n")
        conn.commit()
    with study.open() as db:
        assert db.adoption is not None
        assert db.adoption.prompts == 2 * len(prompts)
    assert study.rows("SELECT count(*) FROM evaluations")[0][0] > 450_000
