"""Running SLURM's programs: argv lists, a time limit, and failures that say what they mean."""

import os
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evsctl.errors import SlurmError

TIMEOUT_SECONDS = 15.0
"""SLURM's programs give up by themselves after about 9 s (MessageTimeout=10) when the controller is down."""

_UNREACHABLE = (
    "Unable to contact slurm controller",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Connection refused",
    "Connection timed out",
    "Unable to establish a connection",
    "Could not establish a configuration source",
    "Problem talking to the database",
    "Unable to establish controller machine",
    "Communication connection failure",
    "fatal: Could not",
)


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command that was run, for the list people can look at."""

    argv: tuple[str, ...]
    at: float
    seconds: float
    returncode: int | None
    """None: it did not end in time."""


@dataclass(slots=True)
class CommandRunner:
    """Runs programs and remembers the latest of them."""

    timeout: float = TIMEOUT_SECONDS
    recent: deque[CommandRecord] = field(default_factory=lambda: deque(maxlen=200))

    def read(self, argv: Sequence[str]) -> str:
        """What a reading command printed; raises SlurmError where it failed."""
        done = self.run(argv, reading_environment(os.environ))
        if done.returncode != 0:
            raise failure(argv[0], done.stderr or done.stdout)
        return done.stdout

    def run(self, argv: Sequence[str], environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever its end; raises SlurmError where it is not installed or hangs."""
        started, clock = time.time(), time.monotonic()
        returncode = None
        try:
            done = subprocess.run(
                list(argv),
                env=dict(environ if environ is not None else clean_environment(os.environ)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self.timeout,
                check=False,
            )
            returncode = done.returncode
        except FileNotFoundError as error:
            raise SlurmError(f"SLURM is not installed here: there is no `{argv[0]}`.", "Use `--local` to run on this machine.") from error
        except subprocess.TimeoutExpired as error:
            raise SlurmError(
                f"SLURM does not answer: `{argv[0]}` took more than {self.timeout:g} s.", "Try again in a moment; jobs go on meanwhile."
            ) from error
        except OSError as error:
            raise SlurmError(f"`{argv[0]}` cannot be run: {error}.", "Run it by hand in this shell to see more.") from error
        finally:
            self.recent.append(CommandRecord(tuple(argv), started, time.monotonic() - clock, returncode))
        return done


def failure(program: str, words: str) -> SlurmError:
    """The error that SLURM's own words amount to."""
    said = slurm_words(words)
    if "configuration source" in words:
        return SlurmError(
            f"SLURM is installed here, but {program} finds no cluster to talk to.",
            "Set SLURM_CONF, or use `--local` to run on this machine.",
        )
    if is_unreachable(words):
        return SlurmError(f"SLURM does not answer: {program} says '{said}'.", "Try again in a moment; jobs go on meanwhile.")
    return SlurmError(f"{program} failed: {said or 'without a word'}.", "Run it by hand in this shell to see more.")


def is_unreachable(words: str) -> bool:
    """Whether SLURM's words mean that nobody answered, rather than that the answer was no."""
    return any(mark in words for mark in _UNREACHABLE)


def slurm_words(text: str) -> str:
    """SLURM's message without its prefixes, on one line."""
    lines = []
    for line in text.splitlines():
        head, _, rest = line.strip().partition(": error: ")
        said = (rest or head).strip()
        if said and said not in lines:
            lines.append(said)
    return "; ".join(lines)


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the job we may ourselves be running in.

    A dashboard is often started inside an interactive job: its SLURM_* variables would reach the new job through sbatch.
    """
    keep = ("SLURM_CONF", "SLURM_CLUSTERS")
    return {name: value for name, value in environ.items() if not name.startswith("SLURM_") or name in keep}


def reading_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for squeue, sacct and sinfo: no defaults of the user's, times as seconds since the epoch, English."""
    kept = {name: value for name, value in clean_environment(environ).items() if not name.startswith(("SQUEUE_", "SACCT_", "SINFO_"))}
    return {**kept, "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C"}
