"""Another way to the same numbers, written from the definition alone: one prompt, one forward, full softmax in fp64."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from evsctl.journal.manifest import ManifestPrompt


class NaiveModel:
    """Answers prompts of single digits and "10", slowly and without anything of the engine's."""

    def __init__(self, folder: Path, dtype: torch.dtype = torch.float32, chat: bool = False) -> None:
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
        self.chat = chat
        pieces = self.tokenizer.convert_ids_to_tokens(list(range(len(self.tokenizer))))
        self.written = [
            chr(int(p[3:5], 16)) if p.startswith("<0x") else p.replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n") for p in pieces
        ]

    def ids_of(self, *texts: str) -> list[int]:
        return [i for i, text in enumerate(self.written) if text in texts]

    @torch.inference_mode()
    def next_token(self, ids: Sequence[int]) -> torch.Tensor:
        logits = self.model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0, -1]
        return torch.softmax(logits.double(), dim=-1)

    def encode(self, text: str) -> list[int]:
        if not self.chat:
            return list(self.tokenizer(text)["input_ids"])
        turn = [{"role": "user", "content": text}]
        return list(self.tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=True, return_dict=False))

    def answers(self, prompt: ManifestPrompt) -> dict[str, float]:
        """Log-probability of each response value, not renormalised."""
        ids = self.encode(prompt.text)
        start = self.next_token(ids)
        mass = {v: float(start[self.ids_of(v, " " + v)].sum()) for v in prompt.valid_values}
        if {"1", "10"} <= mass.keys():
            (one,) = self.tokenizer(prompt.text + "1")["input_ids"][len(self.tokenizer(prompt.text)["input_ids"]) :]
            then = self.next_token([*ids, one])
            zero = float(then[self.ids_of("0", " 0")].sum())
            end = float(then[sorted({self.tokenizer.eos_token_id, *self.ids_of("\n", "\n\n", " ", ".", ",")})].sum())
            if zero + end > 0.01:
                mass["10"] += mass["1"] * zero / (zero + end)
                mass["1"] *= end / (zero + end)
        found: dict[str, float] = {}
        for printed, value in prompt.value_map.items():
            found[value] = found.get(value, 0.0) + mass[printed]
        return {value: math.log(p) if p > 0 else -math.inf for value, p in found.items()}


def worst_difference(mine: dict[str, float], theirs: dict[str, float]) -> float:
    """The largest |Δ log-probability|; answers that are impossible in both agree."""
    assert mine.keys() == theirs.keys()
    return max(0.0 if mine[value] == theirs[value] else abs(mine[value] - theirs[value]) for value in mine)


def worst_of(answers: Any, naive: NaiveModel, prompts: Sequence[ManifestPrompt], log_answers: Any) -> float:
    """The largest difference over these prompts."""
    return max(worst_difference(log_answers(answers[prompt.key]), naive.answers(prompt)) for prompt in prompts)
