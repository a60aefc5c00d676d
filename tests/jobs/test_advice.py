"""The table of the design, line by line, with its three golden cases."""

from dataclasses import replace
from pathlib import Path

import pytest

from evsctl.jobs.advice import advise
from evsctl.jobs.attempts import Attempt, TrustedRate
from evsctl.jobs.cli_port import CliPort
from evsctl.jobs.display import shell_line
from evsctl.jobs.facts import ClusterFacts, NodeGroup
from evsctl.jobs.types import Advice, JobRequest, JobSpec
from evsctl.models.registry import load_registry
from evsctl.models.spec import ModelSpec
from evsctl.settings import Caps, ClusterSettings, DatabaseLocation, Settings

REGISTRY = load_registry()
EUROLLM, GEMMA, QWEN = (REGISTRY.get(name) for name in ("eurollm22b", "gemma3_27b_pt", "qwen3235b"))
NOW = 1_795_350_000.0


def settings_with(caps: Caps | None = None, gpus: dict[str, float] | None = None) -> Settings:
    folder = Path("/study")
    location = DatabaseLocation("sqlite:////study/survey.db", folder / "survey.db", folder / "survey.runs", "search")
    return Settings(folder, location, cluster=ClusterSettings(caps=caps or Caps()), gpus=gpus or {})


def group(name: str, memory_gb: int, features: str, limit: int | None = 2880) -> NodeGroup:
    return NodeGroup("gpu", True, limit, 4, 64, memory_gb, {features.split(",")[0]: 4}, frozenset(features.split(",")), name)


CLUSTER = ClusterFacts((group("a", 500, "a100"), group("b", 1000, "a100,a100-80g"), group("l", 500, "l40s"), group("h", 1000, "h100")))


def attempt(spec: ModelSpec, state: str, **values: object) -> Attempt:
    request = JobRequest(spec.memory_gb, spec.walltime_minutes, spec.gpus, spec.constraint)
    return replace(Attempt("52544123", request, state, new_rows=100, ended_at=NOW - 600), **values)  # type: ignore[arg-type]


def asked(advice: Advice, spec: ModelSpec) -> str:
    """The sbatch line from the memory on, as people read it."""
    job = JobSpec("evs-study-x", (spec.model_id,), advice.request, Path("run.sbatch"), "%j.log", Path("/study"))
    if spec.dtype != "bf16":
        job = replace(job, arguments=("--dtype", spec.dtype))
    line = shell_line(CliPort().command(job))
    return line[line.index("--mem") :]


class TestGoldenCases:
    def test_eurollm_out_of_memory_at_48g_gets_twice_that_and_keeps_its_time(self) -> None:
        last = attempt(EUROLLM, "oom", fingerprint="oom-host@48G")
        advice = advise(EUROLLM, [last], 20_763, CLUSTER, settings_with(), None, NOW)
        assert asked(advice, EUROLLM) == '--mem=96G -t 04:00:00 -G 1 --constraint="a100|h100" --cpus-per-task=4 run.sbatch'
        assert advice.stop is None
        assert advice.reasons == {
            "memory_gb": "job 52544123 ran out of memory at 48G: twice that",
            "walltime_minutes": "20,763 prompts left; no speed is trusted yet, so the time stays",
            "gpus": "as last time",
            "constraint": "as last time",
        }

    def test_gemma_out_of_time_gets_what_remains_divided_by_its_speed(self) -> None:
        last = attempt(GEMMA, "timeout", new_rows=4991)
        advice = advise(GEMMA, [last], 15_872, CLUSTER, settings_with(), TrustedRate(0.68, 4991), NOW)
        assert asked(advice, GEMMA) == '--mem=48G -t 08:00:00 -G 1 --constraint="a100|l40s|h100" --cpus-per-task=4 run.sbatch'
        reason = "job 52544123 reached its limit with 15,872 prompts left: 15,872 ÷ 0.68/s × 1.2 + 4 min to load, up to the next half hour"
        assert advice.reasons["walltime_minutes"] == reason
        assert advice.stop is None

    def test_qwen_starts_with_the_registrys_figures_in_int4(self) -> None:
        advice = advise(QWEN, [], 20_863, CLUSTER, settings_with(), None, NOW)
        assert asked(advice, QWEN) == "--mem=192G -t 08:00:00 -G 1 --constraint=a100-80g --cpus-per-task=4 run.sbatch --dtype int4"
        assert set(advice.reasons.values()) == {"first time: the registry's figure"}
        assert advice.stop is None


class TestCards:
    def test_cards_that_cannot_hold_the_model_are_named_with_what_happens_there(self) -> None:
        assert advise(GEMMA, [], 1, CLUSTER, settings_with(), None, NOW).warnings == (
            "a100 (42 GB) and l40s (48 GB) cannot hold the 54 GB of bf16 weights; "
            "the engine keeps all weights on one card, so a job there ends for want of GPU memory.",
        )
        assert advise(QWEN, [], 1, CLUSTER, settings_with(), None, NOW).warnings == (
            "No allowed card holds the 134 GB of int4 weights: a100-80g (85 GB); "
            "the engine keeps all weights on one card, so a job there ends for want of GPU memory.",
            "The engine refuses int4 for qwen3_moe: its experts would stay unquantised. A job ends at once.",
        )
        assert advise(REGISTRY.get("hplt2c_eng"), [], 1, CLUSTER, settings_with(), None, NOW).warnings == ()

    def test_a_site_whose_a100_has_80_gb_gets_no_warning(self) -> None:
        assert advise(EUROLLM, [], 1, CLUSTER, settings_with(gpus={"a100": 85.0}), None, NOW).warnings == ()

    def test_the_better_line_takes_only_cards_that_hold_the_model(self) -> None:
        better = advise(GEMMA, [], 1, CLUSTER, settings_with(), None, NOW).alternative
        assert better is not None
        assert (better.request.constraint, better.dtype, better.model_id) == ("h100", "bf16", GEMMA.model_id)

    def test_a_quantised_model_that_fits_nowhere_has_no_better_line(self) -> None:
        assert advise(QWEN, [], 1, CLUSTER, settings_with(), None, NOW).alternative is None

    def test_gpu_memory_gone_asks_for_larger_cards_and_never_for_more_memory(self) -> None:
        last = attempt(GEMMA, "oom", fingerprint="oom-gpu", gpu="NVIDIA L40S")
        advice = advise(GEMMA, [last], 500, CLUSTER, settings_with(), None, NOW)
        assert (advice.request.memory_gb, advice.request.constraint) == (48, "h100")

    def test_gpu_memory_gone_on_the_largest_card_leaves_it_to_the_engine_and_says_so(self) -> None:
        last = attempt(QWEN, "oom", fingerprint="oom-gpu", gpu="NVIDIA A100-SXM4-80GB")
        advice = advise(QWEN, [last], 500, CLUSTER, settings_with(), None, NOW)
        assert (advice.request.memory_gb, advice.request.constraint) == (192, "a100-80g")
        assert "No larger card is known here" in advice.warnings[0]


class TestMemory:
    def test_doubling_ends_at_the_largest_fitting_node(self) -> None:
        last = attempt(EUROLLM, "oom", fingerprint="oom-host@600G", request=JobRequest(600, 240, 1, "a100|h100"))
        advice = advise(EUROLLM, [last], 500, CLUSTER, settings_with(), None, NOW)
        assert advice.request.memory_gb == 1000
        assert advice.reasons["memory_gb"].endswith("the largest node has 1000G")
        assert advice.stop is None

    def test_out_of_memory_at_the_largest_node_stops(self) -> None:
        last = attempt(EUROLLM, "oom", fingerprint="oom-host@1000G", request=JobRequest(1000, 240, 1, "a100|h100"))
        assert advise(EUROLLM, [last], 500, CLUSTER, settings_with(), None, NOW).stop == (
            "job 52544123 ran out of memory, and there is no more to ask for"
        )

    def test_the_users_cap_holds_against_the_doubling(self) -> None:
        last = attempt(EUROLLM, "oom", fingerprint="oom-host@48G")
        advice = advise(EUROLLM, [last], 500, CLUSTER, settings_with(Caps(memory_gb=64)), None, NOW)
        assert advice.request.memory_gb == 64
        assert advice.reasons["memory_gb"].endswith("your cap is 64G")

    def test_two_losses_of_memory_at_different_sizes_are_not_the_same_failure(self) -> None:
        first = attempt(EUROLLM, "oom", fingerprint="oom-host@48G", new_rows=0)
        second = attempt(EUROLLM, "oom", fingerprint="oom-host@96G", request=JobRequest(96, 240, 1, "a100|h100"), new_rows=0)
        advice = advise(EUROLLM, [first, second], 500, CLUSTER, settings_with(), None, NOW)
        assert (advice.request.memory_gb, advice.stop) == (192, None)


class TestTime:
    def test_more_than_the_partition_allows_becomes_chunks(self) -> None:
        short = ClusterFacts((group("h", 1000, "h100", limit=240),))
        last = attempt(GEMMA, "timeout", request=JobRequest(48, 240, 1, "h100"))
        advice = advise(GEMMA, [last], 15_872, short, settings_with(), TrustedRate(0.68, 4991), NOW)
        assert advice.request.walltime_minutes == 240
        assert advice.reasons["walltime_minutes"].endswith("the partition allows 240 min; it takes about 2 jobs one after the other")

    def test_a_timeout_without_trusted_speed_goes_on_in_the_same_time(self) -> None:
        advice = advise(GEMMA, [attempt(GEMMA, "timeout")], 15_872, CLUSTER, settings_with(), None, NOW)
        assert (advice.request.walltime_minutes, advice.stop) == (240, None)

    def test_a_few_prompts_left_ask_for_half_an_hour(self) -> None:
        advice = advise(GEMMA, [attempt(GEMMA, "done")], 20, CLUSTER, settings_with(), TrustedRate(0.68, 4991, load_seconds=60), NOW)
        assert advice.request.walltime_minutes == 30

    def test_the_load_is_the_measured_one_where_it_was_measured(self) -> None:
        advice = advise(
            GEMMA, [attempt(GEMMA, "timeout")], 15_872, CLUSTER, settings_with(), TrustedRate(0.68, 4991, load_seconds=3600), NOW
        )
        assert advice.request.walltime_minutes == 540


class TestOtherEnds:
    def test_a_preempted_job_is_asked_for_again_unchanged(self) -> None:
        last = attempt(GEMMA, "preempted", new_rows=0)
        advice = advise(GEMMA, [last], 900, CLUSTER, settings_with(), TrustedRate(0.68, 4991), NOW)
        assert replace(advice.request) == replace(last.request)
        assert advice.stop is None

    @pytest.mark.parametrize(("hours_ago", "excluded"), [(3, ("gpu017",)), (25, ())])
    def test_a_failed_node_is_left_out_for_a_day(self, hours_ago: int, excluded: tuple[str, ...]) -> None:
        last = attempt(GEMMA, "failed", fingerprint="node-failure@gpu017", nodes="gpu017", new_rows=0, ended_at=NOW - hours_ago * 3600)
        advice = advise(GEMMA, [last], 900, CLUSTER, settings_with(), None, NOW)
        assert (advice.request.exclude, advice.request.memory_gb, advice.stop) == (excluded, 48, None)

    def test_a_job_that_ended_well_with_rows_missing_goes_on_with_the_rest(self) -> None:
        advice = advise(GEMMA, [attempt(GEMMA, "done", exit_code="75:0")], 900, CLUSTER, settings_with(), None, NOW)
        assert (advice.request.memory_gb, advice.request.walltime_minutes, advice.stop) == (48, 240, None)

    def test_what_the_user_cancelled_is_never_submitted_by_itself(self) -> None:
        advice = advise(GEMMA, [attempt(GEMMA, "cancelled", cancelled_by_user=True)], 900, CLUSTER, settings_with(), None, NOW)
        assert advice.stop == "job 52544123 was cancelled: submit it again by hand when you want"

    def test_the_same_failure_twice_stops_and_shows_the_error(self) -> None:
        failure = attempt(GEMMA, "failed", fingerprint="exit@1:0 KeyError: 'x'", detail="exit code 1: KeyError: 'x'")
        advice = advise(GEMMA, [failure, replace(failure, job_id="52544999")], 900, CLUSTER, settings_with(), None, NOW)
        assert advice.stop == "the same failure twice (jobs 52544123, 52544999): exit code 1: KeyError: 'x'"

    @pytest.mark.parametrize("state", ["done", "failed", "timeout"])
    def test_an_attempt_without_new_answers_stops(self, state: str) -> None:
        advice = advise(GEMMA, [attempt(GEMMA, state, new_rows=0, detail="why")], 900, CLUSTER, settings_with(), None, NOW)
        assert advice.stop == "job 52544123 ended without a new answer: why"

    def test_nothing_is_submitted_by_itself_while_the_last_job_is_unknown(self) -> None:
        advice = advise(GEMMA, [attempt(GEMMA, "unknown", new_rows=None)], 900, CLUSTER, settings_with(), None, NOW)
        assert advice.stop == "it is not known what became of job 52544123"

    def test_the_cap_on_attempts_and_on_gpu_hours_stops(self) -> None:
        three = [attempt(GEMMA, "timeout")] * 3
        assert advise(GEMMA, three, 900, CLUSTER, settings_with(Caps(attempts=3)), None, NOW).stop == "3 attempts were made; your cap is 3"
        stop = advise(GEMMA, [], 900, CLUSTER, settings_with(Caps(gpu_hours=2)), None, NOW).stop
        assert stop == "it would ask for 4 GPU-hours; your cap is 2"


def test_the_same_inputs_give_the_same_advice() -> None:
    last = attempt(GEMMA, "timeout")
    rate = TrustedRate(0.68, 4991)
    both = [advise(GEMMA, [last], 15_872, CLUSTER, settings_with(), rate, NOW) for _ in range(2)]
    assert both[0] == both[1]
    assert both[0].inputs["pending"] == 15_872
    assert both[0].inputs["rate"] == {"prompts_per_second": 0.68, "prompts": 4991, "gpu": "", "executor": ""}


def test_a_cluster_that_could_not_be_asked_limits_nothing() -> None:
    last = attempt(EUROLLM, "oom", fingerprint="oom-host@48G")
    assert advise(EUROLLM, [last], 500, ClusterFacts(), settings_with(), None, NOW).request.memory_gb == 96
