"""What all screens share: a header, a line of keys made from the bindings, the snapshot."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from evsctl.status.snapshot import Snapshot
from evsctl.tui.texts import header, keys_line
from evsctl.tui.widgets.quiet_lines import QuietLines

if TYPE_CHECKING:
    from evsctl.tui.dashboard import Dashboard


class StudyScreen(Screen[None]):
    """A screen with one header line above and one line of keys below its body."""

    TITLE_IN_HELP = ""

    def __init__(self) -> None:
        super().__init__()
        self.head = QuietLines(id="head")
        self.keys = QuietLines(id="keys")

    @property
    def study(self) -> "Dashboard":
        """The app, by its own type."""
        app: Any = self.app
        return app  # type: ignore[no-any-return]

    @property
    def ascii_only(self) -> bool:
        """Whether only ASCII signs may be shown."""
        return self.study.ascii_only

    def compose(self) -> ComposeResult:
        """Header, body, keys."""
        yield self.head
        yield from self.body()
        yield self.keys

    def body(self) -> ComposeResult:
        """What stands between header and keys."""
        yield from ()

    def show(self, snapshot: Snapshot | None) -> None:
        """Show this snapshot; None before the first one."""
        width = self.study.size.width
        self.head.show([header(snapshot, width, read_only=bool(self.study.backstage.read_only), ascii_only=self.ascii_only)])
        self.keys.show([keys_line(self.key_words(), width, self.ascii_only)])

    def key_words(self) -> Iterable[tuple[str, str]]:
        """What the line of keys offers now; help comes last."""
        return shown_keys(type(self))

    def on_resize(self, event: events.Resize) -> None:
        """Draw the lines anew for the new width."""
        self.show(self.study.snapshot)

    def on_screen_resume(self) -> None:
        """Show what came in while another screen was on top."""
        self.show(self.study.snapshot)


def shown_keys(screen: type[Screen[Any]]) -> Iterator[tuple[str, str]]:
    """Key and word of each binding that belongs into the line of keys, in their order; help comes last."""
    for binding in own_bindings(screen):
        if binding.show:
            yield key_name(binding), binding.description
    yield "?", "help"


def own_bindings(screen: type[Any]) -> Iterator[Binding]:
    """The bindings that a screen, widget or app of evsctl declares itself."""
    for item in screen.__dict__.get("BINDINGS", ()):
        if isinstance(item, Binding):
            yield item


def key_name(binding: Binding) -> str:
    """The key as people write it: the first of several."""
    return binding.key_display or NAMES.get(binding.key.split(",")[0], binding.key.split(",")[0])


NAMES = {"question_mark": "?", "slash": "/", "colon": ":", "escape": "esc", "exclamation_mark": "!"}


def sentence(text: str, width: int) -> list[Text]:
    """A longer text broken into lines, with a margin."""
    from rich.console import Console

    return [Text(" ") + line for line in Text(text).wrap(Console(width=max(10, width - 2)), max(10, width - 2))]
