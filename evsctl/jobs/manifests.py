"""What a run will be asked: the pending prompts, the identity they are answered with, and the manifest that says so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evsctl.db.connection import Database
from evsctl.db.pending import fixed_identity, model_identity, model_total, pending_prompts
from evsctl.db.populate import register_models
from evsctl.db.progress import survey_configs, survey_languages
from evsctl.errors import InputError
from evsctl.files import nearest_name
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.manifest import Manifest, newest_covering, write_manifest
from evsctl.journal.paths import ModelRuns, RunsFolder
from evsctl.models.registry import Registry, add_to_study
from evsctl.models.spec import ModelSpec
from evsctl.settings import Settings


@dataclass(frozen=True, slots=True)
class PreparedManifest:
    """A manifest that may still have to be written."""

    spec: ModelSpec
    """The model as it will run: its id, its dtype, its path."""
    manifest: Manifest
    path: Path
    exists: bool
    """The newest manifest covers what is pending: it is used again, so that the same work has the same plan."""
    pending: int
    total: int
    """All prompts of the model, answered ones included."""
    fixed: ModelIdentity | None
    """The identity that the model's first answers fixed."""
    is_new_model: bool
    """`--as`: the id is not registered yet."""

    @property
    def identity(self) -> ModelIdentity:
        """What the answers will be made with."""
        return self.manifest.identity

    @property
    def model_path(self) -> str:
        """Where the weights are: a folder, or the hub's name."""
        return self.spec.path or self.spec.hub_id

    @property
    def conflict(self) -> str | None:
        """Why these answers must not be mixed with those the model has; None where they may."""
        parts = self.fixed.differences(self.identity) if self.fixed is not None else ()
        if not parts or self.fixed is None:
            return None
        words = ", ".join(f"{part} {getattr(self.fixed, part)} → {getattr(self.identity, part)}" for part in parts)
        return f"The answers of '{self.spec.model_id}' were made with another {' and '.join(parts)} ({words})."


def prepare_manifest(
    db: Database,
    settings: Settings,
    registry: Registry,
    model_id: str,
    *,
    configs: Sequence[str] | None = None,
    langs: Sequence[str] | None = None,
    dtype: str | None = None,
    model_path: str | None = None,
    new_id: str | None = None,
) -> PreparedManifest:
    """What running this model would ask now; writes nothing. Raises InputError for an unknown model."""
    spec, registry, is_new = resolve_model(db, registry, model_id, dtype, model_path, new_id)
    _refuse_unknown_parts(db, configs, langs)
    configs = tuple(configs or settings.study.configs)
    prompts = pending_prompts(db, spec.model_id, configs, registry, tuple(langs) if langs else None)
    total = model_total(db, spec.model_id, configs, registry)
    identity = model_identity(db, spec.model_id, registry, dtype=dtype, path=Path(spec.path).expanduser() if spec.path else None)
    runs = RunsFolder(settings.database.runs_dir).model(spec.model_id)
    found = newest_covering(runs, ((p.key, p.hash) for p in prompts), identity) if prompts else None
    exists = found is not None and _asks_only(found[1], configs, langs)
    manifest = found[1] if found is not None and exists else Manifest(identity, configs, total, prompts)
    path = found[0] if found is not None and exists else runs.manifest(manifest.hash)
    spec = spec.with_dtype(identity.dtype)
    return PreparedManifest(spec, manifest, path, exists, len(prompts), total, fixed_identity(db, spec.model_id), is_new)


def _refuse_unknown_parts(db: Database, configs: Sequence[str] | None, langs: Sequence[str] | None) -> None:
    """A misspelt filter would find nothing to do and look like a model that is done."""
    for what, given, known in (("language", langs, survey_languages), ("prompt configuration", configs, survey_configs)):
        names = known(db) if given else ()
        for name in given or ():
            if name not in names:
                raise InputError(f"The survey has no {what} '{name}'.", nearest_name(name, names) or f"It has: {', '.join(names)}.")


def write_prepared(db: Database, settings: Settings, prepared: PreparedManifest) -> Path:
    """Write the manifest where it is missing, and register the id of `--as`; raises InputError where answers would be mixed."""
    if prepared.conflict is not None:
        raise InputError(prepared.conflict, "`--as NEW_ID` keeps the two apart.")
    if prepared.is_new_model:
        add_to_study(prepared.spec, settings.folder)
        register_models(db, [prepared.spec])
    if prepared.exists:
        return prepared.path
    return write_manifest(ModelRuns(prepared.path.parent, prepared.spec.model_id), prepared.manifest)


def resolve_model(
    db: Database, registry: Registry, model_id: str, dtype: str | None, model_path: str | None, new_id: str | None
) -> tuple[ModelSpec, Registry, bool]:
    """The model as asked for, a registry that knows it, and whether its id is new; raises InputError for an unknown one."""
    target = new_id or model_id
    is_new = bool(new_id) and registry.find(target) is None
    spec = registry.find(target) or registry.find(model_id) or _from_table(db, registry, model_id)
    spec = replace(spec, model_id=target, dtype=dtype or spec.dtype, path=model_path or spec.path)
    if is_new:
        spec = replace(spec, in_study=False, notes=f"{model_id} under another id")
    # A path given by hand is this run's own: the identity is asked with it, the registry keeps its own.
    known = registry if not is_new else Registry({**registry.models, target: spec})
    return spec, known, is_new


def _from_table(db: Database, registry: Registry, model_id: str) -> ModelSpec:
    """A model that only the table `models` knows; raises InputError with the nearest name where it does not."""
    identity = model_identity(db, model_id, registry)
    return ModelSpec(model_id, identity.hub_id, family=model_id, dtype=identity.dtype, chat_template=identity.chat_template)


def _asks_only(manifest: Manifest, configs: Sequence[str], langs: Sequence[str] | None) -> bool:
    """Whether a covering manifest stays within the filters: it must not bring in work that was left out on purpose."""
    if not set(manifest.configs) <= set(configs):
        return False
    return not langs or all(prompt.key.lang in langs for prompt in manifest.prompts)
