"""SmolLM2-135M answers all English prompts of the study through a submitted job, killed once on the way."""

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evsctl.journal.heartbeat import Heartbeat, read_heartbeat
from tests.command_line import evsctl
from tests.slurm_cluster import SlurmCluster
from tests.study import QUESTIONS, REPHRASINGS, needs_study
from tests.weights import WeightsUnavailableError, smollm2_folder

pytestmark = [pytest.mark.slow, pytest.mark.weights, pytest.mark.study, needs_study, pytest.mark.timeout(1500)]

MODEL = "smollm2_eng"
TOTAL = 1_042 + 96
PATIENCE_SECONDS = 900
FIGURES = ("quality", "bias", "summary", "distance", "examples", "rephrase")


@pytest.fixture(scope="session")
def weights() -> Path:
    try:
        return smollm2_folder()
    except WeightsUnavailableError as error:
        pytest.skip(str(error))


def populated_study(folder: Path, weights: Path, backend: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "evsctl.toml").write_text(f'[study]\nname = "smol"\nmodels = ["{MODEL}"]\n\n[cluster]\nbackend = "{backend}"\ncpus = 2\n')
    populate = ("survey", "populate", "--questions", QUESTIONS, "--rephrasings", REPHRASINGS)
    for command in (populate, ("models", "add", MODEL, "--path", weights, "--lang", "eng", "--dtype", "fp32")):
        done = evsctl(*command, cwd=folder)
        assert done.code == 0, done.err
    return folder


def row_of(study: Path, env: dict[str, str]) -> dict[str, Any]:
    done = evsctl("status", "--json", cwd=study, env=env)
    assert done.out, done.err
    found: dict[str, Any] = next(row for row in done.data["models"] if row["model_id"] == MODEL)
    return found


def wait_for(test: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := test()):
        assert time.monotonic() < end, f"waited {PATIENCE_SECONDS} s for {what}"
        time.sleep(0.5)
    return found


def half_way(study: Path) -> Heartbeat | None:
    """The heartbeat of a run that has committed something and has more to do."""
    for path in (study / "survey.runs" / MODEL).glob("*.status.json"):
        heartbeat = read_heartbeat(path)
        if heartbeat and heartbeat.phase == "running" and 0 < heartbeat.manifest_done < heartbeat.manifest_total:
            return heartbeat
    return None


def answer_killed_once(study: Path, env: dict[str, str]) -> None:
    """Submit, kill -9 half-way, submit again, wait for the end."""
    first = evsctl("submit", MODEL, cwd=study, env=env)
    assert first.code == 0, first.err
    heartbeat = wait_for(lambda: half_way(study), "the first commit")
    os.kill(heartbeat.pid, signal.SIGKILL)
    wait_for(lambda: row_of(study, env)["state"] == "failed", "the killed job to be seen as failed")
    committed = row_of(study, env)["done"]
    assert committed >= heartbeat.manifest_done
    second = evsctl("submit", MODEL, cwd=study, env=env)
    assert second.code == 0, second.err
    wait_for(lambda: row_of(study, env)["state"] in ("done", "failed"), "the second job to end")


def assert_complete(study: Path, env: dict[str, str]) -> None:
    row = row_of(study, env)
    assert {name: row[name] for name in ("total", "done", "failed", "percent", "state", "attempt")} == {
        "total": TOTAL,
        "done": TOTAL,
        "failed": 0,
        "percent": 100.0,
        "state": "done",
        "attempt": 2,
    }
    answered = [key for path in journals(study) for key in prompts_in(path)]
    assert len(answered) == len(set(answered)) == TOTAL, "no prompt lost, none answered twice"


def journals(study: Path) -> list[Path]:
    return [p for p in sorted((study / "survey.runs" / MODEL).glob("*.jsonl")) if not p.name.startswith(("manifest", "retractions"))]


def prompts_in(path: Path) -> list[str]:
    lines = path.read_text().split("\n")[:-1]
    return [
        str((v["question_id"], v["config"], v["permutation_idx"], v["variant_id"])) for v in map(json.loads, lines) if "prompt_hash" in v
    ]


def assert_equal_to_a_plain_loop(study: Path, weights: Path, count: int) -> None:
    """One prompt at a time, the answer read by the definition: every token that is the digit alone or after one space."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(weights)
    model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32).eval()
    tokens_of: dict[str, list[int]] = {}
    for token in range(len(tokenizer)):
        text = tokenizer.decode([token])
        tokens_of.setdefault(text[1:] if text.startswith(" ") else text, []).append(token)
    ends = {tokenizer.eos_token_id} | {
        t for text in ("\n", "\n\n", " ", ".", ",") for t in tokenizer(text)["input_ids"] if tokenizer.decode([t]) == text
    }
    ends -= set(tokens_of["0"])

    def forward(ids: list[int]) -> Any:
        with torch.inference_mode():
            return torch.softmax(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].double(), -1)

    def plain(text: str, valid: list[str], value_map: dict[str, str]) -> tuple[float, dict[int, float]]:
        ids = tokenizer(text)["input_ids"]
        first = forward(ids)
        mass = {v: float(first[tokens_of[v]].sum()) for v in valid if len(v) == 1}
        if "10" in valid:
            then = forward([*ids, tokenizer("1")["input_ids"][-1]])
            zero, end = float(then[tokens_of["0"]].sum()), float(then[sorted(ends)].sum())
            one = mass["1"]
            mass["10"] = one * zero / (zero + end) if zero + end > 0.01 else 0.0
            mass["1"] = one * end / (zero + end) if zero + end > 0.01 else one
        total = sum(mass.values())
        return total, {int(value_map[v]): p / total for v, p in mass.items()}

    with sqlite3.connect(f"file:{study / 'survey.db'}?mode=ro", uri=True) as db:
        chosen = random.Random(7).sample(
            db.execute("SELECT DISTINCT prompt_id FROM evaluations WHERE model_id = ?", (MODEL,)).fetchall(), count
        )
        for (prompt_id,) in chosen:
            text, valid, value_map = db.execute(
                "SELECT prompt_text, valid_values, value_map FROM prompts WHERE prompt_id = ?", (prompt_id,)
            ).fetchone()
            rows = db.execute(
                "SELECT response_value, prob, p_valid FROM evaluations WHERE prompt_id = ? AND model_id = ?", (prompt_id, MODEL)
            ).fetchall()
            p_valid, probs = plain(text, json.loads(valid), json.loads(value_map))
            assert {value for value, _, _ in rows} == set(probs)
            assert all(found == pytest.approx(p_valid, abs=1e-4, rel=1e-3) for _, _, found in rows)
            assert {value: prob for value, prob, _ in rows} == pytest.approx(probs, abs=1e-4)


def assert_figures(study: Path, env: dict[str, str]) -> None:
    done = evsctl("figures", "all", cwd=study, env=env, timeout=300)
    assert done.code == 0, done.err
    for name in FIGURES:
        assert {path.suffix for path in (study / "figures").glob(f"{name}.*")} == {".pdf", ".png", ".csv"}, name
    assert (study / "figures" / "index.html").is_file()


def test_all_english_prompts_are_answered_through_this_machine_killed_once(tmp_path: Path, weights: Path) -> None:
    study = populated_study(tmp_path / "study", weights, "local")
    answer_killed_once(study, {})
    assert_complete(study, {})
    assert_equal_to_a_plain_loop(study, weights, 200)
    assert_figures(study, {})


@pytest.mark.slurm
@pytest.mark.xdist_group("slurm")
def test_all_english_prompts_are_answered_through_slurm_killed_once(slurm: SlurmCluster, tmp_path: Path, weights: Path) -> None:
    study = populated_study(tmp_path / "study", weights, "cli")
    # The registry knows no card for this model, and the pretended cards compute nothing.
    env = {**slurm.environment, "EVSCTL_CLUSTER_POLL": "10", "CUDA_VISIBLE_DEVICES": ""}
    answer_killed_once(study, env)
    assert_complete(study, env)
    assert_equal_to_a_plain_loop(study, weights, 40)
