"""Stands in for the engine inside a job: answers a few prompts of its manifest, then ends as the file `ending` beside it says.

The file has one line per run: how many prompts to answer, and how to end (an exit code, `wait` for a signal, or `eat` memory).
"""

import os
import signal
import sys
import time
from pathlib import Path

from evsctl.journal.heartbeat import Heartbeat, write_heartbeat
from evsctl.journal.manifest import read_manifest
from evsctl.journal.paths import ModelRuns
from evsctl.journal.reader import read_journal
from evsctl.journal.records import JournalHeader, PromptResult
from evsctl.journal.writer import JournalWriter


def main() -> int:
    """Answer, and end."""
    signal.signal(signal.SIGUSR1, lambda *_: sys.exit(75))
    arguments = sys.argv[1:]
    path = Path(arguments[arguments.index("--manifest") + 1])
    manifest, runs = read_manifest(path), ModelRuns(path.parent, arguments[arguments.index("run") + 1])
    done = {line.result.key for journal in runs.journals() for line in read_journal(journal).lines}
    script = Path(__file__).parent / "ending"
    lines = script.read_text().splitlines()
    script.write_text("\n".join(lines[1:]))
    count, ending = lines[0].split()
    job_id, restart = os.environ.get("SLURM_JOB_ID"), int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    run_id = f"{job_id or os.environ['EVSCTL_JOB_ID']}-r{restart}"
    now = time.time()
    header = JournalHeader(
        run_id, runs.model_id, manifest.hash, manifest.identity, "p", "stub", "0", os.uname().nodename, None, job_id, restart, now
    )
    writer = JournalWriter(runs.journal(run_id), header)
    asked = [prompt for prompt in manifest.prompts if prompt.key not in done][: int(count)]
    writer.commit([PromptResult(p.key, p.hash, 0.9, {v: 1 / len(p.value_map) for v in p.value_map.values()}) for p in asked])
    writer.close()
    phase = "running" if ending in ("wait", "eat") else "stopped"
    write_heartbeat(
        runs.heartbeat(run_id), Heartbeat(run_id, runs.model_id, job_id, restart, phase, "h", os.getpid(), updated_at=time.time())
    )
    print(f"answered {len(asked)}", *arguments[arguments.index("--manifest") + 2 :], flush=True)  # noqa: T201  # into the job log
    return _end(ending)


def _end(ending: str) -> int:
    if ending == "eat":
        hoard = []
        for _ in range(600):
            hoard.append(bytearray(16 << 20))
            time.sleep(0.02)
    if ending in ("wait", "eat"):
        time.sleep(300)
    return int(ending)


if __name__ == "__main__":
    sys.exit(main())
