"""The one judge of a journal line: resume and sync refuse the same lines, with the same words."""

from dataclasses import replace

import pytest

from evsctl.journal.accept import acceptable, refusal
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.reader import JournalLine
from evsctl.journal.records import PromptResult
from evsctl.journal.retractions import Retraction, Retractions
from tests.journal.factories import IDENTITY, a_header, a_manifest, a_prompt, a_result

EXPECTED = a_manifest(3).expected


def a_line(result: PromptResult | None = None, identity: ModelIdentity | None = IDENTITY, offset: int = 100) -> JournalLine:
    """The line of an answer to `a_prompt(0)`."""
    return JournalLine(a_header("11-r0", identity), offset, result or a_result(0))


def retracted(upto: int) -> Retractions:
    """A retraction of all that run 11-r0 wrote before byte `upto`."""
    return Retractions((Retraction("wrong template", "ada", 0.0, {"11-r0": upto}),))


def test_an_answer_to_what_was_asked_with_the_right_identity_counts() -> None:
    assert refusal(a_line(), IDENTITY, EXPECTED, retracted(100)) is None
    assert acceptable(a_line(), IDENTITY, EXPECTED)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (a_line(a_result(0, failed="not finite in layer 3")), "failed: not finite in layer 3"),
        (a_line(a_result(7)), "not asked for"),
        (a_line(replace(a_result(0), prompt_hash=a_prompt(0, text="Other").hash)), "another text or value map"),
        (a_line(identity=replace(IDENTITY, dtype="int4")), "another dtype"),
        (a_line(identity=replace(IDENTITY, revision="v2", fingerprint="feed")), "another revision and fingerprint"),
        (a_line(identity=replace(IDENTITY, model_id="other")), "another model_id"),
        (a_line(offset=99), "retracted"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_refusal_says_why(line: JournalLine, reason: str) -> None:
    assert refusal(line, IDENTITY, EXPECTED, retracted(100)) == reason
    assert not acceptable(line, IDENTITY, EXPECTED, retracted(100))


def test_while_no_identity_is_fixed_every_identity_counts() -> None:
    assert acceptable(a_line(identity=replace(IDENTITY, dtype="int4")), None, EXPECTED)


def test_lines_adopted_from_a_field_database_count_without_an_identity() -> None:
    assert acceptable(a_line(identity=None), IDENTITY, EXPECTED)


def test_lines_adopted_for_another_model_do_not() -> None:
    assert refusal(a_line(identity=None), replace(IDENTITY, model_id="other"), EXPECTED) == "another model_id"


def test_an_unknown_fingerprint_is_no_difference() -> None:
    assert acceptable(a_line(), replace(IDENTITY, fingerprint=None, revision=None), EXPECTED)
    assert acceptable(a_line(identity=replace(IDENTITY, fingerprint=None, revision=None)), IDENTITY, EXPECTED)
