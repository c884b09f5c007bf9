"""The infer parameters of the diffusers backend."""

from __future__ import annotations

from dataclasses import dataclass

from byzer_lab.schema import parameter


@dataclass(frozen=True)
class Parameters:
    """What a deployment may set."""

    dtype: str = parameter(
        "auto",
        "Number format of the weights; auto is float16 on a GPU (bfloat16 for transformers) and "
        "float32 on a processor.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    variant: str | None = parameter(
        None, "Which of a folder's sets of weights is loaded, such as fp16."
    )
    safety_checker: bool = parameter(
        True, "Black out what the model's own checker finds unsafe, where it comes with one."
    )
    offload: bool = parameter(
        False,
        "Keep the parts of the model in the machine's memory and each on the GPU only while it "
        "works: slower, for GPUs with little memory.",
    )
    vae_tiling: bool = parameter(
        False, "Turn large pictures into pixels piece by piece, which takes less memory."
    )
    num_threads: int | None = parameter(
        None, "Processor threads of one worker; by default a share of the machine.", least=1
    )
