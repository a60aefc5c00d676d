"""The Jobs screen: every job the study ever submitted, newest first, and the commands this window ran."""

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from evsctl.status.amounts import age, gigabytes, span, walltime
from evsctl.status.faces import colour, glyph, plain
from evsctl.status.snapshot import AttemptRow, Snapshot
from evsctl.tui.screens.base import StudyScreen


class JobsScreen(StudyScreen):
    """What was asked, what was used, how it ended."""

    TITLE_IN_HELP = "Jobs"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "refresh", "refresh"),
        Binding("escape,q,2", "app.pop_screen", "back"),
    ]

    def body(self) -> ComposeResult:
        """Text that scrolls where it does not fit."""
        with VerticalScroll(id="jobs"):
            self.words = Static(markup=False)
            yield self.words

    def on_mount(self) -> None:
        """Show what is known."""
        self._shown = ""
        self.show(self.study.snapshot)

    def show(self, snapshot: Snapshot | None) -> None:
        """Tell it anew, where something changed."""
        super().show(snapshot)
        if snapshot is None or not self.is_mounted:
            return
        text = Text("\n").join(job_lines(snapshot, self.study.backstage.commands, self.study.size.width - 2, self.ascii_only))
        if text.plain != self._shown:
            self._shown = text.plain
            self.words.update(text)

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
        head = f" {'JOB':<10} {'MODEL':<{name}} {'TRY':>3}  {'STATE':<12} {'ASKED':<10} {'RAN':>6} {'PEAK':>7}  {'SUBMITTED':<12} {'':<4}"
        lines = [Text(head.rstrip(), style="dim")]
        lines += [_line(model_id, item, name, snapshot.as_of, ascii_only) for model_id, item in jobs]
    lines += [Text(), Text(" commands this window ran, newest first", style="dim")]
    lines += [Text(plain(f" {command}", ascii_only)) for command in reversed(commands)] or [Text(" none yet")]
    return lines


def _line(model_id: str, item: AttemptRow, name: int, now: float, ascii_only: bool) -> Text:
    text = Text(f" {item.job_id:<10} {model_id:<{name}} {item.attempt:>3}  ")
    text.append(f"{glyph(item.state, ascii_only)} {item.state:<10}", style=colour(item.state))
    asked = f"{item.memory_gb}G {walltime(item.walltime_minutes)}"
    text.append(
        f" {asked:<10} {span(item.elapsed_seconds):>6} {gigabytes(item.max_rss_gb):>7}  {age(max(0.0, now - item.submitted_at)):<12}"
    )
    return text.append(plain(f" {item.detail}", ascii_only), style="dim") if item.detail else text
