"""The manifest: what a job is to answer, written once at submit, read by the engine, never changed."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evsctl.errors import InputError
from evsctl.files import write_atomically
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey, prompt_hash
from evsctl.journal.paths import ModelRuns

FORMAT = "evsctl-manifest/1"


@dataclass(frozen=True, slots=True)
class ManifestPrompt:
    """One prompt to answer."""

    key: PromptKey
    response_type: str
    prompt_id: int
    """The database's number when the manifest was written: for people; matching is by key and hash."""
    text: str
    valid_values: tuple[str, ...]
    """The answers as printed."""
    value_map: dict[str, str]
    """Printed answer → response value of the questionnaire."""
    is_likert10: bool

    @property
    def hash(self) -> str:
        """`prompt_hash` of this prompt."""
        return prompt_hash(self.text, self.valid_values, self.value_map, self.is_likert10)

    def to_json(self) -> dict[str, Any]:
        """The manifest line."""
        return {
            "prompt_hash": self.hash,
            "prompt_id": self.prompt_id,
            **self.key._asdict(),
            "response_type": self.response_type,
            "text": self.text,
            "valid_values": list(self.valid_values),
            "value_map": self.value_map,
            "is_likert10": self.is_likert10,
        }

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "ManifestPrompt":
        """Read a manifest line; raises KeyError or ValueError where it does not hold together."""
        prompt = cls(
            key=PromptKey(line["question_id"], line["lang"], line["config"], int(line["permutation_idx"]), line["variant_id"]),
            response_type=line["response_type"],
            prompt_id=int(line["prompt_id"]),
            text=line["text"],
            valid_values=tuple(line["valid_values"]),
            value_map=dict(line["value_map"]),
            is_likert10=bool(line["is_likert10"]),
        )
        if prompt.hash != line["prompt_hash"]:
            raise ValueError("its hash does not fit its text and values")
        return prompt


@dataclass(frozen=True)
class Manifest:
    """Header and prompts of one manifest."""

    identity: ModelIdentity
    configs: tuple[str, ...]
    model_total: int
    """All prompts of the model in these configs, done ones included: the job's progress bar needs it."""
    prompts: tuple[ManifestPrompt, ...]

    @cached_property
    def expected(self) -> dict[PromptKey, str]:
        """Natural key → prompt hash, what `acceptable` asks for."""
        return {prompt.key: prompt.hash for prompt in self.prompts}

    @cached_property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 over the file's text: its name, and the same for the same work."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:16]

    @cached_property
    def text(self) -> str:
        """The file's text."""
        header = {
            "format": FORMAT,
            "model_id": self.identity.model_id,
            "identity": self.identity.to_json(),
            "configs": list(self.configs),
            "model_total": self.model_total,
            "count": len(self.prompts),
        }
        lines = [header, *(prompt.to_json() for prompt in self.prompts)]
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

    def covers(self, keys: Iterable[tuple[PromptKey, str]], identity: ModelIdentity) -> bool:
        """Whether this manifest asks for all of these prompts (key, hash) with this identity."""
        return self.identity == identity and all(self.expected.get(key) == wanted for key, wanted in keys)


def write_manifest(runs: ModelRuns, manifest: Manifest) -> Path:
    """Write the manifest atomically under its hash; the same work gives the same file."""
    path = runs.create().manifest(manifest.hash)
    if not path.is_file():
        write_atomically(path, manifest.text)
    return path


def read_manifest(path: Path) -> Manifest:
    """Read a manifest whole; raises InputError naming the file and line where it is missing, cut short or changed."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Manifest {path} cannot be read: {error}.", "`evsctl submit` writes a new one.") from error
    number = 1
    try:
        lines = text.splitlines()
        header = json.loads(lines[0])
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']}, not {FORMAT}")
        prompts = []
        for number, line in enumerate(lines[1:], 2):  # noqa: B007  # the number is for the message below
            prompts.append(ManifestPrompt.from_json(json.loads(line)))
        manifest = Manifest(ModelIdentity.from_json(header["identity"]), tuple(header["configs"]), int(header["model_total"]), tuple(prompts))
        if header["count"] != len(prompts):
            raise ValueError(f"its header promises {header['count']} prompts, it holds {len(prompts)}")
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(f"Manifest {path}, line {number}: {error}.", "Manifests never change: delete it, `evsctl submit` writes a new one.") from error
    return manifest


def newest_covering(runs: ModelRuns, wanted: Iterable[tuple[PromptKey, str]], identity: ModelIdentity) -> tuple[Path, Manifest] | None:
    """The newest manifest, if it covers `wanted`; a broken one counts as none."""
    keys = list(wanted)
    for path in runs.manifests()[:1]:
        try:
            manifest = read_manifest(path)
        except InputError:
            return None
        if manifest.covers(keys, identity):
            return path, manifest
    return None
