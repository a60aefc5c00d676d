"""Draws docs/screens/*.svg from a study that never changes: `python docs/make_screenshots.py`."""

import asyncio
from pathlib import Path

from evsctl.tui.screenshot import draw_screens

if __name__ == "__main__":
    asyncio.run(draw_screens(Path(__file__).parent / "screens"))
