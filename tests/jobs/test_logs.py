"""Logs as people read them."""

import os
from pathlib import Path

import pytest

from evsctl.jobs.logs import LogFollower, clean_log_text, read_tail


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain ünïcode ✓\n", "plain ünïcode ✓\n"),
        ("\x1b[31mred\x1b[0m \x1b[2K\x1b[1;5Hdone", "red done"),
        ("\x1b]0;new title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r0m\x1b\\after", "after"),
        ("\x1b(Bcharset \x1b7saved\x1b8", "charset saved"),
        ("\x9b31mC1\x9b0m", "C1"),
        ("10%\r20%\r100%\n", "100%\n"),
        ("Loading:  50%|██\r\n", "Loading:  50%|██\n"),
        ("12 %\r\x1b[K", "12 %"),
        ("bell\x07 null\x00 back\x08", "bell null back"),
        ("a\tb", "a   b"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("cut off \x1b[", "cut off "),
    ],
)
def test_control_sequences_go_and_bars_show_their_last_state(raw: str, shown: str) -> None:
    assert clean_log_text(raw) == shown


def test_a_missing_log_has_no_lines(tmp_path: Path) -> None:
    assert read_tail(tmp_path / "none.log", 5) == []


def test_the_tail_is_the_last_lines_even_without_a_final_newline(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {i}\n" for i in range(100)) + "unfinished")
    assert read_tail(log, 3) == ["line 98", "line 99", "unfinished"]
    assert read_tail(log, 0) == []
    assert len(read_tail(log, 1000)) == 101


def test_the_tail_of_two_gigabytes_comes_at_once(tmp_path: Path) -> None:
    log = tmp_path / "big.log"
    with log.open("wb") as stream:
        stream.truncate(2 * 2**30)  # a hole: takes no disk
        stream.seek(0, os.SEEK_END)
        stream.write(b"\n" + b"".join(b"line %d\n" % i for i in range(20_000)))
    reads = _bytes_read()
    assert read_tail(log, 2) == ["line 19998", "line 19999"]
    assert _bytes_read() - reads < 1_000_000


def _bytes_read() -> int:
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


def test_one_endless_line_is_cut_rather_than_read_whole(tmp_path: Path) -> None:
    log = tmp_path / "bar.log"
    log.write_bytes(b"start\n" + b"x" * (6 * 2**20))
    (line,) = read_tail(log, 5)
    assert 4 * 2**20 <= len(line) < 5 * 2**20


def test_a_follower_gives_whole_new_lines_once(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    follower = LogFollower(log)
    assert follower.poll() == []
    log.write_text("one\ntw")
    assert follower.poll() == ["one"]
    with log.open("a") as stream:
        stream.write("o\n")
    assert follower.poll() == ["two"]
    assert follower.poll() == []


def test_a_follower_from_the_end_skips_what_was_there(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("old\n")
    follower = LogFollower(log, from_end=True)
    with log.open("a") as stream:
        stream.write("new\n")
    assert follower.poll() == ["new"]


def test_a_follower_goes_on_after_truncation(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("a long first line\n")
    follower = LogFollower(log)
    follower.poll()
    log.write_text("new\n")
    assert follower.poll() == ["new"]


def test_a_follower_reads_a_rotated_log_to_its_end_and_then_the_new_one(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("one\n")
    follower = LogFollower(log)
    follower.poll()
    with log.open("a") as stream:
        stream.write("last of the old\n")
    log.rename(tmp_path / "x.log.1")
    log.write_text("first of the new\n")
    assert follower.poll() == ["last of the old", "first of the new"]


def test_a_follower_survives_a_log_that_goes_and_comes_back(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("one\n")
    follower = LogFollower(log)
    follower.poll()
    log.unlink()
    assert follower.poll() == []
    log.write_text("two\n")
    assert follower.poll() == ["two"]
