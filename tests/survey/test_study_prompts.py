"""The study's own questions give exactly the study's prompts."""

import hashlib
from collections import Counter

import pytest

from evsctl.journal.keys import prompt_hash
from evsctl.survey.prompts import build_prompts, rephrase_prompts
from evsctl.survey.quality import quality_flags
from evsctl.survey.questions import read_questions, read_rephrasings
from evsctl.survey.types import Prompt, Question
from tests.study import QUESTIONS, REPHRASINGS, needs_study

pytestmark = [pytest.mark.study, needs_study]

PROMPTS_PER_LANGUAGE = {
    "bul": 1012, "ces": 958, "dan": 708, "deu": 904, "ell": 1006, "eng": 1042, "est": 1036, "fin": 934, "fra": 1018, "hrv": 791, "hun": 950,
    "ita": 940, "lit": 986, "lvs": 856, "nld": 992, "pol": 988, "por": 1004, "ron": 956, "slk": 804, "slv": 882, "spa": 964, "swe": 1036,
}  # fmt: skip
DIGEST_OF_FIRST_TWO_ORDERS = "0a42df868d1873241c495651aa6e2ade8cd8d2361cd48641b9b4bb2b4db17c3f"


@pytest.fixture(scope="module")
def questions() -> tuple[Question, ...]:
    return read_questions(QUESTIONS)


@pytest.fixture(scope="module")
def prompts(questions: tuple[Question, ...]) -> list[Prompt]:
    return list(build_prompts(questions, "legacy"))


def test_the_study_has_187_questions_and_20767_prompts(questions: tuple[Question, ...], prompts: list[Prompt]) -> None:
    assert len(questions) == 187
    assert len(prompts) == 20_767


def test_every_language_has_its_number_of_prompts(prompts: list[Prompt]) -> None:
    assert Counter(prompt.lang for prompt in prompts) == PROMPTS_PER_LANGUAGE


def test_the_first_two_orders_are_the_studys_texts_byte_for_byte(prompts: list[Prompt]) -> None:
    digest, texts = hashlib.sha256(), 0
    for prompt in prompts:
        if prompt.permutation_idx < 2:
            digest.update(prompt.prompt_text.encode("utf-8") + b"\0")
            texts += 1
    assert (texts, digest.hexdigest()) == (7_479, DIGEST_OF_FIRST_TWO_ORDERS)


def test_the_rephrasings_add_96_prompts(questions: tuple[Question, ...]) -> None:
    rephrased = list(rephrase_prompts(questions, read_rephrasings(REPHRASINGS)))
    assert len(rephrased) == 96
    assert {prompt.lang for prompt in rephrased} == {"eng"}
    assert {prompt.config for prompt in rephrased} == {"rephrase"}
    assert {prompt.permutation_idx for prompt in rephrased} == {0, 1}
    assert len({prompt.variant_id for prompt in rephrased}) == 48


def test_prompts_of_one_text_with_different_value_maps_have_different_hashes(prompts: list[Prompt]) -> None:
    maps: dict[tuple[str, str], dict[str, tuple[tuple[str, str], ...]]] = {}
    for prompt in prompts:
        digest = prompt_hash(prompt.prompt_text, prompt.valid_values, prompt.value_map, prompt.is_likert10)
        maps.setdefault((prompt.lang, prompt.prompt_text), {})[digest] = tuple(sorted(prompt.value_map.items()))
    assert all(len(set(by_digest.values())) == len(by_digest) for by_digest in maps.values())
    assert sum(len(by_digest) > 1 for by_digest in maps.values()) == 500


def test_the_flags_find_the_known_faults_of_the_study(questions: tuple[Question, ...]) -> None:
    flags = quality_flags(questions)
    counts = Counter(flag for found in flags.values() for flag in found)
    assert len(flags) == 187 * 22
    assert counts["duplicate"] == 1_735
    assert counts["unlabelled"] == 584
    assert counts["missing"] == 340 + 28
    assert counts["one-option"] == 13
    assert {"misaligned", "foreign-codes"} <= flags["v62", "ron"]
    assert "misaligned" in flags["v63", "ron"]


def test_the_item_wording_tells_all_questions_apart_but_those_that_stand_twice_in_the_file(questions: tuple[Question, ...]) -> None:
    first = [prompt for prompt in build_prompts(questions, "item") if prompt.permutation_idx == 0]
    texts = Counter((prompt.lang, prompt.prompt_text) for prompt in first)
    alike = Counter(lang for (lang, _), count in texts.items() for _ in range(count) if count > 1)
    assert alike == {"lvs": 16, "fin": 18}
