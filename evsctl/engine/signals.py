"""Signals of SLURM and of people: the handlers stand before torch is imported, so this module never imports it."""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

from evsctl.errors import ExitCode

GENTLE = frozenset({"SIGUSR1"})
"""Finish the pack, commit, stop."""
URGENT = frozenset({"SIGTERM", "SIGINT"})
"""Write what is scored, leave within a second."""


class StopNow(SystemExit):
    """Raised out of a stretch of work that may be dropped; uncaught, it ends the process with code 75."""

    def __init__(self, name: str) -> None:
        super().__init__(int(ExitCode.WANTS_TO_GO_ON))
        self.name = name


class StopSignals:
    """Remembers which signal asked to stop, and interrupts the work at once where the work allows it.

    Outside a run every signal ends the process: there is nothing to save. Within one, `shielded` stretches (writing)
    are never interrupted, `computing` ones only by the urgent signals, and `preparing` ones by any.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.at = 0.0
        self.warned = False
        """SLURM's warning before the time limit came, whatever came after it."""
        self._interrupting = GENTLE | URGENT
        self._previous: dict[int, Any] = {}

    @property
    def stands(self) -> bool:
        """Whether the handlers are in place."""
        return bool(self._previous)

    def install(self) -> None:
        """Take the signals over; does nothing outside the main thread, and nothing the second time."""
        if self.stands or threading.current_thread() is not threading.main_thread():
            return
        for name in sorted(GENTLE | URGENT):
            number = signal.Signals[name]
            self._previous[number] = signal.signal(number, self._handle)

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.name is None or name in URGENT:
            self.name, self.at = name, time.time()
        self.warned = self.warned or name in GENTLE
        if name in self._interrupting:
            raise StopNow(name)

    @contextlib.contextmanager
    def _only(self, interrupting: frozenset[str]) -> Iterator[None]:
        before, self._interrupting = self._interrupting, interrupting
        try:
            if self.name in interrupting:  # it came while nothing could be interrupted
                raise StopNow(str(self.name))
            yield
        finally:
            self._interrupting = before

    def shielded(self) -> contextlib.AbstractContextManager[None]:
        """No signal interrupts; it is remembered."""
        return self._only(frozenset())

    def computing(self) -> contextlib.AbstractContextManager[None]:
        """The urgent signals interrupt."""
        return self._only(URGENT)

    def preparing(self) -> contextlib.AbstractContextManager[None]:
        """Any signal interrupts: nothing is scored yet, so there is nothing to finish."""
        return self._only(GENTLE | URGENT)


_handlers = StopSignals()


def install() -> StopSignals:
    """Put the process's handlers in place for good; call it before anything heavy is imported."""
    _handlers.install()
    return _handlers


@contextlib.contextmanager
def standing() -> Iterator[StopSignals]:
    """The process's handlers; where nobody installed them, fresh ones for the length of the block."""
    if _handlers.stands:
        yield _handlers
        return
    own = StopSignals()
    own.install()
    try:
        yield own
    finally:
        own.restore()


def leave(code: int) -> NoReturn:
    """End the process now, with everything flushed but without taking the libraries down, which can take seconds.

    For a process that was told to go and has closed its journal.
    """
    logging.shutdown()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
