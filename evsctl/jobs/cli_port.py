"""SLURM through its own programs and their plain text, which every release prints alike."""

from evsctl.errors import SlurmError, SubmissionRefusedError
from evsctl.jobs import parsing
from evsctl.jobs.commands import CommandRunner, failure, is_unreachable, slurm_words
from evsctl.jobs.facts import ClusterFacts
from evsctl.jobs.types import HistoryRow, JobRequest, JobSpec, QueueRow

QUEUE_COMMAND = ["squeue", "--me", "-h", "-o", parsing.SQUEUE_FORMAT]
FACTS_COMMAND = ["sinfo", "-h", "-o", parsing.SINFO_FORMAT]


class SubmissionUnclearError(SlurmError):
    """sbatch got no answer: the job may be in the queue or not."""


class CliPort:
    """The port to a SLURM cluster."""

    name = "cli"

    def __init__(self, runner: CommandRunner | None = None) -> None:
        self.runner = runner or CommandRunner()

    def command(self, spec: JobSpec) -> list[str]:
        """The sbatch line of a job."""
        return [
            "sbatch",
            "--parsable",
            f"--job-name={spec.name}",
            "--dependency=singleton",
            "--requeue",
            "--open-mode=append",
            "--signal=B:USR1@120",
            f"--output={spec.log_pattern}",
            f"--chdir={spec.working_directory}",
            *request_arguments(spec.request),
            str(spec.script),
            *spec.arguments,
        ]

    def submit(self, spec: JobSpec) -> str:
        """Hand the job to SLURM.

        Raises SubmissionRefusedError with SLURM's words, SubmissionUnclearError where it may or may not have taken it.
        """
        argv = self.command(spec)
        try:
            done = self.runner.run(argv)
        except SlurmError as error:
            if "does not answer" in error.message:
                raise SubmissionUnclearError(error.message, error.fix) from error
            raise
        if done.returncode != 0 and is_unreachable(done.stderr):
            unreachable = failure("sbatch", done.stderr)
            raise SubmissionUnclearError(unreachable.message, unreachable.fix)
        if done.returncode != 0:
            raise SubmissionRefusedError(
                f"SLURM refused job '{spec.name}': {slurm_words(done.stderr)}.", "Change the request and submit again."
            )
        job_id = parsing.parse_job_id(done.stdout)
        if job_id is None:
            raise SubmissionUnclearError(f"sbatch answered '{done.stdout.strip()}' instead of a job id.", "Look with `evsctl jobs`.")
        return job_id

    def queue(self) -> tuple[QueueRow, ...]:
        """All of this user's jobs that have not ended."""
        return parsing.parse_squeue(self.runner.read(QUEUE_COMMAND))

    def history(self, job_ids: tuple[str, ...]) -> tuple[HistoryRow, ...]:
        """Accounting of these jobs, steps and earlier runs included."""
        if not job_ids:
            return ()
        return parsing.parse_sacct(self.runner.read(history_command(job_ids)))

    def cancel(self, job_ids: tuple[str, ...]) -> None:
        """Cancel jobs; one that has ended already is no error."""
        if not job_ids:
            return
        done = self.runner.run(self.cancel_command(job_ids))
        if done.returncode != 0:
            raise failure("scancel", done.stderr)

    def cancel_command(self, job_ids: tuple[str, ...]) -> list[str]:
        """The scancel line."""
        return ["scancel", *job_ids]

    def facts(self) -> ClusterFacts:
        """Partitions, limits and nodes, by one sinfo."""
        return parsing.parse_sinfo(self.runner.read(FACTS_COMMAND))


def history_command(job_ids: tuple[str, ...]) -> list[str]:
    """The sacct line; `-D` keeps the earlier runs of requeued jobs."""
    fields = ",".join(parsing.SACCT_FIELDS)
    return ["sacct", "-n", "-P", "-D", f"--delimiter={parsing.SEPARATOR}", "-j", ",".join(job_ids), "-o", fields]


def request_arguments(request: JobRequest) -> list[str]:
    """A request as sbatch arguments; what is not asked for is left to the site."""
    argv = [f"--mem={request.memory_gb}G", "-t", request.walltime]
    if request.gpus:
        argv += ["-G", str(request.gpus)]
    named = {"constraint": request.constraint, "partition": request.partition, "account": request.account, "qos": request.qos}
    argv += [f"--{name}={value}" for name, value in named.items() if value]
    argv.append(f"--cpus-per-task={request.cpus}")
    if request.exclude:
        argv.append(f"--exclude={','.join(request.exclude)}")
    return [*argv, *request.extra]
