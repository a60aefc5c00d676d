"""`evsctl redo`: take answers back, so that they are asked again."""

import click

from evsctl.cli.context import Study, db_option, talk
from evsctl.errors import InputError


@click.command()
@click.argument("model_id")
@click.option("--lang", "langs", multiple=True, help="only this language (repeatable)")
@click.option("--config", "configs", multiple=True, help="only this prompt configuration (repeatable)")
@click.option("--question", "questions", multiple=True, help="only this question (repeatable)")
@click.option("--run", "run_ids", multiple=True, help="only what this run answered (repeatable)")
@click.option("--reason", required=True, help="kept with what is taken back")
@click.option("--yes", is_flag=True, help="do not ask")
@db_option
def redo(
    model_id: str,
    langs: tuple[str, ...],
    configs: tuple[str, ...],
    questions: tuple[str, ...],
    run_ids: tuple[str, ...],
    reason: str,
    yes: bool,
    db: str | None,
) -> None:
    """Take a model's answers back: their rows move to `superseded`, their prompts are pending again, no journal changes."""
    from evsctl.db.retract import count_left_alone, count_retractable, retract

    study = Study.here(db)
    with study.open(write=True) as database:
        count = count_retractable(database, study.runs, model_id, langs, configs, questions, run_ids)
        left_alone = 0 if run_ids else count_left_alone(database, model_id, langs, configs, questions)
        if left_alone:
            talk(f"{left_alone:,} answers of {model_id} stay as they are: evsctl did not write them.")
        if count == 0 and left_alone == 0:
            study.registry.get(model_id)
        if count == 0:
            raise InputError(
                f"'{model_id}' has no answers that evsctl merged and that fit this.", "Rows adopted from a field database stay as they are."
            )
        talk(f"{count:,} answered prompts of {model_id} will be taken back and asked again.")
        if not yes and not click.confirm("Take them back?", err=True):
            raise click.Abort
        taken = retract(
            database, study.runs, model_id, langs=langs, configs=configs, question_ids=questions, run_ids=run_ids, reason=reason
        )
    click.echo(f"{taken:,} prompts of {model_id} taken back; `evsctl submit {model_id}` asks them again.")
