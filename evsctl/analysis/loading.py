"""From rows of the database to a `Study`: which model is shown as what, what counts, what is left out."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from evsctl.analysis.arrays import Built, build_answers, build_humans
from evsctl.analysis.bootstrap import make_resampler
from evsctl.analysis.prompt_facts import PromptFacts, Wording, prompt_facts, question_clusters
from evsctl.analysis.study import LeftOut, Study
from evsctl.analysis.words import counted
from evsctl.db.results import HumanRow, ResultRow

ModelKey = tuple[str, str, bool]


def load_study(
    rows: Sequence[ResultRow],
    humans: Sequence[HumanRow] = (),
    *,
    unlabelled: Collection[tuple[str, str, str]] = frozenset(),
    items: str = "all",
    human_note: str = "",
    why_empty: str = "",
    other_configs: Collection[str] = (),
) -> Study:
    """Arrange everything once for all figures.

    `unlabelled` are (question, language, configuration) triples known to have one text for all option orders, beyond
    those that the rows show; `items="clean"` leaves out pairs whose prompt is another question's too or names fewer than two answers;
    `other_configs` have results too, but were not asked for.
    """
    facts = _with_unlabelled(prompt_facts(_prompts(rows)), unlabelled)
    labels = _label_models(rows)
    chosen = [not row.variant_id and (items == "all" or _wording(row) not in facts.unclean) for row in rows]
    built = _build([row for row, keep in zip(rows, chosen, strict=True) if keep], labels, facts, humans)
    rephrased = _build([row for row in rows if row.variant_id], labels, facts)
    answers = built.answers if built and built.answers.answered.any() else None
    if rows and answers is None:
        why_empty = _why_unusable(built, items)
    clusters = np.zeros(0, dtype=np.int64)
    if answers is not None:
        clusters = question_clusters([item.question_id for item in answers.items], facts.texts)
    return Study(
        answers=answers,
        rephrased=rephrased.answers if rephrased else None,
        humans=build_humans(humans, answers) if answers is not None else None,
        resampler=make_resampler(clusters),
        texts={(wording.question_id, wording.lang): text for wording, text in facts.texts.items() if not wording.variant_id},
        left_out=_left_out(facts, items, [part for part in (built, rephrased) if part], other_configs),
        items=items,
        human_note=human_note,
        why_empty=why_empty,
    )


def _wording(row: ResultRow) -> Wording:
    return Wording(row.question_id, row.lang, row.config or "", row.variant_id or "")


def _prompts(rows: Iterable[ResultRow]) -> Iterable[tuple[Wording, int, str]]:
    """Each prompt once: rows repeat it for every answer and model."""
    return dict.fromkeys((_wording(row), row.permutation_idx, row.prompt_text) for row in rows)


def _with_unlabelled(facts: PromptFacts, unlabelled: Collection[tuple[str, str, str]]) -> PromptFacts:
    known = {wording for wording in facts.texts if not wording.variant_id and wording[:3] in unlabelled}
    return PromptFacts(facts.texts, facts.listed, facts.one_text | known, facts.shared, facts.unclean)


def _label_models(rows: Iterable[ResultRow]) -> Mapping[ModelKey, str]:
    """(model id, configuration, whether of another wording) → the name shown.

    The family, or the id for every model of a family of which two answer in one language; the configuration follows
    where the survey's prompts come in several, for all models alike.
    """
    asked = {(row.model_id, row.model_family or row.model_id, row.lang, row.config or "", bool(row.variant_id)) for row in rows}
    by_family_lang: dict[tuple[str, str], set[str]] = defaultdict(set)
    for model_id, family, lang, _, _ in asked:
        by_family_lang[family, lang].add(model_id)
    crowded = {family for (family, _), ids in by_family_lang.items() if len(ids) > 1}
    is_several = len({config for *_, config, is_variant in asked if not is_variant}) > 1
    names = {}
    for model_id, family, _, config, is_variant in asked:
        name = model_id if family in crowded else family
        names[model_id, config, is_variant] = f"{name} ({config or 'no configuration'})" if is_several and not is_variant else name
    return names


def _build(rows: Sequence[ResultRow], labels: Mapping[ModelKey, str], facts: PromptFacts, humans: Sequence[HumanRow] = ()) -> Built | None:
    if not rows:
        return None
    return build_answers(rows, [labels[row.model_id, row.config or "", bool(row.variant_id)] for row in rows], facts, humans)


def _left_out(facts: PromptFacts, items: str, parts: Sequence[Built], other_configs: Collection[str]) -> LeftOut:
    pairs = [wording for wording in facts.texts if not wording.variant_id]
    return LeftOut(
        duplicate_rows=sum(part.duplicate_rows for part in parts),
        massless_prompts=sum(part.massless_prompts for part in parts),
        unclean_pairs=len(facts.unclean) if items == "clean" else 0,
        shared_prompt_pairs=len(facts.shared) if items == "all" else 0,
        other_configs=tuple(sorted(other_configs)),
        pairs=len(pairs),
    )


def _why_unusable(built: Built | None, items: str) -> str:
    if built is not None:
        massless = counted(built.massless_prompts, "prompt has", "prompts have")
        waiting = "; unlabelled scales wait for the questionnaire's order" if built.answers.one_text.any() else ""
        return f"The results hold no usable answers: {massless} no probabilities{waiting}."
    if items == "clean":
        return "`--items clean` leaves no question: every prompt is another question's too or labels fewer than two answers."
    return "The results are of rephrased prompts only; this figure needs the survey's own."
