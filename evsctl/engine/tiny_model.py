"""Tiny models for tests and the demo: a tokenizer trained in a moment, an architecture of the study, random weights."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

KINDS = ("llama", "gemma3", "gemma3_multimodal", "qwen3_moe")
STYLES = ("byte_level", "byte_fallback", "dummy_prefix")
CHAT_TEMPLATE = (
    "{{ bos_token if bos_token else '' }}"
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


transformers.utils.logging.disable_progress_bar()


def build_tiny_model(
    folder: Path,
    kind: str = "llama",
    texts: Iterable[str] = (),
    seed: int = 0,
    *,
    hidden_size: int = 64,
    layers: int = 2,
    vocabulary: int = 600,
    style: str = "byte_level",
    merged_digits: bool = False,
    bos: bool = True,
    chat_template: bool = False,
    sliding_window: int = 4096,
    answer_logit: float = 0.0,
) -> Path:
    """Save a real, loadable model with random weights and a tokenizer trained on `texts`; returns the folder.

    `style` is how the tokenizer writes spaces and unknown characters: `byte_level` (Llama-3, Qwen, SmolLM2),
    `byte_fallback` (Gemma-3: ▁ for a space, <0x31> for a byte) or `dummy_prefix` (the same with a ▁ before the text).
    `merged_digits` makes "10" one token. `answer_logit` raises the logits of digits, so that a demo's answers hold
    most of the probability. The same arguments give the same files.
    """
    texts = list(texts)
    tokenizer = build_tiny_tokenizer(
        texts, style=style, vocabulary=vocabulary, merged_digits=merged_digits, bos=bos, chat_template=chat_template
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _new_model(kind, len(tokenizer), hidden_size, layers, sliding_window, tokenizer)
        if answer_logit:
            _prefer_digits(model, tokenizer, texts[:: max(1, len(texts) // 48)], answer_logit)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def build_tiny_tokenizer(
    texts: Iterable[str],
    *,
    style: str = "byte_level",
    vocabulary: int = 600,
    merged_digits: bool = False,
    bos: bool = True,
    chat_template: bool = False,
) -> Any:
    """Train a BPE tokenizer of the given style on `texts` (and digits, so that it always has them)."""
    special = ["<s>", "</s>", "<unk>"]
    corpus = [*texts, *(f"Answer: {n}\n\n" for n in range(11))] + ["Answer: 10\n"] * (50 if merged_digits else 0)
    core = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=style != "byte_level", fuse_unk=True))
    alphabet = _dress(core, style, merged_digits, special)
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    core.train_from_iterator(corpus, trainer)
    if merged_digits:
        core = _with_token(core, ("1", "0"))
    if style != "byte_level":
        core = _with_bytes(core)
    if bos:
        core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", core.token_to_id("<s>"))])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>" if bos else None, eos_token="</s>", unk_token="<unk>", clean_up_tokenization_spaces=False
    )
    if chat_template:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _dress(core: tokenizers.Tokenizer, style: str, merged_digits: bool, special: list[str]) -> list[str]:
    """Give the bare BPE its way with spaces and digits; returns the letters it must know."""
    digits = pre_tokenizers.Split(tokenizers.Regex(r"\p{N}{1,3}" if merged_digits else r"\p{N}"), "isolated")
    if style == "byte_level":
        core.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
        core.decoder = decoders.ByteLevel()
        return sorted(pre_tokenizers.ByteLevel.alphabet())
    if style not in STYLES:
        raise ValueError(f"unknown tokenizer style {style!r}")
    steps: list[Any] = [normalizers.Replace(" ", "▁")]
    parts: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if style == "dummy_prefix":
        steps.insert(0, normalizers.Prepend("▁"))
        parts.append(decoders.Strip(" ", 1, 0))
    core.normalizer = normalizers.Sequence(steps)
    # A space belongs to the word after it, but never to a digit when digits stand alone.
    word = pre_tokenizers.Split(tokenizers.Regex(r"▁?[^▁\n\p{N}]+|▁|\n+|\p{N}+"), "isolated")
    core.pre_tokenizer = pre_tokenizers.Sequence([word, digits])
    core.decoder = decoders.Sequence(parts)
    return ["▁", "\n", ".", ",", ":", *"0123456789"]


def _with_token(core: tokenizers.Tokenizer, pair: Sequence[str]) -> tokenizers.Tokenizer:
    """The same tokenizer with one more merge, where training did not find it."""
    state = json.loads(core.to_str())
    merged = "".join(pair)
    if merged not in state["model"]["vocab"]:
        state["model"]["vocab"][merged] = len(state["model"]["vocab"])
        state["model"]["merges"].append(list(pair))
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def _with_bytes(core: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """The same tokenizer with the 256 byte pieces that byte fallback needs, and a space before every digit."""
    state = json.loads(core.to_str())
    vocab = state["model"]["vocab"]
    for piece in [*(f"<0x{byte:02X}>" for byte in range(256)), *(f"▁{digit}" for digit in range(10))]:
        vocab.setdefault(piece, len(vocab))
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def _new_model(kind: str, vocabulary: int, width: int, layers: int, sliding_window: int, tokenizer: Any) -> Any:
    heads = max(2, width // 16)
    common = {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads // 2,
        "head_dim": 16,
        "max_position_embeddings": 4096,
        # Wider than usual: with 0.02 a tiny model's answers would hardly depend on its prompt.
        "initializer_range": 0.15,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": None,
        "tie_word_embeddings": False,
    }
    if kind == "llama":
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**common))
    if kind == "gemma3":
        return transformers.Gemma3ForCausalLM(_gemma3_config(common, sliding_window))
    if kind == "gemma3_multimodal":
        vision = {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 28,
            "patch_size": 14,
        }
        text = _gemma3_config({**common, "tie_word_embeddings": True}, sliding_window).to_dict()
        return transformers.Gemma3ForConditionalGeneration(
            transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
        )
    if kind == "qwen3_moe":
        return transformers.Qwen3MoeForCausalLM(
            transformers.Qwen3MoeConfig(**common, moe_intermediate_size=width, num_experts=4, num_experts_per_tok=2)
        )
    raise ValueError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")


def _gemma3_config(common: dict[str, Any], sliding_window: int) -> Any:
    types = ["full_attention" if i % 2 else "sliding_attention" for i in range(int(common["num_hidden_layers"]))]
    return transformers.Gemma3TextConfig(**common, layer_types=types, sliding_window=sliding_window, query_pre_attn_scalar=16)


@torch.no_grad()
def _prefer_digits(model: Any, tokenizer: Any, texts: Sequence[str], logit: float) -> None:
    """Turn the digits' output rows towards the states in which these texts end, which adds about `logit` to them."""
    states = []
    for text in texts or ["Question?\n1. yes\n2. no\nAnswer: "]:
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        states.append(model.get_decoder()(input_ids=ids, use_cache=False).last_hidden_state[0, -1])
    matrix = torch.stack(states)
    ridge = matrix.T @ matrix + torch.eye(matrix.shape[1]) * len(states)
    direction = torch.linalg.solve(ridge, matrix.T @ torch.ones(len(states)))
    for digit in range(10):
        number = tokenizer(str(digit), add_special_tokens=False)["input_ids"][-1]
        model.get_output_embeddings().weight[number] += logit * direction
