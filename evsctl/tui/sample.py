"""A week into a study: one frozen snapshot for the screenshots in docs/ and for the tests."""

from evsctl.status.snapshot import AttemptRow, ModelRow, SlurmHealth, Snapshot

NOW = 1_780_000_000.0

SAMPLE_PROMPTS = {
    "bul": 1012, "ces": 958, "dan": 708, "deu": 904, "ell": 1006, "eng": 1138, "est": 1036, "fin": 934, "fra": 1018, "hrv": 791, "hun": 950,
    "ita": 940, "lit": 986, "lvs": 856, "nld": 992, "pol": 988, "por": 1004, "ron": 956, "slk": 804, "slv": 882, "spa": 964, "swe": 1036,
}  # fmt: skip
_ALL = 20_863

SAMPLE_LOG = (
    "10:39:02 plan 251 packs, 4.1M unique tokens of 11.8M, executor resident",
    "10:39:32 pack 74/251 done 5,338/20,863 41.0 prompts/s 3.1k unique tok/s 52 % peak",
    "10:40:02 pack 89/251 done 6,571/20,863 41.1 prompts/s 3.1k unique tok/s 52 % peak",
    "10:40:32 pack 103/251 done 7,102/20,863 41.2 prompts/s 3.1k unique tok/s 52 % peak",
    "10:41:02 pack 118/251 done 7,812/20,863 41.2 prompts/s 3.1k unique tok/s 52 % peak",
    "10:41:32 pack 133/251 done 9,051/20,863 41.3 prompts/s ETA 4m46",
    "10:42:02 pack 148/251 done 10,287/20,863 41.2 prompts/s ETA 4m17",
)


def attempt(
    number: int, job_id: str, state: str, memory_gb: int, minutes: int, constraint: str, detail: str = "", hours: float = 0.0
) -> AttemptRow:
    """One attempt of the sample."""
    return AttemptRow(
        attempt=number,
        job_id=job_id,
        backend="cli",
        state=state,
        detail=detail,
        submitted_at=NOW - 86_400 * (4 - number),
        memory_gb=memory_gb,
        walltime_minutes=minutes,
        constraint=constraint,
        elapsed_seconds=hours * 3600,
        max_rss_gb=31.4 if state == "timeout" else None,
        nodes="",
        log_path="",
    )


def _hplt(lang: str) -> ModelRow:
    return ModelRow(
        model_id=f"hplt2c_{lang}",
        hub_id=f"HPLT/hplt2c_{lang}_checkpoints",
        family="hplt2c",
        total=SAMPLE_PROMPTS[lang],
        done=SAMPLE_PROMPTS[lang],
        failed=0,
        rate_per_s=None,
        eta_s=None,
        state="done",
        detail="",
        job_id=None,
        attempt=1,
        next_action="",
        p_valid_mean=0.61 + len(lang) / 100,
        dtype="bf16",
        attempts=(attempt(1, f"525{SAMPLE_PROMPTS[lang]:05d}", "done", 32, 60, "a100|l40s|h100", hours=0.02),),
    )


def sample_snapshot(log_path: str | None = None) -> Snapshot:
    """The sample; `log_path` becomes the running model's log."""
    gemma = ModelRow(
        model_id="gemma3_27b_pt",
        hub_id="google/gemma-3-27b-pt",
        family="gemma3_27b_pt",
        total=_ALL,
        done=4_991,
        failed=0,
        rate_per_s=None,
        eta_s=None,
        state="timeout",
        detail="time limit of 4h reached after 4,991 of 20,863 prompts",
        job_id="52544124",
        attempt=2,
        next_action="s: 4h → 8h",
        needs_attention=True,
        p_valid_mean=0.58,
        nodes="gpu017",
        gpu="l40s",
        dtype="bf16",
        elapsed_seconds=4 * 3600.0,
        peak_memory_gb=31.4,
        attempts=(
            attempt(1, "52544107", "preempted", 48, 240, "a100|l40s|h100", "preempted by a job of higher priority", 0.4),
            attempt(2, "52544124", "timeout", 48, 240, "a100|l40s|h100", "time limit reached", 4.0),
        ),
    )
    qwen = ModelRow(
        model_id="qwen3235b",
        hub_id="Qwen/Qwen3-235B-A22B",
        family="qwen3235b",
        total=_ALL,
        done=0,
        failed=0,
        rate_per_s=None,
        eta_s=None,
        state="pending",
        detail="Resources: waiting for free nodes",
        job_id="52544634",
        attempt=1,
        next_action="wait: Resources, ~14:20",
        dtype="int4",
        attempts=(attempt(1, "52544634", "pending", 192, 480, "a100-80g"),),
    )
    return Snapshot(
        as_of=NOW,
        db="survey.db",
        study="study",
        prompts=_ALL,
        models=(gemma, qwen, _euro(log_path), _gemma_it(), *(_hplt(lang) for lang in SAMPLE_PROMPTS)),
        slurm=SlurmHealth("cli", True, 12.0, 18, partition="gpu-preempt"),
        synced_age_seconds=5.0,
        db_age_seconds=0.0,
    )


def _euro(log_path: str | None) -> ModelRow:
    return ModelRow(
        model_id="eurollm22b",
        hub_id="utter-project/EuroLLM-22B-2512",
        family="eurollm22b",
        total=_ALL,
        done=10_287,
        failed=0,
        rate_per_s=41.2,
        eta_s=257.0,
        state="running",
        detail="",
        job_id="52554809",
        attempt=2,
        next_action="ends 3h before limit",
        p_valid_mean=0.64,
        nodes="gpu042",
        log_path=log_path,
        time_left_seconds=2.8 * 3600,
        gpu="h100",
        heartbeat_age_seconds=4.0,
        attempts=(
            attempt(1, "52544123", "oom", 48, 240, "a100|h100", "out of memory: 48 GB asked", 0.1),
            attempt(2, "52554809", "running", 96, 240, "a100|h100", hours=1.2),
        ),
        phase="running",
        dtype="bf16",
        elapsed_seconds=1.2 * 3600,
        peak_memory_gb=61.0,
        peak_gpu_memory_gb=52.0,
    )


def _gemma_it() -> ModelRow:
    return ModelRow(
        model_id="gemma3_27b_it",
        hub_id="google/gemma-3-27b-it",
        family="gemma3_27b_it",
        total=_ALL,
        done=0,
        failed=0,
        rate_per_s=None,
        eta_s=None,
        state="idle",
        detail="",
        job_id=None,
        attempt=0,
        next_action="not in the study",
        in_study=False,
        dtype="bf16",
    )
