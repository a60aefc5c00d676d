"""Prompts become token ids once, as the model's own tokenizer makes them."""

from collections.abc import Sequence
from typing import Any

from evsctl.engine.plan import Tokens
from evsctl.errors import InputError

BATCH = 2048


def tokenize_prompts(tokenizer: Any, texts: Sequence[str], chat_template: bool, model_type: str) -> list[Tokens]:
    """Token ids of each text; with `chat_template` as one user turn followed by the generation prompt.

    Raises InputError where the beginning-of-sequence token is missing or doubled: either silently ruins a model.
    """
    if chat_template and not getattr(tokenizer, "chat_template", None):
        raise InputError(
            "The model is to be asked with its chat template, but its tokenizer has none.", "Register it without --chat-template."
        )
    found: list[Tokens] = []
    for start in range(0, len(texts), BATCH):
        batch = list(texts[start : start + BATCH])
        if chat_template:
            batch = [_user_turn(tokenizer, text) for text in batch]
        # A chat template writes the special tokens itself; adding them again would double them.
        encoded = tokenizer(batch, add_special_tokens=not chat_template, return_attention_mask=False)["input_ids"]
        found.extend(tuple(ids) for ids in encoded)
    _check_beginnings(tokenizer, found, model_type, chat_template)
    return found


def _user_turn(tokenizer: Any, text: str) -> str:
    return str(tokenizer.apply_chat_template([{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False))


def _check_beginnings(tokenizer: Any, sequences: Sequence[Tokens], model_type: str, chat_template: bool) -> None:
    bos = tokenizer.bos_token_id
    if any(not ids for ids in sequences):
        raise InputError("A prompt has no tokens at all.", "Prompts must not be empty.")
    if bos is None:
        return
    begins = bool(sequences) and sequences[0][0] == bos
    if model_type.startswith("gemma") and not begins:
        raise InputError(
            f"The tokenizer does not begin a prompt with {tokenizer.bos_token}, without which Gemma models answer noise.",
            "Its tokenizer_config.json must say add_bos_token: true, or the chat template must write it.",
        )
    for ids in sequences:
        # Chat templates may begin every turn with this token (ChatML), so there only a doubled beginning is wrong.
        twice = ids[1:2] == (bos,) if chat_template else ids.count(bos) > 1
        if (ids[0] == bos) != begins or (begins and twice):
            raise InputError(
                f"The tokenizer puts {tokenizer.bos_token} {ids.count(bos)} times into a prompt, not once at its beginning.",
                "A prompt must not contain special tokens, nor a chat template write it twice.",
            )
