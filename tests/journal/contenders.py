"""Processes that fight for claims; a module of its own so that a fresh interpreter finds it."""

import os
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from evsctl.errors import ClaimedError
from evsctl.journal.claim import acquire_claim, release_claim, still_held
from evsctl.journal.paths import RunsFolder


def contend(root: Path, rounds: int, name: str, barrier: Barrier, outcomes: "Queue[tuple[int, str, bool]]") -> None:
    """In each round try once, at the same moment as the others, for that round's model; then wait for everyone."""
    for number in range(rounds):
        runs = RunsFolder(root).model(f"m{number}")
        barrier.wait()
        try:
            claim = acquire_claim(runs, name, name, 0)
        except ClaimedError:
            outcomes.put((number, name, False))
        else:
            outcomes.put((number, name, still_held(runs, claim)))
        barrier.wait()


def take_turns(root: Path, turns: int, name: str, barrier: Barrier, outcomes: "Queue[tuple[int, str, bool]]") -> None:
    """Acquire and release one model over and over; an outcome is False where somebody else was inside at the same time."""
    runs, inside = RunsFolder(root).model("m"), root / "inside"
    barrier.wait()
    done = 0
    while done < turns:
        try:
            claim = acquire_claim(runs, name, name, 0)
        except ClaimedError:
            continue
        try:
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            alone = still_held(runs, claim)
            inside.unlink()
        except FileExistsError:
            alone = False
        outcomes.put((done, name, alone))
        release_claim(runs, claim)
        done += 1
