"""What is known of each provider, as data in ``presets/NAME.json``."""

from __future__ import annotations

import functools
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from byzer_lab.types import Usage

FOLDER = Path(__file__).parent / "presets"
SAME = {"official_openai": "openai", "offical_openai": "openai", "chatglm": "zhipu"}
"""Further names of providers."""
Task = Literal["chat", "embedding", "speech", "image", "transcription"]
Choice = Literal["auto", "none", "required", "named"]
Structured = Literal["", "json_schema", "tool", "json_object"]
MILLION = 1_000_000


class Model(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A model of a provider.

    Attributes:
        name: As the provider has it; ``*`` at its end stands for anything.
        task: What it does.
        context: Tokens that prompt and answer may have together; ``None`` where not known.
        max_output: Most tokens of an answer; ``None`` where not known.
        input_price: Public price of a million tokens of prompts; ``None`` where not known.
        output_price: Of a million tokens of answers.
        cached_price: Of a million tokens of prompts that the provider had kept.
        rename: Names of sampling parameters that this model has otherwise than the provider's rest.
        tools: Whether it takes tools; ``None``: as the provider's others.
        structured: How its answers are held to schemas; ``None``: as those of the others.
        note: What to know, such as that it is gone.
    """

    name: str
    task: Task = "chat"
    context: int | None = None
    max_output: int | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_price: float | None = None
    rename: dict[str, str] = {}
    tools: bool | None = None
    structured: Structured | None = None
    note: str = ""


class Preset(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A provider.

    Attributes:
        title: For people.
        page: Its documentation of the wire format.
        key: Environment variable in which its key is usually kept.
        base_url: Where it listens; empty where that depends on the account.
        key_header: Header that carries the key.
        key_prefix: What stands before it there.
        model: Asked where a deployment names none; empty: it must.
        models: Known ones. Others can be asked as well.
        models_of: Another preset that has the same ones.
        currency: Of the prices.
        prices_of: When the prices were public, such as ``2025-06``.
        sampling: Sampling parameters that it takes, by our names, and its own names for them.
        options: Further parameters that it takes, by its names.
        usage_option: It tells the usage of a stream when asked with ``stream_options``.
        images: It takes messages with pictures.
        batch: Most texts of one request for vectors.
        tools: Its models take tools, where they don't say otherwise.
        tool_choices: Which of ``auto``, ``none``, ``required`` and ``named`` it knows.
        parallel_option: It can be told to call one tool at a time.
        structured: How answers of its models are held to schemas, where they don't say otherwise;
            see :meth:`byzer_lab.engines.base.Engine.meta`. Empty: not at all.
        codes: What its own codes mean, where they are numbers: a word of
            :data:`byzer_lab.providers.failures.KINDS`.
        note: What to know before a deploy.
    """

    title: str
    page: str
    key: str
    base_url: str = ""
    key_header: str = "Authorization"
    key_prefix: str = "Bearer "
    model: str = ""
    models: list[Model] = []
    models_of: str = ""
    currency: str = "USD"
    prices_of: str = ""
    sampling: dict[str, str] = {}
    options: list[str] = []
    usage_option: bool = True
    images: bool = True
    batch: int = 16
    tools: bool = False
    tool_choices: tuple[Choice, ...] = ("auto", "none", "required", "named")
    parallel_option: bool = False
    structured: Structured = ""
    codes: dict[str, str] = {}
    note: str = ""

    def find(self, model: str) -> Model | None:
        """What is known of a model: by its name, else by the first pattern that fits."""
        named = [known for known in self.models if known.name == model]
        fitting = (known for known in self.models if fnmatch(model, known.name))
        return named[0] if named else next(fitting, None)

    def task(self, model: str) -> Task:
        """What a model does; unknown ones chat."""
        known = self.find(model)
        return known.task if known else "chat"

    def takes_tools(self, model: str) -> bool:
        """Whether a model takes tools."""
        known = self.find(model)
        return self.tools if known is None or known.tools is None else known.tools

    def holds(self, model: str) -> Structured:
        """How a model's answers are held to schemas."""
        known = self.find(model)
        return self.structured if known is None or known.structured is None else known.structured

    def cost(self, model: str, usage: Usage) -> float | None:
        """Estimated price of an answer in ``currency``; ``None`` where the price is not known."""
        known = self.find(model)
        if known is None or known.input_price is None:
            return None
        cached = usage.cached_tokens if known.cached_price is not None else 0
        asked = (usage.input_tokens - cached) * known.input_price
        kept = cached * (known.cached_price or 0.0)
        return (asked + kept + usage.output_tokens * (known.output_price or 0.0)) / MILLION


@functools.cache
def find_preset(provider: str) -> Preset:
    """The preset of ``NAME`` in ``saas/NAME``."""
    file = FOLDER / f"{SAME.get(provider, provider)}.json"
    preset = msgspec.json.decode(file.read_bytes(), type=Preset)
    if preset.models_of:
        preset.models = find_preset(preset.models_of).models
    return preset


@functools.cache
def preset_of_host(host: str) -> Preset | None:
    """The preset of the provider that listens at a host; ``None`` where none is known."""
    for file in sorted(FOLDER.glob("*.json")):
        preset = find_preset(file.stem)
        if host and urlsplit(preset.base_url).hostname == host:
            return preset
    return None
