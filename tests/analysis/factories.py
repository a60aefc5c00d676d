"""Small studies to test the analysis room with: rows as the database hands them out."""

from collections.abc import Mapping, Sequence
from itertools import chain

from evsctl.analysis.loading import load_study
from evsctl.analysis.study import Study
from evsctl.db.results import HumanRow, ResultRow

EMPTY = "There is nothing yet."
SKETCH: Mapping[str, Mapping[str, Sequence[float]]] = {
    "v1": {"eng": (0.7, 0.1, 0.1, 0.1), "deu": (0.4, 0.4, 0.1, 0.1)},
    "v2": {"eng": (0.25, 0.25, 0.25, 0.25), "deu": (0.1, 0.2, 0.3, 0.4)},
    "v3": {"eng": (0.2, 0.2, 0.2, 0.4), "deu": (0.1, 0.1, 0.4, 0.4)},
    "v4": {"eng": (0.1, 0.2, 0.2, 0.2, 0.3), "deu": (0.1, 0.1, 0.1, 0.1, 0.6)},
    "v5": {"eng": (0.3, 0.3, 0.2, 0.1, 0.1), "deu": (0.2, 0.2, 0.2, 0.2, 0.2)},
    "v10": {"eng": (0.5, 0.5), "deu": (0.9, 0.1)},
}


def a_text(question: str, lang: str, listed: Sequence[int], labels: bool = True, printed: Sequence[int] | None = None) -> str:
    """A prompt that lists the answers with the codes `listed`, numbered from 1 unless `printed` says otherwise."""
    numbers = printed or range(1, len(listed) + 1)
    lines = [f"{number}. answer {code}" if labels else f"{number}." for number, code in zip(numbers, listed, strict=True)]
    return "\n".join([f"Question {question} in {lang}?", *lines, "Answer: "])


def prompt_rows(
    probs: Mapping[int, float] | Sequence[float],
    *,
    model: str = "alpha",
    family: str | None = None,
    lang: str = "eng",
    question: str = "v1",
    response_type: str = "likert4",
    order: int = 0,
    p_valid: float = 0.9,
    config: str = "legacy",
    labels: bool = True,
    text: str | None = None,
    variant: str | None = None,
    variant_type: str | None = None,
) -> list[ResultRow]:
    """The rows of one answered prompt; order 1 lists the answers the other way round, 2 and above in turned order."""
    by_code = dict(probs) if isinstance(probs, Mapping) else dict(enumerate(probs, 1))
    codes = sorted(by_code)
    turned = {0: codes, 1: codes[::-1]}.get(order, codes[order % len(codes) :] + codes[: order % len(codes)])
    text = text or a_text(f"{question}{variant or ''}", lang, turned, labels, codes if order == 0 else None)
    about = (model, family or model, lang, question, response_type, config, order, variant, variant_type, response_type == "likert10", text)
    return [ResultRow(*about, code, p, p_valid) for code, p in by_code.items()]


def human_rows(
    probs: Mapping[int, float] | Sequence[float], lang: str = "eng", question: str = "v1", n_valid: int | None = 1000
) -> list[HumanRow]:
    """People's answers to one question."""
    by_code = dict(probs) if isinstance(probs, Mapping) else dict(enumerate(probs, 1))
    return [HumanRow(lang, question, code, p, n_valid and n_valid + 100, n_valid) for code, p in by_code.items()]


def sketch_rows(models: Sequence[str] = ("alpha", "beta"), orders: Sequence[int] = (0, 1)) -> list[ResultRow]:
    """Two models, two languages, six questions, two option orders.

    beta answers like alpha, but half uniform; what stands first gains 0.05 from what stands last.
    """
    rows: list[ResultRow] = []
    for place, model in enumerate(models):
        for question, by_lang in SKETCH.items():
            for lang, probs in by_lang.items():
                for order in orders:
                    mixed = [p / (1 + place) + place / (1 + place) / len(probs) for p in probs]
                    mixed[0], mixed[-1] = mixed[0] - order * 0.05, mixed[-1] + order * 0.05
                    kind = "categorical" if len(probs) == 2 else f"likert{len(probs)}"
                    p_valid = 0.9 - order / 10 - place / 5
                    rows += prompt_rows(mixed, model=model, lang=lang, question=question, response_type=kind, order=order, p_valid=p_valid)
    return rows


def sketch_humans() -> list[HumanRow]:
    """People of both languages on all questions but v5, and on v3 in English only."""
    probs = {
        ("v1", "eng"): (0.4, 0.3, 0.2, 0.1),
        ("v1", "deu"): (0.5, 0.3, 0.1, 0.1),
        ("v2", "eng"): (0.25, 0.25, 0.25, 0.25),
        ("v2", "deu"): (0.1, 0.2, 0.3, 0.4),
        ("v3", "eng"): (0.1, 0.2, 0.3, 0.4),
        ("v4", "eng"): (0.1, 0.2, 0.4, 0.2, 0.1),
        ("v4", "deu"): (0.2, 0.2, 0.2, 0.2, 0.2),
        ("v10", "eng"): (0.2, 0.8),
        ("v10", "deu"): (0.6, 0.4),
    }
    return list(chain.from_iterable(human_rows(p, lang, question) for (question, lang), p in probs.items()))


def rephrase_rows(models: Sequence[str] = ("alpha", "beta"), questions: Sequence[str] = ("v1", "v2")) -> list[ResultRow]:
    """Originals and one other wording of each question, in two option orders."""
    rows: list[ResultRow] = []
    for model in models:
        for place, question in enumerate(questions):
            for order in (0, 1):
                shared = {"model": model, "question": question, "config": "rephrase", "order": order}
                original = (0.4 + order / 10, 0.3, 0.2, 0.1 - order / 10)
                rows += prompt_rows(original, variant=f"{question}_original", variant_type="original", p_valid=0.8, **shared)  # type: ignore[arg-type]
                other = (0.1, 0.2, 0.3, 0.4) if place else original
                rows += prompt_rows(other, variant=f"{question}_int", variant_type="integrated", p_valid=0.9, **shared)  # type: ignore[arg-type]
    return rows


def sketch_study(human_note: str = "") -> Study:
    """Everything there is of the small study."""
    return load_study([*sketch_rows(), *rephrase_rows()], sketch_humans(), human_note=human_note, why_empty=EMPTY)


def wide_study(n_questions: int = 12, langs: Sequence[str] = ("bul", "deu", "ell", "eng", "fra", "pol")) -> Study:
    """One model in many languages on enough questions for intervals; numbers without meaning, but always the same."""
    rows: list[ResultRow] = []
    people: list[HumanRow] = []
    for q in range(1, n_questions + 1):
        k = (4, 10, 5)[q % 3]
        for place, lang in enumerate(langs):
            weights = [1 + (7 * q * code + 3 * place * code) % 11 for code in range(1, k + 1)]
            people += human_rows([w / sum(weights) for w in weights], lang, f"v{q}")
            for order in (0, 1):
                answers = [w + (q + code + order) % 5 for code, w in enumerate(weights)]
                shares = [a / sum(answers) for a in answers]
                rows += prompt_rows(shares, lang=lang, question=f"v{q}", response_type=f"likert{k}", order=order, p_valid=0.5 + q / 40)
    return load_study(rows, people, why_empty=EMPTY)
