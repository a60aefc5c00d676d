"""What is known of a language model before it is loaded."""

from dataclasses import dataclass, replace

DTYPES = ("fp32", "bf16", "int8", "int4")

BYTES_PER_PARAMETER = {"fp32": 4.0, "bf16": 2.0, "int8": 1.0, "int4": 0.5 + 4 / 64}
"""Bytes per weight; int4 is NF4 with one fp32 scale per block of 64 (bitsandbytes), without double quantisation."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One registered model; what is unknown is None and shown as unknown."""

    model_id: str
    hub_id: str
    family: str
    languages: tuple[str, ...] | None = None
    """ISO 639-3 codes the model is asked in; None means every language of the survey."""
    dtype: str = "bf16"
    chat_template: bool = False
    in_study: bool = True
    """Part of a study unless `[study] models` says otherwise."""
    path: str | None = None
    """A local folder with config, tokenizer and safetensors; None: the hub's snapshot."""
    revision: str | None = None
    parameters_billion: float | None = None
    active_parameters_billion: float | None = None
    embedding_parameters_billion: float | None = None
    architecture: str | None = None
    tuning: str | None = None
    """`base` or `post-trained`."""
    license: str | None = None
    license_url: str | None = None
    gated: bool | None = None
    memory_gb: int = 32
    walltime_minutes: int = 60
    gpus: int = 1
    constraint: str | None = None
    notes: str | None = None

    @property
    def is_multilingual(self) -> bool:
        """Whether the model is asked in more than one language."""
        return self.languages is None or len(self.languages) > 1

    def with_dtype(self, dtype: str | None) -> "ModelSpec":
        """The same model in another dtype; None leaves it."""
        return self if dtype is None else replace(self, dtype=dtype)

    def weights_gb(self, dtype: str | None = None) -> float | None:
        """Size of the weights in GB (10⁹ bytes) in `dtype`; None where that dtype or the number of parameters is unknown.

        Embeddings stay in bf16 under int8 and int4, as bitsandbytes leaves them.
        """
        dtype = dtype or self.dtype
        if self.parameters_billion is None or dtype not in BYTES_PER_PARAMETER:
            return None
        embedding = self.embedding_parameters_billion or 0.0
        if dtype in ("int8", "int4"):
            return (self.parameters_billion - embedding) * BYTES_PER_PARAMETER[dtype] + embedding * 2.0
        return self.parameters_billion * BYTES_PER_PARAMETER[dtype]
