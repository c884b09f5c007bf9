"""A pretraining from its rows to a model's folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.folder import find_model
from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.jobs import JobEnd, JobReport, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.distributed import run_on_workers
from byzer_lab.training.parameters.pretrain import Parameters, check, read
from byzer_lab.training.pretrain import checkpoints
from byzer_lab.training.pretrain.corpus import BadRows, write_streams
from byzer_lab.training.pretrain.loop import run_rank
from byzer_lab.training.pretrain.runtime import refuse_settings
from byzer_lab.training.pretrain.settings import (
    TENSORBOARD,
    check_settings,
    complete_settings,
    need_deepspeed,
)
from byzer_lab.training.pretrain.streams import DATA, Streams, find_streams
from byzer_lab.training.saving import explained
from byzer_lab.training.tokenizers import Tokenizer, read_tokenizer


def run(spec: JobSpec, channel: Channel) -> JobEnd:
    """Pretrain a model.

    Args:
        spec: The job.
        channel: Told how it goes.

    Returns:
        ``result`` has ``train_loss``, ``train_runtime``, ``tokens``, ``steps`` and
        ``total_steps``; the artefact ``model`` is a folder that can be deployed.

    Raises:
        InvalidRequestError: A parameter, a row or DeepSpeed's configuration is wrong.
        EngineError: Memory or disk are too small, or workers were lost again and again.
    """
    check(spec)
    need_deepspeed()
    parameters, folder = read(spec), Path(spec.folder)
    channel.report(JobReport(state="preparing", phase="reading the model"))
    try:
        for name in (checkpoints.MODELS, DATA, TENSORBOARD):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explained(folder, error) from error
    model_path = str(bundled_model()) if spec.model_path == "bundled" else spec.model_path
    tokenizer_path = parameters.tokenizer_path or model_path
    tokenizer = read_tokenizer(tokenizer_path, trust_remote_code=parameters.trust_remote_code)
    length, warnings = _length(model_path, parameters, tokenizer)
    settings = parameters.settings
    warnings += check_settings(settings, spec.workers, spec.gpus_per_worker)
    warnings += complete_settings(settings, folder, spec.name)
    refuse_settings(settings)
    streams, found = _streams(spec, parameters, tokenizer, channel)
    warnings += found
    whole = _saved_whole(settings)
    if not whole:
        warnings.append(
            "stage3_gather_16bit_weights_on_model_save is false: no model is saved in the end; "
            "convert a checkpoint."
        )
    channel.report(
        JobReport(
            warnings=warnings,
            artefacts={
                "tensorboard": str(folder / TENSORBOARD),
                "data_report": str(folder / "data_report.json"),
            },
        )
    )
    config = {
        "name": spec.name,
        "folder": str(folder),
        "model_path": model_path,
        "tokenizer_path": tokenizer_path,
        "settings": settings,
        "whole": whole,
        "parameters": {**asdict(parameters), "deepspeed_config": None, "max_length": length},
    }
    _say(spec, config, streams)
    try:
        result = run_on_workers(spec, run_rank, config, channel)
    finally:
        checkpoints.remove_broken(folder / checkpoints.MODELS)
    return _end(spec, folder, result)


def _length(model_path: str, parameters: Parameters, tokenizer: Tokenizer) -> tuple[int, list[str]]:
    """Tokens of a block, as many as the model can see; and warnings.

    Raises:
        InvalidRequestError: The model doesn't know all of the tokenizer's tokens.
    """
    source = find_model(model_path)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(
        source.name,
        trust_remote_code=parameters.trust_remote_code,
        local_files_only=source.offline,
    ).get_text_config()
    known = getattr(config, "vocab_size", None)
    if known is not None and tokenizer.size > known:
        raise InvalidRequestError(
            f"The tokenizer has {tokenizer.size} tokens, and the model {model_path!r} knows only "
            f"{known}; give the model's own with tokenizer_path."
        )
    window = getattr(config, "max_position_embeddings", None)
    if window is None or parameters.max_length <= window:
        return parameters.max_length, []
    return window, [
        f"max_length is {parameters.max_length}, but the model's window is {window} tokens: blocks "
        f"of {window} are taken."
    ]


def _streams(
    spec: JobSpec, parameters: Parameters, tokenizer: Tokenizer, channel: Channel
) -> tuple[Streams, list[str]]:
    """The workers' tokens; those of an earlier attempt where they are of the same data."""
    data = Path(spec.folder) / DATA
    origin = {
        "data": _state_of(spec.data_path),
        "tokenizer": parameters.tokenizer_path or spec.model_path,
        "workers": spec.workers,
        "bad": [parameters.on_bad_row, parameters.max_bad_ratio],
    }
    found = find_streams(data, origin)
    if found is not None:
        return found, []

    def tell(share: float) -> None:
        channel.report(JobReport(phase="tokenising the data", progress=share))

    tell(0.0)
    bad = BadRows(parameters.on_bad_row == "skip", parameters.max_bad_ratio)
    try:
        streams, warnings = write_streams(
            spec.data_path, data, tokenizer, spec.workers, bad, origin, tell
        )
    except ByzerLabError:
        raise
    except OSError as error:
        raise explained(data, error) from error
    if min(streams.tokens) < 2:
        raise InvalidRequestError(
            f"The data has {sum(streams.tokens)} tokens for {spec.workers} workers, and each needs "
            "at least 2; use fewer workers or more data."
        )
    return streams, warnings


def _state_of(data_path: str) -> list[list[Any]]:
    """What tells whether the files are still the same."""
    path = Path(data_path).expanduser()
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    told = [(file, file.stat()) for file in files if file.is_file()]
    return [[str(file), state.st_size, state.st_mtime_ns] for file, state in told]


def _saved_whole(settings: dict[str, Any]) -> bool:
    zero = settings["zero_optimization"]
    return zero.get("stage") != 3 or bool(zero["stage3_gather_16bit_weights_on_model_save"])


def _say(spec: JobSpec, config: dict[str, Any], streams: Streams) -> None:
    """The lines that Byzer-LLM's log has."""
    shown = {
        "model": spec.model_path,
        "data": spec.data_path,
        "workers": spec.workers,
        **{name: value for name, value in config["parameters"].items() if value is not None},
    }
    print("Train Configuration:")
    for name, value in shown.items():
        print(f"{name}: {value}")
    print(f"deepspeedConfig: {json.dumps(config['settings'])}")
    print(f"[{spec.name}] there are {streams.texts} texts with {sum(streams.tokens)} tokens")
    print(f"[{spec.name}] tensorboard: {Path(config['folder']) / TENSORBOARD}")
    print(f"*** [{spec.name}] starting training ***")


def _end(spec: JobSpec, folder: Path, result: dict[str, Any]) -> JobEnd:
    stopped = result.pop("stopped")
    models = folder / checkpoints.MODELS
    artefacts = {"tensorboard": str(folder / TENSORBOARD)}
    saved = checkpoints.whole_checkpoints(models)
    if saved:
        artefacts["checkpoint"] = str(saved[-1].folder)
    if (models / checkpoints.FINAL).is_dir():
        artefacts["model"] = str(models / checkpoints.FINAL)
    print(f"[{spec.name}] total tokens: {result['tokens']}")
    place = artefacts.get("model", str(models))
    print(f"[{spec.name}] Train Actor is already finished. You can check the model in: {place}")
    return JobEnd(state="stopped" if stopped else "completed", result=result, artefacts=artefacts)
