"""The manifest: what a job is to answer, written once at submit, read by the engine, never changed."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from evsctl.errors import InputError
from evsctl.files import write_atomically
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import BAD_LINE, PromptKey, complaint, prompt_hash
from evsctl.journal.paths import ModelRuns

FORMAT = "evsctl-manifest/1"
NEVER_CHANGED = "Manifests never change: `evsctl submit` writes a new one."


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
            "value_map": dict(sorted(self.value_map.items())),
            "is_likert10": self.is_likert10,
        }

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "ManifestPrompt":
        """Read a manifest line; raises KeyError or ValueError where it does not hold together."""
        prompt = cls(
            key=PromptKey.from_json(line),
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
    """Write the manifest atomically under its hash; the same work gives the same file, which is then the newest again."""
    path = runs.create().manifest(manifest.hash)
    if path.is_file() and path.read_bytes() == manifest.text.encode("utf-8"):
        with contextlib.suppress(PermissionError):  # somebody else's file; newest or not, it says the same
            os.utime(path)
    else:
        write_atomically(path, manifest.text)
    return path


def read_manifest(path: Path) -> Manifest:
    """Read a manifest whole; raises InputError naming the file and line where it is missing, cut short or changed."""
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Manifest {path} cannot be read: {error}.", "`evsctl submit` writes a new one.") from error
    manifest, count = _parse(path, text)
    if count != len(manifest.prompts):
        raise InputError(f"Manifest {path}, line 1: it promises {count} prompts, {len(manifest.prompts)} follow.", NEVER_CHANGED)
    if len(manifest.expected) != count:
        raise InputError(f"Manifest {path} asks for one prompt twice.", NEVER_CHANGED)
    named = re.fullmatch(r"manifest-([0-9a-f]{16})\.jsonl", path.name)
    if named and named[1] != hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]:
        raise InputError(f"Manifest {path} was changed since it was written: its hash is not that of its name.", NEVER_CHANGED)
    return manifest


def _parse(path: Path, text: str) -> tuple[Manifest, int]:
    """The manifest as it stands, and how many prompts its header promises."""
    number = 1
    try:
        # Not splitlines(): texts may hold line separators of Unicode, which JSON leaves as they are.
        lines = text.removesuffix("\n").split("\n")
        header = json.loads(lines[0])
        if header["format"] != FORMAT:
            raise ValueError(f"its format is {header['format']}, not {FORMAT}")
        identity, configs = ModelIdentity.from_json(header["identity"]), tuple(header["configs"])
        total, count = int(header["model_total"]), int(header["count"])
        prompts = []
        for number, line in enumerate(lines[1:], 2):  # noqa: B007  # the number is for the message below
            prompts.append(ManifestPrompt.from_json(json.loads(line)))
    except BAD_LINE as error:
        raise InputError(f"Manifest {path}, line {number}: {complaint(error)}.", NEVER_CHANGED) from error
    return Manifest(identity, configs, total, tuple(prompts)), count


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
