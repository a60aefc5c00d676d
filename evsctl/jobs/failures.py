"""What a log says about an end: out of memory, out of time, out of GPU memory, or the error itself."""

import re

GPU_OOM_WORDS = re.compile(
    r"CUDA out of memory|torch\.OutOfMemoryError|torch\.cuda\.OutOfMemoryError|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
)
HOST_OOM_WORDS = re.compile(
    r"oom[-_ ]kill|Out[ -]Of[ -]Memory handler|exceeded memory limit|Exceeded job memory limit"
    r"|Cannot allocate memory|^MemoryError|std::bad_alloc",
    re.IGNORECASE | re.MULTILINE,
)
TIME_WORDS = re.compile(r"DUE TO TIME LIMIT")
PREEMPTED_WORDS = re.compile(r"DUE TO PREEMPTION")
NODE_WORDS = re.compile(r"DUE TO NODE FAILURE|DUE TO.*NODE.*FAIL", re.IGNORECASE)
CANCELLED_WORDS = re.compile(r"\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT \S+ \*\*\*")

LAST_WORDS = 30
"""Lines at a log's end that can be about its end."""

_BANNER = "== evsctl: "
_ERROR_LINE = re.compile(
    r"^(?:[\w.]*(?:Error|Exception|Interrupt)\b.*|error: .*|evsctl: .*|.*: error: .*|.*: command not found|.*No such file or directory.*)$"
)


def last_run(log_tail: str) -> str:
    """The part of a log that belongs to the job's latest run: requeued runs append to one file."""
    return log_tail[max(0, log_tail.rfind(_BANNER)) :]


def gpu_ran_out(log_tail: str) -> bool:
    """Whether GPU memory is what the run ended of; earlier ones the engine answered itself, by halving its packs."""
    return GPU_OOM_WORDS.search("\n".join(last_run(log_tail).splitlines()[-LAST_WORDS:])) is not None


def error_line(log_tail: str) -> str:
    """The line that best says what went wrong: the last that looks like an error, else the last with words; empty without a log."""
    lines = [line.strip() for line in last_run(log_tail).splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR_LINE.match(line) and "slurmstepd" not in line]
    found = errors[-1] if errors else (lines[-1] if lines else "")
    return found[:200]


def normalised(line: str) -> str:
    """A line without what differs between two runs of one failure: numbers, addresses, paths."""
    line = re.sub(r"0x[0-9a-fA-F]+", "0x", line)
    line = re.sub(r"(/[\w.+@-]+){2,}", "/…", line)
    return re.sub(r"\d+(\.\d+)?", "#", line)[:120]
