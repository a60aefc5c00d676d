"""The Jobs screen: every job the study ever submitted, newest first, and the commands this window ran."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from evsctl.status.amounts import gigabytes, rough_span, span, walltime
from evsctl.status.faces import colour, glyph, plain
from evsctl.status.snapshot import AttemptRow, Snapshot
from evsctl.tui.screens.base import StudyScreen, sentence
from evsctl.tui.widgets.pane import Pane


class JobsScreen(StudyScreen):
    """What was asked, what was used, how it ended."""

    TITLE_IN_HELP = "Jobs"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "refresh", "refresh"),
        Binding("escape,q,2", "app.pop_screen", "back"),
    ]

    def body(self) -> ComposeResult:
        """Text that scrolls where it does not fit."""
        self.words = Pane(id="jobs")
        yield self.words

    def on_mount(self) -> None:
        """Show what is known."""
        self.show(self.study.snapshot)

    def show(self, snapshot: Snapshot | None) -> None:
        """Tell it anew, where something changed."""
        super().show(snapshot)
        if snapshot is None or not self.is_mounted:
            return
        self.words.tell(job_lines(snapshot, self.study.backstage.commands, self.study.size.width - 2, self.ascii_only))

    def action_refresh(self) -> None:
        """Look again, and ask SLURM now."""
        self.study.refresh_now(force=True)


def job_lines(snapshot: Snapshot, commands: Sequence[str], width: int, ascii_only: bool = False) -> list[Text]:
    """A line per job, newest first, then the commands; pure."""
    jobs = [(row.model_id, item) for row in snapshot.models for item in row.attempts]
    jobs.sort(key=lambda job: job[1].submitted_at, reverse=True)
    if not jobs:
        lines = [Text(" No job was submitted yet: s on a model of the Models screen shows the plan of its first one.")]
    else:
        name = max([len(model_id) for model_id, _ in jobs] + [5])
        head = f" {'JOB':<10} {'MODEL':<{name}} {'TRY':>3}  {'STATE':<12} {'ASKED':<10} {'RAN':>6} {'PEAK':>7} {'AGO':>4}"
        lines = [Text(head, style="dim")]
        lines += [line for model_id, item in jobs for line in _lines(model_id, item, name, snapshot.as_of, width, ascii_only)]
    lines += [Text(), Text(" commands this window ran, newest first", style="dim")]
    lines += [line for command in reversed(commands) for line in sentence(plain(command, ascii_only), width)] or [Text(" none yet")]
    return lines


def _lines(model_id: str, item: AttemptRow, name: int, now: float, width: int, ascii_only: bool) -> list[Text]:
    """One job; how it ended stands behind it or, where there is no room, below."""
    text = Text(f" {item.job_id:<10} {model_id:<{name}} {item.attempt:>3}  ")
    text.append(f"{glyph(item.state, ascii_only)} {item.state:<10}", style=colour(item.state))
    asked, ago = f"{item.memory_gb}G {walltime(item.walltime_minutes)}", rough_span(now - item.submitted_at)
    text.append(f" {asked:<10} {span(item.elapsed_seconds or None):>6} {gigabytes(item.max_rss_gb):>7} {ago:>4}")
    if not item.detail or item.detail == item.state:
        return [text]
    words = plain(item.detail, ascii_only)
    if text.cell_len + 2 + len(words) <= width:
        return [text.append(f"  {words}", style="dim")]
    return [text, Text(f"   {words}", style="dim")]
