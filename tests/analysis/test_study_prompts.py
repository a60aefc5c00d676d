"""On the study's own prompts: what their texts tell is what the survey knows."""

import pytest

from evsctl.analysis.prompt_facts import PromptFacts, Wording, prompt_facts
from evsctl.survey.prompts import build_prompts
from evsctl.survey.questions import read_questions
from evsctl.survey.types import Prompt
from tests.study import QUESTIONS, needs_study

pytestmark = [pytest.mark.study, needs_study]


@pytest.fixture(scope="module")
def prompts() -> list[Prompt]:
    """All prompts in the study's own wording."""
    return list(build_prompts(read_questions(QUESTIONS)))


@pytest.fixture(scope="module")
def facts(prompts: list[Prompt]) -> PromptFacts:
    """What the texts tell."""
    return prompt_facts((wording(prompt), prompt.permutation_idx, prompt.prompt_text) for prompt in prompts)


def wording(prompt: Prompt) -> Wording:
    return Wording(prompt.question_id, prompt.lang, prompt.config, "")


def test_the_listed_answers_are_read_right_in_every_language(prompts: list[Prompt], facts: PromptFacts) -> None:
    wanted = {wording(prompt): prompt.valid_values for prompt in prompts if prompt.permutation_idx == 0}
    assert {key: tuple(map(str, listed)) for key, listed in facts.listed.items()} == wanted


def test_seven_in_ten_ten_point_scales_are_one_text_in_all_orders(prompts: list[Prompt], facts: PromptFacts) -> None:
    scales = {wording(prompt) for prompt in prompts if prompt.is_likert10}
    assert (len(facts.one_text & scales), len(scales)) == (577, 804)


def test_nearly_half_of_the_pairs_share_their_prompt(facts: PromptFacts) -> None:
    assert (len(facts.shared), len(facts.texts)) == (1736, 3746)
