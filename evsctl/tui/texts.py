"""The screens' lines as text; pure functions of the Snapshot."""

from collections.abc import Iterable, Sequence

from rich.text import Text

from evsctl.status.amounts import age, gigabytes, span, walltime
from evsctl.status.columns import Layout
from evsctl.status.faces import FAULT, colour, glyph, plain
from evsctl.status.sentences import attention_words, source_line
from evsctl.status.snapshot import AttemptRow, ModelRow, Snapshot
from evsctl.status.words import time_use

DIM = "dim"


def header(snapshot: Snapshot | None, width: int, *, read_only: bool = False, ascii_only: bool = False) -> Text:
    """One line: what and where on the left, how fresh on the right."""
    left = Text.assemble((" evsctl", "bold"))
    if snapshot is None:
        return left
    where = "  ".join(part for part in (snapshot.slurm.partition, short_place(snapshot.db), "READ-ONLY" if read_only else "") if part)
    right = Text(plain(source_line(snapshot), ascii_only))
    if not snapshot.slurm.reachable:
        right.stylize(FAULT)
    warning = attention_words(snapshot)
    if warning:
        right.append(plain(f"  {warning}", ascii_only), style=FAULT)
    room = width - right.cell_len - left.cell_len - 5
    if room > 4:
        left.append(plain(f"  {where}" if len(where) <= room else f"  …{where[-(room - 1) :]}", ascii_only), style=DIM)
    left.append(" " * max(1, width - left.cell_len - right.cell_len - 1))
    return left + right


def short_place(place: str) -> str:
    """A database's file with its folder, without the way there: `mystudy/survey.db`; a server as it is."""
    return place if "://" in place else "/".join(place.split("/")[-2:])


def titles(layout: Layout) -> Text:
    """The table's column titles."""
    text = Text(style=DIM)
    for column in layout.columns:
        text.append(" " * column.gap + (column.title.rjust(column.width) if column.right else column.title.ljust(column.width)))
    return text


def rule(title: str, width: int, ascii_only: bool = False) -> Text:
    """A line with a title in it: `── eurollm22b · job 52554809 ───`."""
    dash = "-" if ascii_only else "─"
    text = Text(f"{dash * 2} ", style=DIM)
    text.append(plain(title, ascii_only), style="not dim bold")
    text.append(f" {dash * max(0, width - text.cell_len - 1)}")
    return text


def keys_line(keys: Iterable[tuple[str, str]], width: int, ascii_only: bool = False) -> Text:
    """` s submit  x cancel  …`, as many as fit; the last one, help, always."""
    listed = list(keys)
    text = Text()
    for place, (key, word) in enumerate(listed):
        last = listed[-1]
        reserve = 0 if place == len(listed) - 1 else len(last[0]) + len(last[1]) + 3
        if text.cell_len + len(key) + len(word) + 3 + reserve > width:
            continue
        text.append(f" {plain(key, ascii_only)}", style="bold")
        text.append(f" {word} ")
    return text


def detail_parts(row: ModelRow) -> list[str]:
    """`eurollm22b`, `job 52554809`, `gpu042 h100`, `1h12 of 4h`, `61 of 96 GB`."""
    parts = [row.model_id]
    if row.job_id:
        parts.append(f"job {row.job_id}")
    place = " ".join(part for part in (row.nodes, row.gpu or "") if part)
    last = row.attempts[-1] if row.attempts else None
    if place:
        parts.append(place)
    if last is not None and (last.walltime_minutes or row.elapsed_seconds):
        parts.append(time_use(row.elapsed_seconds, last.walltime_minutes))
    if last is not None and last.memory_gb:
        used = gigabytes(row.peak_memory_gb).removesuffix(" GB")
        parts.append(f"{used} of {last.memory_gb} GB" if used else f"{last.memory_gb} GB asked")
    return parts


def detail_head(row: ModelRow, width: int, ascii_only: bool = False) -> list[Text]:
    """The parts as a titled line; what does not fit into it stands below."""
    parts = detail_parts(row)
    below: list[str] = []
    while len(parts) > 1 and len(" · ".join(parts)) > width - 4:
        below.insert(0, parts.pop())
    lines = [rule(" · ".join(parts), width, ascii_only)]
    return [*lines, Text(plain(f" {' · '.join(below)}", ascii_only))] if below else lines


def detail_facts(row: ModelRow) -> list[str]:
    """What is known of the model beside its job, most telling first."""
    facts = []
    if row.last_error:
        facts.append(f"error: {row.last_error}")
    elif row.detail and row.detail != row.state:
        facts.append(row.detail)
    numbers = [f"{row.done:,} of {row.total:,} prompts answered"]
    if row.failed:
        numbers.append(f"{row.failed:,} failed")
    if row.p_valid_mean is not None:
        numbers.append(f"p_valid {row.p_valid_mean:.2f}")
    if row.peak_gpu_memory_gb is not None:
        numbers.append(f"GPU memory {gigabytes(row.peak_gpu_memory_gb)}")
    if row.dtype:
        numbers.append(row.dtype)
    facts.append(" · ".join(numbers))
    if row.heartbeat_age_seconds is not None and row.heartbeat_age_seconds > 60:
        facts.append(f"its last sign of life was {age(row.heartbeat_age_seconds)}")
    return facts


def attempt_lines(item: AttemptRow, width: int, ascii_only: bool = False) -> list[Text]:
    """` 2  ▶ running    52554809   96G 4h a100|h100  ran 1h12, 61 GB` and what became of it, below where it does not fit."""
    text = Text(f" {item.attempt:>2}  ")
    text.append(f"{glyph(item.state, ascii_only)} {item.state:<10}", style=colour(item.state))
    asked = f"{item.memory_gb}G {walltime(item.walltime_minutes)} {item.constraint or 'any GPU'}"
    used = [part for part in (f"ran {span(item.elapsed_seconds)}" if item.elapsed_seconds else "", gigabytes(item.max_rss_gb)) if part]
    text.append(plain(f"  {item.job_id:<10} {asked}  {', '.join(used)}".rstrip(), ascii_only))
    if not item.detail or item.detail == item.state:
        return [text]
    words = plain(item.detail, ascii_only)
    if text.cell_len + 2 + len(words) <= width:
        return [text.append(f"  {words}", style=DIM)]
    return [text, Text(f"      {words}", style=DIM)]


def detail(row: ModelRow | None, tail: Sequence[str], width: int, height: int, ascii_only: bool = False) -> list[Text]:
    """The part that follows the cursor: title, facts, attempts, and the last lines of the log in the rest of the height."""
    if row is None or height <= 0:
        return []
    lines = detail_head(row, width, ascii_only)
    lines += [Text(plain(f" {fact}", ascii_only)) for fact in detail_facts(row)]
    spare = height - len(lines) - (min(len(tail), 6) + 1 if tail else 0)
    history = [line for item in row.attempts for line in attempt_lines(item, width, ascii_only)]
    lines += history[-min(len(history), spare) :] if spare > 0 else []
    room = height - len(lines) - 1
    if tail and room > 0:
        lines.append(Text())
        lines += [Text(plain(f" {line}", ascii_only), style=DIM) for line in tail[-room:]]
    return lines[:height]


def family_detail(members: Sequence[ModelRow], family: str, width: int, height: int, ascii_only: bool = False) -> list[Text]:
    """The same for a folded family: its members in a few columns."""
    lines = [rule(f"{family} · {len(members)} finished · enter unfolds", width, ascii_only)]
    cells = [f"{row.model_id}  {row.done:,}" + (f"  {row.p_valid_mean:.2f}" if row.p_valid_mean is not None else "") for row in members]
    wide = max([len(cell) for cell in cells] + [1]) + 3
    per_line = max(1, (width - 1) // wide)
    lines.append(Text(" prompts answered and mean p_valid of each", style=DIM))
    for start in range(0, len(cells), per_line):
        lines.append(Text(plain(" " + "".join(cell.ljust(wide) for cell in cells[start : start + per_line]), ascii_only)))
    return lines[:height]


def cancel_question(row: ModelRow) -> list[str]:
    """What a cancellation would do, in numbers."""
    lines = [f"Cancel job {row.job_id} of {row.model_id}?", ""]
    if row.state == "pending":
        return [*lines, "It has not started: nothing is lost but its place in the queue."]
    lines.append(f"{row.done:,} of {row.total:,} prompts are answered and stay.")
    if row.rate_per_s:
        lines.append(f"About {max(1, round(row.rate_per_s * 10)):,} being computed now are lost; {row.missing:,} are left to do.")
    else:
        lines.append(f"{row.missing:,} are left to do.")
    if row.eta_s is not None:
        lines.append(f"It would have ended in {span(row.eta_s)}.")
    return lines
