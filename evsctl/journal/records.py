"""The three kinds of lines in a run journal: header, one per prompt, footer."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey

FORMAT = "evsctl-journal/1"


@dataclass(frozen=True, slots=True)
class JournalHeader:
    """Who answered, with what, from which manifest."""

    run_id: str
    model_id: str
    manifest_hash: str | None
    identity: ModelIdentity | None
    """None: provenance unknown, as for rows adopted from a field database."""
    plan_hash: str | None
    executor: str | None
    engine_version: str | None
    host: str | None
    gpu: str | None
    job_id: str | None
    restart: int
    started_at: float
    """Seconds since the epoch."""

    def to_json(self) -> dict[str, Any]:
        """The first line of a journal."""
        value = {"format": FORMAT, **asdict(self)}
        value["identity"] = self.identity.to_json() if self.identity else None
        return value

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "JournalHeader":
        """Read a first line; raises KeyError, TypeError or ValueError where it is not one."""
        if line["format"] != FORMAT:
            raise ValueError(f"its format is {line['format']!r}, not {FORMAT}")
        values = {item.name: line[item.name] for item in fields(cls)}
        values["identity"] = ModelIdentity.from_json(line["identity"]) if line["identity"] else None
        return cls(**values)


@dataclass(frozen=True, slots=True)
class PromptResult:
    """What a model answered to one prompt, or why it could not."""

    key: PromptKey
    prompt_hash: str
    p_valid: float | None
    """Probability mass on valid answers, before renormalisation; None only where the prompt has no answer."""
    probs: dict[str, float] | None
    """Response value of the questionnaire → probability among the valid answers; sums to 1. None with `p_valid`."""
    failed: str | None = None
    """The reason, where the prompt has no answer."""

    def to_json(self) -> dict[str, Any]:
        """The journal line."""
        value: dict[str, Any] = {"prompt_hash": self.prompt_hash, **self.key._asdict()}
        if self.failed is not None:
            return {**value, "failed": self.failed}
        return {**value, "p_valid": self.p_valid, "probs": self.probs}

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "PromptResult":
        """Read a journal line; raises KeyError, TypeError, ValueError or OverflowError where it does not hold together."""
        key, prompt_hash = PromptKey.from_json(line), line["prompt_hash"]
        if not isinstance(prompt_hash, str):
            raise ValueError("its prompt hash is not a text")
        if "failed" in line:
            return cls(key, prompt_hash, None, None, str(line["failed"]))
        p_valid = float(line["p_valid"])
        probs = {str(int(value)): float(prob) for value, prob in line["probs"].items()}
        if not probs or not all(math.isfinite(x) and -1e-9 <= x <= 1 + 1e-6 for x in (p_valid, *probs.values())):
            raise ValueError("its probabilities are not within 0 and 1")
        return cls(key, prompt_hash, p_valid, probs)


@dataclass(frozen=True, slots=True)
class JournalFooter:
    """The last line of a run that ended by its own will."""

    done: int
    failed: int
    reason: str
    """`finished`, `stopped` or `failed`."""
    ended_at: float

    def to_json(self) -> dict[str, Any]:
        """The journal line."""
        return {"footer": asdict(self)}
