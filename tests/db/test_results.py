"""What the analysis reads: every row with its prompt, and people's answers."""

from dataclasses import replace

import pytest

from evsctl.db.connection import open_database
from evsctl.db.pending import expected_prompts, model_identity, model_total, pending_prompts
from evsctl.db.populate import populate_survey
from evsctl.db.results import HumanRow, ResultRow, human_rows, likert10_unlabelled, result_rows, write_human_rows
from evsctl.errors import InputError
from evsctl.journal.identity import ModelIdentity, folder_fingerprint
from evsctl.models.registry import Registry
from evsctl.models.spec import ModelSpec
from tests.db.factories import CONFIGS, MONO, REGISTRY, TINY, Study, a_prompt, a_survey, an_answer, dump, hash_of, key_of
from tests.db.field import make_field_database


def test_rows_come_with_their_prompt_by_model_prompt_and_response(study: Study) -> None:
    survey, prompts = a_survey(1, ("eng",), 1)
    variant = a_prompt(0, config="rephrase", variant="r1_a")
    with open_database(study.location, create=True) as db:
        populate_survey(db, survey, [*prompts, variant], REGISTRY)
    study.journal("1-r0", [an_answer(variant, 0.5, 0.8), an_answer(prompts[0], 0.25, 0.9)])
    study.journal("1-r0", [an_answer(prompts[0], 0.125, 0.7)], model_id="mono_eng")
    study.sync()
    text = prompts[0].prompt_text
    legacy = ("eng", "v0", "categorical", "legacy", 0, None, None, False, text)
    rephrase = ("eng", "v0", "categorical", "rephrase", 0, "r1_a", "paraphrase", False, text)
    wanted = [
        ResultRow("mono_eng", "mono", *legacy, 1, 0.125, 0.7),
        ResultRow("mono_eng", "mono", *legacy, 2, 0.875, 0.7),
        ResultRow("tiny", "tiny", *legacy, 1, 0.25, 0.9),
        ResultRow("tiny", "tiny", *legacy, 2, 0.75, 0.9),
        ResultRow("tiny", "tiny", *rephrase, 1, 0.5, 0.8),
        ResultRow("tiny", "tiny", *rephrase, 2, 0.5, 0.8),
    ]
    with study.open(write=False) as db:
        assert result_rows(db) == wanted
        assert result_rows(db, configs=["legacy"]) == wanted[:4]
        assert result_rows(db, model_ids=["tiny"]) == wanted[2:]
        assert result_rows(db, configs=["rephrase"], model_ids=["mono_eng"]) == []
        assert result_rows(db, configs=[], model_ids=None) == []


def test_of_duplicates_only_the_first_answered_one_speaks(study: Study) -> None:
    study.populate(questions=1, langs=("eng",), permutations=1)
    columns = "question_id, lang, config, permutation_idx, prompt_text, question_text, valid_values, value_map, is_likert10, chat_template"
    study.execute(*[f"INSERT INTO prompts ({columns}) SELECT {columns} FROM prompts WHERE prompt_id = 1"] * 2)
    study.execute(
        *[f"INSERT INTO evaluations VALUES ({n}, '{m}', 1, {n} / 10.0, 0.5)" for n, m in ((2, "tiny"), (3, "tiny"), (3, "mono_eng"))]
    )
    with study.open(write=False) as db:
        assert [(row.model_id, row.prob) for row in result_rows(db)] == [("mono_eng", 0.3), ("tiny", 0.2)]


def test_human_rows_are_written_whole_and_replaced_whole(study: Study) -> None:
    study.populate()
    first = [HumanRow("eng", "v0", 1, 0.4, 100, 90), HumanRow("eng", "v0", 2, 0.6, 100, 90), HumanRow("fra", "v1", 1, 1.0, None, None)]
    with study.open() as db:
        assert write_human_rows(db, [*first, HumanRow("eng", "v99", 1, 1.0, 5, 5)], "ZA7500") == 3
        assert human_rows(db) == first
        assert write_human_rows(db, [HumanRow("eng", "v0", 1, 1.0, 7, 7)], "ZA7500 v2") == 1
        assert human_rows(db) == [HumanRow("eng", "v0", 1, 1.0, 7, 7), first[2]]
        assert write_human_rows(db, [], "nothing") == 0
    assert study.rows("SELECT * FROM human_sources ORDER BY 1") == [("eng", "v0", "ZA7500 v2"), ("fra", "v1", "ZA7500")]


def test_human_rows_of_the_field_are_left_alone(study: Study) -> None:
    make_field_database(study.file)
    before = dump(study.file)["human_distributions"]
    with study.open() as db:
        assert write_human_rows(db, [HumanRow("eng", "v0", 1, 1.0, 7, 7), HumanRow("eng", "v0", 3, 0.0, 7, 7)], "ZA7500") == 0
        assert dump(study.file)["human_distributions"] == before
        assert write_human_rows(db, [HumanRow("eng", "v1", 1, 1.0, 7, 7)], "ZA7500") == 1
        assert len(human_rows(db)) == 3


def test_pairs_whose_permutations_are_one_text_are_known(study: Study) -> None:
    survey, _ = a_survey(3)
    likert = [replace(a_prompt(n, lang, p), is_likert10=True) for n in (0, 1) for lang in ("eng", "fra") for p in (0, 1)]
    likert[0] = replace(likert[0], prompt_text="with a label")
    alone = replace(a_prompt(2, "eng"), is_likert10=True)
    item = [replace(a_prompt(0, "eng", p, config="item"), is_likert10=True) for p in (0, 1)]
    with open_database(study.location, create=True) as db:
        populate_survey(db, survey, [*likert, alone, a_prompt(2, "fra", 0), a_prompt(2, "fra", 1), *item], REGISTRY)
        assert likert10_unlabelled(db) == {("v0", "fra", "legacy"), ("v1", "eng", "legacy"), ("v1", "fra", "legacy"), ("v0", "eng", "item")}


def test_pending_prompts_are_what_a_manifest_holds_in_the_order_of_their_numbers(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0]), an_answer(prompts[5])])
    study.sync()
    with study.open(write=False) as db:
        pending = pending_prompts(db, "tiny", CONFIGS, REGISTRY)
        assert [(p.prompt_id, p.key, p.hash) for p in pending] == [
            (n, key_of(prompt), hash_of(prompt)) for n, prompt in enumerate(prompts, 1) if n not in (1, 6)
        ]
        assert {(p.response_type, p.text, p.valid_values, p.is_likert10) for p in pending} == {
            ("categorical", prompt.prompt_text, ("1", "2"), False) for prompt in prompts
        }
        assert [p.value_map for p in pending] == [prompt.value_map for n, prompt in enumerate(prompts, 1) if n not in (1, 6)]
        assert [p.prompt_id for p in pending_prompts(db, "tiny", CONFIGS, REGISTRY, langs=["fra"])] == [3, 4, 7, 8, 11, 12]
        assert [p.prompt_id for p in pending_prompts(db, "mono_eng", CONFIGS, REGISTRY)] == [1, 2, 5, 6, 9, 10]
        assert pending_prompts(db, "mono_eng", CONFIGS, REGISTRY, langs=["fra"]) == ()
        assert model_total(db, "tiny", CONFIGS, REGISTRY) == 12
        assert model_total(db, "tiny", ["item"], REGISTRY) == 0
        assert expected_prompts(db, "mono_eng", None, REGISTRY) == {key_of(p): hash_of(p) for p in prompts if p.lang == "eng"}
        assert expected_prompts(db, "tiny", ["item"], REGISTRY) == {}


def test_an_unknown_model_is_answered_with_the_nearest_name(study: Study) -> None:
    study.populate()
    with study.open(write=False) as db, pytest.raises(InputError, match=r"Unknown model 'tinny'\. Did you mean 'tiny'\?"):
        pending_prompts(db, "tinny", CONFIGS, REGISTRY)


def test_a_model_that_is_only_registered_has_everything_to_do(study: Study) -> None:
    study.populate()
    registry = Registry({"new": ModelSpec("new", "org/new", "new", languages=("fra",), chat_template=True)})
    with study.open(write=False) as db:
        assert len(pending_prompts(db, "new", CONFIGS, registry)) == 6
        assert model_identity(db, "new", registry) == ModelIdentity("new", "org/new", None, "bf16", True)


def test_a_broken_prompt_is_named_where_it_would_be_asked(study: Study) -> None:
    study.populate()
    study.execute("UPDATE prompts SET valid_values = 'nonsense' WHERE prompt_id = 3")
    with study.open(write=False) as db:
        with pytest.raises(InputError, match="Prompt 3 of the database is broken"):
            pending_prompts(db, "tiny", CONFIGS, REGISTRY)
        assert len(pending_prompts(db, "mono_eng", CONFIGS, REGISTRY)) == 6
        assert len(expected_prompts(db, "tiny", CONFIGS, REGISTRY)) == 11


def test_the_identity_is_by_flag_else_registry_else_table_and_the_template_by_the_table_alone(study: Study) -> None:
    study.populate()
    study.execute("UPDATE models SET dtype = 'int8', chat_template = 1, model_hf_id = 'org/table' WHERE model_id = 'tiny'")
    folder = study.folder / "weights"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with study.open(write=False) as db:
        assert model_identity(db, "tiny", REGISTRY) == ModelIdentity("tiny", "org/tiny", None, "bf16", True)
        assert model_identity(db, "tiny", REGISTRY, dtype="int4").dtype == "int4"
        assert model_identity(db, "tiny", Registry({})) == ModelIdentity("tiny", "org/table", None, "int8", True)
        local = Registry({"tiny": replace(TINY, path=str(folder), revision="main")})
        wanted = ModelIdentity("tiny", "org/tiny", "main", "bf16", True, folder_fingerprint(folder))
        assert model_identity(db, "tiny", local) == wanted
        assert model_identity(db, "tiny", REGISTRY, path=folder) == replace(wanted, revision=None)
        assert model_identity(db, "mono_eng", Registry({"mono_eng": replace(MONO, path="/nowhere")})).fingerprint is None
