"""`evsctl survey`: questions become prompts in the database; human answers are imported; the questions are checked."""

from collections import Counter
from pathlib import Path

import click

from evsctl.cli.context import Study, db_option, json_option, print_json, talk
from evsctl.survey.prompts import CONFIGS


@click.group()
def survey() -> None:
    """Questions, prompts and human answers."""


@survey.command()
@click.option("--questions", type=click.Path(path_type=Path), required=True, help="questions.json")
@click.option("--rephrasings", type=click.Path(path_type=Path), help="rephrasings.json: other wordings of English questions")
@click.option("--config", type=click.Choice(CONFIGS), default="legacy", show_default=True, help="how questions are worded")
@db_option
def populate(questions: Path, rephrasings: Path | None, config: str, db: str | None) -> None:
    """Write questions, prompts and models into the database, creating it where there is none.

    What is there already stays as it is: missing prompts are added, differing ones are reported.
    """
    from evsctl.db.populate import populate_survey
    from evsctl.survey.prompts import build_prompts, rephrase_prompts
    from evsctl.survey.questions import read_questions, read_rephrasings

    asked = read_questions(questions)
    prompts = list(build_prompts(asked, config))
    if rephrasings is not None:
        prompts += rephrase_prompts(asked, read_rephrasings(rephrasings))
    study = Study.here(db)
    with study.open(write=True, create=True) as database:
        report = populate_survey(database, asked, prompts, list(study.registry))
    languages = len({prompt.lang for prompt in prompts})
    click.echo(
        f"{study.settings.database.display}: {len(asked)} questions in {languages} languages; prompts: {report.prompts_added:,} added, "
        f"{report.prompts_present:,} there before; models: {report.models_added} added."
    )
    for difference in report.differences[:10]:
        talk(f"differs, left as it is: {difference}")
    if len(report.differences) > 10:
        talk(f"… and {len(report.differences) - 10:,} more that differ.")
    if config not in study.settings.study.configs:
        talk(f'These prompts count as work only after [study] configs of evsctl.toml names "{config}".')


@survey.command()
@click.option("--questions", type=click.Path(path_type=Path), required=True, help="questions.json")
@json_option
def check(questions: Path, as_json: bool) -> None:
    """Tag every (question, language) pair with what may be wrong with it."""
    from evsctl.survey.quality import FLAGS, quality_flags
    from evsctl.survey.questions import read_questions

    flags = quality_flags(read_questions(questions))
    if as_json:
        print_json([{"question_id": q, "lang": lang, "flags": sorted(found)} for (q, lang), found in flags.items()])
        return
    counts = Counter(flag for found in flags.values() for flag in found)
    languages: dict[str, Counter[str]] = {}
    for (_, lang), found in flags.items():
        languages.setdefault(lang, Counter()).update(found)
    click.echo(f"{len(flags):,} (question, language) pairs, {sum(not found for found in flags.values()):,} without any flag\n")
    for flag, meaning in FLAGS.items():
        worst = ", ".join(f"{lang} {c[flag]}" for lang, c in sorted(languages.items(), key=lambda item: -item[1][flag])[:4] if c[flag])
        click.echo(f"{counts[flag]:6,}  {flag:17} {meaning}" + (f" (most: {worst})" if worst else ""))


@survey.command("import-human")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--source", default="", help="where the answers come from; printed on every figure that uses them")
@db_option
def import_human(file: Path, source: str, db: str | None) -> None:
    """Import human answers: a parquet with lang, question_id, response_value, prob_human, n_respondents, n_valid."""
    from evsctl.analysis.human_import import read_human_parquet
    from evsctl.db.results import write_human_rows

    rows = read_human_parquet(file)
    study = Study.here(db)
    with study.open(write=True, create=True) as database:
        added = write_human_rows(database, rows, source or file.name)
    click.echo(f"{len(rows):,} human answers read from {file}: {added:,} added, {len(rows) - added:,} there before.")
