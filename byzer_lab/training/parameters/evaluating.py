"""The parameters of a comparison of a model with what was tuned from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from byzer_lab.engines.folder import ADAPTER
from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.schema import parameter, read_parameters
from byzer_lab.training.data.reading import files_of
from byzer_lab.training.parameters.target import FINAL


@dataclass(frozen=True)
class Parameters:
    """What a comparison may be told."""

    tuned: list[str] | None = parameter(
        None,
        "What is compared with the base: folders of adapters or of whole models, or of finetuning "
        "jobs.",
        aliases=("adapters", "adapter", "adapterNameOrPath"),
    )
    max_seq_length: int = parameter(
        1024, "Tokens of a row; of a longer one the beginning counts.", least=8
    )
    max_new_tokens: int = parameter(
        256, "Most tokens of a written answer, which is compared with the row's.", least=1
    )
    max_rows: int | None = parameter(None, "Only the first rows; by default all.", least=1)
    answers: bool = parameter(
        True, "Let each model write its answers too; without, only losses are compared."
    )
    samples: int = parameter(20, "Rows of the table of answers in the result.", least=0, most=1000)
    batch_size: int = parameter(8, "Rows that are computed at once.", least=1)
    plain_prompts: bool = parameter(
        False, "Rows with prompt and completion are plain text, not question and answer of a chat."
    )
    on_bad_row: str = parameter(
        "error", "What to do with rows that can't be used.", choices=("error", "skip")
    )
    dtype: str = parameter(
        "auto",
        "Number format of the weights.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    trust_remote_code: bool = parameter(False, "Run Python code that comes with the model.")

    @property
    def folders(self) -> list[Path]:
        """Of what is compared with the base."""
        found = [Path(folder).expanduser() for folder in self.tuned or ()]
        return [folder / FINAL if (folder / FINAL).is_dir() else folder for folder in found]


def read(spec: JobSpec) -> Parameters:
    """The job's parameters.

    Raises:
        InvalidRequestError: One is unknown or doesn't fit, or a folder has no model.
    """
    parameters = read_parameters(Parameters, spec.parameters, "evaluate")
    for folder in parameters.folders:
        if not any((folder / mark).is_file() for mark in (ADAPTER, "config.json")):
            missing = "has neither adapter nor model" if folder.is_dir() else "does not exist"
            raise InvalidRequestError(f"The folder {str(folder)!r} in tuned {missing}.")
    return parameters


def rows_of(spec: JobSpec, parameters: Parameters) -> str:
    """Path of the rows: the job's, or what the tuned model's own job has held out.

    Raises:
        InvalidRequestError: There are none.
    """
    if spec.data_path:
        return spec.data_path
    for folder in parameters.folders:
        held_out = folder.parent.parent / "finetune_data" / "held_out.jsonl"
        if held_out.is_file():
            return str(held_out)
    raise InvalidRequestError(
        "data_path is missing, and the tuned model's job has held out no rows (eval_ratio); name "
        "a file of rows to compare on."
    )


def check(spec: JobSpec) -> None:
    """Check a job before it starts.

    Raises:
        InvalidRequestError: A parameter is wrong, or there are no rows.
    """
    files_of(rows_of(spec, read(spec)))
