"""Which port to use here."""

import shutil

from evsctl.errors import InputError
from evsctl.files import nearest_name
from evsctl.jobs.cli_port import CliPort
from evsctl.jobs.local_port import LocalPort
from evsctl.jobs.types import JobPort
from evsctl.journal.paths import RunsFolder
from evsctl.settings import Settings

BACKENDS = ("cli", "local", "pyslurm")


def choose_port(settings: Settings, backend: str | None = None, runs: RunsFolder | None = None) -> JobPort:
    """The port asked for by flag, else by `[cluster] backend`, else `cli` where sbatch is installed and `local` elsewhere.

    Raises InputError for an unknown name, and for `pyslurm` where it is not installed.
    """
    wanted = backend or settings.cluster.backend or ("cli" if shutil.which("sbatch") else "local")
    if wanted == "cli":
        return CliPort()
    if wanted == "local":
        return LocalPort(runs or RunsFolder(settings.database.runs_dir))
    if wanted == "pyslurm":
        from evsctl.jobs.pyslurm_port import PyslurmPort

        return PyslurmPort()
    raise InputError(f"Unknown backend '{wanted}'.", nearest_name(wanted, BACKENDS) or f"Known: {', '.join(BACKENDS)}.")
