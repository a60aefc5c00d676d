"""Jobs of the scripts that came before evsctl: they open the survey database themselves, so it must not be adopted under them."""

from collections.abc import Sequence
from pathlib import Path

from evsctl.errors import DatabaseError, SlurmError
from evsctl.jobs.commands import CommandRunner

COMMAND = ["squeue", "--me", "-h", "-o", "%A|%Z|%o"]
"""Job id, working directory, command with its arguments."""

LEGACY_SCRIPT = "run_db.sh"
DEFAULT_DATABASE = Path("eurollm/data/survey.db")
"""Where that script writes when it is not told, from its working directory."""


def refuse_legacy_writers(database: Path, runner: CommandRunner | None = None) -> None:
    """Raise DatabaseError while a queued or running job of this user names the database; a SLURM that does not answer is none.

    One squeue, asked only before a field database is adopted.
    """
    try:
        listing = (runner or CommandRunner()).read(COMMAND)
    except SlurmError:
        return
    found = [job_id for job_id, folder, command in _rows(listing) if names_database(command, folder, database)]
    if found:
        raise DatabaseError(
            f"{database} is still written by job {', '.join(found)} of the scripts that came before evsctl.",
            "Wait for its end, or `scancel` it; what it has committed stays.",
        )


def names_database(command: Sequence[str], folder: Path, database: Path) -> bool:
    """Whether a job's command writes this database: one of its arguments is the file, or it is the old script's default."""
    if not command:
        return False
    if any((folder / part).resolve() == database.resolve() for part in command[1:]):
        return True
    is_told = any(part.endswith(".db") for part in command[1:])
    return Path(command[0]).name == LEGACY_SCRIPT and not is_told and (folder / DEFAULT_DATABASE).resolve() == database.resolve()


def _rows(listing: str) -> list[tuple[str, Path, list[str]]]:
    rows = []
    for line in listing.splitlines():
        job_id, _, rest = line.strip().partition("|")
        folder, _, command = rest.partition("|")
        if job_id and folder:
            rows.append((job_id, Path(folder), command.split()))
    return rows
