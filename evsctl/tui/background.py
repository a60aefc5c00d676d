"""Slow work beside the interface: one thread per kind of work, results handed back as messages."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from textual.app import App
from textual.message import Message

from evsctl.errors import EvsctlError

T = TypeVar("T")


class Finished(Message):
    """Work is over; `deliver` tells the interface, in its own thread."""

    def __init__(self, deliver: Callable[[], None]) -> None:
        super().__init__()
        self.deliver = deliver


class Background:
    """Starts work in threads. The interface never waits for SLURM or for a file system.

    Threads are not Textual's workers: those are waited for when the app ends, and a squeue without an answer takes 10 s.
    """

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._busy: set[str] = set()

    def run(
        self,
        kind: str,
        work: Callable[[], T],
        then: Callable[[T], None],
        failed: Callable[[str], None],
        *,
        must_finish: bool = False,
    ) -> bool:
        """Start `work` unless work of that `kind` is still under way; says whether it started.

        `then` gets the result, `failed` a sentence. Work that `must_finish` is waited for when the program ends.
        """
        if kind in self._busy:
            return False
        self._busy.add(kind)

        def body() -> None:
            try:
                result = work()
            except (EvsctlError, OSError) as error:
                sentence = str(error)
                self._hand_back(kind, lambda: failed(sentence))
            else:
                self._hand_back(kind, lambda: then(result))

        threading.Thread(target=body, name=f"evsctl-{kind}", daemon=not must_finish).start()
        return True

    def is_busy(self, kind: str) -> bool:
        """Whether work of that kind is under way."""
        return kind in self._busy

    def _hand_back(self, kind: str, deliver: Callable[[], None]) -> None:
        def settle() -> None:
            self._busy.discard(kind)
            deliver()

        try:
            self._app.post_message(Finished(settle))
        except RuntimeError:  # the app has ended
            return
