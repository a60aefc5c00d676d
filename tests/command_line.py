"""The command line as a person uses it: a process of its own, in a folder of its own, with an empty home."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DEMO_QUESTIONS = ROOT / "evsctl" / "demo" / "questions.json"
DEMO_REPHRASINGS = ROOT / "evsctl" / "demo" / "rephrasings.json"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


def evsctl(*args: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 120) -> Done:
    """Run `evsctl ARGS` in `cwd`; `env` is laid over an environment without any EVSCTL_* or SLURM_* variable."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EVSCTL_", "SLURM_JOB"))}
    environment |= {"HOME": str(cwd), "XDG_CACHE_HOME": str(cwd / ".cache"), "PYTHONPATH": str(ROOT), "COLUMNS": "120"} | dict(env or {})
    argv = [sys.executable, "-m", "evsctl", *map(str, args)]
    done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def a_study(folder: Path) -> Path:
    """A small populated study with the packaged models, batch system `local`; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evsctl.toml").write_text('[study]\nname = "small"\n\n[cluster]\nbackend = "local"\n')
    done = evsctl("survey", "populate", "--questions", DEMO_QUESTIONS, "--rephrasings", DEMO_REPHRASINGS, cwd=folder)
    assert done.code == 0, done.err
    return folder
