"""Sync merges whole prompts once, judges by the one judge, and reads only what is new."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evsctl.db.connection import open_database
from evsctl.db.pending import fixed_identity, pending_prompts
from evsctl.db.populate import populate_survey
from evsctl.db.sync import SyncOutcome, SyncReport, best_effort_sync, last_sync_time, rebuild_results, sync_journals
from evsctl.errors import DatabaseError
from evsctl.journal.identity import ModelIdentity
from evsctl.journal.reader import read_journal
from tests.db.factories import (
    CONFIGS,
    FIVE,
    IDENTITY,
    REGISTRY,
    Study,
    a_failure,
    a_prompt,
    a_survey,
    an_answer,
    append_lines,
    dump,
    whole_dump,
)
from tests.db.field import make_field_database

NOTHING = SyncReport(0, {}, (), {}, True)


def test_an_answer_becomes_a_row_per_response(study: Study) -> None:
    prompts = study.populate(questions=1, langs=("eng",))
    study.journal("1-r0", [an_answer(prompts[0], 0.1, 0.7), an_answer(prompts[1], 1 / 3, 0.123456789012345)])
    assert study.sync() == SyncReport(2, {}, (), {"tiny": 2}, True)
    assert study.rows("SELECT * FROM evaluations ORDER BY prompt_id, response_value") == [
        (1, "tiny", 1, 0.1, 0.7),
        (1, "tiny", 2, 0.9, 0.7),
        (2, "tiny", 1, 1 / 3, 0.123456789012345),
        (2, "tiny", 2, 1 - 1 / 3, 0.123456789012345),
    ]
    assert study.rows("SELECT model_id, prompt_id, run_id FROM provenance ORDER BY 2") == [("tiny", 1, "1-r0"), ("tiny", 2, "1-r0")]


def test_doing_it_again_changes_nothing(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompt) for prompt in prompts])
    study.sync()
    before = dump(study.file)
    assert study.sync() == NOTHING
    assert dump(study.file) == before


def test_only_what_is_new_is_read(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompt) for prompt in prompts[:3]])
    study.sync()
    old = path.read_bytes()
    spoilt = old.replace(b'"p_valid": 0.9', b'"p_valid": 0.1', 1)
    assert spoilt != old
    path.write_bytes(spoilt)
    append_lines(path, [an_answer(prompts[3])])
    assert study.sync().by_model == {"tiny": 1}
    assert {row[5] for row in study.answers()} == {0.9}


def test_a_torn_tail_is_left_until_it_is_whole(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompts[0]), an_answer(prompts[1])])
    raw = path.read_bytes()
    path.write_bytes(raw[:-20])
    assert study.sync() == SyncReport(1, {}, (), {"tiny": 1}, True)
    path.write_bytes(raw)
    assert study.sync() == SyncReport(1, {}, (), {"tiny": 1}, True)


def test_a_torn_header_is_no_problem_and_no_journal_yet(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompts[0])])
    raw = path.read_bytes()
    path.write_bytes(raw[:40])
    assert study.sync() == NOTHING
    path.write_bytes(raw)
    assert study.sync().merged == 1


def test_a_bad_line_is_named_once_and_the_rest_is_kept(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompts[0])])
    with path.open("a") as stream:
        stream.write("garbage\n")
    append_lines(path, [an_answer(prompts[1])])
    report = study.sync()
    assert (report.merged, len(report.problems)) == (2, 1)
    assert report.problems[0].startswith(f"{path}, line 3: not a result (")
    assert study.sync() == NOTHING


def test_a_file_that_is_no_journal_is_named_and_looked_at_again_only_when_it_changes(study: Study) -> None:
    prompts = study.populate()
    path = study.runs.model("tiny").create().journal("junk")
    path.write_text("{}\n")
    study.journal("1-r0", [an_answer(prompts[0])])
    report = study.sync()
    assert (report.merged, len(report.problems)) == (1, 1)
    assert report.problems[0].startswith(f"{path}, line 1: not a journal header (")
    assert study.sync() == NOTHING
    path.unlink()
    study.journal("junk", [an_answer(prompts[1])])
    assert study.sync().merged == 1


def test_a_prompt_with_any_row_is_skipped_whole(study: Study) -> None:
    prompts = study.populate()
    study.execute("INSERT INTO evaluations VALUES (1, 'tiny', 2, 0.125, 0.5)")
    study.journal("1-r0", [an_answer(prompts[0]), an_answer(prompts[1])])
    assert study.sync() == SyncReport(1, {}, (), {"tiny": 1}, True)
    assert study.rows("SELECT * FROM evaluations WHERE prompt_id = 1") == [(1, "tiny", 2, 0.125, 0.5)]


def test_between_journals_the_earliest_run_wins_whatever_their_names(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0], 0.1), an_answer(prompts[1], 0.1)], started_at=3000)
    study.journal("2-r0", [an_answer(prompts[0], 0.2)], started_at=2000)
    study.journal("3-r0", [an_answer(prompts[1], 0.3), an_answer(prompts[2], 0.3)], started_at=2500)
    assert study.sync().merged == 3
    assert study.rows("SELECT prompt_id, prob FROM evaluations WHERE response_value = 1 ORDER BY 1") == [(1, 0.2), (2, 0.3), (3, 0.3)]


def test_within_a_journal_the_first_line_wins(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0], 0.1), an_answer(prompts[0], 0.2)])
    assert study.sync().merged == 1
    assert study.rows("SELECT prob FROM evaluations WHERE response_value = 1") == [(0.1,)]


def test_the_same_text_with_another_value_map_is_refused(study: Study) -> None:
    prompts = study.populate(questions=1, langs=("eng",))
    assert prompts[0].prompt_text == prompts[1].prompt_text
    crossed = replace(an_answer(prompts[0]), prompt_hash=an_answer(prompts[1]).prompt_hash)
    study.journal("1-r0", [crossed])
    assert study.sync() == SyncReport(0, {"another text or value map": 1}, (), {}, True)
    assert study.answers() == []


def test_matching_is_by_key_and_hash_never_by_number(study: Study, tmp_path: Path) -> None:
    survey, prompts = a_survey()
    backwards = Study(tmp_path / "backwards")
    with open_database(backwards.location, create=True) as db:
        populate_survey(db, survey, prompts[::-1], REGISTRY)
    study.populate()
    for one in (study, backwards):
        one.journal("1-r0", [an_answer(prompt, n / 16) for n, prompt in enumerate(prompts)])
        one.sync()
    assert study.answers() == backwards.answers()
    assert study.rows("SELECT * FROM evaluations ORDER BY 1, 3") != backwards.rows("SELECT * FROM evaluations ORDER BY 1, 3")


def test_what_nobody_asked_for_is_counted_and_read_again_once_it_is_asked_for(study: Study) -> None:
    """Resume would count such a line as an answer: were it lost here, the prompt would stay pending for ever."""
    study.populate()
    later = a_prompt(7)
    study.journal("1-r0", [an_answer(later)])
    assert study.sync() == SyncReport(0, {"not asked for": 1}, (), {}, True)
    assert study.sync() == NOTHING
    study.populate(questions=8)
    assert study.sync() == SyncReport(1, {}, (), {"tiny": 1}, True)


def test_failed_results_are_counted_and_answered_ones_are_not_failures(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [a_failure(prompts[0], "not finite"), a_failure(prompts[1]), an_answer(prompts[1]), an_answer(prompts[2])])
    study.journal("2-r0", [a_failure(prompts[2])], started_at=2000)
    assert study.sync() == SyncReport(2, {"failed": 3}, (), {"tiny": 2}, True)
    assert study.rows("SELECT prompt_id, reason, run_id FROM failures") == [(1, "not finite", "1-r0")]
    with study.open(write=False) as db:
        assert len(pending_prompts(db, "tiny", CONFIGS, REGISTRY)) == 10


def test_a_failure_of_another_prompt_is_none_of_ours(study: Study) -> None:
    study.populate()
    study.journal("1-r0", [a_failure(a_prompt(7)), replace(a_failure(a_prompt(0)), prompt_hash="0" * 64)])
    assert study.sync() == SyncReport(0, {"another text or value map": 1, "not asked for": 1}, (), {}, True)
    assert study.rows("SELECT * FROM failures") == []


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (replace(IDENTITY, dtype="int4"), "dtype"),
        (replace(IDENTITY, chat_template=True), "chat_template"),
        (replace(IDENTITY, fingerprint="f" * 16), "fingerprint"),
        (replace(IDENTITY, revision="v2", dtype="int4"), "dtype"),
    ],
)
def test_the_first_merged_result_fixes_the_identity(study: Study, other: ModelIdentity, word: str) -> None:
    prompts = study.populate()
    study.journal("1-r0", [a_failure(prompts[0])], identity=other, started_at=1)
    study.journal("2-r0", [an_answer(prompts[1])], started_at=2)
    study.journal("3-r0", [an_answer(prompts[2])], identity=other, started_at=3)
    assert study.sync() == SyncReport(1, {f"another {word}": 1, "failed": 1}, (), {"tiny": 1}, True)
    with study.open(write=False) as db:
        assert fixed_identity(db, "tiny") == IDENTITY
        assert fixed_identity(db, "mono_eng") is None


def test_what_a_later_run_knows_of_the_identity_is_filled_in(study: Study) -> None:
    """Else two fingerprints would pass one after the other, each unlike an unknown one in nothing."""
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0])], identity=replace(IDENTITY, fingerprint=None), started_at=1)
    study.journal("2-r0", [an_answer(prompts[1])], identity=replace(IDENTITY, fingerprint="a" * 16, revision="main"), started_at=2)
    study.journal("3-r0", [an_answer(prompts[2])], identity=replace(IDENTITY, fingerprint="b" * 16), started_at=3)
    assert study.sync() == SyncReport(2, {"another fingerprint": 1}, (), {"tiny": 2}, True)
    with study.open(write=False) as db:
        assert fixed_identity(db, "tiny") == replace(IDENTITY, fingerprint="a" * 16, revision="main")


def test_a_journal_in_another_model_s_folder_is_left_aside(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompts[0])], model_id="tiny")
    moved = study.runs.model("mono_eng").create().journal("1-r0")
    path.rename(moved)
    report = study.sync()
    assert report.problems == (
        f"{moved}, line 1: it names model 'tiny', and lies in the folder of 'mono_eng'; the whole file is left aside.",
    )
    assert study.answers("tiny") == study.answers("mono_eng") == []


def test_a_model_that_the_database_does_not_know_waits_until_it_does(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0])], model_id="new")
    report = study.sync()
    assert report.problems == (f"{study.runs.model('new').folder}: the database has no model 'new'; `evsctl models add` registers it.",)
    study.execute("INSERT INTO models VALUES ('new', 'org/new', 'new', 1, 'bf16', 0, NULL)")
    assert study.sync().by_model == {"new": 1}


def test_a_journal_that_shrank_is_read_from_its_beginning(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompt) for prompt in prompts[:6]])
    study.sync()
    path.unlink()
    study.journal("1-r0", [an_answer(prompts[7], 0.7)])
    assert study.sync().merged == 1
    assert len(study.answers()) == 14


def test_a_journal_that_was_replaced_by_a_longer_one_is_read_from_its_beginning(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompts[0])])
    study.sync()
    path.unlink()
    study.journal("1-r0", [an_answer(prompt, 0.75) for prompt in prompts[1:6]])
    assert study.sync().merged == 5


def test_a_tail_that_was_cut_off_and_written_anew_is_read(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompt) for prompt in prompts[:3]])
    study.sync()
    raw = path.read_bytes()
    path.write_bytes(raw[: raw[:-1].rfind(b"\n") + 1])
    append_lines(path, [an_answer(prompts[5]), an_answer(prompts[6])])
    assert study.sync().merged == 2


def test_rows_deleted_by_hand_come_back_with_the_next_sync(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompt) for prompt in prompts])
    study.sync()
    before = study.answers()
    study.execute("DELETE FROM evaluations WHERE prompt_id IN (2, 5)")
    assert study.sync().merged == 2
    assert study.answers() == before


def test_a_budget_stops_at_a_line_boundary_and_the_next_sync_goes_on(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evsctl.db.batch.HASTY_CHUNK_BYTES", 1000)
    prompts = study.populate(questions=10)
    study.journal("1-r0", [an_answer(prompt, n / 64) for n, prompt in enumerate(prompts)])
    merged, turns = 0, 0
    finished = False
    while not finished:
        report = study.sync(budget_seconds=0.0)
        assert report.merged > 0 or report.finished
        merged, finished, turns = merged + report.merged, report.finished, turns + 1
    assert merged == len(prompts)
    assert turns > 5
    assert [row[4] for row in study.answers() if row[3] == 1] == sorted(n / 64 for n in range(40))


def test_on_a_small_budget_every_model_gets_its_turn(study: Study) -> None:
    prompts = study.populate(questions=2, langs=("eng",))
    study.journal("1-r0", [an_answer(prompt) for prompt in prompts], model_id="tiny")
    study.journal("1-r0", [an_answer(prompt) for prompt in prompts], model_id="mono_eng")
    first = study.sync(budget_seconds=0.0).by_model
    path = study.runs.model(next(iter(first))).journal("1-r0")
    append_lines(path, [an_answer(prompts[0])])
    assert set(study.sync(budget_seconds=0.0).by_model) | set(first) == {"tiny", "mono_eng"}


def test_a_study_without_a_runs_folder_gets_one(study: Study) -> None:
    study.populate()
    study.runs.root.rmdir()
    assert study.sync() == NOTHING
    assert list(study.runs.root.iterdir()) == []


def test_what_was_opened_for_reading_is_not_synced(study: Study) -> None:
    study.populate()
    with study.open(write=False) as db, pytest.raises(DatabaseError, match="opened for reading"):
        sync_journals(db, study.runs)


def test_the_time_of_the_last_sync_is_known(study: Study) -> None:
    study.populate()
    with study.open() as db:
        assert last_sync_time(db) is None
        sync_journals(db, study.runs)
        assert last_sync_time(db) == pytest.approx(time.time(), abs=20)


def test_best_effort_merges_and_says_nothing(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0])])
    assert best_effort_sync(study.location) == SyncOutcome(SyncReport(1, {}, (), {"tiny": 1}, True), "")
    assert best_effort_sync(study.location) == SyncOutcome(NOTHING, "")


def test_best_effort_without_news_takes_no_lease_and_writes_nothing(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0])])
    study.sync()
    before = (whole_dump(study.file), study.file.stat().st_mtime_ns, study.runs.root.stat().st_mtime_ns)
    assert best_effort_sync(study.location) == SyncOutcome(NOTHING, "")
    assert (whole_dump(study.file), study.file.stat().st_mtime_ns, study.runs.root.stat().st_mtime_ns) == before


def test_best_effort_never_raises_and_says_why_not(study: Study, tmp_path: Path) -> None:
    assert best_effort_sync(study.location) == SyncOutcome(None, f"there is no database {study.file}.")
    study.file.write_text("garbage " * 1000)
    assert best_effort_sync(study.location) == SyncOutcome(None, f"{study.file} is not a database.")
    study.file.unlink()
    make_field_database(study.file)
    before = dump(study.file)
    assert best_effort_sync(study.location) == SyncOutcome(None, "this is a database from the field: `evsctl sync` adopts it first.")
    assert dump(study.file) == before


def test_best_effort_does_not_wait_for_the_lease(study: Study) -> None:
    from evsctl.db.lease import acquire_lease

    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompts[0])])
    with acquire_lease(study.runs, wait_seconds=0):
        began = time.monotonic()
        outcome = best_effort_sync(study.location)
        assert time.monotonic() - began < 2
    assert outcome.report is None
    assert outcome.reason.startswith(f"The study is being written by process {os.getpid()} on ")


def test_the_byte_limit_of_the_reader_keeps_whole_lines(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompt) for prompt in prompts])
    whole = read_journal(path)
    for limit in (1, 300, 1000, 10**6):
        found, end = [], 0
        while (part := read_journal(path, end, max_bytes=limit)).end != end:
            found += part.lines
            end = part.end
        assert (found, end) == (whole.lines, whole.end)


def test_other_files_of_a_model_are_no_journals(study: Study) -> None:
    study.populate()
    folder = study.runs.model("tiny").create()
    folder.manifest("f" * 16).write_text("{}\n")
    folder.retractions.write_text("")
    folder.log("1").write_text("log\n")
    (study.runs.root / "lease.json.old").write_text("junk")
    assert study.sync() == NOTHING


def test_the_five_tables_hold_nothing_else_of_evsctl_s(study: Study) -> None:
    prompts = study.populate()
    before = dump(study.file)
    study.journal("1-r0", [an_answer(prompts[0]), a_failure(prompts[1])])
    study.sync()
    after = dump(study.file)
    assert {table for table in FIVE if after[table] != before[table]} == {"evaluations"}


def test_a_rebuild_gives_what_the_journals_say(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompt, n / 64) for n, prompt in enumerate(prompts[:8])])
    study.journal("2-r0", [an_answer(prompts[0], 0.9), a_failure(prompts[9])], started_at=2000)
    study.sync()
    before, failed = study.answers(), study.rows("SELECT * FROM failures")
    study.execute(
        "UPDATE evaluations SET prob = 0.5 WHERE prompt_id = 1", "DELETE FROM evaluations WHERE prompt_id = 2", "DELETE FROM failures"
    )
    with study.open() as db:
        report = rebuild_results(db, study.runs)
    assert report == SyncReport(8, {"failed": 1}, (), {"tiny": 8}, True)
    assert (study.answers(), study.rows("SELECT * FROM failures")) == (before, failed)
    assert study.rows("SELECT count(*) FROM superseded") == [(0,)]
    assert study.sync() == NOTHING


def test_a_rebuild_into_a_new_database_gives_the_same_rows(study: Study) -> None:
    prompts = study.populate()
    study.journal("1-r0", [an_answer(prompt, n / 64) for n, prompt in enumerate(prompts)])
    study.sync()
    before = study.answers()
    study.file.unlink()
    study.populate()
    with study.open() as db:
        rebuild_results(db, study.runs)
    assert study.answers() == before


def test_a_rebuild_leaves_rows_that_evsctl_did_not_write(study: Study) -> None:
    prompts = study.populate()
    study.execute(
        "INSERT INTO evaluations VALUES (1, 'tiny', 1, 0.125, 0.5)", "INSERT INTO evaluations VALUES (2, 'mono_eng', 1, 0.5, 0.5)"
    )
    study.journal("1-r0", [an_answer(prompts[0]), an_answer(prompts[1])])
    study.sync()
    before = dump(study.file)
    with study.open() as db:
        rebuild_results(db, study.runs)
    assert sorted(row[1:] for row in dump(study.file)["evaluations"][1]) == sorted(row[1:] for row in before["evaluations"][1])


def test_a_rebuild_keeps_what_has_no_journal_any_more_and_says_so(study: Study) -> None:
    prompts = study.populate()
    gone = study.journal("1-r0", [an_answer(prompts[0]), an_answer(prompts[1])])
    study.journal("2-r0", [an_answer(prompts[2])], started_at=2000)
    study.sync()
    before = study.answers()
    gone.unlink()
    with study.open() as db:
        report = rebuild_results(db, study.runs)
    assert report == SyncReport(
        1, {}, ("The journal of run 1-r0 of tiny is gone or unreadable: its 2 prompts stay as they are.",), {"tiny": 1}, True
    )
    assert study.answers() == before


def test_a_rebuild_sets_aside_what_no_line_supports_any_more(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompts[0]), an_answer(prompts[1])])
    study.sync()
    header, first, _ = path.read_text().splitlines(keepends=True)
    path.write_text(header + first + "garbage\n")
    with study.open() as db:
        report = rebuild_results(db, study.runs)
    assert (report.merged, len(report.problems)) == (1, 1)
    assert study.rows("SELECT DISTINCT prompt_id FROM evaluations") == [(1,)]
    assert study.rows("SELECT prompt_id, response_value, prob, run_id, reason FROM superseded") == [
        (2, 1, 0.25, "1-r0", "rebuild"),
        (2, 2, 0.75, "1-r0", "rebuild"),
    ]


def test_a_journal_s_header_is_kept_in_the_database(study: Study) -> None:
    prompts = study.populate()
    path = study.journal("1-r0", [an_answer(prompts[0])])
    study.sync()
    columns = (
        "path, run_id, model_id, merged_bytes, executor, engine_version, host, gpu, job_id, restart, started_at, merged_prompts, identity"
    )
    (row,) = study.rows(f"SELECT {columns} FROM runs")
    assert row[:-1] == ("tiny/1-r0.jsonl", "1-r0", "tiny", path.stat().st_size, "resident", "0.1", "node1", "a100", "11", 0, 1000.0, 1)
    assert ModelIdentity.from_json(json.loads(row[-1])) == IDENTITY
