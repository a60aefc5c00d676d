"""The Snapshot as text: what `evsctl status` prints."""

from rich.console import Group
from rich.text import Text

from evsctl.status.columns import Cell, Layout, lay_out, line_cells
from evsctl.status.faces import WARNING, plain
from evsctl.status.order import fold_lines, in_order
from evsctl.status.sentences import attention_words, empty_sentence, source_line, totals_line
from evsctl.status.snapshot import Snapshot


def status_table(snapshot: Snapshot, width: int, *, ascii_only: bool = False, unfold: bool = False) -> Group:
    """The study as lines of at most `width` cells: sources, a line per model, sums, and a sentence per failed source.

    `unfold` shows each finished model of a family instead of one line for all.
    """
    head = [f"{snapshot.study}  {snapshot.db}", source_line(snapshot), attention_words(snapshot)]
    lines = [Text(plain("   ".join(part for part in head if part), ascii_only), style="dim", no_wrap=True, overflow="ellipsis")]
    sentence = empty_sentence(snapshot)
    lines += [Text(plain(sentence, ascii_only))] if sentence else _rows(snapshot, width, ascii_only, unfold)
    if not sentence:
        lines += [Text(), Text(plain(totals_line(snapshot, width), ascii_only))]
    lines += [Text(plain(f"⚠ {error}", ascii_only), style=WARNING) for error in snapshot.errors]
    return Group(*lines)


def _rows(snapshot: Snapshot, width: int, ascii_only: bool, unfold: bool) -> list[Text]:
    families = frozenset(row.family for row in snapshot.models) if unfold else frozenset()
    folded = fold_lines(in_order(snapshot.models), families)
    layout = lay_out([line.name for line in folded], width)
    titles = tuple(Cell(c.title.rjust(c.width) if c.right else c.title.ljust(c.width), "dim") for c in layout.columns)
    return [_text(titles, layout)] + [_text(line_cells(line, layout, ascii_only), layout) for line in folded]


def _text(cells: tuple[Cell, ...], layout: Layout) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for cell, column in zip(cells, layout.columns, strict=True):
        text.append(" " * column.gap)
        text.append(cell.text, style=cell.style or None)
    text.rstrip()
    return text
