"""The plan: which token sequences are computed together, in which order; the same prompts always give the same plan."""

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

Tokens = tuple[int, ...]

PADDED_ROWS = "padded-rows/1"
"""Rows sorted by length, right-padded to the longest of their pack; the cost of a pack is its padded tokens."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one prompt needs: the distribution after its tokens, and after its tokens and each forced continuation."""

    ids: Tokens
    continuations: tuple[Tokens, ...] = ()


@dataclass(frozen=True, slots=True)
class Read:
    """A place whose next-token distribution is wanted: a row of a pack and a position in it."""

    row: int
    position: int


@dataclass(frozen=True)
class Unit:
    """One distinct prompt with all continuations that any of its askers wants; never cut apart."""

    ids: Tokens
    suffixes: tuple[Tokens, ...]
    """Sorted; the empty one, which is the prompt itself, comes first."""

    @cached_property
    def rows(self) -> tuple[Tokens, ...]:
        """The sequences to compute: a continuation also serves the prompt and every continuation that it begins with."""
        longest = [s for s, after in zip(self.suffixes, (*self.suffixes[1:], None), strict=True) if after is None or after[: len(s)] != s]
        return tuple(self.ids + suffix for suffix in longest)

    @property
    def length(self) -> int:
        """Tokens of the longest row."""
        return max(len(row) for row in self.rows)

    def reads(self) -> dict[Tokens, Read]:
        """Where each suffix's distribution stands, with rows counted from this unit's first."""
        found: dict[Tokens, Read] = {}
        for suffix in self.suffixes:
            whole = self.ids + suffix
            row = next(i for i, candidate in enumerate(self.rows) if candidate[: len(whole)] == whole)
            found[suffix] = Read(row, len(whole) - 1)
        return found


@dataclass(frozen=True)
class Pack:
    """What is computed in one forward pass."""

    index: int
    """Number in the plan; the halves of a pack that did not fit keep it."""
    units: tuple[Unit, ...]

    @cached_property
    def rows(self) -> tuple[Tokens, ...]:
        """All sequences, unit by unit."""
        return tuple(row for unit in self.units for row in unit.rows)

    @cached_property
    def reads(self) -> tuple[Read, ...]:
        """All wanted places, in the order of `slots`."""
        return tuple(read for _, _, read in self._placed())

    @cached_property
    def slots(self) -> dict[Tokens, dict[Tokens, int]]:
        """Prompt tokens → suffix → index into `reads`."""
        found: dict[Tokens, dict[Tokens, int]] = defaultdict(dict)
        for number, (ids, suffix, _) in enumerate(self._placed()):
            found[ids][suffix] = number
        return dict(found)

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return max(unit.length for unit in self.units)

    @property
    def cost(self) -> int:
        """Padded tokens."""
        return len(self.rows) * self.longest

    def _placed(self) -> Iterator[tuple[Tokens, Tokens, Read]]:
        first = 0
        for unit in self.units:
            for suffix, read in unit.reads().items():
                yield unit.ids, suffix, Read(first + read.row, read.position)
            first += len(unit.rows)


@dataclass(frozen=True)
class Plan:
    """All packs of a manifest, in the order in which they run."""

    kind: str
    tokens_per_pack: int
    packs: tuple[Pack, ...]

    @cached_property
    def hash(self) -> str:
        """First 16 hex digits of a SHA-256 over kind, size and every sequence: equal hashes, equal computation."""
        digest = hashlib.sha256(f"{self.kind}\0{self.tokens_per_pack}\0".encode())
        for pack in self.packs:
            for unit in pack.units:
                for part in (unit.ids, *unit.suffixes):
                    digest.update(len(part).to_bytes(4, "little") + array("q", part).tobytes())
                digest.update(b"u")
            digest.update(b"p")
        return digest.hexdigest()[:16]

    @property
    def cost(self) -> int:
        """Padded tokens of all packs."""
        return sum(pack.cost for pack in self.packs)

    @property
    def tokens(self) -> int:
        """Tokens of all distinct rows, without padding."""
        return sum(len(row) for pack in self.packs for row in pack.rows)


def make_plan(requests: Iterable[Request], tokens_per_pack: int) -> Plan:
    """Plan distinct prompts in packs of at most `tokens_per_pack` padded tokens, the longest first.

    The longest come first so that a pack size that does not fit shows at once. The order of the requests, and how
    often one is repeated, change nothing. A prompt longer than a pack has a pack of its own.
    """
    suffixes: dict[Tokens, set[Tokens]] = defaultdict(lambda: {()})
    for request in requests:
        suffixes[request.ids].update(request.continuations)
    units = [Unit(ids, tuple(sorted(found))) for ids, found in suffixes.items()]
    units.sort(key=lambda unit: (-unit.length, unit.ids))
    return Plan(PADDED_ROWS, tokens_per_pack, tuple(Pack(i, group) for i, group in enumerate(_cut(units, tokens_per_pack))))


def split_pack(pack: Pack, tokens_per_pack: int) -> tuple[Pack, ...]:
    """The same units in the same order, in smaller packs; at 0 every unit stands alone."""
    return tuple(Pack(pack.index, group) for group in _cut(pack.units, tokens_per_pack))


def _cut(units: Sequence[Unit], tokens_per_pack: int) -> Iterator[tuple[Unit, ...]]:
    group: list[Unit] = []
    rows = longest = 0
    for unit in units:
        together = (rows + len(unit.rows)) * max(longest, unit.length)
        if group and together > tokens_per_pack:
            yield tuple(group)
            group, rows, longest = [], 0, 0
        group.append(unit)
        rows, longest = rows + len(unit.rows), max(longest, unit.length)
    if group:
        yield tuple(group)
