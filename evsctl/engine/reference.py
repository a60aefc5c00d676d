"""The plain way: one prompt at a time through the model's own forward. Slow, simple, and what the engine must equal."""

from collections.abc import Mapping

from evsctl.engine.loading import LoadedModel
from evsctl.engine.plan import Tokens
from evsctl.engine.workload import Ask, Workload


def plain_log_probs(model: LoadedModel, workload: Workload, ask: Ask) -> dict[str, Mapping[int, float]]:
    """Log-probabilities of the answer ids after the prompt and after each forced beginning, one forward for each."""
    sequences: dict[str, Tokens] = {"": ask.ids, **{text: ask.ids + suffix for text, suffix in ask.forced.items()}}
    ids = workload.tokens.ids()
    found: dict[str, Mapping[int, float]] = {}
    for text, sequence in sequences.items():
        row = model.own_log_probs(sequence)
        found[text] = dict(zip(ids, row[list(ids)].tolist(), strict=True))
    return found
