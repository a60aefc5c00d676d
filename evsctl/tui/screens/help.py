"""All keys, told from the bindings themselves."""

from collections.abc import Iterator
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from evsctl.status.faces import plain
from evsctl.status.snapshot import Snapshot
from evsctl.tui.screens.base import NAMES, StudyScreen, own_bindings, sentence
from evsctl.tui.widgets.pane import Pane

KEYS_WIDTH = 26


class HelpScreen(StudyScreen):
    """Every binding of every screen, in columns."""

    TITLE_IN_HELP = "Help"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "app.pop_screen", "back")]

    def body(self) -> ComposeResult:
        """The keys; scrolls where they do not fit."""
        self.words = Pane(id="help")
        yield self.words

    def show(self, snapshot: Snapshot | None) -> None:
        """Header, keys, and all bindings."""
        super().show(snapshot)
        if self.is_mounted:
            self.words.tell([Text(plain(line.plain, self.ascii_only), style=line.style) for line in help_lines(self.study.size.width - 2)])

    def on_mount(self) -> None:
        """Draw."""
        self.show(self.study.snapshot)


def help_lines(width: int) -> list[Text]:
    """What NEXT means, then one section per screen."""
    lines = sentence("NEXT says what to do: `s: 48G → 96G` means that s submits again with 96 GB, after showing why.", width)
    for title, bindings in help_sections():
        lines += [Text(), Text(f" {title}", style="bold")]
        for keys, words in bindings:
            first, *more = sentence(words, width - KEYS_WIDTH)
            lines += [Text(f"   {keys:<{KEYS_WIDTH - 3}}") + first, *(Text(" " * KEYS_WIDTH) + rest for rest in more)]
    return lines


def help_sections() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Title and (keys, words) of all that the dashboard binds."""
    from evsctl.tui.dashboard import Dashboard
    from evsctl.tui.screens.check import CheckScreen
    from evsctl.tui.screens.confirm import ConfirmScreen
    from evsctl.tui.screens.jobs import JobsScreen
    from evsctl.tui.screens.log import LogScreen
    from evsctl.tui.screens.models import ModelsScreen
    from evsctl.tui.screens.plan import PlanScreen
    from evsctl.tui.screens.plan_all import PlanAllScreen
    from evsctl.tui.screens.why import WhyScreen
    from evsctl.tui.widgets.model_table import ModelTable

    everywhere: list[tuple[str, type[Any]]] = [("Everywhere", Dashboard), ("Models", ModelsScreen), ("Table", ModelTable), ("Text", Pane)]
    screens: list[tuple[str, type[Any]]] = [("Plan", PlanScreen), ("Plan of all", PlanAllScreen), ("Log", LogScreen), ("Why", WhyScreen)]
    screens += [("Check", CheckScreen), ("Jobs", JobsScreen), ("Question", ConfirmScreen)]
    for title, owner in (*everywhere, *screens):
        listed = [(_all_keys(binding), binding.tooltip or binding.description) for binding in own_bindings(owner)]
        if listed:
            yield title, listed


def _all_keys(binding: Binding) -> str:
    return " ".join(NAMES.get(key, key) for key in binding.key.split(","))
