"""The interface behind which packs are computed: weights that stay, or weights that stream."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch

from evsctl.engine.plan import Pack


class Executor(Protocol):
    """Computes the final hidden states at the wanted places of packs; same numbers whatever the executor."""

    name: str

    def passes(self, packs: Sequence[Pack]) -> Iterator[tuple[Pack, ...]]:
        """The packs in groups that are computed together: each alone where weights stay, many where they stream."""
        ...

    def hidden_states(self, packs: Sequence[Pack]) -> Iterator[torch.Tensor]:
        """For each pack of one group, in order, hidden states [reads, width]; raises torch.OutOfMemoryError."""
        ...

    def hidden_states_fp32(self, pack: Pack) -> torch.Tensor:
        """The same in fp32 arithmetic, slowly; raises NotImplementedError where the weights do not allow it."""
        ...
