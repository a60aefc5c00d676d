"""The Plan screen's lines: last time, now, and why, for each part of a request; pure."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from evsctl.jobs.display import shell_line
from evsctl.jobs.types import JobRequest
from evsctl.status.faces import FAULT, WARNING, plain
from evsctl.tui.texts import rule

if TYPE_CHECKING:
    from evsctl.jobs.plan import SubmissionPlan

_FIELDS = (
    ("memory", "memory_gb"),
    ("time", "walltime_minutes"),
    ("gpus", "gpus"),
    ("constraint", "constraint"),
    ("partition", "partition"),
    ("account", "account"),
    ("qos", "qos"),
    ("cpus", "cpus"),
    ("exclude", "exclude"),
)
_ALWAYS = ("memory_gb", "walltime_minutes", "gpus", "constraint")


def plan_lines(plan: "SubmissionPlan", width: int, ascii_only: bool = False) -> list[Text]:
    """Title, a line per part, warnings, problems, and the sbatch line, wrapped to `width`."""
    lines = [rule(plan_title(plan), width, ascii_only), Text()]
    lines += plan_table(plan.previous, plan.advice.request, plan.advice.reasons, width)
    lines += [Text(), *_remarks(plan, width)]
    lines += wrapped(shell_line(plan.argv), width, "dim")
    return [Text(plain(line.plain, True), style=line.style) for line in lines] if ascii_only else lines


def _remarks(plan: "SubmissionPlan", width: int) -> list[Text]:
    """Why to think twice, what to know, why not; an empty line behind."""
    lines: list[Text] = []
    if plan.advice.stop:
        lines += wrapped(f"! {plan.advice.stop}. Enter submits all the same.", width, FAULT)
    for warning in plan.advice.warnings:
        lines += wrapped(f"! {warning}", width, WARNING)
    for problem in plan.problems:
        lines += wrapped(f"✖ {problem}", width, FAULT)
    return [*lines, Text()] if lines else []


def plan_title(plan: "SubmissionPlan") -> str:
    """`gemma3_27b_pt · attempt 3 · 15,872 prompts left · bf16 · up to 8 GPU-h`."""
    request = plan.advice.request
    return f"{plan.model_id} · attempt {plan.attempt} · {plan.pending:,} prompts left · {plan.dtype} · {_cost([request])}"


def _cost(requests: Sequence[JobRequest]) -> str:
    """What these jobs use at most: `up to 8 GPU-h`; without GPUs `up to 1.5 h without GPU`; without limits `on this machine`."""
    gpu = sum(request.walltime_minutes * request.gpus for request in requests) / 60
    cpu = sum(request.walltime_minutes for request in requests) / 60
    return f"up to {gpu:,.4g} GPU-h" if gpu else f"up to {cpu:,.4g} h without GPU" if cpu else "on this machine"


def plan_table(before: JobRequest | None, now: JobRequest, reasons: dict[str, str], width: int) -> list[Text]:
    """One line per part of the request; what changes is bold, `same` where it does not."""
    told = [(word, name) for word, name in _FIELDS if _is_told(before, now, name)]
    rows = [(word, show(before, name), _now(before, now, name), reasons.get(name, "")) for word, name in told]
    first = max([len(row[1]) for row in rows] + [9]) + 2
    second = max([len(row[2]) for row in rows] + [5]) + 2
    room = max(20, width - 15 - first - second)
    lines = [Text(f" {'':<12} {'last time':<{first}}{'now':<{second}}why", style="dim")]
    for word, old, new, reason in rows:
        changed = before is not None and new not in (old, "same")
        why = Text(reason).wrap(Console(width=room), room) if reason else [Text()]
        line = Text(f" {word:<12} {old:<{first}}")
        line.append(f"{new:<{second}}", style="bold" if changed else "")
        lines.append(line + why[0])
        lines += [Text(" " * (14 + first + second)) + rest for rest in why[1:]]
    return lines


def _now(before: JobRequest | None, now: JobRequest, name: str) -> str:
    """What will be asked for; `same` spares a long value its second time."""
    old, new = show(before, name), show(now, name)
    return "same" if before is not None and old == new and len(new) > 8 else new


def show(request: JobRequest | None, name: str) -> str:
    """A part of a request as sbatch is told it."""
    if request is None:
        return "-"
    value = getattr(request, name)
    if name == "memory_gb":
        return f"{value}G"
    if name == "walltime_minutes":
        return request.walltime if value else "no limit"
    if isinstance(value, tuple):
        return ",".join(value) or "-"
    return str(value) if value not in (None, "") else "-"


def _is_told(before: JobRequest | None, now: JobRequest, name: str) -> bool:
    """The four that matter always; the others where they are set or have changed."""
    if name in _ALWAYS:
        return True
    changed = before is not None and getattr(before, name) != getattr(now, name)
    return changed or (bool(getattr(now, name)) and (name == "exclude" or before is None))


def wrapped(text: str, width: int, style: str) -> list[Text]:
    """A sentence as lines that fit `width` cells."""
    room = max(20, width - 2)
    lines = Text(text).wrap(Console(width=room), room)
    return [Text(" " + line.plain.rstrip(), style=style) for line in lines]


def plan_all_lines(plans: "Sequence[SubmissionPlan]", width: int, ascii_only: bool = False) -> list[Text]:
    """A line per job that would be submitted, what they add up to, and why the others stay behind."""
    ready = [plan for plan in plans if not plan.problems]
    prompts = sum(plan.pending for plan in ready)
    cost = _cost([plan.advice.request for plan in ready])
    title = f"{len(ready)} job{'' if len(ready) == 1 else 's'} · {prompts:,} prompts · {cost}"
    lines = [rule(plain(title, ascii_only), width, ascii_only), Text()]
    name = max([len(plan.model_id) for plan in plans] + [5])
    if ready:
        head = f" {'model':<{name}} {'prompts':>8} {'try':>4}  {'memory':>6} {'time':>10}  {'dtype':<5} constraint"
        lines.append(Text(head, style="dim"))
    shared = set.intersection(*(set(plan.advice.warnings) for plan in ready)) if len(ready) > 1 else set()
    for plan in ready:
        request = plan.advice.request
        numbers = f" {plan.model_id:<{name}} {plan.pending:>8,} {plan.attempt:>4}  {show(request, 'memory_gb'):>6}"
        lines.append(Text(f"{numbers} {show(request, 'walltime_minutes'):>10}  {plan.dtype:<5} {show(request, 'constraint')}"))
        own = [warning for warning in plan.advice.warnings if warning not in shared]
        for sentence in [*own, *([plan.advice.stop] if plan.advice.stop else [])]:
            lines += wrapped(plain(f"  ! {sentence}", ascii_only), width, FAULT)
    for warning in sorted(shared):
        lines += [Text(), *wrapped(plain(f"! {warning}", ascii_only), width, FAULT)]
    behind = [plan for plan in plans if plan.problems]
    if behind:
        lines += [Text(), Text(" not submitted", style="dim")]
    for plan in behind:
        lines += wrapped(plain(f"{plan.model_id}: {plan.problems[0]}", ascii_only), width, "")
    if not plans:
        lines.append(Text(" Every model of the study is complete, or has a job already."))
    return lines
