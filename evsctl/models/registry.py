"""The registry: which models exist, from the packaged models.toml and the study's own beside its database."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from evsctl.errors import InputError
from evsctl.files import nearest_name, write_atomically
from evsctl.models.spec import DTYPES, ModelSpec

STUDY_REGISTRY_NAME = "models.toml"


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
    """Packaged models, overlaid by `models.toml` in the study's folder where there is one."""
    packaged = files("evsctl.models").joinpath("models.toml")
    models = {m.model_id: m for m in _parse(packaged.read_text(encoding="utf-8"), str(packaged))}
    if study_folder is not None and (own := study_folder / STUDY_REGISTRY_NAME).is_file():
        models.update({m.model_id: m for m in _parse(own.read_text(encoding="utf-8"), str(own))})
    return Registry(models)


def _parse(text: str, origin: str) -> Iterator[ModelSpec]:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{origin} is not valid TOML: {error}.", "Correct that line.") from error
    for family, entry in table.get("family", {}).items():
        for lang in entry.get("languages", ()):
            values = {k: v for k, v in entry.items() if k not in ("model_id", "hub_id", "languages")}
            values |= {"hub_id": entry["hub_id"].format(lang=lang), "family": family, "languages": [lang]}
            yield _spec(entry["model_id"].format(lang=lang), values, origin)
    for model_id, entry in table.get("model", {}).items():
        yield _spec(model_id, {"family": model_id, **entry}, origin)


def _spec(model_id: str, values: dict[str, Any], origin: str) -> ModelSpec:
    known = {item.name for item in fields(ModelSpec)}
    for key in values:
        if key not in known:
            raise InputError(f"{origin}: unknown key '{key}' of model '{model_id}'.", nearest_name(key, known))
    if values.get("dtype", "bf16") not in DTYPES:
        raise InputError(f"{origin}: model '{model_id}' has dtype '{values['dtype']}'.", f"Known: {', '.join(DTYPES)}.")
    if values.get("languages") is not None:
        values["languages"] = tuple(values["languages"])
    return ModelSpec(model_id=model_id, **values)


def add_to_study(spec: ModelSpec, study_folder: Path) -> Path:
    """Write `spec` into the study's own registry, replacing an entry of the same id; returns the file."""
    path = study_folder / STUDY_REGISTRY_NAME
    own = [m for m in _parse(path.read_text(encoding="utf-8"), str(path)) if m.model_id != spec.model_id] if path.is_file() else []
    lines = ["# Models of this study, written by `evsctl models add`; edit freely.", ""]
    for model in [*own, spec]:
        lines.append(f"[model.{_toml_value(model.model_id)}]")
        lines += [f"{item.name} = {_toml_value(getattr(model, item.name))}" for item in fields(model) if _is_worth_writing(model, item)]
        lines.append("")
    write_atomically(path, "\n".join(lines))
    return path


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
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
