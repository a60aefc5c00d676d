"""Every file name under `survey.runs/`, in one place."""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from evsctl.errors import InputError
from evsctl.files import make_private_folder


@dataclass(frozen=True, slots=True)
class RunsFolder:
    """`survey.runs/` beside the database: one folder per model, all that jobs read and write."""

    root: Path

    def model(self, model_id: str) -> "ModelRuns":
        """The folder of one model; nothing is created. Raises InputError where the id cannot name a folder here."""
        if model_id.startswith(".") or any(sign in model_id for sign in "/\0") or not model_id:
            raise InputError(f"Model id {model_id!r} cannot name a folder.", "Model ids hold no slash and begin with no dot.")
        return ModelRuns(self.root / model_id, model_id)

    def models(self) -> tuple["ModelRuns", ...]:
        """The folders that exist, by model id."""
        if not self.root.is_dir():
            return ()
        return tuple(ModelRuns(p, p.name) for p in sorted(self.root.iterdir()) if p.is_dir() and not p.name.startswith("."))

    @property
    def lease(self) -> Path:
        """The lock file of whoever writes the database."""
        return self.root / "lease.json"


@dataclass(frozen=True, slots=True)
class ModelRuns:
    """The files of one model's runs."""

    folder: Path
    model_id: str

    def create(self) -> "ModelRuns":
        """Make the folder where it is missing."""
        make_private_folder(self.folder)
        return self

    def journal(self, run_id: str) -> Path:
        """The journal that run `run_id` alone appends to."""
        return self.folder / f"{run_id}.jsonl"

    def heartbeat(self, run_id: str) -> Path:
        """The small file replaced at each commit."""
        return self.folder / f"{run_id}.status.json"

    def manifest(self, manifest_hash: str) -> Path:
        """The manifest of that hash."""
        return self.folder / f"manifest-{manifest_hash}.jsonl"

    def log(self, job_id: str) -> Path:
        """What the job printed; attempts of one job id append to it."""
        return self.folder / f"{job_id}.log"

    def script(self, name: str) -> Path:
        """A rendered job script, kept as submitted."""
        return self.folder / f"{name}.sbatch"

    @property
    def retractions(self) -> Path:
        """Results taken back by `redo`."""
        return self.folder / "retractions.jsonl"

    @property
    def claim(self) -> Path:
        """Who answers for this model now: the newest claim, or the name of the first where there is none yet."""
        return self.claim_file(self.claim_number() or 1)

    def claim_file(self, number: int) -> Path:
        """The claim of that number; the highest one counts."""
        return self.folder / f"claim-{number:06d}.json"

    def claim_numbers(self) -> tuple[int, ...]:
        """The numbers of all claims in the folder, lowest first."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return ()
        return tuple(sorted(int(found[1]) for name in names if (found := re.fullmatch(r"claim-(\d+)\.json", name))))

    def claim_number(self) -> int:
        """The number of the newest claim; 0 where there is none."""
        return max(self.claim_numbers(), default=0)

    @property
    def auto(self) -> Path:
        """The caps that submit copied for requeues from inside the job."""
        return self.folder / "auto.json"

    def journals(self) -> tuple[Path, ...]:
        """All journals by name (`999-r0` comes after `1000-r0`: their headers say when they began); manifests are none."""
        return tuple(p for p in sorted(self.folder.glob("*.jsonl")) if not p.name.startswith("manifest-") and p != self.retractions)

    def manifests(self) -> tuple[Path, ...]:
        """All manifests, newest first."""
        return self._newest_first("manifest-*.jsonl")

    def heartbeats(self) -> tuple[Path, ...]:
        """All heartbeats, newest first."""
        return self._newest_first("*.status.json")

    def _newest_first(self, pattern: str) -> tuple[Path, ...]:
        found = []
        for path in self.folder.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # replaced or deleted between the listing and the look
                found.append((path.stat().st_mtime_ns, path))
        return tuple(path for _, path in sorted(found, reverse=True))
