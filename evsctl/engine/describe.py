"""The plan in numbers: what a run of a manifest would compute, without weights."""

from dataclasses import dataclass
from pathlib import Path

from evsctl.engine.loading import choose_device
from evsctl.engine.model_folder import find_model
from evsctl.engine.preparation import plan_manifest
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.manifest import read_manifest


@dataclass(frozen=True, slots=True)
class PlanReport:
    """What `evsctl engine plan` shows."""

    model_id: str
    plan_hash: str
    kind: str
    tokens_per_pack: int
    prompts: int
    distinct: int
    """Prompts whose tokens differ; each of these is computed once."""
    impossible: int
    """Prompts that this model cannot be asked at all."""
    packs: int
    plain_tokens: int
    """Tokens that one forward for each prompt, and one more for each forced beginning, would take."""
    tokens: int
    """Tokens of the plan without padding."""
    padded_tokens: int
    longest: int

    @property
    def saving(self) -> float:
        """How many times fewer tokens than the plain way."""
        return self.plain_tokens / self.padded_tokens if self.padded_tokens else 1.0


def describe_plan(
    *, manifest_path: Path, model_path: str, identity: ModelIdentity, tokens_per_pack: int | None = None, device: str | None = None
) -> PlanReport:
    """Plan a whole manifest, answered or not; raises InputError as a run does."""
    manifest = read_manifest(manifest_path)
    workload = plan_manifest(manifest, find_model(model_path, identity.revision), identity, choose_device(device), tokens_per_pack)
    plan = workload.plan
    plain = sum(len(ask.ids) + sum(len(ask.ids) + len(suffix) for suffix in ask.forced.values()) for ask in workload.asks)
    return PlanReport(
        model_id=identity.model_id,
        plan_hash=plan.hash,
        kind=plan.kind,
        tokens_per_pack=plan.tokens_per_pack,
        prompts=len(manifest.prompts),
        distinct=len(workload.by_ids),
        impossible=len(workload.impossible),
        packs=len(plan.packs),
        plain_tokens=plain,
        tokens=plan.tokens,
        padded_tokens=plan.cost,
        longest=max((pack.longest for pack in plan.packs), default=0),
    )
