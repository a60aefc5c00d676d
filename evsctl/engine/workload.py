"""The workload: a manifest's prompts as token ids, what must be read for each, and the plan over all of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evsctl.engine.answers import AnswerTokens, answer_log_masses, distribution, find_answer_tokens, forced_texts, forced_tokens
from evsctl.engine.model_folder import ModelFolder
from evsctl.engine.plan import Pack, Plan, Request, Tokens, make_plan
from evsctl.engine.tokens import tokenize_prompts
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import Manifest, ManifestPrompt
from evsctl.journal.records import PromptResult


@dataclass(frozen=True)
class Ask:
    """One prompt as the engine sees it."""

    prompt: ManifestPrompt
    prompt_hash: str
    ids: Tokens
    forced: Mapping[str, Tokens]
    """Beginning of an answer ("1") → the ids appended to ask what comes after it."""

    def answer(self, tokens: AnswerTokens, after: Mapping[str, Mapping[int, float]]) -> PromptResult:
        """The journal line, from log-probabilities after the prompt (key "") and after each forced beginning."""
        masses = answer_log_masses(self.prompt.valid_values, tokens, after)
        p_valid, probs = distribution(masses, self.prompt.value_map)
        return PromptResult(self.prompt.key, self.prompt_hash, p_valid, probs)

    def failure(self, reason: str) -> PromptResult:
        """The journal line of a prompt without an answer."""
        return PromptResult(self.prompt.key, self.prompt_hash, None, None, reason)


@dataclass(frozen=True)
class Workload:
    """Everything that follows from a manifest and a tokenizer, whatever is done already."""

    plan: Plan
    tokens: AnswerTokens
    asks: tuple[Ask, ...]
    impossible: Mapping[PromptKey, PromptResult]
    """Prompts that cannot be asked of this model at all, as failed lines."""

    @cached_property
    def by_ids(self) -> Mapping[Tokens, tuple[Ask, ...]]:
        """Prompt tokens → all prompts that share them: each distinct sequence is computed once."""
        found: dict[Tokens, list[Ask]] = defaultdict(list)
        for ask in self.asks:
            found[ask.ids].append(ask)
        return {ids: tuple(asks) for ids, asks in found.items()}

    def asks_of(self, pack: Pack) -> Iterator[Ask]:
        """The prompts that a pack answers."""
        for unit in pack.units:
            yield from self.by_ids[unit.ids]

    def select(self, keys: Collection[PromptKey], limit: int | None = None) -> tuple[tuple[Pack, ...], set[PromptKey]]:
        """The packs that answer the prompts of `keys`, in order, and those prompts: at most the first `limit` of them."""
        packs: list[Pack] = []
        chosen: set[PromptKey] = set()
        for pack in self.plan.packs:
            here = [ask.prompt.key for ask in self.asks_of(pack) if ask.prompt.key in keys]
            here = here if limit is None else here[: max(0, limit - len(chosen))]
            if here:
                packs.append(pack)
                chosen.update(here)
        return tuple(packs), chosen


def _bad_value(prompt: ManifestPrompt) -> str | None:
    for printed in prompt.valid_values:
        try:
            int(prompt.value_map.get(printed, printed))
        except ValueError:
            return f"answer {printed!r} stands for no whole number"
    return None


def make_workload(
    manifest: Manifest, tokenizer: Any, folder: ModelFolder, ends: Iterable[int], chat_template: bool, tokens_per_pack: int
) -> Workload:
    """Tokenise a manifest once and plan it whole, so that every run of it has the same packs."""
    vocabulary = int(folder.text_config["vocab_size"])
    longest = folder.text_config.get("max_position_embeddings")
    values = {value for prompt in manifest.prompts for value in prompt.valid_values}
    example = min((prompt.text for prompt in manifest.prompts), default="")
    tokens = find_answer_tokens(tokenizer, vocabulary, values, ends, example)
    sequences = tokenize_prompts(tokenizer, [prompt.text for prompt in manifest.prompts], chat_template, folder.model_type)
    asks: list[Ask] = []
    impossible: dict[PromptKey, PromptResult] = {}
    for prompt, ids in zip(manifest.prompts, sequences, strict=True):
        reason = tokens.why_not(prompt.valid_values) or _bad_value(prompt)
        forced = {} if reason else {text: forced_tokens(text, tokens) for text in forced_texts(prompt.valid_values)}
        ask = Ask(prompt, prompt.hash, ids, forced)
        length = len(ids) + max((len(suffix) for suffix in forced.values()), default=0)
        if reason is None and longest is not None and length > int(longest):
            reason = f"{length} tokens, the model takes {longest}"
        if reason:
            impossible[prompt.key] = ask.failure(reason)
        else:
            asks.append(ask)
    plan = make_plan((Request(ask.ids, tuple(ask.forced.values())) for ask in asks), tokens_per_pack)
    return Workload(plan, tokens, tuple(asks), impossible)
