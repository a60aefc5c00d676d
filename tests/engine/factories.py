"""A small survey in invented words, tiny models that answer it, and what a run of them left behind."""

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evsctl.engine.run import RunOutcome, run_model
from evsctl.engine.tiny_model import build_tiny_model
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import Manifest, ManifestPrompt, write_manifest
from evsctl.journal.paths import ModelRuns
from evsctl.journal.reader import read_journal
from evsctl.journal.records import PromptResult

WORDS = "how often do you think that people should talk about music with friends family and neighbours every day or never".split()


def a_prompt(
    number: int, text: str, valid_values: Sequence[str], value_map: Mapping[str, str] | None = None, lang: str = "eng"
) -> ManifestPrompt:
    """A prompt with everything but its text and answers filled in."""
    mapping = dict(value_map or {value: value for value in valid_values})
    key = PromptKey(f"q{number}", lang, "legacy", 0, None)
    return ManifestPrompt(key, "categorical", number, text, tuple(valid_values), mapping, len(valid_values) == 10)


def a_survey(count: int, seed: int = 0, twins: int = 0) -> tuple[ManifestPrompt, ...]:
    """`count` prompts of mixed lengths with 2, 4 or 10 answers; the last `twins` share their text with the first, not their values."""
    rng = random.Random(seed)
    prompts = []
    for number in range(count - twins):
        size = rng.choice([2, 4, 10])
        values = [str(i) for i in range(1, size + 1)]
        question = " ".join(rng.choice(WORDS) for _ in range(rng.randint(2, 30)))
        text = f"{question} ({number})?\n" + "\n".join(f"{v}. {rng.choice(WORDS)}" for v in values) + "\n\nAnswer: "
        reverse = dict(zip(values, reversed(values), strict=True))
        prompts.append(a_prompt(number, text, values, reverse if number % 2 else None, "eng" if number % 3 else "deu"))
    for number in range(twins):
        first = prompts[number]
        turned = {printed: str(len(first.valid_values) + 1 - int(value)) for printed, value in first.value_map.items()}
        prompts.append(a_prompt(count - twins + number, first.text, first.valid_values, turned))
    return tuple(prompts)


@dataclass(frozen=True)
class Study:
    """A model, a manifest and the folder of its runs."""

    model: Path
    runs: ModelRuns
    manifest: Manifest
    manifest_path: Path

    @property
    def identity(self) -> ModelIdentity:
        """What the manifest asks to answer with."""
        return self.manifest.identity

    def run(self, **options: Any) -> RunOutcome:
        """`run_model` on this study."""
        given = {"manifest_path": self.manifest_path, "runs": self.runs, "model_path": str(self.model), "identity": self.identity}
        return run_model(**{**given, **options})

    def lines(self) -> list[PromptResult]:
        """All results in all journals of the model, in no particular order."""
        return list(itertools.chain.from_iterable([line.result for line in read_journal(path).lines] for path in self.runs.journals()))

    def answers(self) -> dict[PromptKey, PromptResult]:
        """The results by prompt; a prompt that was answered twice is an error."""
        found: dict[PromptKey, PromptResult] = {}
        for result in self.lines():
            if result.failed is None:
                assert result.key not in found, f"{result.key} was answered twice"
                found[result.key] = result
        return found

    def copy(self, folder: Path) -> "Study":
        """The same study, with no runs yet."""
        return a_study(folder, self.model, self.manifest.prompts, self.identity)


def a_study(folder: Path, model: Path, prompts: Sequence[ManifestPrompt], identity: ModelIdentity | None = None) -> Study:
    """A manifest of `prompts` for the model in `model`, in a runs folder of its own."""
    identity = identity or ModelIdentity("tiny", "org/tiny", None, "fp32", False)
    runs = ModelRuns(folder / "survey.runs" / identity.model_id, identity.model_id)
    manifest = Manifest(identity, ("legacy",), len(prompts) + 7, tuple(prompts))
    return Study(model, runs, manifest, write_manifest(runs, manifest))


def a_model(folder: Path, prompts: Sequence[ManifestPrompt], kind: str = "llama", **options: Any) -> Path:
    """A tiny model whose tokenizer knows these prompts, and which likes to answer with digits."""
    return build_tiny_model(folder, kind, [prompt.text for prompt in prompts], **{"answer_logit": 4.0, **options})


def log_answers(result: PromptResult) -> dict[str, float]:
    """Log-probability of each response value, the mass on all of them included."""
    assert result.probs is not None
    assert result.p_valid is not None
    return {value: math.log(prob * result.p_valid) if prob > 0 else -math.inf for value, prob in result.probs.items()}
