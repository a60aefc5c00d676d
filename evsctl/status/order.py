"""In which order models are shown, and which of them fold into their family's row; pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evsctl.jobs.types import COMPLETING, DONE, PENDING, RUNNING
from evsctl.status.snapshot import ModelRow, Snapshot


def rank(row: ModelRow) -> int:
    """Needs you, running, pending, everything that waits for a decision, outside the study, done."""
    if row.needs_attention:
        return 0
    if row.state in (RUNNING, COMPLETING):
        return 1
    if row.state == PENDING:
        return 2
    if row.state == DONE:
        return 5
    return 3 if row.in_study or row.attempt else 4


def in_order(rows: Sequence[ModelRow]) -> tuple[ModelRow, ...]:
    """What needs a person on top; within a rank the table's order."""
    return tuple(sorted(rows, key=rank))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: a model, or a family's finished members."""

    row: ModelRow
    """The model; of a family, the sums over its finished members."""
    family: str | None = None
    """Set where the line stands for a family's finished members."""
    members: int = 0
    of: int = 0
    is_folded: bool = False
    is_member: bool = False
    """Shown below its family's heading."""

    @property
    def key(self) -> str:
        """What stays the same between two snapshots."""
        return f"family:{self.family}" if self.family else self.row.model_id

    @property
    def name(self) -> str:
        """What stands in the MODEL column."""
        if self.family:
            return f"{'▸' if self.is_folded else '▾'} {self.family} {self.members}/{self.of}"
        return f"  {self.row.model_id}" if self.is_member else self.row.model_id


def may_fold(row: ModelRow) -> bool:
    """Finished, and nothing to say about it."""
    return row.state == DONE and not row.needs_attention and not row.next_action


def fold_lines(rows: Sequence[ModelRow], unfolded: frozenset[str] = frozenset()) -> tuple[Line, ...]:
    """The table's lines: the finished members of a family of several fold into one line at its first finished member's place.

    An `unfolded` family keeps its line as a heading, its members below.
    """
    size: dict[str, int] = {}
    finished: dict[str, list[ModelRow]] = {}
    for row in rows:
        size[row.family] = size.get(row.family, 0) + 1
        if may_fold(row):
            finished.setdefault(row.family, []).append(row)
    lines: list[Line] = []
    headed: set[str] = set()
    for row in rows:
        members = finished.get(row.family, [])
        if not may_fold(row) or len(members) < 2:
            lines.append(Line(row))
            continue
        if row.family not in headed:
            headed.add(row.family)
            lines.append(Line(_sum(members), row.family, len(members), size[row.family], row.family not in unfolded))
        if row.family in unfolded:
            lines.append(Line(row, is_member=True))
    return tuple(lines)


def _sum(members: Sequence[ModelRow]) -> ModelRow:
    known = [row.p_valid_mean for row in members if row.p_valid_mean is not None]
    return replace(
        members[0],
        model_id=members[0].family,
        done=sum(row.done for row in members),
        total=sum(row.total for row in members),
        failed=sum(row.failed for row in members),
        p_valid_mean=min(known) if known else None,
        job_id=None,
        attempt=0,
        nodes="",
        log_path=None,
        attempts=(),
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """Which models the user wants to see."""

    words: str = ""
    """Part of a name or of a state; empty for all."""
    faults_only: bool = False
    unfolded: frozenset[str] = frozenset()
    """Families whose finished members are shown one by one."""

    def lines(self, models: Sequence[ModelRow]) -> tuple[Line, ...]:
        """The table's lines in their order; what was looked for does not hide in a fold."""
        rows = [row for row in in_order(models) if row.needs_attention or not self.faults_only]
        if not self.words:
            return fold_lines(rows, self.unfolded)
        wanted = self.words.lower()
        return tuple(Line(row) for row in rows if wanted in row.model_id.lower() or wanted in row.state)

    @property
    def nothing_found(self) -> str:
        """What is said where no line is left."""
        return f"No model matches '{self.words}'. esc clears the filter." if self.words else "No model needs you. esc shows all."


@dataclass(frozen=True, slots=True)
class Totals:
    """The study in numbers; models outside the study count only where they were started."""

    models: int
    done: int
    running: int
    pending: int
    attention: int
    prompts_left: int
    prompts: int
    gpu_hours: float

    @property
    def is_finished(self) -> bool:
        """Nothing is missing."""
        return self.models > 0 and self.done == self.models


def totals(snapshot: Snapshot) -> Totals:
    """Add up the models of the study."""
    rows = [row for row in snapshot.models if row.in_study or row.done or row.attempt]
    return Totals(
        models=len(rows),
        done=sum(row.state == DONE for row in rows),
        running=sum(row.state in (RUNNING, COMPLETING) for row in rows),
        pending=sum(row.state == PENDING for row in rows),
        attention=snapshot.attention,
        prompts_left=sum(row.missing for row in rows),
        prompts=sum(row.total for row in rows),
        gpu_hours=sum((item.elapsed_seconds or 0.0) * item.gpus for row in rows for item in row.attempts) / 3600.0,
    )
