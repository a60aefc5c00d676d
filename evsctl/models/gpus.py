"""GPU catalogue: memory and bf16 peak by the feature names that sites use."""

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GpuClass:
    """One kind of card as a cluster names it."""

    name: str
    memory_gb: float
    """Memory in GB (10⁹ bytes) that CUDA reports, so a little under the number on the box."""
    bf16_tflops: float
    """Dense bf16 peak of the data sheet; 0 where it is unknown."""


CATALOGUE = {
    gpu.name: gpu
    for gpu in (
        GpuClass("v100", 34.1, 125.0),
        GpuClass("a40", 47.8, 149.7),
        # A site's `a100` may have 40 GB: the smaller one is assumed until the site says otherwise.
        GpuClass("a100", 42.3, 312.0),
        GpuClass("a100-40g", 42.3, 312.0),
        GpuClass("a100-80g", 85.0, 312.0),
        GpuClass("l40s", 47.7, 362.0),
        GpuClass("h100", 85.0, 989.0),
        GpuClass("h200", 150.1, 989.0),
        GpuClass("gh200", 102.0, 989.0),
        GpuClass("rtx4090", 25.3, 165.0),
    )
}


def gpu_classes(constraint: str | None, overrides: Mapping[str, float] | None = None) -> tuple[GpuClass, ...]:
    """The catalogued cards that a SLURM constraint such as `a100|h100` or `[a100*2]&ib` names, each once; other features are left out.

    `overrides` is memory in GB by name, from `[gpus]` of evsctl.toml.
    """
    known = {name.lower(): memory for name, memory in (overrides or {}).items()}
    found: dict[str, GpuClass] = {}
    for feature in re.findall(r"[^\s|&,()\[\]]+", constraint or ""):
        name = feature.partition("*")[0].lower()
        gpu = CATALOGUE.get(name)
        if name in known:
            found[name] = GpuClass(name, known[name], gpu.bf16_tflops if gpu else 0.0)
        elif gpu is not None:
            found[name] = gpu
    return tuple(found.values())
