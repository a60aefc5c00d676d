"""What a model still has to answer, and with which identity."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, exists, select

from evsctl.db.connection import Database
from evsctl.db.progress import model_languages
from evsctl.db.prompt_index import ASKED_COLUMNS, KEY_COLUMNS, config_column, read_asked
from evsctl.db.schema import evaluations, models, prompts, questions
from evsctl.db.state import read_identity
from evsctl.db.tally import count_parts, find_duplicates
from evsctl.errors import InputError
from evsctl.files import nearest_name
from evsctl.journal.identity import ModelIdentity, folder_fingerprint
from evsctl.journal.keys import PromptKey
from evsctl.journal.manifest import ManifestPrompt
from evsctl.models.registry import Registry


class KnownModel(NamedTuple):
    """A model as the table `models` has it, else as the registry would put it there."""

    model_id: str
    hub_id: str
    is_multilingual: bool
    dtype: str
    chat_template: bool


def pending_prompts(
    db: Database, model_id: str, configs: Sequence[str], registry: Registry, langs: Sequence[str] | None = None
) -> tuple[ManifestPrompt, ...]:
    """Prompts of the model without an evaluation row, in the order of their numbers; duplicates of a natural key once.

    Raises InputError for an unknown model, and for a prompt whose row is broken.
    """
    with db.reading() as conn:
        asked = _languages(conn, find_model(conn, model_id, registry), registry)
        wanted = [lang for lang in asked if langs is None or lang in langs]
        answered = exists().where(evaluations.c.model_id == model_id, evaluations.c.prompt_id == prompts.c.prompt_id)
        statement = (
            select(prompts.c.prompt_id, questions.c.response_type, *KEY_COLUMNS, *ASKED_COLUMNS)
            .join(questions, questions.c.question_id == prompts.c.question_id)
            .where(config_column.in_(configs), prompts.c.lang.in_(wanted), ~answered)
            .order_by(prompts.c.prompt_id)
        )
        skipped = _skipped_duplicates(conn, model_id)
        return tuple(_manifest_prompt(*row) for row in conn.execute(statement) if row.prompt_id not in skipped)


def model_total(db: Database, model_id: str, configs: Sequence[str], registry: Registry) -> int:
    """All prompts of the model in these configs, done ones included."""
    with db.reading() as conn:
        asked = _languages(conn, find_model(conn, model_id, registry), registry)
        parts = count_parts(conn, find_duplicates(conn))
        return sum(count for part, count in parts.items() if part.config in configs and part.lang in asked)


def expected_prompts(db: Database, model_id: str, configs: Sequence[str] | None, registry: Registry) -> dict[PromptKey, str]:
    """Natural key → prompt hash of everything the model is asked in these configs (None: all), done or not."""
    with db.reading() as conn:
        asked = _languages(conn, find_model(conn, model_id, registry), registry)
        statement = select(*KEY_COLUMNS, *ASKED_COLUMNS).where(prompts.c.lang.in_(asked)).order_by(prompts.c.prompt_id)
        if configs is not None:
            statement = statement.where(config_column.in_(configs))
        found: dict[PromptKey, str] = {}
        for row in conn.execute(statement):
            key = PromptKey(*row[:5])
            if key not in found:
                try:
                    found[key] = read_asked(*row[5:]).hash
                except (ValueError, TypeError):
                    continue
        return found


def model_identity(db: Database, model_id: str, registry: Registry, *, dtype: str | None = None, path: Path | None = None) -> ModelIdentity:
    """What a new run of the model answers with: dtype by flag, else registry, else table; the template by the table alone.

    The fingerprint is known where the weights are in a local folder: `path`, else the registry's.
    """
    with db.reading() as conn:
        row = find_model(conn, model_id, registry)
    spec = registry.find(model_id)
    folder = path or (Path(spec.path).expanduser() if spec is not None and spec.path else None)
    return ModelIdentity(
        model_id=model_id,
        hub_id=spec.hub_id if spec is not None else row.hub_id,
        revision=spec.revision if spec is not None else None,
        dtype=dtype or (spec.dtype if spec is not None else row.dtype),
        chat_template=row.chat_template,
        fingerprint=folder_fingerprint(folder) if folder is not None and folder.is_dir() else None,
    )


def fixed_identity(db: Database, model_id: str) -> ModelIdentity | None:
    """The identity that the model's first merged result fixed; None where there is none yet."""
    if not db.step:
        return None
    with db.reading() as conn:
        return read_identity(conn, model_id)


def find_model(conn: Connection, model_id: str, registry: Registry) -> KnownModel:
    """The model's row, else what the registry would insert; raises InputError with the nearest name."""
    row = conn.execute(select(models).where(models.c.model_id == model_id)).one_or_none()
    if row is not None:
        return KnownModel(model_id, row.model_hf_id, bool(row.is_multilingual), row.dtype or "bf16", bool(row.chat_template))
    spec = registry.find(model_id)
    if spec is None:
        known = {*conn.execute(select(models.c.model_id)).scalars(), *registry.models}
        hint = nearest_name(model_id, known) or "`evsctl models list` shows what there is; `evsctl models add` registers one."
        raise InputError(f"Unknown model '{model_id}'.", hint)
    return KnownModel(model_id, spec.hub_id, spec.is_multilingual, spec.dtype, spec.chat_template)


def _languages(conn: Connection, model: KnownModel, registry: Registry) -> tuple[str, ...]:
    survey = tuple(conn.execute(select(prompts.c.lang).distinct().order_by(prompts.c.lang)).scalars())
    return model_languages(registry.find(model.model_id), model.model_id, model.is_multilingual, survey)


def _skipped_duplicates(conn: Connection, model_id: str) -> Collection[int]:
    """Duplicate rows that are never run: all but the first of a key, and all of them where one is answered."""
    duplicates = find_duplicates(conn)
    if not duplicates.groups:
        return ()
    answered = set(
        conn.execute(
            select(evaluations.c.prompt_id).where(evaluations.c.model_id == model_id, evaluations.c.prompt_id.in_(duplicates.ids))
        ).scalars()
    )
    return {i for _, ids in duplicates.groups for i in (ids if answered & set(ids) else ids[1:])}


def _manifest_prompt(prompt_id: int, response_type: str, *columns: object) -> ManifestPrompt:
    try:
        asked = read_asked(*columns[5:])  # type: ignore[arg-type]
    except (ValueError, TypeError) as error:
        raise InputError(f"Prompt {prompt_id} of the database is broken: {error}.", "Correct its valid_values and value_map.") from error
    return ManifestPrompt(
        key=PromptKey(*columns[:5]),  # type: ignore[arg-type]
        response_type=response_type,
        prompt_id=prompt_id,
        text=asked.text,
        valid_values=asked.valid_values,
        value_map=asked.value_map,
        is_likert10=asked.is_likert10,
    )
