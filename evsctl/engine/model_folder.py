"""Where a model's files are: a local folder or the hub's snapshot, looked over before anything heavy is loaded."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evsctl.errors import InputError
from evsctl.journal.identity import folder_fingerprint

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "spiece.model")
INDEX_NAME = "model.safetensors.index.json"
HUB_PATTERNS = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder with config, tokenizer and weights, all there."""

    path: Path
    config: dict[str, Any]
    fingerprint: str
    commit: str | None = None
    """The hub's commit, where the folder is a snapshot of the hub's cache."""

    @property
    def model_type(self) -> str:
        """`llama`, `gemma3`, `qwen3_moe`, …"""
        return str(self.config.get("model_type", ""))

    @property
    def text_config(self) -> dict[str, Any]:
        """The part of the config that describes the language model."""
        inner = self.config.get("text_config")
        return inner if isinstance(inner, dict) else self.config

    @property
    def is_mixture(self) -> bool:
        """Whether its layers hold experts."""
        return any(
            int(self.text_config.get(key) or 0) > 1 for key in ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
        )


def find_model(model_path: str, revision: str | None = None) -> ModelFolder:
    """The folder named by a path, or by a hub id (fetched unless HF_HUB_OFFLINE is set); raises InputError naming what is missing."""
    path = Path(model_path).expanduser()
    if path.exists():
        return _look_over(path, None)
    if path.is_absolute() or model_path.startswith((".", "~")) or not _HUB_ID.fullmatch(model_path):
        raise InputError(
            f"Model folder {model_path} does not exist.", "Give a folder with config.json, tokenizer and *.safetensors, or a hub id."
        )
    snapshot = _hub_snapshot(model_path, revision)
    return _look_over(snapshot, snapshot.name if re.fullmatch(r"[0-9a-f]{40}", snapshot.name) else None)


def is_offline() -> bool:
    """Whether the environment forbids asking the hub."""
    return any(
        os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on") for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def _hub_snapshot(hub_id: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(hub_id, revision=revision, local_files_only=is_offline(), allow_patterns=HUB_PATTERNS))
    except GatedRepoError as error:
        raise InputError(f"{hub_id} is gated.", "Accept its licence on the hub and log in with `hf auth login`.") from error
    except RevisionNotFoundError as error:
        raise InputError(f"{hub_id} has no revision '{revision}'.", "Correct the model's `revision`.") from error
    except RepositoryNotFoundError as error:
        raise InputError(
            f"There is no model '{hub_id}' on the hub, nor a folder of that name here.", "Correct the hub id or the path."
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        why = "offline" if is_offline() else str(error).splitlines()[0]
        raise InputError(
            f"{hub_id} is not in the hub's cache and cannot be fetched ({why}).",
            f"Run `hf download {hub_id}` where there is a network.",
        ) from error


def _look_over(path: Path, commit: str | None) -> ModelFolder:
    if not path.is_dir():
        raise InputError(f"{path} is a file, not a model folder.", "Give the folder that holds config.json.")
    config = _read_config(path)
    if not any((path / name).is_file() for name in TOKENIZER_FILES):
        raise InputError(
            f"Model folder {path} has no tokenizer.", f"Put {TOKENIZER_FILES[0]} and tokenizer_config.json beside config.json."
        )
    _check_weights(path)
    return ModelFolder(path, config, folder_fingerprint(path), commit)


def _read_config(path: Path) -> dict[str, Any]:
    file = path / "config.json"
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"Model folder {path} has no config.json.", "It must be a folder as transformers saves one.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}.", "Fetch the model again.") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise InputError(f"{file} names no model_type.", "Fetch the model again.")
    return config


def _check_weights(path: Path) -> None:
    index = path / INDEX_NAME
    if index.is_file():
        try:
            wanted = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise InputError(f"{index} cannot be read: {error!r}.", "Fetch the model again.") from error
    else:
        wanted = [file.name for file in sorted(path.glob("*.safetensors"))]
    if not wanted:
        raise InputError(
            f"Model folder {path} has no weights (*.safetensors).", "Copy or fetch them there; other weight formats are not read."
        )
    for name in wanted:
        _check_weight_file(path / name)


def _check_weight_file(file: Path) -> None:
    """A safetensors file says how long it must be: half a download shows before minutes of loading."""
    try:
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= 100_000_000:
                raise ValueError("it does not begin as one")
            size, raw = file.stat().st_size, stream.read(length)
        tensors = json.loads(raw) if len(raw) == length else {}
        end = max((int(t["data_offsets"][1]) for name, t in tensors.items() if name != "__metadata__"), default=0)
    except FileNotFoundError as error:
        raise InputError(f"Weight file {file} is missing.", "Copy or fetch it; the index names it.") from error
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"Weight file {file} is not a safetensors file: {error}.", "Fetch it again.") from error
    if size < 8 + length + end:
        raise InputError(f"Weight file {file} is cut short.", "Fetch it again.")
