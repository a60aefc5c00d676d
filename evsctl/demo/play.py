"""Runs the demonstration: submits its three models to this machine, waits, reports."""

import time
from collections.abc import Callable

from evsctl.demo.build import demo_registry
from evsctl.errors import ExitCode
from evsctl.jobs.types import ACTIVE_STATES
from evsctl.settings import Settings
from evsctl.status.snapshot import Snapshot

WAIT_SECONDS = 110.0


def submit_all(settings: Settings, say: Callable[[str], None]) -> None:
    """Submit every model that still has prompts to answer, by the same functions as `evsctl submit --local`."""
    from evsctl.db.connection import open_database
    from evsctl.jobs.plan import plan_submission
    from evsctl.jobs.ports import choose_port
    from evsctl.jobs.submit import submit_plan
    from evsctl.status.collector import Collector

    registry = demo_registry(settings)
    port = choose_port(settings, "local")
    snapshot = Collector(settings, registry, port).collect()
    with open_database(settings.database, write=True) as database:
        for row in snapshot.models:
            if row.done < row.total and row.state not in ACTIVE_STATES:
                plan = plan_submission(database, settings, registry, port, row.model_id)
                submission = submit_plan(database, settings, port, plan)
                say(f"{row.model_id}: {plan.pending} prompts submitted as {submission.job_id}")


def wait_and_report(settings: Settings, show: Callable[[Snapshot], None], say: Callable[[str], None]) -> ExitCode:
    """Wait for the runs to end, merge them whole and print the status table; 0 when every model has answered everything."""
    from evsctl.db.connection import open_database
    from evsctl.db.sync import sync_journals
    from evsctl.jobs.ports import choose_port
    from evsctl.status.collector import Collector

    collector = Collector(settings, demo_registry(settings), choose_port(settings, "local"))
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        snapshot = collector.collect(force_poll=True)
        is_over = all(row.state not in ACTIVE_STATES for row in snapshot.models)
        if is_over or time.monotonic() > deadline:
            break
        time.sleep(1.0)
    with open_database(settings.database, write=True) as database:
        sync_journals(database, database.runs)
    snapshot = collector.collect(force_poll=True)
    show(snapshot)
    say(f"the dashboard: cd {settings.folder} && evsctl dashboard      figures: evsctl figures all")
    return ExitCode.GOOD if all(row.done >= row.total for row in snapshot.models) else ExitCode.NEEDS_ATTENTION
