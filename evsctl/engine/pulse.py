"""The pulse: keeps a run's heartbeat fresh, also while weights load and long packs compute."""

import logging
import threading
import time
from dataclasses import replace
from typing import Any

from evsctl.engine.place import RunPlace
from evsctl.journal.heartbeat import COMMIT_INTERVAL_SECONDS, Heartbeat, write_heartbeat
from evsctl.journal.paths import ModelRuns

log = logging.getLogger(__name__)


class Pulse:
    """Owns the heartbeat: `beat` writes it now, and a thread writes it again before it looks stale.

    A heartbeat that cannot be written is logged once and never ends a run: results are in the journal.
    """

    def __init__(self, runs: ModelRuns, place: RunPlace, pid: int) -> None:
        now = time.time()
        self._path = runs.heartbeat(place.run_id)
        self._now = Heartbeat(
            place.run_id, runs.model_id, place.job_id, place.restart, "starting", place.host, pid, started_at=now, updated_at=now
        )
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._complained = False
        self._thread = threading.Thread(target=self._keep, name="heartbeat", daemon=True)

    @property
    def heartbeat(self) -> Heartbeat:
        """The latest state."""
        return self._now

    def start(self) -> None:
        """Write the first heartbeat and keep it fresh from now on."""
        self.beat()
        self._thread.start()

    def note(self, **changes: Any) -> None:
        """Change what the next heartbeat says."""
        with self._lock:
            self._now = replace(self._now, **changes)

    def beat(self, **changes: Any) -> None:
        """Change it and write it now."""
        with self._lock:
            self._now = replace(self._now, **changes, updated_at=time.time())
            try:
                write_heartbeat(self._path, self._now)
            except OSError as error:
                if not self._complained:
                    log.warning("heartbeat %s cannot be written: %s", self._path, error)
                self._complained = True

    def stop(self) -> None:
        """Leave the heartbeat alone from now on, but for what `beat` is still told to write."""
        self._ended.set()

    def _keep(self) -> None:
        while not self._ended.wait(COMMIT_INTERVAL_SECONDS / 2):
            if time.time() - self._now.updated_at >= COMMIT_INTERVAL_SECONDS * 0.9:
                self.beat()
