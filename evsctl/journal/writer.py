"""The writer of a run journal: one per file, append only, durable at each commit."""

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evsctl.errors import ClaimedError, EngineError
from evsctl.files import PRIVATE_FILE_MODE, make_private_folder, sync_folder
from evsctl.journal.records import JournalFooter, JournalHeader, PromptResult


class JournalWriter:
    """Appends results to a journal that this process alone owns.

    The file is created with O_EXCL: a second writer of one run cannot exist (ClaimedError). What `commit` returned from
    is on disk. A commit that fails (full disk) raises EngineError and leaves nothing, or a torn tail that readers drop
    and the next commit cuts off.
    """

    def __init__(self, path: Path, header: JournalHeader) -> None:
        self.path = path
        self._good = 0
        make_private_folder(path.parent)
        try:
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, PRIVATE_FILE_MODE)
        except FileExistsError:
            raise ClaimedError(f"Run {header.run_id} has a journal already: {path}.", "A run writes one journal, once.") from None
        try:
            self._append([header.to_json()])
        except BaseException:
            self.close()
            path.unlink(missing_ok=True)  # a journal without a header says nothing and would only block its name
            raise
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
        try:
            if os.fstat(self._handle).st_size != self._good:
                os.ftruncate(self._handle, self._good)
            rest = data
            while rest:
                rest = rest[os.write(self._handle, rest) :]
            os.fsync(self._handle)
        except BaseException as error:  # a signal handler's exception in the middle of a write leaves a torn line too
            with contextlib.suppress(OSError):
                os.ftruncate(self._handle, self._good)
            if not isinstance(error, OSError):
                raise
            advice = "Free space there; the run goes on from its last commit."
            raise EngineError(f"Journal {self.path} cannot be written: {error}.", advice) from error
        self._good += len(data)
