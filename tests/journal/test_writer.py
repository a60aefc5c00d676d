"""What a writer promises: one per journal, durable commits, and a readable file whatever the disk does."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from evsctl.errors import ClaimedError, EngineError
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.keys import PromptKey
from evsctl.journal.reader import read_journal
from evsctl.journal.records import JournalFooter, JournalHeader, PromptResult
from evsctl.journal.writer import JournalWriter
from tests.journal.factories import IDENTITY, a_header, a_result, write_journal

Write = Callable[[int, bytes], int]


def results_in(path: Path) -> list[PromptResult]:
    return [line.result for line in read_journal(path).lines]


def a_disk_that_fills_after(n_bytes: int) -> Write:
    """`os.write` that takes `n_bytes` and refuses what comes after."""
    real, room = os.write, [n_bytes]

    def write(handle: int, data: bytes) -> int:
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = real(handle, bytes(data)[: room[0]])
        room[0] -= written
        return written

    return write


def test_what_was_committed_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    written = write_journal(path, 5, footer=True)
    content = read_journal(path)
    assert content.header == a_header()
    assert [line.result for line in content.lines] == written
    assert content.footer == JournalFooter(5, 0, "finished", 2000.0)


@pytest.mark.parametrize(
    "identity", [None, IDENTITY, ModelIdentity("é", "Ωrg/模型", None, "int4", True)], ids=["unknown provenance", "known", "odd names"]
)
def test_headers_round_trip(tmp_path: Path, identity: ModelIdentity | None) -> None:
    header = JournalHeader("field-1", "é", None, identity, None, None, None, None, None, None, 3, 0.1)
    JournalWriter(tmp_path / "field-1.jsonl", header).close()
    assert read_journal(tmp_path / "field-1.jsonl").header == header


def test_results_round_trip(tmp_path: Path) -> None:
    key = PromptKey("v38 \u2028\n", "ell", "rephrase", 1, "Ποια_1")
    results = [
        PromptResult(key, "ab", 1e-12, {"1": 1 / 3, "-2": 2 / 3}),
        PromptResult(key, "ab", None, None, failed="not finite: \u0085 'layer 3'"),
    ]
    writer = JournalWriter(tmp_path / "11-r0.jsonl", a_header())
    writer.commit(results)
    writer.close()
    assert results_in(tmp_path / "11-r0.jsonl") == results


def test_a_second_writer_of_a_run_cannot_exist(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    write_journal(path, 2)
    with pytest.raises(ClaimedError) as caught:
        JournalWriter(path, a_header())
    assert str(caught.value) == f"Run 11-r0 has a journal already: {path}. A run writes one journal, once."
    assert results_in(path) == [a_result(0), a_result(1)]


def test_a_journal_is_not_world_readable(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "tiny" / "11-r0.jsonl"
    write_journal(path, 1)
    assert [stat.S_IMODE(p.stat().st_mode) & 0o007 for p in (path, path.parent, path.parent.parent)] == [0, 0, 0]


@pytest.mark.parametrize("room", [0, 1, 150, 260, 500])
def test_a_full_disk_leaves_a_readable_journal_that_goes_on_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    path = tmp_path / "11-r0.jsonl"
    writer = JournalWriter(path, a_header())
    writer.commit([a_result(0)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", a_disk_that_fills_after(room))
        with pytest.raises(EngineError, match="No space left on device") as caught:
            writer.commit([a_result(1), a_result(2), a_result(3)])
    assert str(path) in caught.value.message
    assert results_in(path) == [a_result(0)]
    writer.commit([a_result(1), a_result(2), a_result(3)])
    writer.close()
    assert results_in(path) == [a_result(number) for number in range(4)]
    assert read_journal(path).problems == []


def test_a_torn_tail_that_could_not_be_cut_off_is_cut_off_by_the_next_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "11-r0.jsonl"
    writer = JournalWriter(path, a_header())

    def refuse(handle: int, size: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", a_disk_that_fills_after(30))
        patch.setattr(os, "ftruncate", refuse)
        with pytest.raises(EngineError):
            writer.commit([a_result(0)])
    assert (results_in(path), read_journal(path).problems) == ([], [])
    writer.commit([a_result(1)])
    writer.close()
    assert (results_in(path), read_journal(path).problems) == ([a_result(1)], [])


def test_a_commit_interrupted_by_a_signal_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "11-r0.jsonl"
    writer = JournalWriter(path, a_header())
    real = os.write

    def interrupted(handle: int, data: bytes) -> int:
        real(handle, bytes(data)[:40])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.commit([a_result(0)])
    writer.commit([a_result(0)])
    writer.close()
    assert (results_in(path), read_journal(path).problems) == ([a_result(0)], [])


def test_a_journal_that_could_not_begin_leaves_its_name_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "11-r0.jsonl"
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", a_disk_that_fills_after(20))
        with pytest.raises(EngineError):
            JournalWriter(path, a_header())
    assert not path.exists()
    assert len(write_journal(path, 1)) == 1


def test_a_result_that_is_no_number_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "11-r0.jsonl"
    writer = JournalWriter(path, a_header())
    bad = PromptResult(a_result(1).key, "ab", float("nan"), {"1": 1.0})
    with pytest.raises(ValueError):
        writer.commit([a_result(0), bad])
    writer.close()
    assert results_in(path) == []


def test_a_commit_is_on_disk_when_it_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        real(handle)
        synced.append(os.fstat(handle).st_size)

    writer = JournalWriter(tmp_path / "11-r0.jsonl", a_header())
    monkeypatch.setattr(os, "fsync", fsync)
    writer.commit([a_result(0)])
    assert synced == [(tmp_path / "11-r0.jsonl").stat().st_size]
    writer.commit([])
    assert len(synced) == 1
    writer.close()
