"""A request edited by hand, as the flags of `evsctl submit`; pure."""

import shlex

from evsctl.errors import InputError
from evsctl.files import nearest_name
from evsctl.jobs.overrides import RequestOverrides
from evsctl.jobs.types import JobRequest

FLAGS = ("mem", "time", "gpus", "constraint", "partition", "account", "qos", "cpus", "exclude")


def request_flags(request: JobRequest) -> str:
    """The parts a person is likely to change, ready to be edited: `--mem 48G --time 04:00:00 --constraint 'a100|h100'`."""
    parts = ["--mem", f"{request.memory_gb}G"]
    if request.walltime_minutes:
        parts += ["--time", request.walltime]
    if request.constraint:
        parts += ["--constraint", request.constraint]
    if request.exclude:
        parts += ["--exclude", ",".join(request.exclude)]
    return shlex.join(parts)


def parse_flags(text: str) -> RequestOverrides:
    """Read such flags; raises InputError naming the one that is wrong."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise InputError(f"The flags cannot be read: {error}.", "Check the quotes.") from None
    given: dict[str, str] = {}
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in FLAGS:
            raise InputError(f"Unknown flag '{word}'.", nearest_name(name, FLAGS) or f"Known: --{', --'.join(FLAGS)}.")
        if not equals:
            if not words:
                raise InputError(f"--{name} lacks its value.", "Write it behind the flag.")
            value = words.pop(0)
        given[name] = value
    numbers = {name: _number(name, given.pop(name)) for name in ("gpus", "cpus") if name in given}
    return RequestOverrides.from_text(**given, **numbers)  # type: ignore[arg-type]


def _number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"--{name} '{text}' is not a whole number.", "Write it like 1.") from None
