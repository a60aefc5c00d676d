"""Models and tokenizers from a folder, in the dtype that was asked for, complete or not at all."""

import logging
from dataclasses import dataclass
from typing import Any

import torch
import transformers

from evsctl.engine.answer_head import AnswerHead
from evsctl.engine.model_folder import ModelFolder
from evsctl.engine.plan import Tokens
from evsctl.errors import EngineError, InputError

log = logging.getLogger(__name__)

# A job's log is no terminal: a progress bar there is one endless line.
transformers.utils.logging.disable_progress_bar()

TORCH_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "int8": torch.bfloat16, "int4": torch.bfloat16}


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to answer."""

    model: Any
    """The whole causal model: its own forward is the reference."""
    body: torch.nn.Module
    """Its language model without the output projection."""
    device: torch.device
    """Where token ids go in."""
    dtype: str

    @property
    def is_quantised(self) -> bool:
        """Whether bitsandbytes holds the weights."""
        return self.dtype in ("int8", "int4")

    def head(self, ids: Tokens) -> AnswerHead:
        """The output projection for these ids, with what the architecture does to its logits."""
        projection = self.model.get_output_embeddings()
        config = self.model.config.get_text_config()
        divisor = float(getattr(config, "logits_scaling", None) or 1.0) / float(getattr(config, "logit_scale", None) or 1.0)
        cap = getattr(config, "final_logit_softcapping", None)
        return AnswerHead(projection.weight, getattr(projection, "bias", None), ids, softcap=cap, divisor=divisor)

    @torch.inference_mode()
    def own_log_probs(self, ids: Tokens) -> torch.Tensor:
        """Log-probabilities [vocabulary] on the CPU after one prompt, by the model's own forward and nothing of ours.

        The softmax is taken in fp64: torch's fp32 one is 2e-5 off on a CPU, as much as everything else together.
        """
        rows = torch.tensor([ids], dtype=torch.long, device=self.device)
        logits = self.model(input_ids=rows, use_cache=False, logits_to_keep=1).logits[0, -1]
        return torch.log_softmax(logits.double(), dim=-1).float().cpu()


def load_tokenizer(folder: ModelFolder) -> Any:
    """The model's tokenizer; raises InputError where its files are broken."""
    try:
        return transformers.AutoTokenizer.from_pretrained(folder.path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises anything here
        raise InputError(f"The tokenizer in {folder.path} cannot be loaded: {_first_line(error)}", "Fetch the model again.") from error


def end_ids(folder: ModelFolder, tokenizer: Any, chat_template: bool) -> Tokens:
    """Ids that end a text: the tokenizer's, and for chat models all that the generation config names."""
    found = set() if tokenizer.eos_token_id is None else {int(tokenizer.eos_token_id)}
    if chat_template and (folder.path / "generation_config.json").is_file():
        named = transformers.GenerationConfig.from_pretrained(folder.path, local_files_only=True).eos_token_id
        found.update([named] if isinstance(named, int) else named or [])
    return tuple(sorted(found))


def choose_device(device: str | None) -> torch.device:
    """The device that was named, else the first GPU, else the CPU."""
    try:
        chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise InputError(f"There is no device '{device}'.", "Use cpu, cuda or cuda:N.") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError("No GPU is visible to this process.", "Ask for one (`--gpus 1`), or run with --device cpu.")
    return chosen


def check_dtype(folder: ModelFolder, dtype: str, device: torch.device) -> None:
    """Refuse what cannot be computed as asked; a dtype never changes by itself."""
    if dtype not in TORCH_DTYPES:
        raise InputError(f"Unknown dtype '{dtype}'.", f"Known: {', '.join(TORCH_DTYPES)}.")
    if dtype in ("int8", "int4"):
        if folder.is_mixture:
            raise InputError(
                f"{dtype} is refused for {folder.path}: bitsandbytes silently leaves experts, nearly all of its weights, unquantised.",
                "Use --dtype bf16 under another id (`--as NEW_ID`).",
            )
        if device.type != "cuda":
            raise InputError(f"{dtype} needs a GPU; this process computes on the {device.type}.", "Use --dtype bf16 or fp32.")


def load_model(folder: ModelFolder, dtype: str, device: torch.device) -> LoadedModel:
    """Load the weights; raises InputError for broken folders and EngineError where a weight is missing."""
    check_dtype(folder, dtype, device)
    torch.set_float32_matmul_precision("highest")
    options: dict[str, Any] = {"dtype": TORCH_DTYPES[dtype], "local_files_only": True, "trust_remote_code": False}
    if device.type != "cpu":
        unnumbered = str(device) == "cuda"
        options["device_map"] = "auto" if unnumbered and torch.cuda.device_count() > 1 else {"": 0 if unnumbered else device}
    if dtype in ("int8", "int4"):
        options["quantization_config"] = _quantisation(dtype)
    try:
        model, report = transformers.AutoModelForCausalLM.from_pretrained(folder.path, output_loading_info=True, **options)
    except torch.OutOfMemoryError as error:
        raise EngineError(
            f"The weights do not fit into the GPU's memory: {_first_line(error)}", "Ask for a GPU with more memory."
        ) from error
    except Exception as error:  # transformers raises anything here
        raise InputError(
            f"The model in {folder.path} cannot be loaded: {_first_line(error)}", "Check its files and the installed transformers."
        ) from error
    _refuse_incomplete(folder, report)
    model.eval()
    _drop_vision(model)
    return LoadedModel(model, model.get_decoder(), model.get_input_embeddings().weight.device, dtype)


def _quantisation(dtype: str) -> Any:
    if dtype == "int8":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16)


def _refuse_incomplete(folder: ModelFolder, report: dict[str, Any]) -> None:
    """A weight that is not in the files would be left random: the answers would look like answers."""
    for what, names in (("missing", report.get("missing_keys")), ("of another shape", report.get("mismatched_keys"))):
        if names:
            some = sorted(str(name) for name in names)
            raise EngineError(f"{len(some)} weights of {folder.path} are {what}, first {some[0]}.", "Fetch the model again.")
    if unused := report.get("unexpected_keys"):
        log.warning("weights left unused count=%d first=%s", len(unused), min(str(name) for name in unused))


def _drop_vision(model: Any) -> None:
    """Give the memory of image towers back: prompts are text."""
    inner = getattr(model, "model", None)
    for name in ("vision_tower", "multi_modal_projector"):
        if getattr(inner, name, None) is not None:
            setattr(inner, name, None)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}"
