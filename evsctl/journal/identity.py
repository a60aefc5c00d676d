"""The identity of a model's results: what must not change between two rows of one model."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """What a run answered with. A dtype is numbers, so it is part of the identity; an executor is memory, so it is not."""

    model_id: str
    hub_id: str
    revision: str | None
    dtype: str
    chat_template: bool
    fingerprint: str | None = None
    """`folder_fingerprint` of the weights; None before they were seen."""

    def to_json(self) -> dict[str, Any]:
        """The identity as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "ModelIdentity":
        """Read what `to_json` wrote; raises KeyError or TypeError where a part is missing."""
        return cls(**{item.name: value[item.name] for item in fields(cls)})

    def differences(self, other: "ModelIdentity") -> tuple[str, ...]:
        """The names of the parts that differ; an unknown revision or fingerprint on either side differs from nothing."""
        found = [name for name in ("model_id", "dtype", "chat_template") if getattr(self, name) != getattr(other, name)]
        for name in ("revision", "fingerprint"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None and theirs is not None and mine != theirs:
                found.append(name)
        return tuple(found)


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 (16 hex digits) over a model folder's config, tokenizer files and weight index.

    The index is `model.safetensors.index.json` where there is one, else each weight file's safetensors header
    (names, shapes and offsets of its tensors) and its size. Gigabytes of weights are not read.
    """
    digest = hashlib.sha256()
    for name in ("config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "model.safetensors.index.json"):
        path = folder / name
        if path.is_file():
            digest.update(name.encode() + b"\0" + _canonical(path) + b"\0")
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + _safetensors_header(path))
    return digest.hexdigest()[:16]


def _canonical(path: Path) -> bytes:
    raw = path.read_bytes()
    if path.suffix != ".json":
        return raw
    try:
        return json.dumps(json.loads(raw), sort_keys=True).encode()
    except ValueError:
        return raw


def _safetensors_header(path: Path) -> bytes:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return stream.read(min(length, 100_000_000))
