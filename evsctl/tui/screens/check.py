"""The Check screen: are this model's answers worth drawing?"""

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from evsctl.status.check import AnswerCheck, GroupCheck
from evsctl.status.faces import FAULT, WARNING, bar, plain
from evsctl.tui.screens.base import StudyScreen
from evsctl.tui.texts import rule
from evsctl.tui.widgets.pane import Pane

BAR = 20


class CheckScreen(StudyScreen):
    """p_valid by language, the questions that fare worst, sums that are none."""

    TITLE_IN_HELP = "Check"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,c", "app.pop_screen", "back")]

    def __init__(self, model_id: str) -> None:
        super().__init__()
        self.model_id = model_id
        self._told: AnswerCheck | str | None = None

    def body(self) -> ComposeResult:
        """Text that scrolls where it does not fit."""
        self.words = Pane(id="check")
        yield self.words

    def on_mount(self) -> None:
        """Read the answers, beside the interface: a large model has a hundred thousand rows."""
        self._tell(None)
        self.study.background.run("check", lambda: self.study.backstage.check(self.model_id), self._tell, self._tell)

    def _tell(self, told: AnswerCheck | str | None) -> None:
        if isinstance(told, AnswerCheck) and told.model_id != self.model_id:
            return
        self._told = told
        if not self.is_attached:
            return
        if isinstance(told, AnswerCheck):
            self.words.tell(check_lines(told, self.study.size.width - 2, self.ascii_only))
        else:
            self.words.tell([Text(plain(f" {told or f'Reading the answers of {self.model_id} …'}", self.ascii_only))])


def check_lines(check: AnswerCheck, width: int, ascii_only: bool = False) -> list[Text]:
    """The check as lines; pure."""
    lines = [rule(f"{check.model_id} · {check.prompts:,} prompts answered", width, ascii_only), Text()]
    if not check.prompts:
        return [*lines, Text(" No answer of this model is in the database yet.")]
    verdict = "fit to be drawn" if check.is_good else "look before you draw"
    lines.append(Text(plain(f" p_valid {check.p_valid_mean:.2f} · {check.low:,} prompts below 0.10 · {verdict}", ascii_only), style="bold"))
    if check.unsound:
        lines.append(Text(f" {check.unsound:,} prompts have probabilities that do not add up to 1", style=FAULT))
    lines += [Text(), Text(f" {'language':<12} {'prompts':>8}  {'below 0.10':>10}  p_valid", style="dim")]
    lines += [_line(group, ascii_only) for group in check.languages]
    if check.worst_questions:
        lines += [Text(), Text(f" {'question':<12} {'prompts':>8}  {'below 0.10':>10}  p_valid", style="dim")]
        lines += [_line(group, ascii_only) for group in check.worst_questions]
    return lines


def _line(group: GroupCheck, ascii_only: bool) -> Text:
    numbers = f" {group.name:<12} {group.prompts:>8,}  {group.low:>10,}  {group.p_valid_mean:.2f}  "
    return Text(numbers + bar(group.p_valid_mean, BAR, ascii_only), style=WARNING if group.low else "")
