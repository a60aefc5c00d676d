"""The identity of a model's results: what must not change between two rows of one model."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

_SMALL_FILES = (
    *("config.json", "generation_config.json", "chat_template.jinja", "chat_template.json"),
    *("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "spiece.model", "model.safetensors.index.json"),
)
_LARGE_JSON_BYTES = 1_000_000
_SAMPLES, _SAMPLE_BYTES = 4, 4096


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
        """The names of the parts that differ; an unknown revision or fingerprint on either side differs from nothing.

        The hub id is only asked where a fingerprint is unknown: the same files under another name are the same model.
        """
        found = [name for name in ("model_id", "dtype", "chat_template") if getattr(self, name) != getattr(other, name)]
        for name in ("revision", "fingerprint"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not None and theirs is not None and mine != theirs:
                found.append(name)
        if None in (self.fingerprint, other.fingerprint) and self.hub_id != other.hub_id:
            found.append("hub_id")
        return tuple(found)


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 (16 hex digits) over what decides a model's answers: config, tokenizer, chat template, and the weight files.

    Of each weight file that is its safetensors header (names, types, shapes of its tensors), its size and a few samples
    of its bytes: two checkpoints of one training have equal headers, and reading gigabytes would take minutes.
    """
    digest = hashlib.sha256()
    for name in _SMALL_FILES:
        path = folder / name
        if path.is_file():
            digest.update(name.encode() + b"\0" + _canonical(path) + b"\0")
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        for part in _weight_samples(path):
            digest.update(part)
    return digest.hexdigest()[:16]


def _canonical(path: Path) -> bytes:
    """A file's bytes; small JSON without its spacing and order, which differ between two ways to save one model."""
    raw = path.read_bytes()
    if path.suffix != ".json" or len(raw) > _LARGE_JSON_BYTES:
        return raw
    try:
        return json.dumps(json.loads(raw), sort_keys=True).encode()
    except ValueError:
        return raw


def _weight_samples(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        length = min(int.from_bytes(stream.read(8), "little"), 100_000_000)
        yield stream.read(length)
        begin, room = stream.tell(), path.stat().st_size - _SAMPLE_BYTES
        for index in range(_SAMPLES):
            stream.seek(begin + max(0, room - begin) * index // (_SAMPLES - 1))
            yield stream.read(_SAMPLE_BYTES)
