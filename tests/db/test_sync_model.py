"""Whatever journals come to hold, and whenever a sync looks: the rows are those of the naive model."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evsctl.db.connection import open_database
from evsctl.db.populate import populate_survey
from evsctl.db.sync import rebuild_results, sync_journals
from evsctl.survey.types import Prompt
from tests.db.factories import REGISTRY, Study, a_failure, a_header, a_prompt, a_survey, an_answer

SURVEY, PROMPTS = a_survey(2, ("eng",), 2)
STRANGE = a_prompt(9)

lines = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.integers(0, 3)),
        st.tuples(st.just("failure"), st.integers(0, 3)),
        st.tuples(st.sampled_from(["unknown", "crossed", "garbage", "blank", "torn"]), st.just(0)),
    ),
    max_size=6,
)
appends = st.tuples(st.sampled_from(["a", "b", "c"]), lines)
steps = st.lists(st.one_of(appends, st.sampled_from(["sync", "sync", "budget", "rebuild"])), max_size=14)


@dataclass
class Naive:
    """What should be in the database: no offsets, no caches, every journal read whole every time."""

    started: dict[str, int]
    text: dict[str, str] = field(default_factory=dict)
    rows: dict[tuple[str, int], float] = field(default_factory=dict)
    failed: set[tuple[str, int]] = field(default_factory=set)

    def sync(self) -> None:
        """Earliest run first, line by line, the first answer of a prompt stays."""
        wanted = {(p.question_id, p.permutation_idx): an_answer(p).prompt_hash for p in PROMPTS}
        for run in sorted(self.text, key=lambda run: self.started[run]):
            for line in self.text[run].split("\n")[1:-1]:
                try:
                    value = json.loads(line)
                    key = (value["question_id"], value["permutation_idx"])
                except (ValueError, KeyError):
                    continue
                if wanted.get(key) != value["prompt_hash"] or key in self.rows:
                    continue
                if "failed" in value:
                    self.failed.add(key)
                else:
                    self.rows[key] = value["probs"]["1"]
                    self.failed.discard(key)


def written(kind: str, number: int, mark: float) -> str:
    """One line of a journal, or what stands in its place."""
    prompt: Prompt = PROMPTS[number]
    if kind == "answer":
        return json.dumps(an_answer(prompt, mark).to_json()) + "\n"
    if kind == "failure":
        return json.dumps(a_failure(prompt).to_json()) + "\n"
    if kind == "unknown":
        return json.dumps(an_answer(STRANGE, mark).to_json()) + "\n"
    if kind == "crossed":
        return json.dumps(replace(an_answer(PROMPTS[0], mark), prompt_hash=an_answer(PROMPTS[1]).prompt_hash).to_json()) + "\n"
    return {"garbage": "garbage\n", "blank": "\n", "torn": '{"question_id": "v0", '}[kind]


@given(steps, st.permutations([1, 2, 3]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_interleaving_of_lines_and_syncs_gives_the_naive_model_s_rows(actions: list[object], order: list[int]) -> None:
    with TemporaryDirectory() as folder:
        study = Study(Path(folder))
        naive = Naive(dict(zip("abc", order, strict=True)))
        with open_database(study.location, create=True) as db:
            populate_survey(db, SURVEY, PROMPTS, REGISTRY)
            for turn, action in enumerate([*actions, "sync"]):
                if isinstance(action, tuple):
                    run, items = action
                    path = study.runs.model("tiny").create().journal(run)
                    text = naive.text.get(run) or json.dumps(a_header(run, started_at=naive.started[run]).to_json()) + "\n"
                    text += "".join(written(kind, number, (turn + 1) / 64) for kind, number in items)
                    path.write_text(text)
                    naive.text[run] = text
                elif action == "budget":
                    while not sync_journals(db, study.runs, budget_seconds=0.0).finished:
                        pass
                    naive.sync()
                elif action == "rebuild":
                    rebuild_results(db, study.runs)
                    naive.rows, naive.failed = {}, set()
                    naive.sync()
                else:
                    sync_journals(db, study.runs)
                    naive.sync()
        key = "question_id, permutation_idx"
        rows = study.rows(f"SELECT {key}, prob FROM evaluations JOIN prompts USING (prompt_id) WHERE response_value = 1")
        assert {(question, permutation): prob for question, permutation, prob in rows} == naive.rows
        assert study.rows("SELECT count(*) FROM evaluations") == [(2 * len(naive.rows),)]
        assert set(study.rows(f"SELECT {key} FROM failures JOIN prompts USING (prompt_id)")) == naive.failed
