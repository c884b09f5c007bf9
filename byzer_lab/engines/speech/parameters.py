"""The infer parameters of models that listen and of models that speak."""

from __future__ import annotations

from dataclasses import dataclass

from byzer_lab.schema import parameter


@dataclass(frozen=True)
class Parameters:
    """What a deployment of either may set."""

    trust_remote_code: bool = parameter(False, "Run Python code that comes with the model.")
    dtype: str = parameter(
        "auto",
        "Number format of the weights; auto keeps the checkpoint's unless this processor is slow "
        "at it.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    num_threads: int | None = parameter(
        None, "Processor threads of one worker; by default a share of the machine.", least=1
    )


@dataclass(frozen=True)
class ListeningParameters(Parameters):
    """What a deployment of a model that listens may set."""

    max_audio_s: float = parameter(
        7200.0, "Longest sound that is taken; a longer one is refused.", unit="s", above=0
    )


@dataclass(frozen=True)
class SpeakingParameters(Parameters):
    """What a deployment of a model that speaks may set."""

    voice: str | None = parameter(
        None, "Who speaks where a request names nobody; by default the model's own voice."
    )
    max_characters: int = parameter(
        20_000, "Longest text that is spoken; a longer one is refused.", unit="characters", least=1
    )
