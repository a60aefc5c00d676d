"""Prompts by their natural key: the numbers of a database differ between two copies of a study, the keys do not."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, literal_column, select

from evsctl.db.schema import prompts
from evsctl.journal.keys import PromptKey, prompt_hash

UNKNOWN_CONFIG = "legacy"
"""What a prompt without a config counts as: field databases from before there were configs hold the legacy wording."""
IDS_PER_STATEMENT = 500
"""Old SQLite releases take 999 parameters in a statement."""

config_column = func.coalesce(prompts.c.config, literal_column(f"'{UNKNOWN_CONFIG}'")).label("config")
"""`prompts.config` as every statement of this room means it; no parameter, or PostgreSQL would not see it again in GROUP BY."""
KEY_COLUMNS = (prompts.c.question_id, prompts.c.lang, config_column, prompts.c.permutation_idx, prompts.c.variant_id)
ASKED_COLUMNS = (prompts.c.prompt_text, prompts.c.valid_values, prompts.c.value_map, prompts.c.is_likert10)


class Asked(NamedTuple):
    """What of a stored prompt decides the answer."""

    text: str
    valid_values: tuple[str, ...]
    value_map: dict[str, str]
    is_likert10: bool

    @property
    def hash(self) -> str:
        """`prompt_hash` of it."""
        return prompt_hash(self.text, self.valid_values, self.value_map, self.is_likert10)


def read_asked(text: str, valid_values: str, value_map: str, is_likert10: int) -> Asked:
    """Read the four columns of a row; raises ValueError where the JSON in it is none."""
    values, mapping = json.loads(valid_values), json.loads(value_map)
    if not isinstance(values, list) or not isinstance(mapping, dict):
        raise ValueError("valid_values is not a list, or value_map no object")
    return Asked(text, tuple(str(v) for v in values), {str(k): str(v) for k, v in mapping.items()}, bool(is_likert10))


class PromptIndex:
    """Prompts of a database by natural key, language by language as they are asked for, hashes likewise.

    Duplicates of a natural key stand under one key; the lowest number speaks for it, and no other is ever answered.
    """

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self._ids: dict[str, dict[PromptKey, list[int]]] = {}
        self._hashes: dict[int, str | None] = {}

    def ids(self, key: PromptKey) -> list[int]:
        """Numbers of the prompt, ascending; none where there is no such prompt."""
        if key.lang not in self._ids:
            of_lang = self._ids[key.lang] = {}
            statement = select(prompts.c.prompt_id, *KEY_COLUMNS).where(prompts.c.lang == key.lang).order_by(prompts.c.prompt_id)
            for prompt_id, *parts in self._conn.execute(statement):
                of_lang.setdefault(PromptKey(*parts), []).append(prompt_id)
        return self._ids[key.lang].get(key, [])

    def hashes(self, keys: Iterable[PromptKey]) -> dict[PromptKey, str]:
        """Natural key → prompt hash for those of `keys` that the database asks for; rows that cannot be read ask for nothing."""
        wanted = {key: ids[0] for key in keys if (ids := self.ids(key))}
        self._hashes.update(stored_hashes(self._conn, {i for i in wanted.values() if i not in self._hashes}))
        return {key: digest for key, i in wanted.items() if (digest := self._hashes[i]) is not None}


def stored_hashes(conn: Connection, ids: Collection[int] | None = None) -> dict[int, str | None]:
    """Prompt number → prompt hash, None where a row's JSON is broken; all prompts where `ids` is None."""
    statement = select(prompts.c.prompt_id, *ASKED_COLUMNS)
    found: dict[int, str | None] = {}
    for part in [None] if ids is None else chunks(sorted(ids), IDS_PER_STATEMENT):
        for prompt_id, *asked in conn.execute(statement if part is None else statement.where(prompts.c.prompt_id.in_(part))):
            try:
                found[prompt_id] = read_asked(*asked).hash
            except (ValueError, TypeError):
                found[prompt_id] = None
    return found


def chunks(items: Iterable[Any], size: int) -> Iterator[Sequence[Any]]:
    """`items` in lists of at most `size`."""
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
