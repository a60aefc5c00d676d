"""A model folder that is not whole is refused with its name and the fix, before minutes are spent on it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from evsctl.engine.loading import check_dtype, choose_device, end_ids, load_model, load_tokenizer
from evsctl.engine.model_folder import find_model
from evsctl.engine.tokens import tokenize_prompts
from evsctl.errors import EngineError, InputError
from tests.engine.factories import Study, a_model, a_study, a_survey

CPU = torch.device("cpu")
PROMPTS = a_survey(30)


@pytest.fixture
def model(tmp_path: Path, survey_model: Path) -> Path:
    """A copy of the tiny model, to be broken."""
    return Path(shutil.copytree(survey_model, tmp_path / "model"))


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def index_names(folder: Path, name: str) -> None:
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"lm_head.weight": name}}))


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"has no weights \(\*\.safetensors\)"),
    "no config": (lambda f: (f / "config.json").unlink(), r"has no config\.json"),
    "garbled config": (lambda f: (f / "config.json").write_text("{"), r"config\.json cannot be read"),
    "config of nothing": (lambda f: (f / "config.json").write_text("[]"), r"config\.json names no model_type"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer"),
    "half a download": (lambda f: cut_in_half(f / "model.safetensors"), r"model\.safetensors is cut short"),
    "not safetensors": (lambda f: (f / "model.safetensors").write_text("<html>"), r"model\.safetensors is not a safetensors file"),
    "a missing part": (lambda f: index_names(f, "model-00002.safetensors"), r"model-00002\.safetensors is missing"),
    "a garbled index": (lambda f: (f / "model.safetensors.index.json").write_text("{}"), r"index\.json cannot be read"),
}


@pytest.mark.parametrize("name", list(BREAKS))
def test_a_broken_folder_is_named_with_what_it_lacks(model: Path, tmp_path: Path, name: str) -> None:
    damage, message = BREAKS[name]
    damage(model)
    study = a_study(tmp_path, model, PROMPTS)
    with pytest.raises(InputError, match=message) as caught:
        study.run()
    assert str(model) in caught.value.message
    assert caught.value.fix
    assert study.runs.journals() == ()


def test_a_garbled_tokenizer_is_named(model: Path, tmp_path: Path) -> None:
    (model / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer in .*model cannot be loaded"):
        a_study(tmp_path, model, PROMPTS).run()


def test_an_architecture_that_nobody_knows_is_named(model: Path, tmp_path: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**config, "model_type": "llama99", "architectures": ["Llama99"]}))
    with pytest.raises(InputError, match="llama99"):
        a_study(tmp_path, model, PROMPTS).run()


@pytest.mark.parametrize("path", ["/nowhere/at/all", "./gone", "~/gone", "gone"])
def test_a_path_that_does_not_exist_is_no_hub_id(path: str) -> None:
    with pytest.raises(InputError, match="does not exist"):
        find_model(path)


def test_a_file_is_no_folder(model: Path) -> None:
    with pytest.raises(InputError, match="is a file, not a model folder"):
        find_model(str(model / "config.json"))


def test_offline_an_unknown_hub_id_says_how_to_fetch_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"org/model is not in the hub's cache.*offline.*hf download org/model"):
        find_model("org/model")


def test_a_snapshot_in_the_hubs_cache_is_found_offline_with_its_commit(
    tmp_path: Path, survey_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    repo = tmp_path / "models--org--model"
    shutil.copytree(survey_model, repo / "snapshots" / commit)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = find_model("org/model")
    assert (found.path, found.commit, found.fingerprint) == (
        repo / "snapshots" / commit,
        commit,
        find_model(str(survey_model)).fingerprint,
    )
    with pytest.raises(InputError, match="not in the hub's cache"):
        find_model("org/model", "another-revision")


@pytest.mark.parametrize("change", ["drop", "reshape"])
def test_a_weight_that_is_missing_or_misshapen_is_fatal(model: Path, change: str) -> None:
    weights = load_file(model / "model.safetensors")
    name = "model.layers.1.mlp.down_proj.weight"
    taken = weights.pop(name)
    if change == "reshape":
        weights[name] = taken[:, :-1].contiguous()
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises((EngineError, InputError), match=r"missing, first model\.layers\.1\.mlp\.down_proj|down_proj|cannot be loaded"):
        load_model(find_model(str(model)), "fp32", CPU)


def test_quantising_experts_is_refused_in_one_sentence(tmp_path: Path) -> None:
    folder = find_model(str(a_model(tmp_path / "moe", PROMPTS, "qwen3_moe")))
    for dtype in ("int4", "int8"):
        with pytest.raises(InputError, match=rf"{dtype} is refused .*experts.*unquantised.*--as NEW_ID"):
            check_dtype(folder, dtype, torch.device("cuda"))
    check_dtype(folder, "bf16", torch.device("cuda"))


def test_quantising_without_a_gpu_and_unknown_dtypes_are_refused(survey_model: Path) -> None:
    folder = find_model(str(survey_model))
    check_dtype(folder, "int4", torch.device("cuda"))
    with pytest.raises(InputError, match="int4 needs a GPU"):
        check_dtype(folder, "int4", CPU)
    with pytest.raises(InputError, match="Unknown dtype 'fp8'"):
        check_dtype(folder, "fp8", CPU)


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu") == CPU
    with pytest.raises(InputError, match="There is no device 'gpu1'"):
        choose_device("gpu1")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="No GPU is visible"):
            choose_device("cuda")


def test_only_the_language_model_of_a_multimodal_one_is_kept(tmp_path: Path) -> None:
    loaded = load_model(find_model(str(a_model(tmp_path / "mm", PROMPTS, "gemma3_multimodal"))), "fp32", CPU)
    assert type(loaded.body).__name__ == "Gemma3TextModel"
    assert not any("vision" in name or "projector" in name for name, _ in loaded.model.named_parameters())


def test_every_token_that_ends_a_chat_turn_is_a_terminator_of_chat_models(model: Path) -> None:
    (model / "generation_config.json").write_text('{"eos_token_id": [2, 17]}')
    folder = find_model(str(model))
    tokenizer = load_tokenizer(folder)
    own = tokenizer.eos_token_id
    assert end_ids(folder, tokenizer, chat_template=True) == tuple(sorted({own, 2, 17}))
    assert end_ids(folder, tokenizer, chat_template=False) == (own,)


def tokenizer_of(folder: Path) -> object:
    return load_tokenizer(find_model(str(folder)))


def test_a_beginning_written_twice_is_refused(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(a_model(tmp_path / "m", PROMPTS))
    assert tokenize_prompts(tokenizer, ["Answer: "], False, "llama")[0][0] == tokenizer.bos_token_id  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="puts <s> 2 times"):
        tokenize_prompts(tokenizer, ["<s>Answer: "], False, "llama")


def test_a_chat_template_may_use_the_beginning_token_between_turns_but_not_twice_at_the_start(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(a_model(tmp_path / "m", PROMPTS, chat_template=True))
    bos = tokenizer.bos_token_id  # type: ignore[attr-defined]
    plain = tokenize_prompts(tokenizer, ["Hello"], True, "llama")[0]
    assert plain.count(bos) == 1
    tokenizer.chat_template = "<s>user\n{{ messages[0]['content'] }}\n<s>model\n"  # type: ignore[attr-defined]
    assert tokenize_prompts(tokenizer, ["Hello"], True, "llama")[0].count(bos) == 2
    tokenizer.chat_template = "<s><s>{{ messages[0]['content'] }}"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="puts <s> 2 times"):
        tokenize_prompts(tokenizer, ["Hello"], True, "llama")


def test_gemma_without_its_beginning_token_is_refused(tmp_path: Path) -> None:
    tokenizer = tokenizer_of(a_model(tmp_path / "m", PROMPTS, style="byte_fallback", bos=False))
    tokenizer.bos_token = "</s>"  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="Gemma models answer noise"):
        tokenize_prompts(tokenizer, ["Answer: "], False, "gemma3_text")


def test_a_chat_template_that_is_not_there_is_refused(survey_model: Path) -> None:
    with pytest.raises(InputError, match="its tokenizer has none"):
        tokenize_prompts(tokenizer_of(survey_model), ["Answer: "], True, "llama")


def test_the_same_arguments_build_the_same_tiny_model(tmp_path: Path) -> None:
    one, two, other = (a_model(tmp_path / name, PROMPTS, seed=seed) for name, seed in (("one", 3), ("two", 3), ("other", 4)))
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    assert (one / "tokenizer.json").read_bytes() == (two / "tokenizer.json").read_bytes()
    assert find_model(str(one)).fingerprint == find_model(str(two)).fingerprint != find_model(str(other)).fingerprint


def test_the_answers_of_a_demo_model_hold_most_of_the_probability(study: Study) -> None:
    study.run(limit=60)
    mass = [result.p_valid or 0 for result in study.answers().values()]
    assert sum(mass) / len(mass) > 0.15


def test_signal_handling_plans_and_answers_need_no_torch() -> None:
    code = (
        "import sys; from evsctl.engine import answers, model_folder, place, plan, requeue, resume, signals, tokens, workload; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
