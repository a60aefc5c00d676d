"""`evsctl models`: what is registered, and registering more."""

from pathlib import Path

import click

from evsctl.cli.context import Study, db_option, json_option, print_json
from evsctl.errors import InputError
from evsctl.models.spec import DTYPES, ModelSpec


@click.group()
def models() -> None:
    """The registered models."""


@models.command("list")
@db_option
@json_option
def list_models(db: str | None, as_json: bool) -> None:
    """All registered models; what is not known is shown as unknown."""
    from dataclasses import asdict

    registry = Study.here(db).registry
    if as_json:
        print_json([asdict(model) for model in registry])
        return
    rows: list[tuple[str, ...]] = [("MODEL", "PARAMETERS", "DTYPE", "LANGUAGES", "TUNING", "LICENSE", "GATED", "REVISION", "WEIGHTS FROM")]
    rows += [_row(model) for model in registry]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(model: ModelSpec) -> tuple[str, ...]:
    unknown = "unknown"
    return (
        model.model_id,
        f"{model.parameters_billion:g} B" if model.parameters_billion else unknown,
        model.dtype,
        "all" if model.languages is None else ",".join(model.languages),
        model.tuning or unknown,
        model.license or unknown,
        unknown if model.gated is None else "yes" if model.gated else "no",
        model.revision or unknown,
        model.path or model.hub_id,
    )


@models.command()
@click.argument("model_id")
@click.option("--hub-id", help="name on the model hub")
@click.option("--path", type=click.Path(path_type=Path), help="a local folder with config, tokenizer and safetensors")
@click.option("--family", help="models of one family share a colour and fold into one row (default: the id)")
@click.option("--lang", "langs", multiple=True, help="a language it is asked in (repeatable)")
@click.option("--multilingual", is_flag=True, help="it is asked in every language of the survey")
@click.option("--dtype", type=click.Choice(DTYPES), default="bf16", show_default=True)
@click.option("--revision", help="the hub's revision to pin")
@click.option("--chat-template", is_flag=True, help="ask through the tokenizer's chat template")
@db_option
def add(
    model_id: str,
    hub_id: str | None,
    path: Path | None,
    family: str | None,
    langs: tuple[str, ...],
    multilingual: bool,
    dtype: str,
    revision: str | None,
    chat_template: bool,
    db: str | None,
) -> None:
    """Register a model: in the study's models.toml, and in its database where there is one."""
    spec = _spec(model_id, hub_id, path, family, langs, multilingual, dtype, revision, chat_template)
    register(Study.here(db), spec)


def _spec(
    model_id: str,
    hub_id: str | None,
    path: Path | None,
    family: str | None,
    langs: tuple[str, ...],
    multilingual: bool,
    dtype: str,
    revision: str | None,
    chat_template: bool,
) -> ModelSpec:
    from evsctl.survey.questions import LANGUAGES

    if (hub_id is None) == (path is None):
        raise InputError(f"Where are the weights of '{model_id}'?", "Give one of --hub-id and --path.")
    if path is not None and not (path / "config.json").is_file():
        raise InputError(f"{path} is no model folder: it has no config.json.", "Give the folder that holds config.json and *.safetensors.")
    if langs and multilingual:
        raise InputError("--lang and --multilingual contradict each other.", "Give one of them.")
    if not langs and not multilingual:
        last = model_id.rpartition("_")[2]
        if last not in LANGUAGES:
            raise InputError(f"In which language is '{model_id}' asked?", "Give --lang L, or --multilingual.")
        langs = (last,)
    if unknown := [lang for lang in langs if lang not in LANGUAGES]:
        raise InputError(f"Unknown language '{unknown[0]}'.", "Languages are ISO 639-3 codes such as 'deu'.")
    return ModelSpec(
        model_id=model_id,
        hub_id=hub_id or str(path),
        family=family or model_id,
        languages=None if multilingual else langs,
        dtype=dtype,
        path=str(path.resolve()) if path else None,
        revision=revision,
        chat_template=chat_template,
    )


def register(study: Study, spec: ModelSpec) -> None:
    """Write a model into the study's registry and, where there is one, its database."""
    from evsctl.models.registry import add_to_study

    file = add_to_study(spec, study.settings.folder)
    where = str(file)
    if study.settings.database.path is None or study.settings.database.path.is_file():
        from evsctl.db.populate import register_models

        with study.open(write=True) as database:
            register_models(database, [spec])
        where += f" and {study.settings.database.display}"
    click.echo(f"{spec.model_id} is registered in {where}.")
