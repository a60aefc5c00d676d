"""What is said when the dashboard closes; pure."""

from evsctl.jobs.types import ACTIVE_STATES
from evsctl.status.order import in_order
from evsctl.status.snapshot import Snapshot


def farewell(snapshot: Snapshot | None) -> str:
    """Which jobs run on, and how to see them again."""
    rows = [row for row in in_order(snapshot.models) if row.state in ACTIVE_STATES and row.job_id] if snapshot else []
    if not rows:
        return "No job is in the queue." if snapshot and snapshot.slurm.reachable else ""
    names = ", ".join(f"{row.model_id} ({row.state}, job {row.job_id})" for row in rows[:6])
    more = f" and {len(rows) - 6} more" if len(rows) > 6 else ""
    verb = "job goes" if len(rows) == 1 else "jobs go"
    return f"{len(rows)} {verb} on without the dashboard: {names}{more}. `evsctl status` tells how they are."
