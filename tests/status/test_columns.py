"""The table fits its width, stands still, and never tells a state by colour alone."""

import pytest

from evsctl.jobs.types import STATES
from evsctl.status import faces
from evsctl.status.columns import fit, lay_out, line_cells
from evsctl.status.order import fold_lines
from evsctl.tui.sample import sample_snapshot

LINES = fold_lines(sample_snapshot().models)
NAMES = [line.name for line in LINES]


@pytest.mark.parametrize("width", [72, 78, 80, 100, 118, 130, 200, 300])
def test_columns_fill_their_width_exactly_and_no_more(width):
    layout = lay_out(NAMES, width)
    assert layout.width <= width
    assert width < 200 or layout.width > 150
    for line in LINES:
        assert [len(cell.text) for cell in line_cells(line, layout)] == [column.width for column in layout.columns]


def test_eighty_columns_show_six_and_wider_ones_bring_in_more():
    assert [c.title for c in lay_out(NAMES, 80).columns] == ["MODEL", "STATE", "DONE", "RATE", "ETA", "NEXT"]
    assert [c.title for c in lay_out(NAMES, 120).columns][5:] == ["PROMPTS", "JOB", "NEXT"]
    assert [c.title for c in lay_out(NAMES, 200).columns][5:] == ["PROMPTS", "JOB", "NODE", "TRY", "P_VALID", "NEXT"]


def test_the_sample_at_eighty_columns():
    layout = lay_out(NAMES, 78)
    texts = ["|".join(cell.text for cell in line_cells(line, layout)) for line in LINES]
    assert texts == [
        "gemma3_27b_pt |✖ timeout   |━────  24 %|      |     |s: 4h → 8h             ",
        "qwen3235b     |◌ pending   |─────   0 %|      |     |wait: Resources, ~14:20",
        "eurollm22b    |▶ running   |━━╸──  49 %|  41/s| 4m17|ends 3h before limit   ",
        "gemma3_27b_it |· idle      |─────   0 %|      |     |not in the study       ",
        "▸ hplt2c 22/22|✔ done      |━━━━━ 100 %|      |     |                       ",
    ]


def test_every_state_has_a_glyph_of_one_cell_in_both_alphabets():
    for state in STATES:
        assert len(faces.glyph(state)) == len(faces.glyph(state, ascii_only=True)) == 1
        assert faces.glyph(state, ascii_only=True).isascii()


def test_ascii_only_means_ascii_only():
    layout = lay_out(NAMES, 120)
    for line in LINES:
        assert all(cell.text.isascii() for cell in line_cells(line, layout, ascii_only=True))


@pytest.mark.parametrize(("share", "text"), [(0.0, "────"), (0.001, "╸───"), (0.5, "━━──"), (0.999, "━━━╸"), (1.0, "━━━━")])
def test_a_bar_is_full_only_when_nothing_is_missing(share, text):
    assert faces.bar(share, 4) == text


def test_what_is_cut_says_so():
    assert fit("abcdef", 4) == "abc…"
    assert fit("abcdef", 4, ascii_only=True) == "abc~"
    assert fit("ab", 4, right=True) == "  ab"
