"""The engine gives the numbers of the plain loop: every architecture, every tokenizer kind, every batch of mixed lengths."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch

from evsctl.engine.plan import Pack
from evsctl.engine.resident import ResidentExecutor
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.reader import read_journal
from tests.engine.factories import Study, a_model, a_prompt, a_study, a_survey, log_answers
from tests.engine.naive import NaiveModel, worst_of

TOLERANCE = 5e-5
PROMPTS = a_survey(40)
STYLES = [
    pytest.param({"style": "byte_fallback"}, id="gemma-3"),
    pytest.param({"style": "byte_level", "merged_digits": True}, id="llama-3"),
    pytest.param({"style": "byte_level", "bos": False}, id="qwen"),
    pytest.param({"style": "dummy_prefix"}, id="dummy-prefix"),
]


@pytest.mark.parametrize("kind", ["llama", "gemma3", "gemma3_multimodal", "qwen3_moe"])
def test_every_architecture_equals_one_prompt_at_a_time(tmp_path: Path, kind: str) -> None:
    # A window shorter than the prompts: Gemma's local layers must see what they see alone.
    model = a_model(
        tmp_path / "model", PROMPTS, kind, style="byte_fallback" if "gemma" in kind else "byte_level", layers=4, sliding_window=16
    )
    study = a_study(tmp_path, model, PROMPTS)
    study.run()
    assert worst_of(study.answers(), NaiveModel(model), PROMPTS, log_answers) < TOLERANCE


@pytest.mark.parametrize("style", STYLES)
def test_every_tokenizer_kind_resolves_one_and_ten_as_teacher_forcing_does(tmp_path: Path, style: dict[str, object]) -> None:
    prompts = [
        *(a_prompt(i, f"{'so ' * i}how much?\nAnswer: ", [str(v) for v in range(1, 11)]) for i in range(6)),
        *(a_prompt(i, f"{'so ' * i}which?\nAnswer: ", values) for i, values in enumerate((["1", "10"], ["1", "10", "0"], ["1", "0"]), 6)),
    ]
    model = a_model(tmp_path / "model", prompts, **style)
    study = a_study(tmp_path, model, prompts)
    study.run()
    assert worst_of(study.answers(), NaiveModel(model), prompts, log_answers) < TOLERANCE
    tens = [result.probs["10"] for result in study.answers().values() if result.probs and "10" in result.probs]
    assert any(prob > 0.001 for prob in tens)


def test_chat_models_get_one_user_turn_and_the_generation_prompt(tmp_path: Path) -> None:
    prompts = a_survey(20)
    model = a_model(tmp_path / "model", prompts, chat_template=True)
    study = a_study(tmp_path, model, prompts, ModelIdentity("chat", "org/chat", None, "fp32", True))
    study.run()
    assert worst_of(study.answers(), NaiveModel(model, chat=True), prompts, log_answers) < TOLERANCE
    plain = a_study(tmp_path, model, prompts)
    plain.run()
    assert worst_of(plain.answers(), NaiveModel(model, chat=True), prompts, log_answers) > 0.01


@pytest.mark.parametrize("size", [64, 300, 100_000])
def test_the_size_of_packs_changes_no_answer(tmp_path: Path, survey_model: Path, size: int) -> None:
    study = a_study(tmp_path, survey_model, PROMPTS)
    study.run(tokens_per_pack=size)
    assert worst_of(study.answers(), NaiveModel(survey_model), PROMPTS, log_answers) < TOLERANCE


class LeakyExecutor(ResidentExecutor):
    """Pads on the left without a mask: every short prompt sees its padding."""

    def hidden_states(self, packs: Sequence[Pack]) -> Iterator[torch.Tensor]:
        for pack in packs:
            width = pack.longest
            rows = torch.tensor([(*(0,) * (width - len(row)), *row) for row in pack.rows])
            with torch.inference_mode():
                hidden = self._body(input_ids=rows, use_cache=False).last_hidden_state
            yield hidden[[r.row for r in pack.reads], [r.position + width - len(pack.rows[r.row]) for r in pack.reads]]


def test_a_padding_leak_would_show_here(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evsctl.engine.session.ResidentExecutor", LeakyExecutor)
    monkeypatch.setattr("evsctl.engine.session.self_check", lambda *_: None)
    study.run()
    assert worst_of(study.answers(), NaiveModel(study.model), study.manifest.prompts[:40], log_answers) > 0.1


def test_the_self_check_finds_a_leak_and_computes_every_prompt_alone(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("evsctl.engine.session.ResidentExecutor", LeakyExecutor)
    with caplog.at_level(logging.WARNING, logger="evsctl"):
        outcome = study.run()
    prompts = study.manifest.prompts[:40]
    assert worst_of(study.answers(), NaiveModel(study.model), prompts, log_answers) < TOLERANCE
    assert "every prompt is computed alone" in caplog.text
    journal = study.runs.journal(outcome.run_id).read_text()
    assert '"kind": "fallback"' in journal
    heartbeat = study.runs.heartbeat(outcome.run_id).read_text()
    assert "one prompt at a time" in heartbeat
    assert "every prompt is computed alone" in heartbeat


def test_prompts_of_one_text_are_computed_once_and_answered_each_by_its_own_values(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[tuple[int, ...]] = []
    forward = ResidentExecutor._forward

    def counting(self: ResidentExecutor, pack: Pack) -> torch.Tensor:
        rows.extend(pack.rows)
        return forward(self, pack)

    monkeypatch.setattr(ResidentExecutor, "_forward", counting)
    monkeypatch.setattr("evsctl.engine.session.self_check", lambda *_: None)
    study.run()
    assert len(rows) == len(set(rows)) == 110
    answers = study.answers()
    for first, twin in zip(study.manifest.prompts[:10], study.manifest.prompts[-10:], strict=True):
        mine, other = answers[first.key].probs or {}, answers[twin.key].probs or {}
        assert mine != other
        assert [mine[first.value_map[v]] for v in first.valid_values] == [other[twin.value_map[v]] for v in twin.valid_values]


def test_bf16_runs_and_stays_near(tmp_path: Path, survey_model: Path) -> None:
    study = a_study(tmp_path, survey_model, PROMPTS, ModelIdentity("tiny", "org/tiny", None, "bf16", False))
    study.run()
    assert worst_of(study.answers(), NaiveModel(survey_model, torch.bfloat16), PROMPTS, log_answers) < 0.3
    (journal,) = (read_journal(path) for path in study.runs.journals())
    assert journal.header is not None
    assert journal.header.identity is not None
    assert journal.header.identity.dtype == "bf16"
