"""Builds the demonstration study: a survey of the project's own wording, invented human answers, three tiny models."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from evsctl.demo.human import SOURCE, invented_answers
from evsctl.errors import InputError
from evsctl.files import make_private_folder, write_atomically
from evsctl.models.registry import Registry, add_to_study
from evsctl.models.spec import ModelSpec
from evsctl.settings import CONFIG_NAME, Settings, load_settings
from evsctl.survey.prompts import build_prompts, rephrase_prompts
from evsctl.survey.questions import read_questions, read_rephrasings
from evsctl.survey.types import Prompt, Question

MARK = "# A demonstration study, made by `evsctl demo`; delete the folder when you are done with it."

CONFIG = f"""{MARK}
database = "survey.db"

[study]
name = "demo"
configs = ["legacy", "rephrase"]
models = ["tiny_eng", "tiny_deu", "tiny_multi"]

[cluster]
backend = "local"
cpus = 1
"""


@dataclass(frozen=True, slots=True)
class TinyModel:
    """A model with random weights, in the shape of a real one."""

    model_id: str
    kind: str
    languages: tuple[str, ...] | None
    seed: int


ANSWER_LOGIT = 6.0
"""Raises the digits' logits: random weights alone would put a hundredth of their mass on answers."""

TINY_MODELS = (
    TinyModel("tiny_eng", "llama", ("eng",), 1),
    TinyModel("tiny_deu", "gemma3", ("deu",), 2),
    TinyModel("tiny_multi", "qwen3_moe", None, 3),
)


def build_demo(folder: Path, say: Callable[[str], None]) -> Settings:
    """Build the study in `folder` and return its settings; a demonstration that is already there is used again.

    Raises InputError where the folder holds something else.
    """
    config = folder / CONFIG_NAME
    if config.is_file() and not config.read_text(encoding="utf-8").startswith(MARK):
        raise InputError(f"{folder} holds another study.", "Give another folder with --folder.")
    if folder.is_dir() and any(folder.iterdir()) and not config.is_file():
        raise InputError(f"{folder} is not empty and holds no demonstration.", "Give another folder with --folder.")
    make_private_folder(folder)
    write_atomically(config, CONFIG)
    settings = load_settings(folder, environ={})
    questions, prompts = _survey()
    specs = _build_models(folder, [prompt.prompt_text for prompt in prompts], say)
    _fill_database(settings, questions, prompts, specs)
    say(f"{len(questions)} questions in 5 languages, {len(prompts)} prompts, {len(specs)} tiny models, invented human answers: {folder}")
    return settings


def _survey() -> tuple[tuple[Question, ...], list[Prompt]]:
    package = files("evsctl.demo")
    with as_file(package.joinpath("questions.json")) as path:
        questions = read_questions(path)
    with as_file(package.joinpath("rephrasings.json")) as path:
        rephrasings = read_rephrasings(path)
    return questions, [*build_prompts(questions), *rephrase_prompts(questions, rephrasings)]


def _build_models(folder: Path, texts: list[str], say: Callable[[str], None]) -> list[ModelSpec]:
    specs = []
    for tiny in TINY_MODELS:
        path = folder / "models" / tiny.model_id
        if not (path / "model.safetensors").is_file():
            # Imported here: torch takes seconds, and a demonstration that is already built does not need it.
            from evsctl.engine.tiny_model import build_tiny_model

            say(f"building {tiny.model_id} ({tiny.kind}, random weights)")
            shutil.rmtree(path, ignore_errors=True)
            build_tiny_model(path, kind=tiny.kind, texts=texts, seed=tiny.seed, answer_logit=ANSWER_LOGIT)
        specs.append(_spec(tiny, path))
        add_to_study(specs[-1], folder)
    return specs


def _spec(tiny: TinyModel, path: Path) -> ModelSpec:
    return ModelSpec(
        model_id=tiny.model_id,
        hub_id=str(path),
        family=tiny.model_id,
        languages=tiny.languages,
        dtype="fp32",
        path=str(path),
        architecture=tiny.kind,
        tuning="random weights",
        gated=False,
        memory_gb=2,
        walltime_minutes=30,
        gpus=0,
        notes="random weights: its answers mean nothing",
    )


def _fill_database(settings: Settings, questions: tuple[Question, ...], prompts: list[Prompt], specs: list[ModelSpec]) -> None:
    from evsctl.db.connection import open_database
    from evsctl.db.populate import populate_survey
    from evsctl.db.results import write_human_rows

    with open_database(settings.database, write=True, create=True) as database:
        populate_survey(database, questions, prompts, specs)
        write_human_rows(database, list(invented_answers(questions)), SOURCE)


def demo_registry(settings: Settings) -> Registry:
    """The demonstration's own models, without the packaged ones."""
    from evsctl.models.registry import load_registry

    registry = load_registry(settings.folder)
    return Registry({model.model_id: registry.get(model.model_id) for model in TINY_MODELS})
