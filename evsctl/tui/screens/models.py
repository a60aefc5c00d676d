"""The Models screen: what needs a person on top, and what to do about it."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.widgets import Input

from evsctl.status.columns import lay_out
from evsctl.status.faces import WARNING, plain
from evsctl.status.order import Choice, Line, fold_lines, may_fold
from evsctl.status.sentences import empty_sentence, totals_line
from evsctl.status.snapshot import ModelRow, Snapshot
from evsctl.tui.screens.base import StudyScreen, sentence
from evsctl.tui.texts import titles
from evsctl.tui.widgets.detail import Detail
from evsctl.tui.widgets.model_table import MARGIN, ModelTable
from evsctl.tui.widgets.quiet_lines import QuietLines

SIDE_BY_SIDE = 160
"""From this width on the detail stands right of the table."""
LEAST_DETAIL = 8


class ModelsScreen(StudyScreen):
    """Table, sums, and the detail that follows the cursor."""

    TITLE_IN_HELP = "Models"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "submit", "submit", tooltip="submit: shows the plan and why; enter hands it in"),
        Binding("A", "submit_all", "all", tooltip="submit all incomplete models; shows all plans first"),
        Binding("x", "cancel", "cancel", tooltip="cancel the model's job; asks first"),
        Binding("l,3", "log", "log", tooltip="follow the log of the model's newest job"),
        Binding("w", "why", "why", tooltip="what became of its jobs, and why"),
        Binding("c", "check", "check", tooltip="are its answers worth drawing? p_valid by language"),
        Binding("2", "jobs", "jobs", tooltip="every job, and every command this window ran"),
        Binding("slash", "filter", "filter", tooltip="only models whose name or state contains a word"),
        Binding("f", "faults", "faults", tooltip="only models that need a person, or all again"),
        Binding("r", "refresh", "refresh", tooltip="look again, and ask SLURM now"),
        Binding("tab", "toggle_detail", "whole table", show=False, tooltip="give the table the whole height, or take it back"),
        Binding("4", "submit", "plan of the next job", show=False),
        Binding("escape", "clear", "clear the filter", show=False),
        Binding("q", "quit", "quit", tooltip="leave; jobs go on"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.title_line = QuietLines(id="titles")
        self.face = QuietLines(id="face")
        self.sums = QuietLines(id="sums")
        self.faults = QuietLines(id="faults")
        self._choice = Choice()
        self._tail: tuple[str | None, tuple[str, ...]] = (None, ())

    def body(self) -> ComposeResult:
        """Table and sums, detail, faults, the filter."""
        self.table = ModelTable(self.ascii_only, id="table")
        self.detail = Detail(self.ascii_only, id="detail")
        with Container(id="body"):
            with Vertical(id="left"):
                yield self.title_line
                yield self.table
                yield self.face
                yield self.sums
            yield self.detail
        yield self.faults
        yield Input(placeholder="part of a model's name or state; esc clears", id="filter", compact=True)

    def on_mount(self) -> None:
        """Keys go to the table."""
        box = self.query_one("#filter", Input)
        box.display = box.cursor_blink = False
        self.table.focus()

    def on_resize(self, event: events.Resize) -> None:
        """Move the detail to where there is room."""
        self.set_class(event.size.width >= SIDE_BY_SIDE, "wide")
        self.call_after_refresh(self.show, self.study.snapshot)

    def show(self, snapshot: Snapshot | None) -> None:
        """Show this snapshot."""
        super().show(snapshot)
        face = f"Reading {self.study.place} …" if snapshot is None else empty_sentence(snapshot)
        lines = self._choice.lines(snapshot.models) if snapshot is not None and not face else ()
        if not face and not lines:
            face = self._choice.nothing_found
        told = (self.study.look_fault,) if self.study.look_fault else ()
        self._show_faults(told + (snapshot.errors if snapshot and snapshot.models else ()))
        self._show_face(face)
        self._show_table(snapshot, lines)
        self._follow()

    def _show_faults(self, faults: Sequence[str]) -> None:
        more = f"  (+{len(faults) - 1})" if len(faults) > 1 else ""
        self.faults.display = bool(faults)
        self.faults.show([Text(plain(f" ⚠ {faults[0]}{more}", self.ascii_only), style=WARNING)] if faults else [])

    def _show_face(self, face: str) -> None:
        self.face.display = bool(face)
        wrapped = sentence(plain(face, self.ascii_only), self._left_width) if face else []
        self.face.styles.height = max(1, len(wrapped) + 2)
        self.face.show([Text(), *wrapped])

    def _show_table(self, snapshot: Snapshot | None, lines: tuple[Line, ...]) -> None:
        names = [line.name for line in fold_lines(snapshot.models)] if snapshot else []
        layout = lay_out(names, self._left_width - 2 * MARGIN)
        self.title_line.display = self.table.display = bool(lines)
        self.title_line.show([Text(" " * MARGIN) + titles(layout)])
        self.table.show(lines, layout)
        self.table.styles.max_height = max(3, self._room_for_table)
        sums = f" {totals_line(snapshot, self._left_width - 2)}" if snapshot and lines else ""
        self.sums.show([Text(), Text(plain(sums, self.ascii_only))])

    @property
    def _left_width(self) -> int:
        width = self.study.size.width
        return width * 6 // 10 if width >= SIDE_BY_SIDE else width

    @property
    def _room_for_table(self) -> int:
        height = self.study.size.height - 5 - int(self.faults.display)
        return height if self.study.size.width >= SIDE_BY_SIDE or not self.detail.display else height - LEAST_DETAIL

    @property
    def selected(self) -> ModelRow | None:
        """The model under the cursor; None on a family's line."""
        line = self.table.current
        return line.row if line is not None and not line.family else None

    @on(ModelTable.Highlighted)
    def _follow(self) -> None:
        line = self.table.current if self.table.display else None
        family = line.family if line else None
        snapshot = self.study.snapshot
        members = [row for row in snapshot.models if row.family == family and may_fold(row)] if family and snapshot else []
        path = line.row.log_path if line and not family else None
        self.detail.follow(line, members, self._tail[1] if self._tail[0] == path else ())
        if path is not None:
            self.study.fetch_tail(path, self._show_tail)

    def _show_tail(self, path: str, tail: tuple[str, ...]) -> None:
        self._tail = (path, tail)
        line = self.table.current
        if line is not None and line.row.log_path == path and not line.family:
            self.detail.follow(line, (), tail)

    @on(ModelTable.Opened)
    def _open(self, message: ModelTable.Opened) -> None:
        family = message.line.family
        if time.monotonic() < self.study.deaf_until:
            return
        if family:
            self._choice = replace(self._choice, unfolded=self._choice.unfolded ^ {family})
            self.show(self.study.snapshot)
        else:
            self.action_log()

    def _on_selected(self, open_it: Callable[[ModelRow], None]) -> None:
        if self.selected is not None:
            open_it(self.selected)
        elif self.table.current is not None:
            self.study.say("Move to a model first: enter unfolds the family.")

    def action_submit(self) -> None:
        """The Plan screen for the model under the cursor."""
        self._on_selected(self.study.open_plan)

    def action_submit_all(self) -> None:
        """The plans of all incomplete models."""
        self.study.open_plan_all()

    def action_cancel(self) -> None:
        """Ask, then cancel the job of the model under the cursor."""
        self._on_selected(self.study.ask_cancel)

    def action_log(self) -> None:
        """Follow the log of the model under the cursor."""
        self._on_selected(self.study.open_log)

    def action_why(self) -> None:
        """Say what became of its jobs, and why."""
        self._on_selected(self.study.open_why)

    def action_check(self) -> None:
        """Look through the answers of the model under the cursor."""
        self._on_selected(self.study.open_check)

    def action_jobs(self) -> None:
        """Every job of the study."""
        self.study.open_jobs()

    def action_refresh(self) -> None:
        """Look again, and ask SLURM now."""
        self.study.refresh_now(force=True)

    def action_faults(self) -> None:
        """Only models that need a person, or all again."""
        self._choice = replace(self._choice, faults_only=not self._choice.faults_only)
        self.show(self.study.snapshot)

    def action_filter(self) -> None:
        """Type a part of a name."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()
        self.call_after_refresh(self.show, self.study.snapshot)

    @on(Input.Changed, "#filter")
    def _filter_changed(self, message: Input.Changed) -> None:
        self._choice = replace(self._choice, words=message.value.strip())
        self.show(self.study.snapshot)

    @on(Input.Submitted, "#filter")
    def _filter_kept(self) -> None:
        self.query_one("#filter", Input).display = bool(self._choice.words)
        self.table.focus()
        self.call_after_refresh(self.show, self.study.snapshot)

    def key_words(self) -> Iterable[tuple[str, str]]:
        """While a filter is typed, its own two keys."""
        typing = isinstance(self.focused, Input)
        return (("enter", "keep the filter"), ("esc", "clear it")) if typing else super().key_words()

    def action_clear(self) -> None:
        """Drop filter and faults-only."""
        box = self.query_one("#filter", Input)
        box.value = ""
        box.display = False
        self._choice = Choice(unfolded=self._choice.unfolded)
        self.table.focus()
        self.call_after_refresh(self.show, self.study.snapshot)

    def action_toggle_detail(self) -> None:
        """The table alone, or table and detail."""
        self.detail.display = not self.detail.display
        self.show(self.study.snapshot)

    def action_quit(self) -> None:
        """Leave; jobs run on."""
        self.study.leave()
