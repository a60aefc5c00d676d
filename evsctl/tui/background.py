"""Slow work beside the interface: one thread per kind of work, results handed back as messages."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
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


class _HeldHangUp:
    """A terminal that goes away in the middle of a submission ends the program only after the ledger is written."""

    def __init__(self) -> None:
        self._came = False
        self._before = signal.signal(signal.SIGHUP, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True

    def obey(self) -> None:
        """End the program now, if the terminal went away meanwhile; from any thread."""
        if self._came:
            os._exit(128 + signal.SIGHUP)

    def release(self) -> None:
        """Let a hang-up end the program at once again; in the main thread."""
        signal.signal(signal.SIGHUP, self._before)


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

        held = _HeldHangUp() if must_finish else None

        def settle(deliver: Callable[[], None]) -> None:
            self._busy.discard(kind)
            if held is not None:
                held.release()
            deliver()

        def body() -> None:
            outcome = _outcome(work, then, failed)
            if held is not None:
                held.obey()
            with suppress(RuntimeError):  # the app has ended
                self._app.post_message(Finished(lambda: settle(outcome)))

        threading.Thread(target=body, name=f"evsctl-{kind}", daemon=not must_finish).start()
        return True

    def is_busy(self, kind: str) -> bool:
        """Whether work of that kind is under way."""
        return kind in self._busy


def _outcome(work: Callable[[], T], then: Callable[[T], None], failed: Callable[[str], None]) -> Callable[[], None]:
    """Do the work, and say what the interface is to do with it."""
    try:
        result = work()
    except (EvsctlError, OSError) as error:
        return partial(failed, str(error))
    except Exception as error:  # noqa: BLE001  # a fault of ours: said on the screen, not printed across it
        return partial(failed, f"Unexpected {type(error).__name__}: {error}.")
    return partial(then, result)
