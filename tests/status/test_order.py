"""What needs a person is on top and never folds; finished members of a family fold into one line."""

from dataclasses import replace

from evsctl.status.order import fold_lines, in_order, totals
from evsctl.status.snapshot import ModelRow, SlurmHealth, Snapshot


def row(model_id, state="idle", family=None, done=0, total=10, **more):
    return ModelRow(
        model_id, f"hub/{model_id}", family or model_id, total, done, 0, None, None, state, "", None, 0, more.pop("next_action", ""), **more
    )


def names(rows):
    return [item.model_id for item in rows]


def test_needs_you_running_pending_idle_outside_done():
    rows = [
        row("done", "done"),
        row("outside", in_study=False),
        row("idle"),
        row("pending", "pending"),
        row("running", "running"),
        row("failed", "failed", needs_attention=True),
        row("ending", "completing"),
        row("stuck", "pending", needs_attention=True),
        row("cancelled", "cancelled"),
    ]
    assert names(in_order(rows)) == ["failed", "stuck", "running", "ending", "pending", "idle", "cancelled", "outside", "done"]


def test_a_finished_family_is_one_line_with_its_sums():
    rows = [
        row("big", "running"),
        *(row(f"f_{lang}", "done", "f", done=10, p_valid_mean=value) for lang, value in (("a", 0.7), ("b", 0.5))),
    ]
    lines = fold_lines(in_order(rows))
    assert [line.name for line in lines] == ["big", "▸ f 2/2"]
    assert (lines[1].row.done, lines[1].row.total, lines[1].row.p_valid_mean) == (20, 20, 0.5)


def test_unfinished_members_stand_by_themselves():
    rows = [row("f_a", "done", "f"), row("f_b", "done", "f"), row("f_c", "running", "f"), row("f_d", "failed", "f", needs_attention=True)]
    assert [line.name for line in fold_lines(in_order(rows))] == ["f_d", "f_c", "▸ f 2/4"]


def test_one_finished_member_does_not_fold():
    assert [line.name for line in fold_lines([row("f_a", "done", "f"), row("f_b", "idle", "f")])] == ["f_a", "f_b"]


def test_a_finished_member_with_something_to_say_does_not_fold():
    rows = [row("f_a", "done", "f"), row("f_b", "done", "f"), row("f_c", "done", "f", next_action="p_valid 0.03: c check")]
    assert [line.name for line in fold_lines(rows)] == ["▸ f 2/3", "f_c"]


def test_an_unfolded_family_keeps_its_heading():
    rows = [row("f_a", "done", "f"), row("f_b", "done", "f")]
    lines = fold_lines(rows, frozenset({"f"}))
    assert [(line.key, line.name) for line in lines] == [("family:f", "▾ f 2/2"), ("f_a", "  f_a"), ("f_b", "  f_b")]


def test_totals_leave_out_what_is_outside_the_study_and_untouched():
    rows = (row("a", "done", done=10), row("b", "running", done=4), row("c", in_study=False), row("d", in_study=False, done=1))
    snapshot = Snapshot(0.0, "db", "study", 10, rows, SlurmHealth("cli", True, 1.0))
    sums = totals(snapshot)
    assert (sums.models, sums.done, sums.running, sums.prompts_left, sums.prompts) == (3, 1, 1, 15, 30)
    assert not sums.is_finished
    assert totals(replace(snapshot, models=(rows[0],))).is_finished
