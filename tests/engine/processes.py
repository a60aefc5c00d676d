"""Runs in processes of their own: started, watched through their heartbeats, signalled."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evsctl.journal.heartbeat import Heartbeat, read_heartbeat
from tests.engine.factories import Study

SCRIPT = Path(__file__).with_name("run_once.py")
PATIENCE_SECONDS = 120.0


@contextmanager
def a_process(study: Study, environ: Mapping[str, str] | None = None, **given: Any) -> Iterator[subprocess.Popen[str]]:
    """`run_once.py` on this study; killed at the end where it still runs."""
    words = {"manifest": str(study.manifest_path), "model": str(study.model), **given}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SLURM")}
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), json.dumps(words)],
        env={**clean, "OMP_NUM_THREADS": "1", **(environ or {})},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def heartbeat_of(study: Study, pid: int) -> Heartbeat | None:
    """The heartbeat of the process `pid`, if it wrote one."""
    found = (read_heartbeat(path) for path in study.runs.heartbeats())
    return next((beat for beat in found if beat is not None and beat.pid == pid), None)


def wait_for(study: Study, process: subprocess.Popen[str], phase: str, done: int = 0) -> Heartbeat:
    """Wait until the process says that it is in `phase` and has `done` prompts of the manifest."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        beat = heartbeat_of(study, process.pid)
        if beat is not None and beat.phase == phase and beat.manifest_done >= done:
            return beat
        assert process.poll() is None, f"it ended with {process.returncode}: {process.communicate()[1]}"
        time.sleep(0.01)
    raise AssertionError(f"not {phase} with {done} prompts within {PATIENCE_SECONDS:g} s")


def kill(process: subprocess.Popen[str]) -> None:
    """End a process at once, as a node failure does."""
    process.send_signal(signal.SIGKILL)
    process.wait()
