"""Option orders: the questionnaire's, its reverse, then distinct shuffles that every machine draws alike."""

import hashlib
import math
from collections.abc import Iterator

PERMUTATIONS_PER_QUESTION = 6


def option_orders(question_id: str, n_options: int, count: int = PERMUTATIONS_PER_QUESTION) -> tuple[tuple[int, ...], ...]:
    """`min(count, n!)` distinct orders of 0..n-1: identity, reversed, then shuffles seeded by the question's id.

    No option: none. One option: one order.
    """
    if n_options == 0:
        return ()
    identity = tuple(range(n_options))
    orders = [identity]
    if n_options > 1 and count > 1:
        orders.append(identity[::-1])
    wanted = min(count, math.factorial(n_options))
    draws = _digest_numbers(f"{question_id}/{n_options}")
    while len(orders) < wanted:
        order = _shuffle(identity, draws)
        if order not in orders:
            orders.append(order)
    return tuple(orders[:wanted])


def _digest_numbers(seed: str) -> Iterator[int]:
    """64-bit numbers from SHA-256 in counter mode: Python's own `hash` is salted and its `shuffle` is not promised to stay."""
    counter = 0
    while True:
        block = hashlib.sha256(f"{seed}/{counter}".encode()).digest()
        for start in range(0, 32, 8):
            yield int.from_bytes(block[start : start + 8], "big")
        counter += 1


def _shuffle(items: tuple[int, ...], draws: Iterator[int]) -> tuple[int, ...]:
    """Fisher-Yates; the bias of a 64-bit modulus over at most ten items is below 1e-18."""
    shuffled = list(items)
    for last in range(len(shuffled) - 1, 0, -1):
        other = next(draws) % (last + 1)
        shuffled[last], shuffled[other] = shuffled[other], shuffled[last]
    return tuple(shuffled)
