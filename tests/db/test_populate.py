"""Populating inserts what is missing, once, and rewrites nothing."""

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from evsctl.db.connection import open_database
from evsctl.db.populate import PopulateReport, populate_survey, register_models
from evsctl.errors import InputError
from evsctl.models.spec import ModelSpec
from tests.db.factories import FIVE, REGISTRY, TINY, Study, a_prompt, a_question, a_survey, dump, whole_dump
from tests.db.field import make_field_database


def test_the_first_populate_inserts_everything_as_it_is_stored_in_the_field(study: Study) -> None:
    survey, _ = a_survey(1, ("eng",))
    prompt = replace(
        a_prompt(), prompt_text="Wie geht’s?\n1. gut\n2. schlecht\nAntwort: ", value_map=MappingProxyType({"1": "1", "2": "9"})
    )
    with open_database(study.location, create=True) as db:
        report = populate_survey(db, survey, [prompt], [TINY])
    assert report == PopulateReport(questions_added=1, prompts_added=1, prompts_present=0, differences=(), models_added=1)
    assert study.rows("SELECT * FROM questions") == [("v0", "categorical")]
    assert study.rows("SELECT * FROM prompts") == [
        (1, "v0", "eng", "legacy", 0, prompt.prompt_text, "How, 0?", '["1", "2"]', '{"1": "1", "2": "9"}', 0, 0, None, None)
    ]
    assert study.rows("SELECT * FROM models") == [("tiny", "org/tiny", "tiny", 1, "bf16", 0, None)]


def test_populating_twice_gives_the_same_database(study: Study, tmp_path: Path) -> None:
    study.populate()
    once = whole_dump(study.file)
    study.populate()
    assert whole_dump(study.file) == once
    other = Study(tmp_path / "other")
    other.populate()
    assert whole_dump(other.file) == once


def test_a_second_populate_counts_what_is_there(study: Study) -> None:
    prompts = study.populate(questions=2)
    survey, more = a_survey(3)
    with study.open() as db:
        report = populate_survey(db, survey, more, REGISTRY)
    assert report == PopulateReport(1, len(more) - len(prompts), len(prompts), (), 0)


def test_what_differs_is_reported_and_left_as_it_is(study: Study) -> None:
    study.populate(questions=1, langs=("eng",))
    before = dump(study.file)
    question = replace(a_question(0, ("eng",)), response_type="likert4")
    prompts = [
        replace(a_prompt(permutation=0), prompt_text="Another text", is_likert10=True),
        replace(a_prompt(permutation=1), valid_values=("1", "2", "3"), value_map={"1": "1", "2": "2"}),
    ]
    specs = [replace(TINY, hub_id="org/other", chat_template=True)]
    with study.open() as db:
        report = populate_survey(db, [question], prompts, specs)
    assert report == PopulateReport(
        0,
        0,
        2,
        (
            "question v0: the database says categorical, the survey likert4.",
            "prompt v0/eng/legacy/0: text and is_likert10 differ.",
            "prompt v0/eng/legacy/1: valid values and value map differ.",
            "model tiny: the database says org/tiny, the registry org/other.",
            "model tiny: the database and the registry differ in the chat template; the database's holds.",
        ),
        0,
    )
    assert dump(study.file) == before


def test_json_spelled_otherwise_is_no_difference(study: Study) -> None:
    study.populate(questions=1, langs=("eng",))
    study.execute("""UPDATE prompts SET valid_values = '["1","2"]', value_map = '{"2":"2", "1" : "1"}' WHERE permutation_idx = 0""")
    survey, prompts = a_survey(1, ("eng",))
    with study.open() as db:
        assert populate_survey(db, survey, prompts, REGISTRY).differences == ()


def test_a_broken_row_is_reported(study: Study) -> None:
    study.populate(questions=1, langs=("eng",), permutations=1)
    study.execute("UPDATE prompts SET value_map = 'nonsense'")
    survey, prompts = a_survey(1, ("eng",), 1)
    with study.open() as db:
        report = populate_survey(db, survey, prompts, REGISTRY)
    assert report.differences == ("prompt v0/eng/legacy/0: valid values or value map (not JSON in the database) differ.",)


@pytest.mark.parametrize("column", ["config", "variant_id"])
def test_the_natural_key_is_looked_for_where_null_lifts_the_unique(study: Study, column: str) -> None:
    """SQLite takes two NULLs for distinct: an INSERT OR IGNORE would add the prompts again and again."""
    study.populate()
    study.execute(f"UPDATE prompts SET {column} = NULL")
    before = dump(study.file)
    study.populate()
    assert dump(study.file) == before


def test_the_template_column_of_prompts_says_nothing(study: Study) -> None:
    study.populate()
    study.execute("UPDATE prompts SET chat_template = 1")
    before = dump(study.file)
    study.populate()
    assert dump(study.file) == before


def test_variants_are_prompts_of_their_own(study: Study) -> None:
    survey, _ = a_survey(1, ("eng",))
    prompts = [a_prompt(config="rephrase", variant=name) for name in ("r1_original", "r1_a", "r1_b")]
    with open_database(study.location, create=True) as db:
        assert populate_survey(db, survey, prompts, []).prompts_added == 3
        assert populate_survey(db, survey, prompts, []).prompts_added == 0


def test_the_same_prompt_twice_in_one_survey_is_inserted_once(study: Study) -> None:
    survey, _ = a_survey(1, ("eng",))
    twice = [a_prompt(), a_prompt(), replace(a_prompt(), prompt_text="Another text")]
    with open_database(study.location, create=True) as db:
        report = populate_survey(db, survey, twice, [])
    assert (report.prompts_added, report.differences) == (1, ("prompt v0/eng/legacy/0: text differ.",))


def test_a_prompt_of_no_question_is_refused_and_nothing_is_inserted(study: Study) -> None:
    with open_database(study.location, create=True) as db, pytest.raises(InputError, match="questions that the survey does not have: v0"):
        populate_survey(db, [], [a_prompt()], REGISTRY)
    assert all(study.rows(f"SELECT count(*) FROM {table}") == [(0,)] for table in FIVE)


def test_a_field_database_gains_only_what_it_lacks(study: Study) -> None:
    prompts = make_field_database(study.file)
    survey, _ = a_survey(6, ("eng",))
    before = dump(study.file)
    with study.open() as db:
        report = populate_survey(db, survey, [*prompts, a_prompt(0, "eng", config="item")], [])
    assert (report.prompts_added, report.prompts_present, report.differences) == (1, len(prompts), ())
    after = dump(study.file)
    added = after["prompts"][1].pop()
    assert json.loads(added[9]) == {"1": "1", "2": "2"}
    assert after == before


def test_models_are_registered_once(study: Study) -> None:
    study.populate()
    new = ModelSpec("new", "org/new", "new", languages=("fra",), dtype="int4", chat_template=True, notes="tried")
    with study.open() as db:
        assert register_models(db, [TINY, new, new]) == 1
        assert register_models(db, [TINY, new]) == 0
    assert study.rows("SELECT * FROM models WHERE model_id = 'new'") == [("new", "org/new", "new", 0, "int4", 1, "tried")]
