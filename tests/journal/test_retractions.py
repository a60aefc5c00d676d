"""A retraction takes back what stood in the journals when it was made, and nothing that came later."""

import errno
import json
import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evsctl.journal.keys import PromptKey
from evsctl.journal.reader import JournalLine, read_journal
from evsctl.journal.records import PromptResult
from evsctl.journal.retractions import Retraction, Retractions, append_retraction, read_retractions
from evsctl.journal.writer import JournalWriter
from tests.journal.factories import a_header, a_result, write_journal

LANGS, CONFIGS, QUESTIONS = ("eng", "deu"), ("legacy", "rephrase"), ("v1", "v2", "v3")
NAMES = st.lists(st.text(max_size=5), max_size=3).map(tuple)
RETRACTIONS = st.builds(
    Retraction, st.text(), st.text(), st.floats(0, 1e10), st.dictionaries(st.text(), st.integers(0)), NAMES, NAMES, NAMES
)


def a_retraction(upto: dict[str, int], **filters: tuple[str, ...]) -> Retraction:
    """A retraction of everything up to those bytes that `filters` leave."""
    return Retraction("wrong template", "ada", 1234.5, upto, **filters)


@settings(max_examples=40)  # each waits for the disk several times
@given(st.integers(0, 12), st.integers(0, 5), st.integers(-2, 2))
def test_a_retraction_covers_exactly_the_lines_that_begin_before_the_recorded_byte(n_lines: int, then: int, shift: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "11-r0.jsonl"
        writer = JournalWriter(path, a_header())
        writer.commit([a_result(number) for number in range(n_lines)])
        upto = path.stat().st_size + shift
        retractions = Retractions((a_retraction({"11-r0": upto}),))
        writer.commit([a_result(number) for number in range(then)])
        writer.close()
        lines = read_journal(path).lines
        assert [line for line in lines if retractions.cover(line)] == [line for line in lines if line.offset < upto]
        if shift == 0:
            assert [retractions.cover(line) for line in lines] == [True] * n_lines + [False] * then


@given(*(st.lists(st.sampled_from(names), max_size=2).map(tuple) for names in (LANGS, CONFIGS, QUESTIONS)))
def test_filters_narrow_a_retraction_and_empty_ones_take_every_value(
    langs: tuple[str, ...], configs: tuple[str, ...], questions: tuple[str, ...]
) -> None:
    retraction = a_retraction({"11-r0": 100}, langs=langs, configs=configs, question_ids=questions)
    for lang in LANGS:
        for config in CONFIGS:
            for question in QUESTIONS:
                result = PromptResult(PromptKey(question, lang, config, 0, None), "ab", 0.9, {"1": 1.0})
                expected = (not langs or lang in langs) and (not configs or config in configs) and (not questions or question in questions)
                assert retraction.covers(JournalLine(a_header("11-r0"), 99, result)) == expected


def test_a_run_that_is_not_named_is_not_taken_back() -> None:
    retraction = a_retraction({"11-r0": 10**9})
    assert not retraction.covers(JournalLine(a_header("12-r0"), 0, a_result()))


def test_any_of_several_retractions_suffices() -> None:
    retractions = Retractions((a_retraction({"11-r0": 10}, langs=("deu",)), a_retraction({"11-r0": 5})))
    assert retractions.cover(JournalLine(a_header(), 4, a_result()))
    assert not retractions.cover(JournalLine(a_header(), 5, a_result()))
    assert not Retractions().cover(JournalLine(a_header(), 0, a_result()))


@settings(max_examples=30)  # each waits for the disk several times
@given(st.lists(RETRACTIONS, max_size=3))
def test_retractions_round_trip(entries: list[Retraction]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "new" / "retractions.jsonl"
        for entry in entries:
            append_retraction(path, entry)
        assert read_retractions(path) == Retractions(tuple(entries))
        assert not entries or path.stat().st_mode & 0o007 == 0


def test_no_file_is_no_retraction(tmp_path: Path) -> None:
    assert read_retractions(tmp_path / "retractions.jsonl") == Retractions()


@pytest.mark.parametrize(
    ("garbage", "why"),
    [
        ("rubbish", "Expecting value: line 1 column 1 (char 0)"),
        ("{}", "'upto' is missing"),
        ("[]", "list indices must be integers or slices, not str"),
        (json.dumps({**a_retraction({}).to_json(), "langs": ""}), "'langs' is not a list"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_kept(tmp_path: Path, garbage: str, why: str) -> None:
    path = tmp_path / "retractions.jsonl"
    append_retraction(path, a_retraction({"11-r0": 1}))
    with path.open("a") as stream:
        stream.write(garbage + "\n")
    append_retraction(path, a_retraction({"11-r0": 3}))
    found = read_retractions(path)
    assert found.entries == (a_retraction({"11-r0": 1}), a_retraction({"11-r0": 3}))
    assert found.problems == (f"{path}, line 2: not a retraction ({why}); the line is left aside.",)


def test_a_torn_last_line_is_dropped_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "retractions.jsonl"
    append_retraction(path, a_retraction({"11-r0": 1}))
    with path.open("a") as stream:
        stream.write('{"reason": "half')
    assert read_retractions(path) == Retractions((a_retraction({"11-r0": 1}),))
    append_retraction(path, a_retraction({"11-r0": 2}))
    assert read_retractions(path).entries == (a_retraction({"11-r0": 1}), a_retraction({"11-r0": 2}))


def test_a_full_disk_adds_nothing_and_leaves_the_file_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "retractions.jsonl"
    append_retraction(path, a_retraction({"11-r0": 1}))
    real = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) < 50:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, bytes(data)[:-20])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left on device"):
            append_retraction(path, a_retraction({"11-r0": 2}))
    assert read_retractions(path) == Retractions((a_retraction({"11-r0": 1}),))


def test_retractions_written_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "retractions.jsonl"
    threads = [threading.Thread(target=append_retraction, args=(path, a_retraction({"11-r0": number}))) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(entry.upto["11-r0"] for entry in read_retractions(path).entries) == list(range(8))


def test_a_retraction_leaves_the_journal_as_it_is(tmp_path: Path) -> None:
    journal = tmp_path / "11-r0.jsonl"
    write_journal(journal, 2)
    before = journal.read_bytes()
    append_retraction(tmp_path / "retractions.jsonl", a_retraction({"11-r0": len(before)}))
    assert journal.read_bytes() == before
