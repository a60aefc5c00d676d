"""The resident executor: weights stay where they were loaded, packs go through one after the other."""

import contextlib
from collections.abc import Iterator, Sequence

import torch

from evsctl.engine.plan import Pack


class ResidentExecutor:
    """Runs a pack as one batch of right-padded rows.

    Attention is causal, so what stands behind a row's end changes nothing before it: no mask is needed, and none is
    given, because the fast attention kernels and the plain path need that. `use_cache=False` is part of the
    correctness: with the model's default a cache switches mask handling.
    """

    name = "resident"

    def __init__(self, body: torch.nn.Module, device: torch.device, *, quantised: bool = False) -> None:
        self._body = body
        self._device = device
        self._quantised = quantised

    def passes(self, packs: Sequence[Pack]) -> Iterator[tuple[Pack, ...]]:
        """Each pack alone."""
        for pack in packs:
            yield (pack,)

    def hidden_states(self, packs: Sequence[Pack]) -> Iterator[torch.Tensor]:
        """Hidden states after the final norm at each pack's reads."""
        for pack in packs:
            yield self._forward(pack)

    def hidden_states_fp32(self, pack: Pack) -> torch.Tensor:
        """The same with each module's weights widened while it computes: one layer in fp32 at a time."""
        if self._quantised:
            raise NotImplementedError("quantised weights have no fp32 form")
        with _widened(self._body):
            return self._forward(pack)

    @torch.inference_mode()
    def _forward(self, pack: Pack) -> torch.Tensor:
        width = pack.longest
        # The pad is an ordinary id: nothing looks at what becomes of it.
        rows = torch.tensor([(*row, *(0,) * (width - len(row))) for row in pack.rows], dtype=torch.long, device=self._device)
        hidden: torch.Tensor = self._body(input_ids=rows, attention_mask=None, use_cache=False).last_hidden_state
        row_numbers = torch.tensor([read.row for read in pack.reads], device=hidden.device)
        positions = torch.tensor([read.position for read in pack.reads], device=hidden.device)
        return hidden[row_numbers, positions]


@contextlib.contextmanager
def _widened(body: torch.nn.Module) -> Iterator[None]:
    """Give every module that owns weights fp32 copies of them for the length of its own forward pass."""
    narrow: dict[torch.nn.Parameter, torch.Tensor] = {}

    def widen(module: torch.nn.Module, *_: object) -> None:
        for parameter in module.parameters(recurse=False):
            if parameter.dtype in (torch.bfloat16, torch.float16):
                narrow[parameter] = parameter.data
                parameter.data = parameter.data.float()

    def restore(module: torch.nn.Module, *_: object) -> None:
        for parameter in module.parameters(recurse=False):
            if parameter in narrow:
                parameter.data = narrow.pop(parameter)

    owners = [module for module in body.modules() if any(True for _ in module.parameters(recurse=False))]
    hooks = [owner.register_forward_pre_hook(widen) for owner in owners]
    hooks += [owner.register_forward_hook(restore) for owner in owners]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, data in narrow.items():
            parameter.data = data
