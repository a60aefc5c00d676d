"""Signals of SLURM and of people: the handlers stand before torch is imported, so this module never imports it."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType

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
    are never interrupted, and `computing` ones only by the urgent signals.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.at = 0.0
        self._interrupting = GENTLE | URGENT
        self._previous: dict[int, object] = {}

    @property
    def urgent(self) -> bool:
        """Whether to leave without finishing the pack."""
        return self.name in URGENT

    def install(self) -> None:
        """Take the signals over; does nothing outside the main thread, and nothing the second time."""
        if self._previous or threading.current_thread() is not threading.main_thread():
            return
        for name in sorted(GENTLE | URGENT):
            number = signal.Signals[name]
            self._previous[number] = signal.signal(number, self._handle)

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.name is None or name in URGENT:
            self.name, self.at = name, time.time()
        if name in self._interrupting:
            raise StopNow(name)

    @contextlib.contextmanager
    def _only(self, interrupting: frozenset[str]) -> Iterator[None]:
        before, self._interrupting = self._interrupting, interrupting
        try:
            yield
        finally:
            self._interrupting = before

    def shielded(self) -> contextlib.AbstractContextManager[None]:
        """No signal interrupts; it is remembered."""
        return self._only(frozenset())

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """The urgent signals interrupt; one that came just before does so here."""
        with self._only(URGENT):
            if self.urgent:
                raise StopNow(str(self.name))
            yield

    @contextlib.contextmanager
    def preparing(self) -> Iterator[None]:
        """Any signal interrupts: nothing is scored yet, so there is nothing to finish."""
        with self._only(GENTLE | URGENT):
            if self.name is not None:
                raise StopNow(self.name)
            yield

    def __enter__(self) -> "StopSignals":
        self.install()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.restore()


_installed: StopSignals | None = None


def install() -> StopSignals:
    """Install the process's handlers once and return them; call it before anything heavy is imported."""
    global _installed
    if _installed is None:
        _installed = StopSignals()
    _installed.install()
    return _installed


def installed() -> StopSignals | None:
    """The handlers that `install` put in place, or None."""
    return _installed
