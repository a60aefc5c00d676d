"""Commits: often enough that little is lost, seldom enough that the file system does not mind."""

import time
from collections.abc import Sequence

from evsctl.engine.signals import StopSignals
from evsctl.errors import ClaimedError
from evsctl.journal.claim import Claim, still_held
from evsctl.journal.heartbeat import COMMIT_INTERVAL_SECONDS
from evsctl.journal.paths import ModelRuns
from evsctl.journal.records import PromptResult
from evsctl.journal.writer import JournalWriter

SHORTEST_SECONDS = 2.0


class Commits:
    """Holds scored prompts until a commit is due: `every` prompts and 2 s since the last one, or 10 s."""

    def __init__(self, writer: JournalWriter, runs: ModelRuns, claim: Claim, signals: StopSignals, every: int) -> None:
        self._writer = writer
        self._runs = runs
        self._claim = claim
        self._signals = signals
        self._every = max(1, every)
        self._waiting: list[PromptResult] = []
        self._last = time.monotonic()

    def add(self, results: Sequence[PromptResult]) -> bool:
        """Take results; True where that led to a commit."""
        self._waiting.extend(results)
        since = time.monotonic() - self._last
        if (len(self._waiting) >= self._every and since >= SHORTEST_SECONDS) or (self._waiting and since >= COMMIT_INTERVAL_SECONDS):
            self.flush()
            return True
        return False

    def flush(self) -> None:
        """Write all that waits; raises ClaimedError where another run took the model over, EngineError on a full disk."""
        with self._signals.shielded():
            if self._waiting and self._is_lost():
                raise ClaimedError(
                    f"Model '{self._runs.model_id}' was taken over by another run; this one writes no more.", "Nothing is lost."
                )
            self._writer.commit(self._waiting)
            self._waiting = []
            self._last = time.monotonic()

    def _is_lost(self) -> bool:
        """Whether the claim is gone for sure: a shared file system may fail to show it for a moment."""
        for _ in range(3):
            if still_held(self._runs, self._claim):
                return False
            time.sleep(0.2)
        return True
