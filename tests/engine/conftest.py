"""Tiny models and real weights that several tests share."""

from pathlib import Path

import pytest
import torch

from tests.engine.factories import Study, a_model, a_study, a_survey
from tests.weights import WeightsUnavailableError, smollm2_folder


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny matrices gain nothing from threads, and lose much where tests run beside each other."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def survey_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama for `a_survey(120, twins=10)`."""
    return a_model(tmp_path_factory.mktemp("llama"), a_survey(120, twins=10))


@pytest.fixture
def study(tmp_path: Path, survey_model: Path) -> Study:
    """120 prompts, ten of which share their text with another, and no runs yet."""
    return a_study(tmp_path, survey_model, a_survey(120, twins=10))


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """SmolLM2-135M in fp32; skips where its weights cannot be had."""
    try:
        return smollm2_folder()
    except WeightsUnavailableError as error:
        pytest.skip(f"no real weights: {error}")
