"""Compares a model with what was tuned from it, on rows that neither was trained on."""

from __future__ import annotations

import gc
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from byzer_lab.engines.folder import ADAPTER, find_model
from byzer_lab.engines.precision import choose_dtype
from byzer_lab.engines.transformers.adapters import put_adapter
from byzer_lab.engines.transformers.loading import read_model
from byzer_lab.engines.transformers.parameters import Parameters as LoadingParameters
from byzer_lab.errors import EngineError, InvalidRequestError, describe
from byzer_lab.jobs import JobEnd, JobReport, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.data.checking import check_rows, refuse_bad_rows
from byzer_lab.training.data.encoding import Encoded, Shape, as_chat, encode
from byzer_lab.training.data.masking import IGNORED, Renderer
from byzer_lab.training.data.rows import BadRow, Example, Findings
from byzer_lab.training.merging import trained_on
from byzer_lab.training.parameters.evaluating import Parameters, read, rows_of
from byzer_lab.training.parameters.target import MANIFEST
from byzer_lab.training.parameters.trainer import Training
from byzer_lab.training.sft.loading import Base, read_base

TABLE = "evaluation.jsonl"
"""In the job's folder: each row with what each model answered."""


@dataclass
class Asked:
    """A row as a question.

    Attributes:
        row: Its number.
        prompt: Up to where the answer begins.
        expected: The answer that stands there.
        answers: What each model wrote, by its name.
    """

    row: int
    prompt: str
    expected: str
    answers: dict[str, str] = field(default_factory=dict)


def run(spec: JobSpec, channel: Channel) -> JobEnd:
    """Compare.

    Args:
        spec: The job; ``model_path`` is the base.
        channel: Told how far it is.

    Returns:
        ``result`` has ``models``: of each its ``loss`` (nats per token of the answers),
        ``perplexity`` and ``exact_match`` (share of the rows that it answers word for word, spaces
        around left out); ``change``: of each tuned model against the base; ``samples``: rows with
        the answers of all. All rows are in the artefact ``evaluation``.

    Raises:
        InvalidRequestError: A parameter or a row is wrong.
        EngineError: A model can't be loaded.
    """
    parameters = read(spec)
    channel.report(JobReport(state="running", phase="reading the rows"))
    settings = Training(
        max_seq_length=parameters.max_seq_length,
        trust_remote_code=parameters.trust_remote_code,
        method="lora",
    )
    base = read_base(spec, settings)
    encoded, asked = _read_rows(spec, parameters, base)
    contenders: dict[str, Path | None] = {"base": None}
    contenders |= zip(_names(parameters.folders), parameters.folders, strict=True)
    models: dict[str, dict[str, Any]] = {}
    for name, folder in contenders.items():
        channel.report(JobReport(phase=f"loading {name}", progress=len(models) / len(contenders)))
        model = _load(base, folder, parameters)
        channel.report(JobReport(phase=f"asking {name}"))
        rows = _Rows(base.tokenizer, encoded, asked, parameters)
        try:
            models[name] = _compare(model, rows, name, channel)
        except _Stopped:
            return JobEnd(state="stopped", result={"models": models})
        del model
        gc.collect()
        shown = {key: round(value, 4) for key, value in models[name].items()}
        print(f"[{spec.name}] {name}: {shown}")
    result = {
        "rows": len(encoded),
        "models": models,
        "change": {
            name: _change(models["base"], one) for name, one in models.items() if name != "base"
        },
        "samples": [_sample(one) for one in asked[: parameters.samples]],
    }
    return JobEnd(result=result, artefacts=_write(spec, asked))


@dataclass(frozen=True)
class _Rows:
    """What every model is asked."""

    tokenizer: Any
    encoded: list[Encoded]
    asked: list[Asked]
    parameters: Parameters


class _Stopped(Exception):
    """The user wants it to end."""


def _read_rows(
    spec: JobSpec, parameters: Parameters, base: Base
) -> tuple[list[Encoded], list[Asked]]:
    findings = Findings()
    path = rows_of(spec, parameters)
    rows = check_rows(path, findings)
    examples = list(itertools.islice(rows, parameters.max_rows))
    shape = Shape(base.window, plain_prompts=parameters.plain_prompts)
    encoded = []
    for one in encode(examples, base.tokenizer, shape):
        if isinstance(one, tuple):
            findings.problems.append(one[1].of(one[0]))
        else:
            encoded.append(one)
    skip = parameters.on_bad_row == "skip"
    refuse_bad_rows(
        findings.problems, findings.rows, skip=skip, max_bad_ratio=1.0, report="details"
    )
    if not encoded:
        raise InvalidRequestError(f"{path!r} has no row that can be compared on.")
    good = {one.row for one in encoded}
    renderer = Renderer(base.tokenizer)
    chats = (as_chat(example, shape) for example in examples if example.row in good)
    questions = (_question(chat, renderer) for chat in chats)
    return encoded, [question for question in questions if question is not None]


def _question(example: Example, renderer: Renderer) -> Asked | None:
    """The last answer's question; ``None`` for plain text, which has none."""
    if example.prompt:
        return Asked(example.row, example.prompt, example.text)
    if example.messages is None:
        return None
    last = max(at for at, one in enumerate(example.messages) if one["role"] == "assistant")
    if not example.messages[last]["content"]:
        return None  # a call of a tool alone
    try:
        rendered = renderer.render(example.messages, example.tools, after=last)
    except BadRow:
        return None
    prompt = rendered.text[: rendered.spans[-1][0]]
    return Asked(example.row, prompt, example.messages[last]["content"])


def _names(folders: Sequence[Path]) -> Iterator[str]:
    """``tuned`` for one alone, else the names of their jobs or folders."""
    if len(folders) == 1:
        yield "tuned"
        return
    seen = {"base"}
    for number, folder in enumerate(folders, 1):
        try:
            name = str(json.loads((folder / MANIFEST).read_bytes())["job"])
        except (OSError, ValueError, KeyError):
            name = folder.name
        if name in seen:
            name = f"{name}-{number}"
        seen.add(name)
        yield name


def _load(base: Base, folder: Path | None, parameters: Parameters) -> Any:
    """The base, or a tuned model; an adapter on the base as it was trained on."""
    adapter = folder is not None and (folder / ADAPTER).is_file()
    outline, source = base.outline, base.source
    if folder is not None and not adapter:
        source = find_model(str(folder))
        loading = LoadingParameters(trust_remote_code=parameters.trust_remote_code)
        outline = read_model(source, loading, lambda _: None)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    width = getattr(outline.config.get_text_config(), "hidden_size", 0)
    options = dict(outline.options)
    told = trained_on(folder) if folder is not None and adapter else None
    if told is not None:
        options["quantization_config"] = BitsAndBytesConfig.from_dict(told)
    try:
        model = outline.auto_class.from_pretrained(
            source.name,
            config=outline.config,
            dtype=choose_dtype(parameters.dtype, outline.config.dtype, device, width),
            device_map={"": 0 if device == "cuda" else "cpu"},
            **options,
        )
    except Exception as error:
        raise EngineError(
            f"The weights of {source.name!r} can't be loaded: {describe(error)}"
        ) from error
    return (put_adapter(model, str(folder)) if adapter else model).eval()


def _compare(model: Any, rows: _Rows, name: str, channel: Channel) -> dict[str, Any]:
    encoded, asked, parameters = rows.encoded, rows.asked, rows.parameters
    size = parameters.batch_size
    total, count = 0.0, 0
    for at in range(0, len(encoded), size):
        _stop(channel)
        summed, tokens = _loss(model, rows.tokenizer, encoded[at : at + size])
        total, count = total + summed, count + tokens
    loss = total / max(1, count)
    figures: dict[str, Any] = {"loss": loss, "perplexity": math.exp(min(loss, 700.0))}
    figures["tokens"] = count
    if not (parameters.answers and asked):
        return figures
    for at in range(0, len(asked), size):
        _stop(channel)
        part = asked[at : at + size]
        channel.report(JobReport(progress=at / len(asked)))
        answers = _answers(model, rows.tokenizer, part, parameters.max_new_tokens)
        for one, answer in zip(part, answers, strict=True):
            one.answers[name] = answer
    right = sum(one.answers[name].strip() == one.expected.strip() for one in asked)
    return {**figures, "exact_match": right / len(asked), "answered": len(asked)}


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _loss(model: Any, tokenizer: Any, rows: list[Encoded]) -> tuple[float, int]:
    """Sum of the losses of a batch's labelled tokens, and how many there are."""
    longest = max(len(row.input_ids) for row in rows)
    shape = (len(rows), longest)
    tokens = torch.full(shape, tokenizer.pad_token_id, dtype=torch.long)
    labels = torch.full(shape, IGNORED, dtype=torch.long)
    mask = torch.zeros(shape, dtype=torch.long)
    for at, row in enumerate(rows):
        length = len(row.input_ids)
        tokens[at, :length] = torch.tensor(row.input_ids)
        labels[at, :length] = torch.tensor(row.labels)
        mask[at, :length] = 1
    logits = model(
        input_ids=tokens.to(model.device), attention_mask=mask.to(model.device), use_cache=False
    ).logits[:, :-1]
    following = labels[:, 1:].to(logits.device)
    kept = following != IGNORED
    summed = torch.nn.functional.cross_entropy(
        logits[kept].float(), following[kept], reduction="sum"
    )
    return float(summed), int(kept.sum())


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _answers(model: Any, tokenizer: Any, asked: list[Asked], most: int) -> list[str]:
    """What a model writes, always taking the likeliest token."""
    tokenizer.padding_side = "left"
    batch = tokenizer(
        [one.prompt for one in asked],
        add_special_tokens=False,
        padding=True,
        return_tensors="pt",
        return_token_type_ids=False,
    ).to(model.device)
    written = model.generate(
        **batch,
        max_new_tokens=most,
        do_sample=False,
        temperature=None,
        top_p=None,
        top_k=None,
        pad_token_id=tokenizer.pad_token_id,
    )
    begin = batch["input_ids"].shape[1]
    texts: list[str] = tokenizer.batch_decode(written[:, begin:], skip_special_tokens=True)
    return texts


def _stop(channel: Channel) -> None:
    if channel.stop_requested:
        raise _Stopped


def _change(base: dict[str, Any], tuned: dict[str, Any]) -> dict[str, float]:
    names = ("loss", "perplexity", "exact_match")
    return {name: tuned[name] - base[name] for name in names if name in base}


def _sample(one: Asked) -> dict[str, Any]:
    return {"row": one.row, "prompt": one.prompt, "expected": one.expected, **one.answers}


def _write(spec: JobSpec, asked: list[Asked]) -> dict[str, str]:
    if not spec.folder:
        return {}
    path = Path(spec.folder).absolute() / TABLE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(_sample(one), ensure_ascii=False) + "\n" for one in asked)
    return {"evaluation": str(path)}
