"""The writer of a run journal: one per file, append only, durable at each commit."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evsctl.errors import EngineError
from evsctl.files import PRIVATE_FILE_MODE, make_private_folder, sync_folder
from evsctl.journal.records import JournalFooter, JournalHeader, PromptResult


class JournalWriter:
    """Appends results to a journal that this process alone owns.

    The file is created with O_EXCL: a second writer of one run cannot exist. What `commit` returned from is on disk.
    A commit that fails (full disk) leaves at most a torn tail, which readers drop, and raises EngineError.
    """

    def __init__(self, path: Path, header: JournalHeader) -> None:
        self.path = path
        make_private_folder(path.parent)
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, PRIVATE_FILE_MODE)
        self._append([header.to_json()])
        sync_folder(path.parent)

    def commit(self, results: Sequence[PromptResult]) -> None:
        """Append the results and wait until they are on disk."""
        self._append([result.to_json() for result in results])

    def event(self, **values: Any) -> None:
        """Note something about the run itself, such as a halved pack size; readers of results pass over it."""
        self._append([{"event": values}])

    def close(self, footer: JournalFooter | None = None) -> None:
        """End the journal; without a footer it reads as a run that was cut off."""
        if self._handle < 0:
            return
        try:
            if footer is not None:
                self._append([footer.to_json()])
        finally:
            os.close(self._handle)
            self._handle = -1

    def _append(self, lines: Sequence[dict[str, Any]]) -> None:
        if not lines:
            return
        data = memoryview("".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in lines).encode("utf-8"))
        before = os.fstat(self._handle).st_size
        try:
            while data:
                data = data[os.write(self._handle, data) :]
            os.fsync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, before)
            raise EngineError(f"Journal {self.path} cannot be written: {error}.", "Free space there; the run goes on from its last commit.") from error
