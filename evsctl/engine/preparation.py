"""What a run is asked for, and everything that must be right before weights are loaded."""

import logging
from dataclasses import dataclass

import torch

from evsctl.engine.loading import check_dtype, choose_device, end_ids, load_tokenizer
from evsctl.engine.model_folder import ModelFolder, find_model
from evsctl.engine.plan import Pack
from evsctl.engine.resume import complete_identity, read_past
from evsctl.engine.workload import Workload, make_workload
from evsctl.errors import InputError
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import Manifest
from evsctl.journal.paths import ModelRuns
from evsctl.journal.records import PromptResult

log = logging.getLogger(__name__)

TOKENS_PER_PACK = {"cpu": 1024, "cuda": 16_384}
"""Padded tokens per pack where none are asked for. Fixed per kind of device: a size that followed the free memory
would give other packs, and so other last digits, from run to run."""

EXECUTORS = ("auto", "resident")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `run_model` was asked for."""

    manifest: Manifest
    runs: ModelRuns
    model_path: str
    identity: ModelIdentity
    wanted: frozenset[PromptKey]
    limit: int | None = None
    commit_every: int = 50
    executor: str = "auto"
    stop_before: float | None = None
    tokens_per_pack: int | None = None
    device: str | None = None
    threads: int | None = None

    def check(self) -> None:
        """Raise InputError where an option makes no sense or the files belong to different models."""
        ids = {self.manifest.identity.model_id, self.runs.model_id, self.identity.model_id}
        if len(ids) > 1:
            raise InputError(
                f"Manifest, identity and folder belong to different models: {', '.join(sorted(ids))}.", "Use that model's own manifest."
            )
        if self.executor not in EXECUTORS:
            raise InputError(f"Unknown executor '{self.executor}'.", f"Known: {', '.join(EXECUTORS)}.")
        for name in ("limit", "tokens_per_pack", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}.", "It must be 1 or more.")


@dataclass(frozen=True, slots=True)
class Target:
    """The model that was found, and what it has yet to answer."""

    folder: ModelFolder
    device: torch.device
    identity: ModelIdentity
    done: frozenset[PromptKey]
    """The manifest's prompts that are answered."""
    missing: frozenset[PromptKey]
    """The prompts asked for that are not."""

    @property
    def gpu(self) -> str | None:
        """The GPU's name."""
        return torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else None


def find_target(options: RunOptions) -> Target:
    """Find the model and what is left; raises InputError for whatever can be refused without its weights."""
    if options.threads:
        torch.set_num_threads(options.threads)
    folder = find_model(options.model_path, options.identity.revision)
    device = choose_device(options.device)
    identity = complete_identity(options.identity, folder)
    past = read_past(options.runs)
    past.check_identity(identity)
    check_dtype(folder, identity.dtype, device)
    done = past.done(options.manifest, identity)
    return Target(folder, device, identity, done, options.wanted - done)


@dataclass(frozen=True, slots=True)
class Task:
    """The work of one run: packs of the whole manifest's plan that hold prompts without an answer."""

    workload: Workload
    packs: tuple[Pack, ...]
    chosen: frozenset[PromptKey]
    """The prompts whose answers are written."""
    impossible: tuple[PromptResult, ...]
    """Prompts that no run of this model can answer, as failed lines."""


def plan_manifest(
    manifest: Manifest, folder: ModelFolder, identity: ModelIdentity, device: torch.device, tokens_per_pack: int | None = None
) -> Workload:
    """Tokenise and plan a whole manifest; needs the tokenizer, not the weights."""
    tokenizer = load_tokenizer(folder)
    size = tokens_per_pack or TOKENS_PER_PACK.get(device.type, TOKENS_PER_PACK["cuda"])
    ends = end_ids(folder, tokenizer, identity.chat_template)
    return make_workload(manifest, tokenizer, folder, ends, identity.chat_template, size)


def make_task(options: RunOptions, target: Target) -> Task:
    """Plan the manifest and choose what to run of it."""
    workload = plan_manifest(options.manifest, target.folder, target.identity, target.device, options.tokens_per_pack)
    packs, chosen = workload.select(target.missing, options.limit)
    impossible = tuple(workload.impossible[key] for key in sorted(target.missing & workload.impossible.keys(), key=str))
    plan = workload.plan
    log.info(
        "plan %s prompts=%d packs=%d of %d tokens=%d padded=%d", plan.hash, len(chosen), len(packs), len(plan.packs), plan.tokens, plan.cost
    )
    return Task(workload, packs, frozenset(chosen), impossible)
