"""One squeue per poll interval for all windows together, rarer while nothing runs or the controller is down."""

import time
from collections.abc import Callable

from evsctl.errors import EvsctlError
from evsctl.jobs.types import JobPort
from evsctl.status.queue_cache import QueueAnswer, QueueCache

LONGEST_PAUSE_SECONDS = 180.0
QUIET_ANSWERS = 4
"""So many empty answers in a row make the polls rarer."""


def pause_seconds(answer: QueueAnswer, poll: float) -> float:
    """Seconds between the newest attempt and the next: doubled by each failure, and while the queue stays empty."""
    doublings = answer.failures if answer.failures else max(0, answer.quiet - QUIET_ANSWERS)
    return max(poll, min(LONGEST_PAUSE_SECONDS, poll * 2.0 ** min(doublings, 8)))


def is_due(answer: QueueAnswer | None, poll: float, now: float, since: float = 0.0) -> bool:
    """Whether squeue may be asked: the pause is over, or a job was handed in (`since`) after the newest attempt.

    A clock that was set back makes it due.
    """
    if answer is None or answer.attempted_at is None or answer.attempted_at > now:
        return True
    return since > answer.attempted_at or now - answer.attempted_at >= pause_seconds(answer, poll)


class QueueFeed:
    """The queue as one window sees it: its own newest answer or, where that is newer, another window's."""

    def __init__(self, port: JobPort, poll: float, cache: QueueCache | None, clock: Callable[[], float] = time.time) -> None:
        self._port = port
        self._poll = poll
        self._cache = cache
        self._clock = clock
        self._own = QueueAnswer()

    def newest(self) -> QueueAnswer:
        """The newest answer known, without asking."""
        shared = self._cache.read() if self._cache else None
        if shared is not None and (shared.attempted_at or 0.0) >= (self._own.attempted_at or 0.0):
            self._own = shared
        return self._own

    def ask(self, *, force: bool = False, since: float = 0.0) -> QueueAnswer:
        """Ask squeue when it is due or `force`d, and return the newest answer. Never raises; may take squeue's time-out."""
        if not (force or is_due(self.newest(), self._poll, self._clock(), since)):
            return self._own
        if self._cache is None:
            return self._call()
        with self._cache.asking() as mine:
            # Another window is asking now: its answer is here before this one's could be, unless there is none at all.
            if not mine and self._own.answered_at is not None:
                return self._own
            if mine and not force and not is_due(self.newest(), self._poll, self._clock(), since):
                return self._own
            answer = self._call()
            self._cache.write(answer)
            return answer

    def _call(self) -> QueueAnswer:
        try:
            rows = self._port.queue()
        except EvsctlError as error:
            self._own = self._own.refused(str(error), self._clock())
        else:
            self._own = self._own.answered(tuple(rows), self._clock())
        return self._own
