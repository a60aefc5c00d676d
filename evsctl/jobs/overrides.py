"""What a person asks for instead of the advice, and how sizes and times are written."""

import math
import re
from dataclasses import dataclass, fields, replace

from evsctl.errors import InputError
from evsctl.jobs.types import JobRequest


@dataclass(frozen=True, slots=True)
class RequestOverrides:
    """Parts of a request given by hand; None leaves the advice."""

    memory_gb: int | None = None
    walltime_minutes: int | None = None
    gpus: int | None = None
    constraint: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    cpus: int | None = None
    exclude: tuple[str, ...] | None = None

    @classmethod
    def from_text(
        cls,
        *,
        mem: str | None = None,
        time: str | None = None,
        gpus: int | None = None,
        constraint: str | None = None,
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        cpus: int | None = None,
        exclude: str | None = None,
    ) -> "RequestOverrides":
        """Read the command line's flags; raises InputError naming the flag."""
        for flag, number, least in (("--gpus", gpus, 0), ("--cpus", cpus, 1)):
            if number is not None and number < least:
                raise InputError(f"{flag} {number} makes no sense.", f"Use {least} or more.")
        return cls(
            parse_memory(mem) if mem is not None else None,
            parse_walltime(time) if time is not None else None,
            gpus,
            constraint,
            partition,
            account,
            qos,
            cpus,
            tuple(part for part in exclude.split(",") if part) if exclude is not None else None,
        )

    @property
    def given(self) -> dict[str, object]:
        """Only what was given, by field of the request."""
        return {item.name: value for item in fields(self) if (value := getattr(self, item.name)) is not None}

    def apply(self, request: JobRequest) -> JobRequest:
        """The request with the given parts in place; an empty text takes a part away."""
        values = {name: (None if value == "" else value) for name, value in self.given.items()}
        return replace(request, **values)  # type: ignore[arg-type]


NO_OVERRIDES = RequestOverrides()

_UNITS = {"M": 1 / 1024, "G": 1.0, "T": 1024.0}


def parse_memory(text: str) -> int:
    """`96G`, `1T` or `98304M` in whole G (2³⁰ bytes, SLURM's way), rounded up; raises InputError.

    A number without unit is refused: SLURM would read megabytes where people mean gigabytes.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([MGT])(?:i?B)?\s*", text, re.IGNORECASE)
    if match is None:
        raise InputError(f"--mem '{text}' is not a size with its unit.", "Write it like 96G.")
    size = math.ceil(float(match[1]) * _UNITS[match[2].upper()])
    if size < 1:
        raise InputError("--mem 0 would ask for a whole node's memory.", "Write it like 96G.")
    return size


def parse_walltime(text: str) -> int:
    """SLURM's time formats (`30`, `30:00`, `4:00:00`, `1-0`, `1-00:00`, `1-00:00:00`) in minutes, rounded up; raises InputError."""
    seconds = walltime_seconds(text.strip())
    if seconds is None or seconds <= 0:
        raise InputError(f"--time '{text}' is not a time.", "Write it like 4:00:00, 1-00:00:00, or 30 for minutes.")
    return math.ceil(seconds / 60)


def walltime_seconds(text: str) -> float | None:
    """Seconds of a SLURM time; None for `UNLIMITED`, `INVALID` and everything that is no time."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text)
    if match is None:
        return None
    days, first, second, third = (None if part is None else int(part) for part in match.groups())
    if days is not None:  # D-HH[:MM[:SS]]
        return float(((days * 24 + (first or 0)) * 60 + (second or 0)) * 60 + (third or 0))
    if third is not None:  # HH:MM:SS
        return float(((first or 0) * 60 + (second or 0)) * 60 + third)
    return float((first or 0) * 60 + (second or 0))  # MM[:SS]
