"""`acceptable`: the one judge of a journal line, used by resume and by sync, so that what one refuses the other does not count."""

from collections.abc import Mapping

from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.reader import JournalLine
from evsctl.journal.retractions import Retractions


def refusal(
    line: JournalLine, identity: ModelIdentity | None, expected: Mapping[PromptKey, str], retractions: Retractions | None = None
) -> str | None:
    """Why a line does not count, or None where it does.

    `identity` is what the model's results must have (None: not fixed yet); `expected` maps the natural keys that are
    asked for to their prompt hashes. Lines adopted from a field database have no identity but the model's id.
    """
    if line.result.failed is not None:
        return f"failed: {line.result.failed}"
    wanted = expected.get(line.result.key)
    if wanted is None:
        return "not asked for"
    if wanted != line.result.prompt_hash:
        return "another text or value map"
    if identity is not None and (parts := _differences(line, identity)):
        return f"another {' and '.join(parts)}"
    if retractions is not None and retractions.cover(line):
        return "retracted"
    return None


def _differences(line: JournalLine, identity: ModelIdentity) -> tuple[str, ...]:
    if line.header.identity is not None:
        return identity.differences(line.header.identity)
    return () if line.header.model_id == identity.model_id else ("model_id",)


def acceptable(
    line: JournalLine, identity: ModelIdentity | None, expected: Mapping[PromptKey, str], retractions: Retractions | None = None
) -> bool:
    """Whether a journal line counts as an answer."""
    return refusal(line, identity, expected, retractions) is None
