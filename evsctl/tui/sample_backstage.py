"""The sample study behind a dashboard: nothing moves, nothing is submitted."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evsctl.errors import SubmissionRefusedError
from evsctl.jobs.overrides import NO_OVERRIDES, RequestOverrides
from evsctl.jobs.types import Advice, JobRequest
from evsctl.status.check import AnswerCheck, GroupCheck
from evsctl.status.snapshot import ModelRow, Snapshot
from evsctl.tui.sample import SAMPLE_PROMPTS, sample_snapshot

_BEFORE = JobRequest(memory_gb=48, walltime_minutes=240, constraint="a100|l40s|h100", partition="gpu-preempt")
_NOW = JobRequest(memory_gb=48, walltime_minutes=480, constraint="a100|l40s|h100", partition="gpu-preempt", exclude=("gpu017",))
_REASONS = {
    "memory_gb": "as last time; its peak was 31.4G",
    "walltime_minutes": "15,872 ÷ 0.68/s × 1.2, up to the next half hour",
    "gpus": "as last time",
    "constraint": "as last time",
    "exclude": "failed under job 52544107 within the last day",
}
_WARNINGS = ("l40s (48 GB) cannot hold the 54 GB of bf16 weights.",)


@dataclass(frozen=True)
class SamplePlan:
    """As much of a plan as the Plan screen shows."""

    model_id: str
    attempt: int = 3
    pending: int = 15_872
    advice: Advice = field(default_factory=lambda: Advice(_NOW, _REASONS, _WARNINGS))
    previous: JobRequest | None = _BEFORE
    dtype: str = "bf16"
    problems: tuple[str, ...] = ()

    @property
    def argv(self) -> list[str]:
        """The sbatch line."""
        log = f"survey.runs/{self.model_id}/%j.log"
        return [
            *("sbatch", "--parsable", f"--job-name=evs-study-{self.model_id}", "--dependency=singleton", "--requeue", "--open-mode=append"),
            *("--signal=B:USR1@120", f"--output={log}", "--mem=48G", "-t", "08:00:00", "-G", "1", "--constraint=a100|l40s|h100"),
            *("--partition=gpu-preempt", "--cpus-per-task=4", "--exclude=gpu017", f"survey.runs/{self.model_id}/attempt-3.sbatch"),
        ]


class SampleBackstage:
    """Answers like a study, and refuses to act."""

    read_only = ""
    commands = ("10:41:50  squeue", "10:42:02  sacct -j 52544124")

    def __init__(self, log_path: str | None = None) -> None:
        self._snapshot = sample_snapshot(log_path)

    def look(self) -> Snapshot:
        """Always the same."""
        return self._snapshot

    def poll(self, *, force: bool = False) -> None:
        """Nobody to ask."""

    def plan(self, model_id: str, overrides: RequestOverrides = NO_OVERRIDES) -> Any:
        """The sample's plan."""
        return SamplePlan(model_id)

    def plan_all(self) -> Any:
        """Plans for the two models without a job."""
        return [SamplePlan("gemma3_27b_pt"), SamplePlan("gemma3_27b_it", attempt=1, pending=20_863, previous=None)]

    def submit_all(self, plans: Any) -> Any:
        """Refused."""
        raise SubmissionRefusedError("This is a sample: nothing is submitted.")

    def check(self, model_id: str) -> AnswerCheck:
        """An invented check."""
        languages = tuple(GroupCheck(lang, count, 0.55 + count % 17 / 50, count % 5) for lang, count in SAMPLE_PROMPTS.items())
        worst = (GroupCheck("v133", 132, 0.04, 120), GroupCheck("v276", 44, 0.09, 30))
        return AnswerCheck(model_id, 20_863, 0.64, sum(group.low for group in languages), languages, worst, 0)

    def submit(self, plan: Any) -> Any:
        """Refused."""
        raise SubmissionRefusedError("This is a sample: nothing is submitted.")

    def cancel(self, row: ModelRow) -> list[str]:
        """Refused."""
        raise SubmissionRefusedError("This is a sample: nothing is cancelled.")

    def tail(self, path: Path, lines: int) -> list[str]:
        """The end of the sample's log."""
        return path.read_text(encoding="utf-8").splitlines()[-lines:]
