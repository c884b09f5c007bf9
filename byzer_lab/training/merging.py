"""Merging adapters into their base model, with proof that the result says the same."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig
from transformers import BitsAndBytesConfig

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.folder import ModelSource, base_of, find_model
from byzer_lab.engines.transformers.adapters import put_adapter
from byzer_lab.engines.transformers.loading import ModelOutline, read_model
from byzer_lab.engines.transformers.parameters import Parameters as LoadingParameters
from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError, describe
from byzer_lab.jobs import JobEnd, JobReport, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.logits import compare, logits_of, prompt_tokens, refuse_drift
from byzer_lab.training.parameters.merging import Parameters, read
from byzer_lab.training.parameters.target import MANIFEST, made_by, target_of
from byzer_lab.training.saving import whole_folder, write_manifest

_TOGETHER = "together"  # PEFT's name for the adapters when they are combined


def run(spec: JobSpec, channel: Channel) -> JobEnd:
    """Merge adapters into their base and save a plain model.

    Args:
        spec: The job; ``model_path`` is the base, or the adapter's own folder, which names it.
        channel: Told of each phase.

    Returns:
        ``result`` has the figures of the comparison, see
        :class:`byzer_lab.training.logits.Comparison`, and ``changed``: how far the adapters move
        the base's logits at most.

    Raises:
        InvalidRequestError: A parameter is wrong, or an adapter is none of this model.
        EngineError: The merged model says something else, or can't be saved. Nothing is left.
    """
    parameters = read(spec)
    target = target_of(spec, parameters.save_path, overwrite=parameters.overwrite)
    done = made_by(spec, target)
    if done is not None:
        return JobEnd(result=done["result"], artefacts={"model": str(target)})
    with whole_folder(target, spec.name) as folder:
        result = _Merge(spec, parameters, channel).into(folder)
        manifest = {
            "kind": "merge",
            "job": spec.name,
            "job_folder": spec.folder,
            "base": spec.model_path,
            "adapters": [str(path) for path in parameters.folders],
            "weights": parameters.shares,
            "combination": parameters.combination,
            "result": result,
        }
        write_manifest(folder, manifest)
    print(f"[{spec.name}] Merged model: {target}")
    return JobEnd(result=result, artefacts={"model": str(target)})


class _Merge:
    """One merge, step by step."""

    def __init__(self, spec: JobSpec, parameters: Parameters, channel: Channel) -> None:
        self._parameters = parameters
        self._channel = channel
        self._tell("reading the model")
        self._source = _base(spec, parameters.folders[0])
        self._outline: ModelOutline = read_model(
            self._source,
            LoadingParameters(trust_remote_code=parameters.trust_remote_code),
            lambda _: None,
        )
        self._quantised = _trained_together(parameters.folders)
        self._stored = getattr(self._outline.config, "quantization_config", None) is not None
        self._dtype = self._choose_dtype()

    def into(self, folder: Path) -> dict[str, Any]:
        """Merge, save and compare.

        Returns:
            The figures.
        """
        tokenizer = self._outline.tokenizer
        self._tell("loading the model as it was trained", 0.1)
        model = self._load(self._quantised)
        prompts = prompt_tokens(tokenizer, model.config.get_text_config().vocab_size)
        plain = logits_of(model, prompts)
        self._tell("asking the adapted model", 0.3)
        adapted = self._adapted(model)
        before = logits_of(adapted, prompts)
        if self._quantised is not None or self._stored:
            del model, adapted
            gc.collect()
            self._tell("turning the base back into plain numbers", 0.4)
            whole = self._load(self._quantised if self._parameters.base == "trained" else None)
            adapted = self._adapted(_dequantised(whole))
        self._tell("merging", 0.5)
        merged = adapted.merge_and_unload(safe_merge=True)
        del adapted
        merged.to(self._dtype)
        self._tell("saving", 0.7)
        merged.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        del merged
        gc.collect()
        self._tell("asking the saved model", 0.8)
        after = logits_of(
            reload(folder, trust_remote_code=self._parameters.trust_remote_code), prompts
        )
        found = compare(before, after)
        refuse_drift(
            found,
            self._dtype,
            self._parameters.tolerance,
            self._parameters.min_agreement,
            f"The merged model says something else than {self._source.name!r} with its adapter",
        )
        changed = compare(plain, before).max_difference
        return {**found.figures(), "changed": changed, "dtype": _word(self._dtype)}

    def _load(self, quantised: dict[str, Any] | None) -> Any:
        """The base, quantised as an adapter was trained on it, or as its files have it."""
        options = dict(self._outline.options)
        if quantised is not None:
            # What is merged is computed in the merged model's numbers, so that only what the merge
            # itself does is compared.
            told = {**quantised, "bnb_4bit_compute_dtype": _word(self._dtype)}
            options["quantization_config"] = BitsAndBytesConfig.from_dict(told)
        if torch.cuda.is_available():
            options["device_map"] = "auto"
        elif quantised is not None:
            options["device_map"] = {"": "cpu"}
        try:
            model = self._outline.auto_class.from_pretrained(
                self._source.name, config=self._outline.config, dtype=self._dtype, **options
            )
        except Exception as error:
            raise EngineError(
                f"The weights of {self._source.name!r} can't be loaded: {describe(error)}"
            ) from error
        _compute_exactly(model)
        tokens = len(self._outline.tokenizer)
        known = model.get_input_embeddings().weight.shape[0]
        if _own_tokenizer(self._parameters.folders[0]) and tokens > known:
            model.resize_token_embeddings(tokens)  # training has added tokens
        return model.eval()

    def _adapted(self, model: Any) -> Any:
        """PEFT's model: the base with its adapters beside its weights."""
        folders, shares = self._parameters.folders, self._parameters.shares
        if len(folders) == 1 and shares == [1.0]:
            return put_adapter(model, str(folders[0])).eval()
        try:
            return _together(model, folders, shares, self._parameters).eval()
        except ByzerLabError:
            raise
        except (ValueError, KeyError, RuntimeError) as error:
            names = " and ".join(repr(str(folder)) for folder in folders)
            raise InvalidRequestError(
                f"The adapters {names} can't be put together by "
                f"{self._parameters.combination!r}: {describe(error)}"
            ) from error

    def _choose_dtype(self) -> Any:
        wanted = self._parameters.dtype
        if wanted != "auto":
            return getattr(torch, wanted)
        own = self._outline.config.dtype
        return own if isinstance(own, torch.dtype) else torch.float32

    def _tell(self, phase: str, progress: float | None = None) -> None:
        self._channel.report(JobReport(state="running", phase=phase, progress=progress))


def trained_on(adapter: Path) -> dict[str, Any] | None:
    """How the base was quantised when an adapter was trained on it; ``None``: it was not.

    Raises:
        InvalidRequestError: The adapter's manifest is broken.
    """
    manifest = adapter / MANIFEST
    if not manifest.is_file():
        return None
    try:
        told = json.loads(manifest.read_bytes()).get("quantization")
    except (ValueError, AttributeError) as error:
        raise InvalidRequestError(f"{str(manifest)!r} can't be read as JSON: {error}.") from error
    return told or None


def _trained_together(adapters: list[Path]) -> dict[str, Any] | None:
    first = trained_on(adapters[0])
    other = next((folder for folder in adapters if trained_on(folder) != first), None)
    if other is not None:
        raise InvalidRequestError(
            f"The adapters {str(adapters[0])!r} and {str(other)!r} were trained on bases that are "
            "quantised otherwise, so they don't fit one base; merge one of them."
        )
    return first


def _base(spec: JobSpec, adapter: Path) -> ModelSource:
    """Where the base is, with the adapter, whose own tokenizer counts."""
    path = str(bundled_model()) if spec.model_path == "bundled" else spec.model_path
    if (Path(path).expanduser() / "adapter_config.json").is_file():
        path = base_of(Path(path).expanduser())
    found = find_model(path)
    return ModelSource(found.name, found.on_hub, found.offline, str(adapter))


def _together(model: Any, folders: list[Path], shares: list[float], parameters: Parameters) -> Any:
    names = [f"adapter{number}" for number in range(len(folders))]
    for name, folder in zip(names, folders, strict=True):
        config: Any = PeftConfig.from_pretrained(str(folder))
        kind = str(getattr(config.peft_type, "value", config.peft_type))
        if kind != "LORA" or config.use_dora or config.modules_to_save:
            raise InvalidRequestError(
                f"The adapter {str(folder)!r} is not plain LoRA, so it can only be merged alone "
                "and with weight 1."
            )
        model = put_adapter(model, str(folder), name)
    torch.manual_seed(0)  # dare drops numbers at random: the same ones each time
    model.add_weighted_adapter(
        names,
        shares,
        _TOGETHER,
        combination_type=parameters.combination,
        density=parameters.kept,
    )
    model.set_adapter(_TOGETHER)
    return model


def _compute_exactly(model: Any) -> None:
    """Leave out the processor's fast 4-bit product, which rounds whatever it is given."""
    for module in model.modules():
        if getattr(module, "support_avx512bf16_for_cpu", False):
            module.support_avx512bf16_for_cpu = False


def _dequantised(model: Any) -> Any:
    return model.dequantize() if getattr(model, "is_quantized", False) else model


def _own_tokenizer(adapter: Path) -> bool:
    return (adapter / "tokenizer_config.json").is_file()


def reload(folder: Path, *, trust_remote_code: bool) -> Any:
    """A saved model, as its own files have it.

    Raises:
        EngineError: A weight is missing.
    """
    source = find_model(str(folder))
    parameters = LoadingParameters(trust_remote_code=trust_remote_code)
    outline = read_model(source, parameters, lambda _: None)
    model, info = outline.auto_class.from_pretrained(
        source.name, dtype="auto", output_loading_info=True, **outline.options
    )
    if info["missing_keys"]:
        raise EngineError(
            f"The saved model lacks weights, such as {min(info['missing_keys'])}; nothing was kept."
        )
    return model.eval()


def _word(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
