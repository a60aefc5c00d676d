"""A plan depends on what must be computed, and on nothing else."""

import random

from hypothesis import given
from hypothesis import strategies as st

from evsctl.engine.plan import Pack, Read, Request, make_plan, split_pack

tokens = st.lists(st.integers(0, 5), min_size=1, max_size=12).map(tuple)
continuations = st.lists(st.lists(st.integers(6, 8), min_size=1, max_size=2).map(tuple), max_size=2, unique=True).map(tuple)
requests = st.lists(st.builds(Request, tokens, continuations), max_size=30)
sizes = st.integers(1, 60)


@given(requests, sizes, st.randoms())
def test_order_and_repetition_change_nothing(asked: list[Request], size: int, rng: random.Random) -> None:
    plan = make_plan(asked, size)
    again = asked + rng.sample(asked, len(asked) // 2)
    rng.shuffle(again)
    assert make_plan(again, size) == plan
    assert make_plan(again, size).hash == plan.hash


@given(requests, sizes)
def test_each_distinct_prompt_is_computed_exactly_once(asked: list[Request], size: int) -> None:
    plan = make_plan(asked, size)
    computed = [unit.ids for pack in plan.packs for unit in pack.units]
    assert sorted(computed) == sorted({request.ids for request in asked})


@given(requests, sizes)
def test_every_wanted_place_is_read_where_its_tokens_end(asked: list[Request], size: int) -> None:
    plan = make_plan(asked, size)
    where = {unit.ids: pack for pack in plan.packs for unit in pack.units}
    for request in asked:
        pack = where[request.ids]
        for suffix in ((), *request.continuations):
            read = pack.reads[pack.slots[request.ids][suffix]]
            assert pack.rows[read.row][: read.position + 1] == request.ids + suffix


@given(requests, sizes)
def test_packs_keep_their_size_unless_one_prompt_alone_is_larger(asked: list[Request], size: int) -> None:
    for pack in make_plan(asked, size).packs:
        assert pack.cost <= size or len(pack.units) == 1
        assert pack.cost == len(pack.rows) * max(len(row) for row in pack.rows)


@given(requests, sizes, st.integers(0, 30))
def test_a_split_pack_holds_the_same_units_in_the_same_order(asked: list[Request], size: int, smaller: int) -> None:
    for pack in make_plan(asked, size).packs:
        parts = split_pack(pack, smaller)
        assert tuple(unit for part in parts for unit in part.units) == pack.units
        assert {part.index for part in parts} == {pack.index}
        assert all(part.cost <= smaller or len(part.units) == 1 for part in parts)


@given(requests, requests, sizes)
def test_other_sequences_give_another_hash(one: list[Request], other: list[Request], size: int) -> None:
    def wanted(asked: list[Request]) -> set[tuple[int, ...]]:
        return {request.ids + suffix for request in asked for suffix in ((), *request.continuations)}

    if wanted(one) != wanted(other):
        assert make_plan(one, size).hash != make_plan(other, size).hash


def test_a_continuation_costs_one_row_of_one_more_token() -> None:
    (pack,) = make_plan([Request((1, 2, 3), ((9,),)), Request((1, 2, 3))], 100).packs
    assert pack.rows == ((1, 2, 3, 9),)
    assert pack.reads == (Read(0, 2), Read(0, 3))
    assert pack.slots == {(1, 2, 3): {(): 0, (9,): 1}}


def test_two_continuations_need_two_rows_and_share_the_first_for_the_prompt() -> None:
    (pack,) = make_plan([Request((1, 2), ((7,), (9,)))], 100).packs
    assert pack.rows == ((1, 2, 7), (1, 2, 9))
    assert pack.reads == (Read(0, 1), Read(0, 2), Read(1, 2))


def test_the_longest_prompts_come_first() -> None:
    plan = make_plan([Request((1,)), Request((1, 2, 3)), Request((2, 2))], 3)
    assert [pack.rows for pack in plan.packs] == [((1, 2, 3),), ((2, 2),), ((1,),)]
    assert [pack.index for pack in plan.packs] == [0, 1, 2]


def test_no_prompts_make_no_packs() -> None:
    plan = make_plan([], 100)
    assert (plan.packs, plan.cost, plan.tokens) == ((), 0, 0)


def test_a_pack_of_many_units_costs_little_padding() -> None:
    plan = make_plan([Request(tuple(range(length))) for length in range(1, 101)], 500)
    assert plan.cost < 1.1 * plan.tokens


def test_packs_compare_by_what_they_hold() -> None:
    (one,), (two,) = make_plan([Request((1,))], 5).packs, make_plan([Request((1,))], 5).packs
    assert one == two
    assert one != Pack(1, one.units)
