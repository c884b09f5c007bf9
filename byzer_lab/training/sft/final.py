"""What is left in the end: adapter or model, its tokenizer, and what they were made of."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from byzer_lab.engines.folder import BASE
from byzer_lab.jobs import JobSpec
from byzer_lab.training.parameters.target import FINAL
from byzer_lab.training.parameters.trainer import Training
from byzer_lab.training.saving import whole_folder, write_manifest
from byzer_lab.training.sft.loading import Base


def save_final(
    trainer: Any,
    spec: JobSpec,
    parameters: Training,
    base: Base,
    quantization: dict[str, Any] | None,
    result: dict[str, Any],
    *,
    state: str,
) -> None:
    """Save the result of a run; every process must call it, the first one writes.

    An adapter's folder can be deployed as it is. Its base is put beside it: on the same disk as
    hard links, which take no room; of a model of the hub, only its name is written down.

    Args:
        trainer: The library's, after its run.
        spec: The job.
        parameters: Its own.
        base: The model that was trained.
        quantization: How its weights were quantised.
        result: The run's figures.
        state: ``completed`` or ``stopped``.

    Raises:
        ByzerLabError: It can't be written; what was there before is still there.
    """
    if not trainer.args.should_save:
        return
    target = Path(spec.folder).absolute() / FINAL
    adapted = base.method != "full"
    with whole_folder(target, spec.name) as folder:
        trainer.model.config.use_cache = True
        if adapted:
            trainer.model.peft_config["default"].base_model_name_or_path = base.folder
        trainer.save_model(str(folder))
        base.tokenizer.save_pretrained(folder)
        if adapted and not parameters.skip_copy_pretrained_model and not base.source.on_hub:
            print(f"[{spec.name}] Copy {base.folder} to {target / BASE}")
            _put_base(Path(base.folder), folder / BASE)
        write_manifest(
            folder,
            {
                "kind": spec.kind,
                "job": spec.name,
                "job_folder": spec.folder,
                "state": state,
                "method": base.method,
                "base": base.folder,
                "quantization": quantization,
                "chat_template": "plain" if base.plain_template else "model",
                "max_seq_length": base.window,
                "result": result,
            },
        )


def _put_base(source: Path, target: Path) -> None:
    """A folder with the same files, as links where the disk is the same."""

    def link(one: str, other: str) -> str:
        try:
            os.link(os.path.realpath(one), other)
        except OSError:
            shutil.copy2(one, other)
        return other

    shutil.copytree(source, target, copy_function=link)
