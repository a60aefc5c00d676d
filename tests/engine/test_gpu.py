"""The same numbers on a GPU; every test here needs one."""

from pathlib import Path

import pytest
import torch

from evsctl.journal.heartbeat import read_heartbeat
from evsctl.journal.identity import ModelIdentity
from tests.engine.factories import a_model, a_study, a_survey, log_answers
from tests.engine.naive import NaiveModel, worst_of

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")]

PROMPTS = a_survey(40)


@pytest.mark.parametrize("kind", ["llama", "gemma3", "gemma3_multimodal", "qwen3_moe"])
def test_fp32_on_a_gpu_equals_the_plain_loop_on_the_cpu(tmp_path: Path, kind: str) -> None:
    model = a_model(tmp_path / "model", PROMPTS, kind, layers=4, sliding_window=16)
    study = a_study(tmp_path, model, PROMPTS)
    outcome = study.run(device="cuda")
    assert worst_of(study.answers(), NaiveModel(model), PROMPTS, log_answers) < 1e-4
    beat = read_heartbeat(study.runs.heartbeat(outcome.run_id))
    assert beat is not None
    assert beat.gpu == torch.cuda.get_device_name(0)
    assert (beat.peak_gpu_memory_gb or 0) > 0


@pytest.mark.parametrize("dtype", ["bf16", "int8", "int4"])
def test_narrow_dtypes_answer_and_pass_their_self_check(tmp_path: Path, dtype: str) -> None:
    model = a_model(tmp_path / "model", PROMPTS)
    study = a_study(tmp_path, model, PROMPTS, ModelIdentity("tiny", "org/tiny", None, dtype, False))
    outcome = study.run(device="cuda")
    assert outcome.done == len(PROMPTS)
    assert '"passed": true' in study.runs.journal(outcome.run_id).read_text()
