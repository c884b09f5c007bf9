"""The parameters of a pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.schema import parameter, read_parameters
from byzer_lab.training.data.reading import files_of
from byzer_lab.training.parameters.typed import plain_names
from byzer_lab.training.pretrain.settings import check_settings, read_settings

PREFIX = "sfft"
_SETTINGS = ("deepspeed_config", "deepspeedConfig")


@dataclass(frozen=True)
class Parameters:
    """What a pretraining may be told, also as ``sfft.TYPE.NAME``."""

    deepspeed_config: dict[str, Any] | None = parameter(
        None,
        "DeepSpeed's own configuration as JSON; by default AdamW, ZeRO-3 with everything in the "
        "host's memory, in bfloat16.",
        aliases=("deepspeedConfig",),
    )
    max_length: int = parameter(
        4096,
        "Tokens of one block; a model with a shorter window takes its own.",
        unit="tokens",
        least=2,
    )
    epoches: int = parameter(
        1,
        "Epochs; a checkpoint Epoch-N is saved after each.",
        least=1,
        aliases=("epochs", "num_train_epochs"),
    )
    steps_per_epoch: int | None = parameter(
        None,
        "Steps of one epoch; by default one pass over the data. The next epoch goes on where the "
        "one before ended, and the data begins anew when it is through.",
        least=1,
    )
    tokenizer_path: str | None = parameter(
        None,
        "Folder of a tokenizer, or a SentencePiece file (tokenizer.model); by default the model's.",
    )
    setup_nccl_socket_ifname_by_ip: bool = parameter(
        False, "Let NCCL use the network interface that has the node's address."
    )
    save_steps: int | None = parameter(
        None, "Save a checkpoint Step-N after so many steps too.", least=1
    )
    save_total_limit: int | None = parameter(
        None, "Checkpoints to keep, the newest; by default all.", least=1
    )
    logging_steps: int = parameter(1, "Steps between two points of the curves.", least=1)
    seed: int = parameter(42, "Of the order of the blocks and of the model's dropout.", least=0)
    shuffle: bool = parameter(True, "Mix the blocks anew in each pass over the data.")
    gradient_checkpointing: bool = parameter(
        False, "Compute activations twice instead of keeping them: less memory, more time."
    )
    on_bad_row: str = parameter(
        "error", "What to do where a row has no text.", choices=("error", "skip")
    )
    max_bad_ratio: float = parameter(
        0.01, "Share of the rows that on_bad_row skip may leave out.", least=0, most=1
    )
    trust_remote_code: bool = parameter(False, "Run Python code that comes with the model.")
    keep_partition_num: bool = parameter(
        False,
        "Taken for Byzer-LLM's sake: partitions of the data are kept wherever there are as many as "
        "workers.",
        aliases=("keepPartitionNum",),
    )
    skip_copy_pretrained_model: bool = parameter(
        True,
        "Taken for Byzer-LLM's sake: the base is never copied, the result is a whole model.",
        aliases=("skipCopyPretrainedModel",),
    )
    model_type: str = parameter(
        "casual_lm",
        "Taken for Byzer-LLM's sake.",
        choices=("casual_lm", "causal_lm"),
    )

    @property
    def settings(self) -> dict[str, Any]:
        """DeepSpeed's configuration as the user has it, or the default."""
        return read_settings(self.deepspeed_config)


def read(spec: JobSpec) -> Parameters:
    """The job's parameters.

    Raises:
        InvalidRequestError: One is unknown or doesn't fit.
    """
    given = plain_names(spec.parameters, PREFIX)
    for name in _SETTINGS:
        if given.get(name) is not None:  # here with the place of a mistake
            given[name] = read_settings(given[name], name=name)
    return read_parameters(Parameters, given, "sfft")


def check(spec: JobSpec) -> None:
    """Check a job before it starts.

    Raises:
        InvalidRequestError: A parameter or DeepSpeed's configuration is wrong, or there are no
            rows.
    """
    parameters = read(spec)
    if not spec.data_path:
        raise InvalidRequestError(
            "data_path is missing: name a file or a folder of texts to train on."
        )
    files_of(spec.data_path)
    check_settings(parameters.settings, spec.workers, spec.gpus_per_worker)
