"""A batch system in memory, and a study small enough to read."""

import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from evsctl.db.connection import Database
from evsctl.db.populate import populate_survey
from evsctl.errors import SlurmError
from evsctl.jobs.cli_port import CliPort
from evsctl.jobs.facts import ClusterFacts, NodeGroup
from evsctl.jobs.types import HistoryRow, JobSpec, QueueRow
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.manifest import Manifest
from evsctl.journal.paths import ModelRuns
from evsctl.journal.records import JournalHeader, PromptResult
from evsctl.journal.writer import JournalWriter
from evsctl.models.registry import Registry
from evsctl.models.spec import ModelSpec
from evsctl.survey.prompts import build_prompts
from evsctl.survey.types import AnswerOption, Question, Translation

REGISTRY = Registry(
    {
        spec.model_id: spec
        for spec in (
            ModelSpec("tiny", "org/tiny", "tiny", ("eng", "deu"), memory_gb=48, walltime_minutes=240, constraint="a100|h100"),
            ModelSpec("tiny_eng", "org/tiny-eng", "tiny", ("eng",), memory_gb=8, walltime_minutes=60, constraint="a100"),
            ModelSpec("big", "org/big", "big", ("eng",), dtype="int4", memory_gb=192, walltime_minutes=480, constraint="a100-80g"),
        )
    }
)


@dataclass
class FakePort:
    """SLURM's side of the port, played by the test; its commands are those of the real one."""

    name: str = "cli"
    rows: dict[str, QueueRow] = field(default_factory=dict)
    records: list[HistoryRow] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    submitted: list[JobSpec] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)
    """Raised by the next submissions, one each."""
    down: bool = False
    next_id: int = 101

    def command(self, spec: JobSpec) -> list[str]:
        return CliPort().command(spec)

    def submit(self, spec: JobSpec) -> str:
        self.calls.append("sbatch")
        if self.refusals:
            raise self.refusals.pop(0)
        return self.accept(spec)

    def accept(self, spec: JobSpec) -> str:
        job_id = str(self.next_id)
        self.next_id += 1
        self.submitted.append(spec)
        self.rows[job_id] = QueueRow(job_id, spec.name, "PENDING", "Priority", "", 0.0, 60.0 * spec.request.walltime_minutes, None)
        return job_id

    def queue(self) -> tuple[QueueRow, ...]:
        self.calls.append("squeue")
        if self.down:
            raise SlurmError("SLURM does not answer: squeue says 'Unable to contact slurm controller'.")
        return tuple(self.rows.values())

    def history(self, job_ids: tuple[str, ...]) -> tuple[HistoryRow, ...]:
        self.calls.append(f"sacct {','.join(job_ids)}")
        return tuple(row for row in self.records if row.job_id in job_ids)

    def cancel(self, job_ids: tuple[str, ...]) -> None:
        self.cancelled += job_ids

    def cancel_command(self, job_ids: tuple[str, ...]) -> list[str]:
        return ["scancel", *job_ids]

    def facts(self) -> ClusterFacts:
        self.calls.append("sinfo")
        return ClusterFacts((NodeGroup("gpu", True, 2880, 4, 64, 1000, {"a100": 4}, frozenset({"a100", "h100", "a100-80g"})),))

    def start(self, job_id: str) -> None:
        """Let a waiting job run."""
        self.rows[job_id] = replace(self.rows[job_id], state="RUNNING", reason="None", nodes="gpu017", start_time=time.time() - 60)

    def end(self, job_id: str, state: str = "COMPLETED", exit_code: str = "0:0") -> None:
        """Take a job out of the queue and into accounting."""
        self.rows.pop(job_id, None)
        now = time.time()
        self.records.append(HistoryRow(job_id, "", state, exit_code, None, 60.0, None, 48.0, 14400.0, now - 60, now, "gpu017"))


def populate(db: Database) -> None:
    """Two questions in two languages: 2 × 2 × 2 = 8 prompts for `tiny`, 4 for `tiny_eng`."""
    options = (AnswerOption(1, "Yes"), AnswerOption(2, "No"))
    questions = [
        Question(f"q{n}", "categorical", {lang: Translation(f"Is it {n} in {lang}?", "", "", options, "Answer") for lang in ("eng", "deu")})
        for n in (1, 2)
    ]
    populate_survey(db, questions, build_prompts(questions, "legacy"), REGISTRY)


def answer(
    runs: ModelRuns, manifest: Manifest, count: int, job_id: str | None, identity: ModelIdentity | None = None, start: int = 0
) -> Path:
    """Write a journal with answers to prompts of a manifest, as a job's engine would."""
    header = JournalHeader(
        run_id=f"{job_id}-r0",
        model_id=runs.model_id,
        manifest_hash=manifest.hash,
        identity=identity or manifest.identity,
        plan_hash="p",
        executor="resident",
        engine_version="0",
        host="gpu017",
        gpu="NVIDIA A100",
        job_id=job_id,
        restart=0,
        started_at=time.time(),
    )
    path = runs.create().journal(header.run_id)
    writer = JournalWriter(path, header)
    prompts = manifest.prompts[start : start + count]
    writer.commit([PromptResult(p.key, p.hash, 0.9, {v: 1 / len(p.value_map) for v in p.value_map.values()}) for p in prompts])
    writer.close()
    return path
