"""All keys, told from the bindings themselves."""

from collections.abc import Iterator
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Static

from evsctl.status.faces import plain
from evsctl.tui.screens.base import NAMES, StudyScreen, own_bindings


class HelpScreen(StudyScreen):
    """Every binding of every screen, in columns."""

    TITLE_IN_HELP = "Help"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "app.pop_screen", "back")]

    def body(self) -> ComposeResult:
        """The keys; scrolls where they do not fit."""
        with VerticalScroll(id="help"):
            yield Static(plain(help_text().plain, self.ascii_only), markup=False)


def help_text() -> Text:
    """One section per screen, two columns where there is room."""
    text = Text()
    for title, bindings in help_sections():
        text.append(f"{title}\n", style="bold")
        for keys, words in bindings:
            text.append(f"  {keys:<24} {words}\n")
        text.append("\n")
    text.append("NEXT says what to do: `s: 48G → 96G` means that s submits again with 96 GB, after showing why.\n")
    return text


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

    everywhere: list[tuple[str, type[Any]]] = [("Everywhere", Dashboard), ("Models", ModelsScreen), ("Table", ModelTable)]
    screens: list[tuple[str, type[Any]]] = [("Plan", PlanScreen), ("Plan of all", PlanAllScreen), ("Log", LogScreen), ("Why", WhyScreen)]
    screens += [("Check", CheckScreen), ("Jobs", JobsScreen), ("Question", ConfirmScreen)]
    for title, owner in (*everywhere, *screens):
        listed = [(_all_keys(binding), binding.description) for binding in own_bindings(owner)]
        if listed:
            yield title, listed


def _all_keys(binding: Binding) -> str:
    return " ".join(NAMES.get(key, key) for key in binding.key.split(","))
