"""A model's folder of a DeepSpeed checkpoint, compared with it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, GenerationConfig
from transformers.modeling_utils import PreTrainedModel

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.folder import find_model
from byzer_lab.engines.transformers.classes import class_for
from byzer_lab.errors import EngineError, InvalidRequestError, describe
from byzer_lab.jobs import JobEnd, JobReport, JobSpec
from byzer_lab.training import merging
from byzer_lab.training.channel import Channel
from byzer_lab.training.logits import compare, logits_of, prompt_tokens, refuse_drift
from byzer_lab.training.parameters.converting import (
    Parameters,
    adapter_in,
    as_merge,
    checkpoint_of,
    read,
)
from byzer_lab.training.parameters.target import made_by, target_of
from byzer_lab.training.pretrain.settings import need_deepspeed
from byzer_lab.training.saving import whole_folder, write_manifest
from byzer_lab.training.tokenizers import read_tokenizer


def run(spec: JobSpec, channel: Channel) -> JobEnd:
    """Make a Hugging Face folder of a DeepSpeed checkpoint; merge, where it is an adapter's folder.

    Args:
        spec: The job; ``model_path`` is the model that was trained, of which configuration and
            tokenizer are taken.
        channel: Told of each phase.

    Returns:
        ``result`` has the figures of the comparison, see
        :class:`byzer_lab.training.logits.Comparison`, ``weights`` (how many numbers) and ``tag``.

    Raises:
        InvalidRequestError: A parameter is wrong, or the checkpoint is of another model.
        EngineError: The checkpoint is broken, or the folder can't be saved. Nothing is left.
    """
    if adapter_in(spec):
        return merging.run(as_merge(spec), channel)
    need_deepspeed()
    parameters = read(spec)
    checkpoints, tag = checkpoint_of(parameters)
    target = target_of(spec, parameters.save_path, overwrite=parameters.overwrite)
    done = made_by(spec, target)
    if done is not None:
        return JobEnd(result=done["result"], artefacts={"model": str(target)})

    def tell(phase: str, progress: float) -> None:
        channel.report(JobReport(state="running", phase=phase, progress=progress))

    with whole_folder(target, spec.name) as folder:
        tell("reading the checkpoint", 0.1)
        weights, trained_in = _weights(checkpoints, tag)
        model = _model(spec, parameters, weights, checkpoints / tag)
        tokenizer = read_tokenizer(
            parameters.tokenizer_path or _model_path(spec),
            trust_remote_code=parameters.trust_remote_code,
        )
        wanted = parameters.dtype
        dtype = trained_in if wanted == "auto" else getattr(torch, wanted)
        prompts = prompt_tokens(tokenizer.library, model.config.get_text_config().vocab_size)
        tell("asking the checkpoint's model", 0.4)
        before = logits_of(model, prompts)
        tell("saving", 0.6)
        _cast(model, dtype)
        model.save_pretrained(folder)
        tokenizer.save(folder)
        expected = {name: value.clone() for name, value in model.state_dict().items()}
        del model, weights
        gc.collect()
        tell("comparing the saved model with the checkpoint", 0.8)
        saved = merging.reload(folder, trust_remote_code=parameters.trust_remote_code)
        _refuse_other_weights(expected, saved)
        found = compare(before, logits_of(saved.float(), prompts))
        refuse_drift(
            found,
            dtype,
            parameters.tolerance,
            parameters.min_agreement,
            f"The saved model says something else than the checkpoint {tag!r}",
        )
        numbers = sum(weight.numel() for weight in saved.parameters())
        word = str(dtype).removeprefix("torch.")
        result = {**found.figures(), "weights": numbers, "tag": tag, "dtype": word}
        manifest = {
            "kind": "convert",
            "job": spec.name,
            "job_folder": spec.folder,
            "base": spec.model_path,
            "checkpoint": str(checkpoints / tag),
            "result": result,
        }
        write_manifest(folder, manifest)
    print(f"[{spec.name}] Converted model: {target}")
    return JobEnd(result=result, artefacts={"model": str(target)})


def _weights(checkpoints: Path, tag: str) -> tuple[dict[str, Any], Any]:
    """The weights of a checkpoint in float32, and the number format that it was trained in."""
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    folder = checkpoints / tag
    try:
        states = torch.load(
            sorted(folder.glob("*model_states.pt"))[0],
            map_location="cpu",
            weights_only=False,  # DeepSpeed keeps its own objects there
            mmap=True,
        )
        if any(folder.glob("*_optim_states.pt")):
            weights = get_fp32_state_dict_from_zero_checkpoint(str(checkpoints), tag=tag)
        else:  # without ZeRO the weights are there as they are
            weights = {name: value.float() for name, value in states["module"].items()}
    except Exception as error:
        raise EngineError(
            f"The checkpoint {str(folder)!r} can't be read: {describe(error)}. It may have been "
            "saved only in part; name another one with tag."
        ) from error
    return dict(weights), _trained_in(states)


def _trained_in(states: dict[str, Any]) -> Any:
    config = states.get("ds_config") or {}
    for name, dtype in (("bf16", torch.bfloat16), ("fp16", torch.float16)):
        if (config.get(name) or {}).get("enabled"):
            return dtype
    return torch.float32


def _model_path(spec: JobSpec) -> str:
    return str(bundled_model()) if spec.model_path == "bundled" else spec.model_path


def _model(
    spec: JobSpec, parameters: Parameters, weights: dict[str, Any], checkpoint: Path
) -> PreTrainedModel:
    """The model with a checkpoint's weights, in float32."""
    source = find_model(_model_path(spec))
    options = {
        "trust_remote_code": parameters.trust_remote_code,
        "local_files_only": source.offline,
    }
    try:
        config = AutoConfig.from_pretrained(source.name, **options)
        auto = class_for(config, source)
        model = auto.from_config(
            config,
            dtype=torch.float32,
            **({"trust_remote_code": True} if parameters.trust_remote_code else {}),
        )
    except InvalidRequestError:
        raise
    except Exception as error:
        raise InvalidRequestError(
            f"The transformers library can't make the model {source.name!r}: {describe(error)}"
        ) from error
    _resize(model, weights)
    wrong = _unlike(model, weights)
    if wrong:
        raise InvalidRequestError(
            f"The checkpoint {str(checkpoint)!r} is none of the model {source.name!r}: {wrong}."
        )
    model.load_state_dict(weights, strict=False, assign=True)
    model.tie_weights()
    if (Path(source.name) / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(source.name)
    return model.eval()


def _resize(model: PreTrainedModel, weights: dict[str, Any]) -> None:
    """Give the model as many tokens as the checkpoint has: training may have added some."""
    own = model.get_input_embeddings().weight
    name = next(name for name, weight in model.named_parameters() if weight is own)
    rows = weights[name].shape[0] if name in weights else own.shape[0]
    if rows != own.shape[0]:
        model.resize_token_embeddings(rows, mean_resizing=False)


def _unlike(model: PreTrainedModel, weights: dict[str, Any]) -> str | None:
    """The first thing in which a model's weights differ from a checkpoint's."""
    own = model.state_dict()
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    for name, weight in own.items():
        if name not in weights and name not in tied:
            return f"it lacks {name}"
        if name in weights and weights[name].shape != weight.shape:
            return f"{name} has the shape {tuple(weights[name].shape)}, not {tuple(weight.shape)}"
    unknown = sorted(set(weights) - set(own))
    return f"the model has no {unknown[0]}" if unknown else None


def _cast(model: PreTrainedModel, dtype: Any) -> None:
    model.to(dtype)
    model.config.dtype = dtype


def _refuse_other_weights(expected: dict[str, Any], saved: PreTrainedModel) -> None:
    """Each number of the folder must be the checkpoint's, rounded once."""
    found = saved.state_dict()
    wrong = [n for n, value in expected.items() if n not in found or not found[n].equal(value)]
    if wrong:
        raise EngineError(
            f"The saved model has other weights than the checkpoint, such as {wrong[0]}; nothing "
            "was kept."
        )
