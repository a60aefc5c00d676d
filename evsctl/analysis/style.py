"""How every figure looks: one set of sizes, colours and words for all."""

import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import NamedTuple

from matplotlib import rc_context
from matplotlib.font_manager import FontProperties, findfont, get_font

MM = 1 / 25.4
"""One millimetre in inches, matplotlib's unit."""
PAGE_MM = 174
"""Width of a figure over two columns."""
PNG_DPI = 200

BASE_PT = 8.0
SMALL_PT = 7.0
TITLE_PT = 9.0

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
"""Six colours that the colour-blind tell apart (Okabe & Ito 2008); black is kept for humans, grey for baselines."""
MARKERS = ("o", "s", "^", "D", "v", "P")
MODELS_PER_PANEL = len(OKABE_ITO)
HUMAN_COLOUR = "#000000"
BASELINE_COLOUR = "#6f6f6f"
SEQUENTIAL = "cividis"


def house_style() -> AbstractContextManager[None]:
    """Matplotlib's settings while a figure is drawn and written; those outside are left alone."""
    return rc_context(
        {
            "font.family": "DejaVu Sans",  # has Greek and Cyrillic
            "font.size": BASE_PT,
            "axes.titlesize": BASE_PT,
            "axes.labelsize": BASE_PT,
            "xtick.labelsize": SMALL_PT,
            "ytick.labelsize": SMALL_PT,
            "legend.fontsize": SMALL_PT,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.6,
            "axes.titlelocation": "left",
            "axes.axisbelow": True,
            "grid.color": "#dddddd",
            "grid.linewidth": 0.5,
            "lines.linewidth": 1.0,
            "pdf.fonttype": 42,  # text stays text
            "text.parse_math": False,  # a dollar sign in a question is a dollar sign
            "axes.formatter.use_mathtext": False,
            "axes.unicode_minus": True,
            "hatch.linewidth": 0.4,
        }
    )


class Look(NamedTuple):
    """A model's colour and marker; both always together, so that neither is needed alone."""

    colour: str
    marker: str


def looks(models: Sequence[str]) -> Mapping[str, Look]:
    """Colour and marker of each model by its place; the seventh looks like the first and stands in another panel."""
    n = MODELS_PER_PANEL
    return {model: Look(OKABE_ITO[i % n], MARKERS[i % n]) for i, model in enumerate(models)}


@cache
def _has_glyph(character: str) -> bool:
    return ord(character) in get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()


def plain(text: str, width: int) -> str:
    """One line of at most `width` characters of text from a database; what cannot be drawn becomes `?`."""
    spaced = "".join(" " if unicodedata.category(c).startswith(("C", "Z")) else c for c in unicodedata.normalize("NFC", text))
    drawable = "".join(c if _has_glyph(c) else "?" for c in " ".join(spaced.split()))
    return drawable if len(drawable) <= width else drawable[: width - 1].rstrip() + "…"


def short(name: str, width: int) -> str:
    """A model's name in at most `width` characters: the middle goes, for its ends tell models apart."""
    whole = plain(name, 10_000)
    return whole if len(whole) <= width else f"{whole[: width // 2]}…{whole[len(whole) - (width - width // 2 - 1) :]}"


def wrapped(sentences: Sequence[str], width_mm: float, size_pt: float = SMALL_PT) -> list[str]:
    """Sentences as lines that fit `width_mm`: DejaVu Sans is about 0.53 em wide on average."""
    characters = int(width_mm / 25.4 * 72 / (0.53 * size_pt))
    return textwrap.wrap(" ".join(sentences), characters, break_on_hyphens=False) if sentences else []
