"""`evsctl engine plan` and `check`: what a run would compute, and how far its numbers are from the plain way's."""

from pathlib import Path

import click

from evsctl.cli.context import db_option, json_option, print_json
from evsctl.cli.engine_work import log_to_stderr, work_to_look_at
from evsctl.errors import ExitCode
from evsctl.models.spec import DTYPES


@click.command()
@click.argument("model_id")
@click.option("--manifest", "manifest_path", type=click.Path(path_type=Path), help="default: the model's newest, else what is pending")
@click.option("--model-path", help="default: the registry's")
@db_option
@json_option
def plan(model_id: str, manifest_path: Path | None, model_path: str | None, db: str | None, as_json: bool) -> None:
    """What a run would compute: prompts, distinct ones, packs, tokens; only the tokenizer is loaded."""
    from dataclasses import asdict

    from evsctl.engine.describe import describe_plan

    with work_to_look_at(model_id, manifest_path, model_path, None, db) as work:
        report = describe_plan(manifest_path=work.manifest_path, model_path=work.model_path, identity=work.manifest.identity)
    values = {**asdict(report), "saving": round(report.saving, 2)}
    if as_json:
        print_json(values)
    else:
        for name, value in values.items():
            click.echo(f"{name:18} {value:,}" if isinstance(value, int) else f"{name:18} {value}")


@click.command()
@click.argument("model_id")
@click.option("--manifest", "manifest_path", type=click.Path(path_type=Path))
@click.option("--model-path")
@click.option("--dtype", type=click.Choice(DTYPES))
@click.option("--prompts", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads")
@db_option
@json_option
def check(
    model_id: str,
    manifest_path: Path | None,
    model_path: str | None,
    dtype: str | None,
    prompts: int,
    threads: int | None,
    db: str | None,
    as_json: bool,
) -> int:
    """Compare the engine with the plain one-prompt forward: differences of log-probabilities and flipped answers."""
    from dataclasses import asdict

    from evsctl.engine.check import check_model

    log_to_stderr()
    with work_to_look_at(model_id, manifest_path, model_path, dtype, db) as work:
        report = check_model(
            manifest_path=work.manifest_path, model_path=work.model_path, identity=work.manifest.identity, prompts=prompts, threads=threads
        )
    if as_json:
        print_json(asdict(report))
    else:
        for name, value in asdict(report).items():
            click.echo(f"{name:28} {value}")
    return ExitCode.GOOD if report.passed else ExitCode.NEEDS_ATTENTION
