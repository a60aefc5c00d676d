"""Which GPU holds which model, what runs where none does, and what would be better."""

from collections.abc import Mapping
from dataclasses import replace

from evsctl.jobs.facts import ClusterFacts
from evsctl.jobs.types import Alternative, JobRequest
from evsctl.models.gpus import CATALOGUE, GpuClass, gpu_classes
from evsctl.models.spec import ModelSpec

USABLE = 0.92
"""Share of a card's memory that weights may take: the rest is for activations and CUDA itself."""


def holds(gpu: GpuClass, weights_gb: float) -> bool:
    """Whether weights of this size stay resident on the card."""
    return weights_gb <= USABLE * gpu.memory_gb


def warnings(spec: ModelSpec, request: JobRequest, overrides: Mapping[str, float]) -> list[str]:
    """One sentence where some or all of the allowed cards cannot hold the weights; empty where all can, or it is not known."""
    weights = spec.weights_gb()
    gpus = gpu_classes(request.constraint, overrides)
    small = [gpu for gpu in gpus if weights is not None and not holds(gpu, weights)]
    if weights is None or not small:
        return _unsupported(spec)
    names = " and ".join(f"{gpu.name} ({gpu.memory_gb:.0f} GB)" for gpu in small)
    subject = "No allowed card holds" if len(small) == len(gpus) else f"{names} cannot hold"
    where = f": {names}" if len(small) == len(gpus) else ""
    instead = "the engine keeps all weights on one card, so a job there ends for want of GPU memory"
    return [f"{subject} the {weights:.0f} GB of {spec.dtype} weights{where}; {instead}.", *_unsupported(spec)]


def _unsupported(spec: ModelSpec) -> list[str]:
    """bitsandbytes passes over experts silently, so the engine refuses what would only pretend to be quantised."""
    if spec.dtype in ("int8", "int4") and "moe" in (spec.architecture or ""):
        return [f"The engine refuses {spec.dtype} for {spec.architecture}: its experts would stay unquantised. A job ends at once."]
    return []


def alternative(spec: ModelSpec, request: JobRequest, cluster: ClusterFacts, overrides: Mapping[str, float]) -> Alternative | None:
    """The better line, where there is one: only the cards that hold the model."""
    weights = spec.weights_gb()
    gpus = gpu_classes(request.constraint, overrides)
    if weights is None or not gpus:
        return None
    fitting = [gpu for gpu in gpus if holds(gpu, weights)]
    if len(fitting) == len(gpus):
        return None
    if not fitting:
        fitting = [gpu for gpu in _known_cards(cluster, request, overrides) if holds(gpu, weights)]
    if fitting:
        constraint = "|".join(gpu.name for gpu in fitting)
        return Alternative(
            replace(request, constraint=constraint), spec.dtype, spec.model_id, f"only cards that hold the {weights:.0f} GB of weights"
        )
    return None


def larger_constraint(request: JobRequest, failed_on: str | None, cluster: ClusterFacts, overrides: Mapping[str, float]) -> str | None:
    """A constraint of only the cards larger than the one that ran out; None where no larger one is known."""
    allowed = gpu_classes(request.constraint, overrides)
    failed = card_by_name(failed_on, allowed)
    size = failed.memory_gb if failed is not None else min((gpu.memory_gb for gpu in allowed), default=0.0)
    larger = [gpu for gpu in allowed if gpu.memory_gb > size] or [
        gpu for gpu in _known_cards(cluster, request, overrides) if gpu.memory_gb > size
    ]
    return "|".join(gpu.name for gpu in larger) or None


def card_by_name(name: str | None, among: tuple[GpuClass, ...]) -> GpuClass | None:
    """The class of a card that CUDA calls e.g. `NVIDIA A100-SXM4-80GB`; the longest fitting name wins."""
    if not name:
        return None
    plain = name.lower().replace(" ", "").replace("gb", "g")
    fitting = [gpu for gpu in among if all(part in plain for part in gpu.name.split("-"))]
    return max(fitting, key=lambda gpu: len(gpu.name), default=None)


def _known_cards(cluster: ClusterFacts, request: JobRequest, overrides: Mapping[str, float]) -> tuple[GpuClass, ...]:
    """Catalogued cards that the features of the partition's nodes name, smallest first."""
    features = sorted(name for name in cluster.features(request.partition) if name.lower() in CATALOGUE or name.lower() in overrides)
    return tuple(sorted(gpu_classes("|".join(features), overrides), key=lambda gpu: gpu.memory_gb))
