"""Sizes: what a model's weights take up in each dtype."""

from dataclasses import replace

import pytest

from evsctl.models.registry import load_registry
from evsctl.models.spec import DTYPES, ModelSpec


def test_the_study_s_models_have_these_sizes_in_gb() -> None:
    found = {m.model_id: m.weights_gb() for m in load_registry() if m.languages is None or m.languages == ("eng",)}
    assert found == {
        "hplt2c_eng": pytest.approx(4.3),
        "eurollm22b": pytest.approx(45.278),
        "gemma3_27b_pt": pytest.approx(54.0),
        "gemma3_27b_it": pytest.approx(54.0),
        "qwen3235b": pytest.approx(134.0, abs=0.1),
    }


def test_qwen_in_nf4_is_between_double_quantised_and_plain() -> None:
    size = load_registry().get("qwen3235b").weights_gb("int4")
    assert size is not None
    assert 123 <= round(size) <= 134


def test_a_dtype_decides_the_size() -> None:
    spec = ModelSpec("x", "a/b", "x", parameters_billion=10.0)
    assert [spec.weights_gb(dtype) for dtype in DTYPES] == [40.0, 20.0, 10.0, 5.625]
    assert spec.with_dtype("int8").weights_gb() == 10.0


def test_embeddings_stay_in_bf16_under_quantisation() -> None:
    spec = ModelSpec("x", "a/b", "x", parameters_billion=10.0, embedding_parameters_billion=2.0)
    assert [spec.weights_gb(dtype) for dtype in DTYPES] == [40.0, 20.0, 12.0, 8.5]


def test_what_is_unknown_has_no_size() -> None:
    assert ModelSpec("x", "a/b", "x").weights_gb() is None
    assert ModelSpec("x", "a/b", "x", parameters_billion=1.0).weights_gb("bfloat16") is None


def test_another_dtype_is_another_spec_and_none_leaves_it() -> None:
    spec = ModelSpec("x", "a/b", "x", dtype="int4")
    assert spec.with_dtype("bf16") == replace(spec, dtype="bf16")
    assert spec.with_dtype(None) is spec


@pytest.mark.parametrize(("languages", "is_multilingual"), [(None, True), (("eng", "deu"), True), (("eng",), False)])
def test_a_model_is_multilingual_unless_it_has_one_language(languages: tuple[str, ...] | None, is_multilingual: bool) -> None:
    assert ModelSpec("x", "a/b", "x", languages).is_multilingual is is_multilingual
