"""The accuracy gate: how far packs are from one prompt at a time, on this device, in this dtype."""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from evsctl.engine.answers import answer_log_masses
from evsctl.engine.loading import LoadedModel, check_dtype, choose_device, load_model
from evsctl.engine.model_folder import find_model
from evsctl.engine.plan import Pack
from evsctl.engine.preparation import plan_manifest
from evsctl.engine.reference import plain_log_probs
from evsctl.engine.scoring import Scorer
from evsctl.engine.self_check import TOLERANCE
from evsctl.engine.session import make_executor
from evsctl.engine.signals import StopSignals
from evsctl.engine.workload import Ask, Workload
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.manifest import read_manifest

PROMPTS = 200
FLIP_SHARE = 0.02
"""Share of prompts whose likeliest answer may differ, in dtypes where batching moves the last digits."""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What the comparison found; differences are |Δ log-probability| over all answers of all prompts."""

    model_id: str
    dtype: str
    executor: str
    device: str
    prompts: int
    answers: int
    median: float
    p99: float
    worst: float
    flips: int
    """Prompts whose likeliest answer differs."""
    worst_p_valid: float
    """Largest difference of the mass on valid answers."""
    engine_seconds: float
    plain_seconds: float

    @property
    def passed(self) -> bool:
        """Within the dtype's tolerance."""
        median, worst = TOLERANCE[self.dtype]
        share = 0.0 if self.dtype == "fp32" else FLIP_SHARE
        return self.median <= median and self.p99 <= worst and self.flips <= math.ceil(share * self.prompts)


def check_model(
    *,
    manifest_path: Path,
    model_path: str,
    identity: ModelIdentity,
    prompts: int = PROMPTS,
    executor: str = "auto",
    tokens_per_pack: int | None = None,
    device: str | None = None,
    threads: int | None = None,
) -> CheckReport:
    """Compare `prompts` prompts of a manifest, packed as a run packs them, with the one-prompt forward.

    Nothing is written, and it does not matter what is answered already. Raises as `run_model` does.
    """
    manifest = read_manifest(manifest_path)
    if threads:
        torch.set_num_threads(threads)
    folder = find_model(model_path, identity.revision)
    where = choose_device(device)
    check_dtype(folder, identity.dtype, where)
    workload = plan_manifest(manifest, folder, identity, where, tokens_per_pack)
    model = load_model(folder, identity.dtype, where)
    scorer = Scorer(workload, make_executor(executor, model), model.head(workload.tokens.ids()), StopSignals())
    packs = _spread(workload, prompts)
    began = time.monotonic()
    masses = _engine_masses(scorer, packs, prompts)
    middle = time.monotonic()
    plain = [answer_log_masses(ask.prompt.valid_values, workload.tokens, plain_log_probs(model, workload, ask)) for ask, _ in masses]
    seconds = (middle - began, time.monotonic() - middle)
    return _report(identity, model, scorer, [mine for _, mine in masses], plain, seconds)


def _spread(workload: Workload, prompts: int) -> tuple[Pack, ...]:
    """Whole packs of the plan, from all over it, with at least so many prompts."""
    packs = workload.plan.packs
    mean = len(workload.asks) / max(1, len(packs))
    wanted = min(len(packs), max(1, math.ceil(prompts / max(mean, 1e-9)) + 1))
    return tuple(packs[i] for i in sorted({round(k * (len(packs) - 1) / max(1, wanted - 1)) for k in range(wanted)}))


def _engine_masses(scorer: Scorer, packs: Sequence[Pack], prompts: int) -> list[tuple[Ask, dict[str, float]]]:
    found = []
    for group in scorer.executor.passes(packs):
        for pack, log_probs in scorer.log_probs(group):
            rows = log_probs.tolist()
            for ask in scorer.workload.asks_of(pack):
                after = scorer.after(ask, pack.slots[ask.ids], rows)
                found.append((ask, answer_log_masses(ask.prompt.valid_values, scorer.workload.tokens, after)))
    return found[:: max(1, len(found) // prompts)][:prompts]


def _report(
    identity: ModelIdentity,
    model: LoadedModel,
    scorer: Scorer,
    mine: Sequence[dict[str, float]],
    plain: Sequence[dict[str, float]],
    seconds: tuple[float, float],
) -> CheckReport:
    deltas = sorted(_distance(a[value], b[value]) for a, b in zip(mine, plain, strict=True) for value in a)
    flips = sum(max(a, key=a.__getitem__) != max(b, key=b.__getitem__) for a, b in zip(mine, plain, strict=True))
    p_valid = [abs(_mass(a) - _mass(b)) for a, b in zip(mine, plain, strict=True)]
    return CheckReport(
        identity.model_id,
        model.dtype,
        scorer.executor.name,
        str(model.device),
        len(mine),
        len(deltas),
        statistics.median(deltas) if deltas else 0.0,
        deltas[math.ceil(0.99 * len(deltas)) - 1] if deltas else 0.0,
        deltas[-1] if deltas else 0.0,
        flips,
        max(p_valid, default=0.0),
        *seconds,
    )


def _distance(a: float, b: float) -> float:
    if a == b:  # both may be impossible
        return 0.0
    return abs(a - b) if math.isfinite(a) and math.isfinite(b) else math.inf


def _mass(masses: dict[str, float]) -> float:
    return math.fsum(math.exp(mass) for mass in masses.values())
