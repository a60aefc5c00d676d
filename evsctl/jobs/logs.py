"""Job logs as people can read them: without control sequences, bars collapsed, read from the end, followed through rotation."""

import os
import re
from io import BufferedReader
from pathlib import Path

BLOCK = 64 * 1024
MAX_TAIL_BYTES = 4 * 1024 * 1024
"""A tail never reads more than this, however long the lines are."""
MAX_POLL_BYTES = 1024 * 1024

# CSI, OSC (ended by BEL or ST), DCS/SOS/PM/APC strings, two-character escapes; then their 8-bit forms.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]*[0-~]|\x1b"
    r"|\x9b[0-?]*[ -/]*[@-~]|\x9d[^\x07\x9c]*[\x07\x9c]?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean_log_text(text: str) -> str:
    """The text without control sequences; of a line redrawn by carriage returns only its last state, tabs as spaces.

    Also gone are the invisible characters that turn the direction of text: a log is data, and shows as what it is.
    """
    plain = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    lines = [_last_state(line) for line in plain.split("\n")]
    return _CONTROLS.sub("", "\n".join(lines)).expandtabs(4)


def _last_state(line: str) -> str:
    """What a terminal would show of `10%\\r20%\\r`: the last thing drawn that is not empty."""
    if "\r" not in line:
        return line
    return next((part for part in reversed(line.split("\r")) if part.strip()), "")


def read_tail(path: Path, max_lines: int) -> list[str]:
    """The last lines of a file, cleaned, at once even for gigabytes; empty where there is no file yet."""
    if max_lines <= 0:
        return []
    try:
        with path.open("rb") as stream:
            raw = _last_lines(stream, max_lines)
    except FileNotFoundError:
        return []
    lines = clean_log_text(raw.decode("utf-8", errors="replace")).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines[-max_lines:]


def _last_lines(stream: BufferedReader, max_lines: int) -> bytes:
    end = stream.seek(0, os.SEEK_END)
    start, blocks, newlines = end, [], 0
    while start > 0 and newlines <= max_lines and end - start < MAX_TAIL_BYTES:
        step = min(BLOCK, start)
        start -= step
        stream.seek(start)
        blocks.append(stream.read(step))
        newlines += blocks[-1].count(b"\n")
    return b"".join(reversed(blocks))


class LogFollower:
    """Gives the new lines of a growing log; goes on when the file is truncated, replaced, or not there yet."""

    def __init__(self, path: Path, from_end: bool = False) -> None:
        self.path = path
        self._stream: BufferedReader | None = None
        self._rest = b""
        if from_end:
            stream = self._open()
            if stream is not None:
                stream.seek(0, os.SEEK_END)

    def poll(self) -> list[str]:
        """Whole lines that came since the last call; an unfinished line waits for its end."""
        lines: list[str] = []
        if self._was_replaced():
            lines += self._read(self._stream)
            self.close()
        return lines + self._read(self._stream or self._open())

    def close(self) -> None:
        """Let the file go; the next poll begins anew."""
        if self._stream is not None:
            self._stream.close()
        self._stream, self._rest = None, b""

    def _open(self) -> BufferedReader | None:
        try:
            self._stream = self.path.open("rb")
        except OSError:
            self._stream = None
        return self._stream

    def _was_replaced(self) -> bool:
        if self._stream is None:
            return False
        try:
            there = self.path.stat()
        except OSError:
            return True
        here = os.fstat(self._stream.fileno())
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def _read(self, stream: BufferedReader | None) -> list[str]:
        if stream is None:
            return []
        if os.fstat(stream.fileno()).st_size < stream.tell():
            stream.seek(0)
            self._rest = b""
        data = self._rest + stream.read(MAX_POLL_BYTES)
        whole, newline, self._rest = data.rpartition(b"\n")
        if not newline:
            return []
        return clean_log_text(whole.decode("utf-8", errors="replace")).split("\n")
