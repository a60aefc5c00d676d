"""File habits: replaced whole or not at all, nothing world-readable."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evsctl.files import make_private_folder, nearest_name, sync_folder, write_atomically


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_written_is_there_byte_for_byte(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "written.txt"
    write_atomically(path, text)
    assert path.read_bytes() == text.encode("utf-8")


def test_a_reader_sees_the_old_file_or_the_new_one_never_a_part(tmp_path: Path) -> None:
    path = tmp_path / "file"
    texts = [letter * size for letter, size in zip("abcdef", (1, 100_000, 7, 50_000, 200_000, 3), strict=True)]
    write_atomically(path, texts[0])
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(10):
        for text in texts:
            write_atomically(path, text)
    stop.set()
    reader.join()
    assert seen <= set(texts)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        with pytest.raises(OSError, match="No space left on device"):
            write_atomically(path, "new")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("file", "old")]


def test_a_text_that_cannot_be_encoded_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "half a sign: \ud800")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("file", "old")]


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_killed_writer_leaves_the_old_file(tmp_path: Path, function: str) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")
    code = (
        "import os, pathlib, signal, sys; from evsctl.files import write_atomically\n"
        f"os.{function} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(pathlib.Path(sys.argv[1]), 'new')"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_the_bytes_are_on_disk_before_the_name_points_to_them_and_the_name_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(handle: int) -> None:
        steps.append("folder synced" if stat.S_ISDIR(os.fstat(handle).st_mode) else f"{os.fstat(handle).st_size} bytes synced")
        fsync(handle)

    def noted_replace(source: Path, target: Path) -> None:
        steps.append("renamed")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write_atomically(tmp_path / "file", "12345")
    assert steps == ["5 bytes synced", "renamed", "folder synced"]


def test_new_folders_and_files_are_not_world_readable_even_with_an_open_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_atomically(tmp_path / "a" / "b" / "file", "text")
    finally:
        os.umask(old)
    assert [mode_of(tmp_path / name) for name in ("a", "a/b", "a/b/file")] == [0o750, 0o750, 0o640]


def test_a_stricter_umask_holds(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        write_atomically(tmp_path / "a" / "file", "text")
        write_atomically(tmp_path / "a" / "script", "text", mode=0o750)
    finally:
        os.umask(old)
    assert [mode_of(tmp_path / name) for name in ("a", "a/file", "a/script")] == [0o700, 0o600, 0o700]


def test_folders_that_exist_keep_their_mode(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared").chmod(0o755)
    assert make_private_folder(tmp_path / "shared" / "new") == tmp_path / "shared" / "new"
    assert (mode_of(tmp_path / "shared"), mode_of(tmp_path / "shared" / "new")) == (0o755, 0o750)
    assert make_private_folder(tmp_path / "shared") == tmp_path / "shared"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write_atomically(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "text"


def test_the_longest_name_a_folder_allows_can_be_replaced(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), "text")
    assert (tmp_path / ("n" * 255)).read_text() == "text"


def test_syncing_a_folder_that_refuses_is_no_error(tmp_path: Path) -> None:
    sync_folder(tmp_path / "missing")
    sync_folder(Path("/proc/self"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("gema", "Did you mean 'gemma'?"), ("Gemma", "Did you mean 'gemma'?"), ("xyz", ""), ("", ""), ("qwen", "Did you mean 'qwen3'?")],
)
def test_the_nearest_known_name_is_offered(name: str, hint: str) -> None:
    assert nearest_name(name, ["gemma", "qwen3"]) == hint
