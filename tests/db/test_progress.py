"""Done, total, failed and p_valid: per model, in its languages and the asked configs, fast on large databases."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsctl.db.connection import open_database
from evsctl.db.pending import model_total, pending_prompts
from evsctl.db.populate import populate_survey
from evsctl.db.progress import ModelProgress, count_prompts, model_languages, read_progress, survey_languages
from evsctl.db.sync import best_effort_sync
from evsctl.db.tally import cached_done, done_by_part, find_duplicates
from evsctl.models.registry import Registry
from evsctl.models.spec import ModelSpec
from tests.db.factories import CONFIGS, MONO, REGISTRY, TINY, Study, a_failure, a_prompt, a_survey, an_answer
from tests.db.field import make_field_database

NO_REGISTRY = Registry({})


def progress_of(study: Study, registry: Registry = REGISTRY, configs: tuple[str, ...] = CONFIGS) -> dict[str, tuple[int, int, int]]:
    """Model → (total, done, failed)."""
    with study.open(write=False) as db:
        return {row.model_id: (row.total, row.done, row.failed) for row in read_progress(db, configs, registry)}


def test_every_model_of_the_table_comes_with_its_facts_in_the_table_s_order(study: Study) -> None:
    prompts = study.populate(questions=2)
    study.journal("1-r0", [an_answer(prompts[0], p_valid=0.5), an_answer(prompts[1], p_valid=1.0), a_failure(prompts[2])])
    study.sync()
    with study.open(write=False) as db:
        assert read_progress(db, CONFIGS, REGISTRY) == (
            ModelProgress("tiny", "org/tiny", "tiny", True, "bf16", False, 8, 2, 1, 0.75),
            ModelProgress("mono_eng", "org/mono_eng", "mono", False, "bf16", False, 4, 0, 0, None),
        )
        assert count_prompts(db, CONFIGS) == 8
        assert survey_languages(db) == ("eng", "fra")


def test_a_prompt_is_done_when_it_has_any_row(study: Study) -> None:
    study.populate()
    study.execute("INSERT INTO evaluations VALUES (1, 'tiny', 2, 1.0, 0.5)")
    assert progress_of(study)["tiny"] == (12, 1, 0)


def test_rows_in_other_configs_and_languages_do_not_count(study: Study) -> None:
    survey, prompts = a_survey(1)
    extra = [a_prompt(config="item"), a_prompt(config="rephrase", variant="r1_a")]
    with open_database(study.location, create=True) as db:
        populate_survey(db, survey, [*prompts, *extra], REGISTRY)
    study.execute(*(f"INSERT INTO evaluations VALUES ({n}, '{m}', 1, 1.0, 0.5)" for n in range(1, 7) for m in ("tiny", "mono_eng")))
    assert progress_of(study, configs=("legacy",)) == {"tiny": (4, 4, 0), "mono_eng": (2, 2, 0)}
    assert progress_of(study, configs=("legacy", "rephrase")) == {"tiny": (5, 5, 0), "mono_eng": (3, 3, 0)}
    assert progress_of(study, configs=("item",)) == {"tiny": (1, 1, 0), "mono_eng": (1, 1, 0)}
    assert progress_of(study, configs=()) == {"tiny": (0, 0, 0), "mono_eng": (0, 0, 0)}
    assert progress_of(study, configs=("nonsense",)) == {"tiny": (0, 0, 0), "mono_eng": (0, 0, 0)}


def test_the_template_column_of_prompts_is_never_filtered_on(study: Study) -> None:
    study.populate(questions=2)
    study.execute("UPDATE prompts SET chat_template = prompt_id % 2", "UPDATE models SET chat_template = 1 WHERE model_id = 'tiny'")
    study.execute("INSERT INTO evaluations VALUES (1, 'tiny', 1, 1.0, 0.5)", "INSERT INTO evaluations VALUES (2, 'tiny', 1, 1.0, 0.5)")
    assert progress_of(study)["tiny"] == (8, 2, 0)
    with study.open(write=False) as db:
        assert len(pending_prompts(db, "tiny", CONFIGS, REGISTRY)) == 6


def test_a_prompt_without_a_config_counts_as_legacy(study: Study) -> None:
    study.populate(questions=2)
    study.execute("UPDATE prompts SET config = NULL")
    assert progress_of(study, configs=("legacy",))["tiny"] == (8, 0, 0)
    assert progress_of(study, configs=("rephrase",))["tiny"] == (0, 0, 0)


def test_a_failure_counts_until_someone_answers(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [a_failure(prompts[0]), a_failure(prompts[1])])
    study.sync()
    assert progress_of(study)["tiny"] == (12, 0, 2)
    study.journal("2-r0", [an_answer(prompts[0])], started_at=2000)
    study.sync()
    assert progress_of(study)["tiny"] == (12, 1, 1)
    study.execute("INSERT INTO evaluations VALUES (2, 'tiny', 1, 1.0, 0.5)")
    assert progress_of(study)["tiny"] == (12, 2, 0)


def test_duplicates_of_a_natural_key_count_once_whichever_of_them_is_answered(study: Study) -> None:
    study.populate(questions=1, langs=("eng",))
    columns = "question_id, lang, config, permutation_idx, prompt_text, question_text, valid_values, value_map, is_likert10, chat_template"
    study.execute(
        f"INSERT INTO prompts ({columns}) SELECT {columns} FROM prompts", f"INSERT INTO prompts ({columns}) SELECT {columns} FROM prompts"
    )
    assert study.rows("SELECT count(*) FROM prompts") == [(8,)]
    assert progress_of(study) == {"tiny": (2, 0, 0), "mono_eng": (2, 0, 0)}
    study.execute("INSERT INTO evaluations VALUES (5, 'tiny', 1, 1.0, 0.25)", "INSERT INTO evaluations VALUES (7, 'tiny', 1, 1.0, 0.75)")
    assert progress_of(study) == {"tiny": (2, 1, 0), "mono_eng": (2, 0, 0)}
    with study.open(write=False) as db:
        assert read_progress(db, CONFIGS, REGISTRY)[0].p_valid_mean == 0.25
        assert [prompt.prompt_id for prompt in pending_prompts(db, "tiny", CONFIGS, REGISTRY)] == [2]
        assert [prompt.prompt_id for prompt in pending_prompts(db, "mono_eng", CONFIGS, REGISTRY)] == [1, 2]
        assert model_total(db, "tiny", CONFIGS, REGISTRY) == count_prompts(db, CONFIGS) == 2


@pytest.mark.parametrize(
    ("spec", "model_id", "is_multilingual", "wanted"),
    [
        (TINY, "tiny", False, ("eng", "fra", "lvs")),
        (MONO, "mono_eng", True, ("eng",)),
        (ModelSpec("two", "org/two", "two", languages=("lvs", "eng", "xxx")), "two", True, ("eng", "lvs")),
        (None, "unknown", True, ("eng", "fra", "lvs")),
        (None, "hplt2c_fra", False, ("fra",)),
        (None, "fra", False, ("fra",)),
        (None, "unknown", False, ()),
        (None, "eng_base", False, ()),
    ],
)
def test_a_model_is_asked_in_the_registry_s_languages_else_by_the_last_part_of_its_id(
    spec: ModelSpec | None, model_id: str, is_multilingual: bool, wanted: tuple[str, ...]
) -> None:
    assert model_languages(spec, model_id, is_multilingual, ("eng", "fra", "lvs")) == wanted


def test_a_field_database_that_was_not_adopted_shows_the_same_progress(study: Study) -> None:
    make_field_database(study.file)
    before = progress_of(study, NO_REGISTRY)
    assert before["hplt2c_eng"] == (12, 12, 0)
    assert before["eurollm22b"] == (264, 100, 0)
    study.open().close()
    assert progress_of(study, NO_REGISTRY) == before


def test_the_cache_is_used_only_while_it_says_what_the_rows_say(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompt) for prompt in prompts[:4]])
    study.sync()
    assert is_cached(study)
    study.execute("INSERT INTO evaluations VALUES (9, 'tiny', 1, 1.0, 0.5)")
    assert not is_cached(study)
    assert progress_of(study)["tiny"] == (12, 5, 0)
    study.execute("DELETE FROM evaluations WHERE prompt_id = 1")
    assert progress_of(study)["tiny"] == (12, 4, 0)
    study.journal("2-r0", [an_answer(prompts[6])], started_at=2000)
    study.sync()
    assert is_cached(study)
    assert progress_of(study)["tiny"] == (12, 6, 0)


def test_the_cache_outlives_a_populate_and_is_made_true_again_by_any_sync(study: Study) -> None:
    prompts = study.populate()
    assert is_cached(study)
    study.journal("1-r0", [an_answer(prompts[0])])
    best_effort_sync(study.location)
    assert is_cached(study)
    study.populate(questions=5)
    assert is_cached(study)
    assert progress_of(study)["tiny"] == (20, 1, 0)
    study.execute("INSERT INTO evaluations VALUES (9, 'tiny', 1, 1.0, 0.5)")
    assert not is_cached(study)
    best_effort_sync(study.location)
    assert is_cached(study)
    assert progress_of(study)["tiny"] == (20, 2, 0)


@given(st.lists(st.tuples(st.sampled_from(["answer", "insert", "delete", "retract"]), st.integers(0, 11)), max_size=8))
@settings(max_examples=15, deadline=None)
def test_the_cache_never_says_anything_but_the_rows(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, int]]) -> None:
    from evsctl.db.retract import retract

    study = Study(tmp_path_factory.mktemp("study"))
    prompts = study.populate()
    for turn, (change, number) in enumerate(changes):
        if change == "answer":
            study.journal(f"{turn}-r0", [an_answer(prompts[number], p_valid=number / 16)], started_at=turn)
            study.sync()
        elif change == "insert":
            study.execute(f"INSERT OR IGNORE INTO evaluations VALUES ({number + 1}, 'tiny', 1, 0.5, 0.5)")
        elif change == "delete":
            study.execute(f"DELETE FROM evaluations WHERE prompt_id = {number + 1}")
        else:
            with study.open() as db:
                retract(db, study.runs, "tiny", question_ids=[f"v{number % 3}"], reason="test")
        with study.open(write=False) as db, db.reading() as conn:
            cache = cached_done(conn)
            rows = done_by_part(conn, "tiny", find_duplicates(conn))
            if cache is not None:
                cached = {part: done for part, done in cache.get("tiny", {}).items() if done.prompts}
                assert {part: done.prompts for part, done in cached.items()} == {part: done.prompts for part, done in rows.items()}
                assert [cached[part].p_valid_sum for part in rows] == pytest.approx([done.p_valid_sum for done in rows.values()])


def is_cached(study: Study) -> bool:
    """Whether the cache is true now."""
    with study.open(write=False) as db, db.reading() as conn:
        return cached_done(conn) is not None


@pytest.mark.slow
def test_the_cache_says_of_two_and_a_half_million_rows_what_the_rows_say(tmp_path: Path) -> None:
    """100 models × 5,000 prompts × 5 values; counted from the rows, and from the cache once evsctl synced."""
    study = Study(tmp_path)
    open_database(study.location, create=True).close()
    fill(study.file)
    registry = Registry({f"model_{n}": ModelSpec(f"model_{n}", "org/x", "x") for n in range(100)})
    with study.open(write=False) as db:
        from_rows = read_progress(db, CONFIGS, registry)
    assert [(row.total, row.done) for row in from_rows] == [(5000, 5000)] * 100
    study.sync()
    with study.open(write=False) as db:
        assert is_cached(study)
        from_cache = read_progress(db, CONFIGS, registry)
    assert [(row.total, row.done, pytest.approx(row.p_valid_mean)) for row in from_rows] == [
        (row.total, row.done, row.p_valid_mean) for row in from_cache
    ]


def fill(path: Path) -> None:
    """Made by SQL alone: seconds, not minutes."""
    count = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {} - 1)"
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.executescript(f"""
            PRAGMA synchronous=OFF;
            PRAGMA cache_size=-400000;
            DROP INDEX idx_eval_model_prompt;
            BEGIN;
            {count.format(50)} INSERT INTO questions SELECT 'v' || i, 'likert5' FROM n;
            {count.format(5000)} INSERT INTO prompts SELECT i + 1, 'v' || (i % 50), 'l' || (i / 50 % 20), 'legacy', i / 1000, 'text', 'q',
              '["1"]', '{{}}', 0, 0, NULL, NULL FROM n;
            {count.format(100)} INSERT INTO models SELECT 'model_' || i, 'org/x', 'x', 1, 'bf16', 0, NULL FROM n;
            {count.format(5)} INSERT INTO evaluations SELECT prompt_id, model_id, i, 0.2, (prompt_id % 100) / 100.0 FROM models, prompts, n;
            COMMIT;
            CREATE INDEX idx_eval_model_prompt ON evaluations(model_id, prompt_id);
        """)
