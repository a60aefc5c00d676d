"""The pictures in docs/screens are those of the dashboard as it is."""

from pathlib import Path

import pytest

from evsctl.tui.screenshot import PICTURES, draw_screens

SCREENS = Path(__file__).resolve().parent.parent.parent / "docs" / "screens"


@pytest.mark.slow
async def test_the_committed_pictures_are_up_to_date(tmp_path):
    drawn = await draw_screens(tmp_path)
    assert [path.stem for path in drawn] == [picture.name for picture in PICTURES]
    stale = [path.name for path in drawn if path.read_text() != (SCREENS / path.name).read_text()]
    assert stale == [], "run `python docs/make_screenshots.py`"
    assert sorted(path.name for path in SCREENS.iterdir()) == sorted(path.name for path in drawn)


def test_pictures_fetch_nothing():
    for path in SCREENS.iterdir():
        assert "@font-face" not in path.read_text()
