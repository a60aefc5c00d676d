"""SLURM's text into rows: pure functions over what squeue, sacct and sinfo print."""

import re
import time

from evsctl.jobs.facts import ClusterFacts, NodeGroup
from evsctl.jobs.overrides import walltime_seconds
from evsctl.jobs.types import HistoryRow, QueueRow

SEPARATOR = "|"

# The name comes last in both: people may write the separator into it.
SQUEUE_FORMAT = SEPARATOR.join(("%i", "%T", "%r", "%N", "%M", "%l", "%S", "%j"))
SACCT_FIELDS = (
    "JobID",
    "State",
    "ExitCode",
    "ElapsedRaw",
    "MaxRSS",
    "ReqMem",
    "AllocCPUS",
    "TimelimitRaw",
    "Start",
    "End",
    "NodeList",
    "JobName",
)
SINFO_FORMAT = SEPARATOR.join(("%P", "%l", "%D", "%c", "%m", "%G", "%f", "%N"))


def parse_squeue(text: str) -> tuple[QueueRow, ...]:
    """Rows of `squeue -h -o SQUEUE_FORMAT`; lines of another shape are passed over."""
    rows = []
    for line in text.splitlines():
        parts = line.split(SEPARATOR, 7)
        if len(parts) != 8 or not parts[0].strip():
            continue
        job_id, state, reason, nodes, elapsed, limit, start, name = (part.strip() for part in parts)
        rows.append(QueueRow(job_id, name, state, reason, nodes, walltime_seconds(elapsed), walltime_seconds(limit), parse_time(start)))
    return tuple(rows)


def parse_sacct(text: str) -> tuple[HistoryRow, ...]:
    """Rows of `sacct -n -P -o SACCT_FIELDS`: jobs, their steps, and with -D the earlier runs, in sacct's order."""
    rows = []
    for line in text.splitlines():
        parts = line.split(SEPARATOR, len(SACCT_FIELDS) - 1)
        if len(parts) != len(SACCT_FIELDS) or not parts[0].strip():
            continue
        value = dict(zip(SACCT_FIELDS, (part.strip() for part in parts), strict=True))
        job_id, _, step = value["JobID"].partition(".")
        state, _, rest = value["State"].partition(" ")
        uid = re.search(r"by (\d+)", rest)
        limit = value["TimelimitRaw"]
        rows.append(
            HistoryRow(
                job_id=job_id,
                step=step,
                state=state,
                exit_code=value["ExitCode"],
                cancelled_by_uid=int(uid[1]) if uid else None,
                elapsed_seconds=float(value["ElapsedRaw"]) if value["ElapsedRaw"].isdigit() else None,
                max_rss_gb=parse_size_gb(value["MaxRSS"]),
                requested_memory_gb=_requested_gb(value["ReqMem"], value["AllocCPUS"]),
                time_limit_seconds=float(limit) * 60 if limit.isdigit() else None,
                start_time=parse_time(value["Start"]),
                end_time=parse_time(value["End"]),
                nodes="" if value["NodeList"] == "None assigned" else value["NodeList"],
            )
        )
    return tuple(rows)


def parse_sinfo(text: str) -> ClusterFacts:
    """Groups of `sinfo -h -o SINFO_FORMAT`; a `+` behind a number (nodes differ) keeps the smaller number SLURM prints."""
    groups = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(SEPARATOR)]
        if len(parts) != 8:
            continue
        partition, limit, nodes, cpus, memory, gres, features, names = parts
        seconds = walltime_seconds(limit)
        groups.append(
            NodeGroup(
                partition=partition.rstrip("*"),
                is_default=partition.endswith("*"),
                time_limit_minutes=int(seconds // 60) if seconds is not None else None,
                nodes=_number(nodes),
                cpus=_number(cpus),
                memory_gb=_number(memory) // 1024,
                gpus=_gpus(gres),
                features=frozenset(part for part in features.split(",") if part and part != "(null)"),
                names=names,
            )
        )
    return ClusterFacts(tuple(groups))


def parse_job_id(text: str) -> str | None:
    """The id in sbatch's `--parsable` answer, `id` or `id;cluster`, on its last line; None where there is none."""
    lines = text.strip().splitlines()
    head = lines[-1].split(";")[0].strip() if lines else ""
    return head if head.isdigit() else None


def parse_time(text: str) -> float | None:
    """Seconds since the epoch of SLURM's time: epoch seconds, or local `YYYY-MM-DDTHH:MM:SS`; None for `N/A` and `Unknown`."""
    if text.isdigit():
        return float(text) or None
    try:
        return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None


_SIZE_IN_BYTES = {"": 1.0, "K": 2.0**10, "M": 2.0**20, "G": 2.0**30, "T": 2.0**40, "P": 2.0**50}


def parse_size_gb(text: str) -> float | None:
    """`211219K` in G (2³⁰ bytes); None where it is empty or no size."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)", text)
    return float(match[1]) * _SIZE_IN_BYTES[match[2]] / 2**30 if match else None


def _requested_gb(text: str, cpus: str) -> float | None:
    """ReqMem: `96G`; before 21.08 `96Gn` per node and `4Gc` per CPU."""
    size = parse_size_gb(text.rstrip("nc"))
    if size is not None and text.endswith("c") and cpus.isdigit():
        return size * int(cpus)
    return size


def _number(text: str) -> int:
    digits = re.match(r"\d+", text)
    return int(digits[0]) if digits else 0


def _gpus(gres: str) -> dict[str, int]:
    """`gpu:a100:4(S:0-1)` or `gpu:4` into numbers by type."""
    found: dict[str, int] = {}
    for part in gres.split(","):
        match = re.match(r"gpu:(?:([^:()]+):)?(\d+)", part.strip())
        if match:
            found[match[1] or ""] = found.get(match[1] or "", 0) + int(match[2])
    return found
