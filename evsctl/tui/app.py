"""The dashboard's door: settle how the terminal is spoken to, then start Textual."""

import os
from collections.abc import Mapping, MutableMapping

from evsctl.settings import Settings

LOW_FRAMES_PER_SECOND = "10"


def run_dashboard(settings: Settings, *, read_only: bool = False, low_bandwidth: bool = False, ascii_only: bool = False) -> None:
    """Show the study until the user leaves. Raises InputError where there is no database.

    Over SSH, or asked for `low_bandwidth`, fewer frames are sent and the mouse is left alone.
    """
    low_bandwidth = low_bandwidth or is_remote(os.environ)
    if low_bandwidth:
        spare_the_wire(os.environ)
    # Textual reads its environment once, when it is first imported: only now.
    from evsctl.tui.dashboard import Dashboard
    from evsctl.tui.study import open_study

    backstage = open_study(settings, read_only=read_only)
    message = Dashboard(backstage, ascii_only=ascii_only, place=backstage.place).run(mouse=not low_bandwidth)
    if message:
        os.write(1, f"{message}\n".encode())


def is_remote(environ: Mapping[str, str]) -> bool:
    """Whether this terminal is at the other end of SSH."""
    return bool(environ.get("SSH_CONNECTION"))


def spare_the_wire(environ: MutableMapping[str, str]) -> None:
    """Ask Textual for few frames and no movement; what the user set stays."""
    environ.setdefault("TEXTUAL_FPS", LOW_FRAMES_PER_SECOND)
    environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
