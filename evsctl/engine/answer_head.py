"""The answer head: from final hidden states to the log-probabilities of a few ids over the full vocabulary, in fp32."""

from collections.abc import Sequence

import torch
from torch.nn import functional

VOCABULARY_CHUNK = 32_768
"""Vocabulary rows per matrix product: bounds the fp32 copy of the weights and the logits in memory."""


class AnswerHead:
    """The model's own output projection, with its scale and soft cap, computed in fp32 whatever the body's dtype.

    One product per chunk of the vocabulary serves all rows of a pack: single rows would run at a few percent of the
    matrix peak.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, ids: Sequence[int], *, softcap: float | None = None, divisor: float = 1.0
    ) -> None:
        self._weight = weight
        self._bias = bias
        self._softcap = softcap
        self._divisor = divisor
        self._ids = torch.tensor(ids, dtype=torch.long, device=weight.device)
        self.ids = tuple(ids)

    @property
    def vocabulary(self) -> int:
        """Number of logits."""
        return int(self._weight.shape[0])

    @torch.inference_mode()
    def log_probs(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [rows, ids] on the CPU from hidden states [rows, width]."""
        rows = hidden.to(self._weight.device, torch.float32)
        parts = []
        for start in range(0, self.vocabulary, VOCABULARY_CHUNK):
            parts.append(torch.logsumexp(self._logits(rows, slice(start, start + VOCABULARY_CHUNK)), dim=-1))
        normaliser = torch.logsumexp(torch.stack(parts), dim=0)
        return (self._logits(rows, self._ids) - normaliser[:, None]).cpu()

    def _logits(self, rows: torch.Tensor, which: slice | torch.Tensor) -> torch.Tensor:
        bias = None if self._bias is None else self._bias[which].float()
        logits = functional.linear(rows, self._weight[which].float(), bias) / self._divisor
        if self._softcap is not None:
            logits = torch.tanh(logits / self._softcap) * self._softcap
        return logits
