"""A batch system that remembers what was asked of it: every command the dashboard runs is listed."""

import time
from collections import deque

from evsctl.jobs.display import shell_line
from evsctl.jobs.facts import ClusterFacts, KnowsCluster
from evsctl.jobs.types import HistoryRow, JobPort, JobSpec, QueueRow

KEPT_COMMANDS = 200


class WatchedPort:
    """Hands everything on to `port` and keeps a line for each command."""

    def __init__(self, port: JobPort) -> None:
        self._port = port
        self.name = port.name
        self._ran: deque[str] = deque(maxlen=KEPT_COMMANDS)

    @property
    def commands(self) -> list[str]:
        """The commands, oldest first, each with its time."""
        return list(self._ran)

    def _note(self, command: str) -> None:
        self._ran.append(f"{time.strftime('%H:%M:%S')}  {command}")

    def submit(self, spec: JobSpec) -> str:
        """Hand the job over."""
        self._note(shell_line(self._port.command(spec)))
        return self._port.submit(spec)

    def command(self, spec: JobSpec) -> list[str]:
        """The exact argv that `submit` runs."""
        return self._port.command(spec)

    def queue(self) -> tuple[QueueRow, ...]:
        """All jobs in the queue."""
        if self.name != "local":
            self._note("squeue")
        return self._port.queue()

    def history(self, job_ids: tuple[str, ...]) -> tuple[HistoryRow, ...]:
        """Accounting of these jobs."""
        if self.name != "local":
            self._note(f"sacct -j {','.join(job_ids)}")
        return self._port.history(job_ids)

    def cancel(self, job_ids: tuple[str, ...]) -> None:
        """Cancel jobs."""
        self._note(shell_line(self._port.cancel_command(job_ids)))
        self._port.cancel(job_ids)

    def cancel_command(self, job_ids: tuple[str, ...]) -> list[str]:
        """The exact argv that `cancel` runs."""
        return self._port.cancel_command(job_ids)

    def facts(self) -> ClusterFacts:
        """What the cluster has; empty where the port does not know."""
        if not isinstance(self._port, KnowsCluster):
            return ClusterFacts()
        self._note("sinfo")
        return self._port.facts()
