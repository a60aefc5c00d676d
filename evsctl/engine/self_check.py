"""The self-check: before the first pack a few prompts go through the engine and through the model's own forward."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from evsctl.engine.loading import LoadedModel
from evsctl.engine.plan import Pack, Unit, split_pack
from evsctl.engine.scoring import Scorer
from evsctl.errors import EngineError

log = logging.getLogger(__name__)

PROMPTS = 8
TOLERANCE = {"fp32": (2e-4, 1e-3), "bf16": (0.25, 1.0), "int8": (0.5, 2.0), "int4": (0.5, 2.0)}
"""Largest |Δlogprob| of a digit, by dtype: of the median prompt, and of the worst. A leak moves it by 0.5 to 13."""

OUTLIERS = {"fp32": 0, "bf16": 1, "int8": 1, "int4": 1}
"""How many of the prompts may be beyond the second number: in a mixture of experts a last digit may flip a route."""


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """How far the engine was from the model's own forward."""

    dtype: str
    deltas: tuple[float, ...]
    """Of each prompt the largest |Δlogprob|, smallest first."""

    @property
    def median(self) -> float:
        """Of the prompt in the middle."""
        return self.deltas[len(self.deltas) // 2]

    @property
    def worst(self) -> float:
        """Of the worst prompt."""
        return self.deltas[-1]

    @property
    def passed(self) -> bool:
        """Within the dtype's tolerance."""
        median, each = TOLERANCE[self.dtype]
        return self.median <= median and sum(delta > each for delta in self.deltas) <= OUTLIERS[self.dtype]


def self_check(scorer: Scorer, model: LoadedModel, units: Sequence[Unit], event: Callable[..., None] = lambda **_: None) -> str | None:
    """Fall back to one-prompt packs where packs differ from single prompts; returns the sentence to show, or None.

    Raises EngineError where even a single prompt differs: then this architecture's logits are not what the engine
    takes them for, and no answer would be right.
    """
    some = _spread(units)
    together = _compare(scorer, model, split_pack(Pack(-1, some), scorer.tokens_per_pack))
    event(kind="self-check", prompts=len(some), median=_plain(together.median), worst=_plain(together.worst), passed=together.passed)
    log.info(
        "self-check prompts=%d median=%.2g worst=%.2g %s", len(some), together.median, together.worst, "ok" if together.passed else "beyond"
    )
    if together.passed:
        return None
    alone = _compare(scorer, model, split_pack(Pack(-1, some), 0))
    if not alone.passed:
        raise EngineError(
            f"The engine's log-probabilities differ from the model's own forward by up to {alone.worst:.2g}, even one prompt at a time.",
            "This architecture is not supported; `evsctl engine check` shows more.",
        )
    scorer.one_prompt_packs()
    sentence = (
        f"self-check: packs differ from single prompts by up to {together.worst:.2g}; every prompt is computed alone, which is slower"
    )
    log.warning("%s", sentence)
    event(kind="fallback", detail=sentence)
    return sentence


def _compare(scorer: Scorer, model: LoadedModel, packs: Sequence[Pack]) -> SelfCheck:
    digits = [i for i, number in enumerate(scorer.head.ids) if number in scorer.workload.tokens.digits]
    ids = torch.tensor(scorer.head.ids)
    worst = []
    for pack, rows in scorer.log_probs(packs):
        for unit in pack.units:
            deltas = []
            for suffix, number in pack.slots[unit.ids].items():
                own = model.own_log_probs(unit.ids + suffix)[ids]
                if bool(torch.isfinite(own).all()):  # a prompt that breaks the model itself is the run loop's business
                    deltas.append((rows[number] - own)[digits].abs().max().item())
            worst.append(max((math.inf if math.isnan(d) else d for d in deltas), default=0.0))
    return SelfCheck(model.dtype, tuple(sorted(worst)))


def _spread(units: Sequence[Unit]) -> tuple[Unit, ...]:
    """A few units from the longest to the shortest, so that the pack they make is padded."""
    if len(units) <= PROMPTS:
        return tuple(units)
    return tuple(units[round(i * (len(units) - 1) / (PROMPTS - 1))] for i in range(PROMPTS))


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
