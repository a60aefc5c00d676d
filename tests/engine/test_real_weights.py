"""SmolLM2-135M's real weights: real tokenizer, real answers, the study's own prompts."""

import random
from pathlib import Path

import pytest

from evsctl.engine.answers import find_answer_tokens
from evsctl.engine.check import check_model
from evsctl.engine.loading import end_ids, load_tokenizer
from evsctl.engine.model_folder import find_model
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import ManifestPrompt
from evsctl.survey.prompts import build_prompts
from evsctl.survey.questions import read_questions
from tests.engine.factories import a_study, a_survey, log_answers
from tests.engine.naive import NaiveModel, worst_of
from tests.study import QUESTIONS, needs_study
from tests.weights import check_speaks

pytestmark = [pytest.mark.weights, pytest.mark.slow, pytest.mark.timeout(1800)]

IDENTITY = ModelIdentity("smollm2", "org/smollm2", None, "fp32", False)


def study_prompts(lang: str, count: int) -> list[ManifestPrompt]:
    """A fixed choice of the study's prompts in one language."""
    prompts = [prompt for prompt in build_prompts(read_questions(QUESTIONS)) if prompt.lang == lang]
    return [
        ManifestPrompt(
            PromptKey(p.question_id, p.lang, p.config, p.permutation_idx, p.variant_id), "x", number, p.prompt_text, p.valid_values,
            dict(p.value_map), p.is_likert10,
        )
        for number, p in enumerate(random.Random(7).sample(prompts, count))
    ]  # fmt: skip


def test_the_converted_weights_speak(smollm2: Path) -> None:
    check_speaks(smollm2)


def test_its_answer_tokens_are_single_digits_and_ten_is_two(smollm2: Path) -> None:
    folder = find_model(str(smollm2))
    tokenizer = load_tokenizer(folder)
    found = find_answer_tokens(tokenizer, int(folder.text_config["vocab_size"]), ["10"], end_ids(folder, tokenizer, False))
    pieces = {text: tokenizer.convert_ids_to_tokens(list(ids)) for text, ids in found.by_text.items()}
    assert pieces == {**{str(digit): [str(digit)] for digit in range(10)}, "10": []}
    assert tokenizer.convert_ids_to_tokens([found.forced["1"]]) == ["1"]
    assert sorted(tokenizer.convert_ids_to_tokens(list(found.terminators))) == sorted([tokenizer.eos_token, "Ċ", "ĊĊ", "Ġ", ".", ","])


@pytest.mark.study
@needs_study
def test_200_prompts_of_the_study_equal_the_plain_loop(smollm2: Path, tmp_path: Path) -> None:
    prompts = study_prompts("eng", 200)
    assert any({"1", "10"} <= set(prompt.valid_values) for prompt in prompts)
    study = a_study(tmp_path, smollm2, prompts, IDENTITY)
    assert study.run().done == 200
    assert worst_of(study.answers(), NaiveModel(smollm2), prompts, log_answers) < 5e-5


@pytest.mark.study
@needs_study
@pytest.mark.parametrize("lang", ["bul", "ell"])
def test_other_scripts_equal_the_plain_loop(smollm2: Path, tmp_path: Path, lang: str) -> None:
    prompts = study_prompts(lang, 6)
    study = a_study(tmp_path, smollm2, prompts, IDENTITY)
    study.run()
    assert worst_of(study.answers(), NaiveModel(smollm2), prompts, log_answers) < 5e-5


def test_the_accuracy_gate_passes_in_fp32_and_in_bf16(smollm2: Path, tmp_path: Path) -> None:
    study = a_study(tmp_path, smollm2, a_survey(40), IDENTITY)
    for dtype in ("fp32", "bf16"):
        identity = ModelIdentity("smollm2", "org/smollm2", None, dtype, False)
        report = check_model(manifest_path=study.manifest_path, model_path=str(smollm2), identity=identity, prompts=12)
        assert report.passed, report
        assert report.prompts == 12
        if dtype == "fp32":
            assert report.worst < 5e-5
            assert report.flips == 0
