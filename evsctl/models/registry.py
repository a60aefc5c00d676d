"""The registry: which models exist, from the packaged models.toml and the study's own beside its database."""

import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from evsctl.errors import InputError
from evsctl.files import nearest_name, write_atomically
from evsctl.models.spec import DTYPES, ModelSpec

STUDY_REGISTRY_NAME = "models.toml"
HEADER = "# Models of this study, written by `evsctl models add`; edit freely.\n"


@dataclass(frozen=True, slots=True)
class Registry:
    """All registered models by id, in the order of the files."""

    models: Mapping[str, ModelSpec]

    def __iter__(self) -> Iterator[ModelSpec]:
        return iter(self.models.values())

    def get(self, model_id: str) -> ModelSpec:
        """The model of that id; raises InputError with the nearest name."""
        try:
            return self.models[model_id]
        except KeyError:
            hint = nearest_name(model_id, self.models) or "`evsctl models list` shows what there is; `evsctl models add` registers one."
            raise InputError(f"Unknown model '{model_id}'.", hint) from None

    def find(self, model_id: str) -> ModelSpec | None:
        """The model of that id, or None."""
        return self.models.get(model_id)


def load_registry(study_folder: Path | None = None) -> Registry:
    """Packaged models, overlaid by `models.toml` in the study's folder where there is one; raises InputError naming file and key."""
    packaged = files("evsctl.models").joinpath("models.toml")
    models = _parse(packaged.read_text(encoding="utf-8"), str(packaged))
    if study_folder is not None:
        own = study_folder / STUDY_REGISTRY_NAME
        models.update(_parse(_read_own(own), str(own)))
    return Registry(models)


def add_to_study(spec: ModelSpec, study_folder: Path) -> Path:
    """Write `spec` into the study's own registry, replacing an entry of the same id; returns the file.

    Comments and the order of the other entries stay. Raises InputError where the file or `spec` is not a good one; nothing is
    written then.
    """
    path = study_folder / STUDY_REGISTRY_NAME
    text = _read_own(path)
    wanted = {**_parse(text, str(path)), spec.model_id: spec}
    kept = _without_entry(text, spec.model_id) if text else HEADER
    new = f"{kept.rstrip()}\n\n{_to_toml(spec)}"
    try:
        written = _parse(new, str(path))
    except InputError:
        written = {}
    if written != wanted:  # the entry could not be cut out of a file as unusual as this: write it anew
        new = "\n".join([HEADER, *map(_to_toml, wanted.values())])
        _parse(new, f"The new {path}")
    try:
        write_atomically(path, new)
    except UnicodeEncodeError as error:
        raise InputError(f"Model {spec.model_id!a} cannot be written: {error}.", "Give names in UTF-8.") from error
    return path


def _read_own(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "Check its permissions and its encoding (UTF-8).") from error


def _parse(text: str, origin: str) -> dict[str, ModelSpec]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin} is not valid TOML: {error}.", "Correct that line.") from error
    for key, entries in table.items():
        if key not in ("family", "model") or not isinstance(entries, dict):
            raise InputError(f"{origin}: unknown key '{key}'.", "Models are tables such as [model.NAME] and [family.NAME].")
    found: dict[str, ModelSpec] = {}
    for family, entry in table.get("family", {}).items():
        for model_id, values in _members(family, entry, origin):
            found[model_id] = _spec(model_id, values, origin)
    for model_id, entry in table.get("model", {}).items():
        if not isinstance(entry, dict):
            raise InputError(f"{origin}: model '{model_id}' is not a table.", f"Write it as [model.{model_id}] with keys below.")
        found[model_id] = _spec(model_id, {"family": model_id, **entry}, origin)
    return found


def _members(family: str, entry: Any, origin: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """One model per language: `{lang}` stands for it in the ids."""
    if not isinstance(entry, dict):
        raise InputError(f"{origin}: family '{family}' is not a table.", f"Write it as [family.{family}] with keys below.")
    model_id, hub_id, languages = (entry.get(key) for key in ("model_id", "hub_id", "languages"))
    if not (isinstance(model_id, str) and "{lang}" in model_id and isinstance(hub_id, str) and isinstance(languages, list)):
        raise InputError(f"{origin}: family '{family}' needs model_id (with {{lang}} in it), hub_id and a list of languages.", "Add them.")
    values = {key: value for key, value in entry.items() if key not in ("model_id", "languages")}
    for lang in map(str, languages):
        own = {"family": family, "hub_id": hub_id.replace("{lang}", lang), "languages": [lang]}
        yield model_id.replace("{lang}", lang), {**values, **own}


def _spec(model_id: str, values: dict[str, Any], origin: str) -> ModelSpec:
    if not re.fullmatch(r"\w[\w.+=@-]*", model_id):
        raise InputError(
            f"{origin}: {model_id!r} is no model id.", "Use letters, digits and any of _ . + = @ -: it names folders and jobs."
        )
    known = {item.name: item for item in fields(ModelSpec)}
    for key, value in values.items():
        if key not in known or key == "model_id":
            hint = nearest_name(key, known) or f"Known: {', '.join(sorted(known))}."
            raise InputError(f"{origin}: unknown key '{key}' of model '{model_id}'.", hint)
        if not _fits(value, known[key].type, 0 if key == "gpus" else 1):  # a small model runs without a card
            raise InputError(f"{origin}: {key} of model '{model_id}' cannot be {value!r}.", "Correct it there.")
    if values.get("dtype", "bf16") not in DTYPES:
        raise InputError(f"{origin}: model '{model_id}' has dtype '{values['dtype']}'.", f"Known: {', '.join(DTYPES)}.")
    if "hub_id" not in values:
        raise InputError(f"{origin}: model '{model_id}' has no hub_id.", "Name its repository, or its folder's name where it has none.")
    if "languages" in values:
        values = {**values, "languages": tuple(values["languages"])}
    return ModelSpec(model_id=model_id, **values)


def _fits(value: object, kind: Any, least: int) -> bool:
    """Whether a TOML value may stand in a field of this type: no list is empty, no count below `least`, no size 0."""
    kinds = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if isinstance(value, bool | str):
        return type(value) in kinds
    if isinstance(value, list):
        return any(get_origin(item) is tuple for item in kinds) and bool(value) and all(isinstance(part, str) for part in value)
    if isinstance(value, int) and int in kinds:
        return value >= least
    return isinstance(value, int | float) and float in kinds and 0 < value < math.inf


def _without_entry(text: str, model_id: str) -> str:
    """The text of a registry without the lines from `[model.<model_id>]` to the next table."""
    kept, inside = [], False
    for line in text.split("\n"):
        if line.lstrip().startswith("["):
            with suppress(tomllib.TOMLDecodeError):  # a list that goes over several lines
                inside = tomllib.loads(line) == {"model": {model_id: {}}}
        if not inside or line.startswith("#"):
            kept.append(line)
    return "\n".join(kept)


def _to_toml(model: ModelSpec) -> str:
    lines = [f"[model.{_toml_value(model.model_id)}]"]
    lines += [f"{item.name} = {_toml_value(getattr(model, item.name))}" for item in fields(model) if _is_worth_writing(model, item)]
    return "\n".join(lines) + "\n"


def _is_worth_writing(model: ModelSpec, item: Any) -> bool:
    value = getattr(model, item.name)
    return item.name != "model_id" and value is not None and (item.name in ("hub_id", "family") or value != item.default)


def _toml_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(part) for part in value) + "]"
    if isinstance(value, int | float):
        return str(value)
    # JSON's strings are TOML's, but for the one control character that JSON leaves as it is.
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
