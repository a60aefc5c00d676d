"""Scoring: packs through executor and head, with smaller packs where memory ends and second tries where numbers do."""

import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

import torch

from evsctl.engine.answer_head import AnswerHead
from evsctl.engine.executor import Executor
from evsctl.engine.plan import Pack, Tokens, Unit, split_pack
from evsctl.engine.signals import StopSignals
from evsctl.engine.workload import Ask, Workload
from evsctl.errors import EngineError
from evsctl.journal.keys import PromptKey
from evsctl.journal.records import PromptResult

log = logging.getLogger(__name__)

After = dict[str, Mapping[int, float]]


class Scorer:
    """Turns packs into results; what happened on the way goes to `event`."""

    def __init__(
        self, workload: Workload, executor: Executor, head: AnswerHead, signals: StopSignals, event: Callable[..., None] = lambda **_: None
    ) -> None:
        self.workload = workload
        self.executor = executor
        self.head = head
        self.tokens_per_pack = workload.plan.tokens_per_pack
        self._signals = signals
        self._event = event

    def score(self, group: Sequence[Pack], wanted: Collection[PromptKey]) -> Iterator[tuple[Pack, list[PromptResult]]]:
        """Results of the wanted prompts, pack by pack; a pack may come back in parts where memory ran out."""
        for pack, log_probs in self.log_probs(group):
            yield pack, self._results(pack, log_probs, wanted)

    def one_prompt_packs(self) -> None:
        """Compute every distinct prompt alone from now on."""
        self.tokens_per_pack = 0

    def log_probs(self, group: Sequence[Pack]) -> Iterator[tuple[Pack, torch.Tensor]]:
        """Log-probabilities [reads, ids] pack by pack; where memory ends, smaller packs from there on."""
        waiting = self._cut(group)
        stream: Iterator[torch.Tensor] | None = None
        while waiting:
            out_of_memory = ""
            try:
                with self._signals.computing():
                    stream = stream or self.executor.hidden_states(tuple(waiting))
                    log_probs = self.head.log_probs(next(stream))
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                out_of_memory = (str(error).splitlines() or ["out of memory"])[0]
            if out_of_memory:  # out here, where the traceback no longer holds the tensors
                stream = None
                self._halve(waiting[0], out_of_memory)
                waiting = self._cut(waiting)
                continue
            yield waiting.pop(0), log_probs

    def _cut(self, packs: Sequence[Pack]) -> list[Pack]:
        if self.tokens_per_pack >= self.workload.plan.tokens_per_pack:
            return list(packs)
        return [part for pack in packs for part in split_pack(pack, self.tokens_per_pack)]

    def _halve(self, pack: Pack, why: str) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(pack.units) == 1:
            raise EngineError(
                f"One prompt of {pack.longest} tokens does not fit into the GPU's memory: {why}", "Ask for a GPU with more memory."
            )
        self.tokens_per_pack = min(self.tokens_per_pack, pack.cost) // 2
        log.warning("out of memory in pack %d: packs now hold %d tokens (%s)", pack.index, self.tokens_per_pack, why)
        self._event(kind="out-of-memory", pack=pack.index, tokens_per_pack=self.tokens_per_pack, detail=why)

    def _results(self, pack: Pack, log_probs: torch.Tensor, wanted: Collection[PromptKey]) -> list[PromptResult]:
        rows = log_probs.tolist()
        results: list[PromptResult] = []
        for unit in pack.units:
            asks = [ask for ask in self.workload.by_ids[unit.ids] if ask.prompt.key in wanted]
            if not asks:
                continue
            slots = pack.slots[unit.ids]
            if _is_broken(rows, slots.values()):
                results.extend(self._second_tries(pack, unit, asks))
            else:
                results.extend(self._answer(ask, slots, rows) for ask in asks)
        return results

    def _answer(self, ask: Ask, slots: Mapping[Tokens, int], rows: Sequence[Sequence[float]]) -> PromptResult:
        return ask.answer(self.workload.tokens, self.after(ask, slots, rows))

    def after(self, ask: Ask, slots: Mapping[Tokens, int], rows: Sequence[Sequence[float]]) -> After:
        """Log-probabilities by id at the end of a prompt (key "") and after each forced beginning of an answer."""
        places = {"": slots[()], **{text: slots[suffix] for text, suffix in ask.forced.items()}}
        return {text: dict(zip(self.head.ids, rows[number], strict=True)) for text, number in places.items()}

    def _second_tries(self, pack: Pack, unit: Unit, asks: Sequence[Ask]) -> list[PromptResult]:
        """A prompt whose numbers are not finite: alone, then in fp32, then given up."""
        alone = Pack(pack.index, (unit,))
        tries: tuple[tuple[str, Callable[[], torch.Tensor]], ...] = (
            ("alone", lambda: next(self.executor.hidden_states((alone,)))),
            ("in fp32", lambda: self.executor.hidden_states_fp32(alone)),
        )
        for how, compute in tries:
            try:
                with self._signals.computing():
                    rows = self.head.log_probs(compute()).tolist()
            except RuntimeError as error:
                if not (is_out_of_memory(error) or isinstance(error, NotImplementedError)):
                    raise
                log.warning("a prompt of pack %d could not be tried %s: %s", pack.index, how, error)
                continue
            if not _is_broken(rows, range(len(rows))):
                log.warning("prompts=%d of pack %d had numbers that are not finite; %s they are", len(asks), pack.index, how)
                self._event(kind="not-finite", pack=pack.index, prompts=len(asks), solved=how)
                return [self._answer(ask, alone.slots[unit.ids], rows) for ask in asks]
        self._event(kind="not-finite", pack=pack.index, prompts=len(asks), solved=None)
        return [ask.failure("numbers not finite, alone and in fp32") for ask in asks]


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether a GPU ran out of memory; cuBLAS says so in its own way."""
    return isinstance(error, torch.OutOfMemoryError) or "CUBLAS_STATUS_ALLOC_FAILED" in str(error)


def _is_broken(rows: Sequence[Sequence[float]], which: Collection[int]) -> bool:
    """Whether a row holds no probabilities: not a number, above one, or nothing anywhere."""
    for number in which:
        row = rows[number]
        if any(math.isnan(x) or x > 1e-3 for x in row) or all(x == -math.inf for x in row):
            return True
    return False
