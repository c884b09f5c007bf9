"""Answers that fit a class: Byzer Lab beside instructor and outlines, on the bundled model.

All three ask the same weights at temperature 1 for the same classes with the same questions and
the same limit of tokens. Byzer Lab and instructor ask one deployment; outlines constrains the same
folder with transformers in this process. Needs ``pip install instructor outlines``, into another
folder on PYTHONPATH where their dependencies are in the way.
"""

from __future__ import annotations

import datetime
import enum
import logging
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Annotated, Any, Literal

import pydantic

from benchmarks.lab import lab
from benchmarks.measure import table
from byzer_lab import ByzerLLM, bundled_model
from byzer_lab.types import Message

MAX_TOKENS = 300
RETRIES = 2


class Person(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(max_length=40)]
    age: Annotated[int, pydantic.Field(ge=0, le=150)]


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Thing(pydantic.BaseModel):
    colour: Colour
    kind: Literal["lamp", "chair"]
    owner: Person


class Order(pydantic.BaseModel):
    product: Annotated[str, pydantic.Field(max_length=30)]
    quantity: Annotated[int, pydantic.Field(ge=1, le=20)]
    day: datetime.date


class Shelf(pydantic.BaseModel):
    things: Annotated[list[Person], pydantic.Field(min_length=1, max_length=3)]


class Pay(pydantic.BaseModel):
    amount: int | None
    code: Annotated[str, pydantic.Field(pattern="^[A-Z]{3}[0-9]{2}$")]


class Node(pydantic.BaseModel):
    value: Annotated[int, pydantic.Field(ge=0, le=99)]
    children: Annotated[list[Node], pydantic.Field(max_length=2)] = []


TASKS: list[tuple[Any, str]] = [
    (Person, "Anna Berg is 34 years old."),
    (Thing, "colour is green, kind is lamp, name is Ben Hill, age is 51"),
    (Order, "3 pieces of tea on 2024-05-17"),
    (Shelf, "name: Anna Berg; age: 34"),
    (Pay, "amount is 7, code is ABC12"),
    (Node, "value is 3"),
]


class Tally:
    """What came of the answers of one library.

    Attributes:
        asked: How many objects were wanted.
        valid: How many came.
        requests: How often the model was asked.
        seconds: That it took.
    """

    def __init__(self) -> None:
        self.asked = self.valid = self.requests = 0
        self.seconds = 0.0
        self.failed: dict[str, int] = {}

    def row(self, name: str) -> list[str]:
        """Its row in the table."""
        failed = ", ".join(f"{kind} {count}" for kind, count in self.failed.items())
        return [
            name,
            f"{self.valid} of {self.asked}",
            f"{self.requests / self.asked:.2f}",
            f"{1000 * self.seconds / self.asked:.0f}",
            failed or "none",
        ]


Get = Callable[[Any, str, int], tuple[bool, int]]
"""Given a class, a question and a seed: whether an instance came, and the requests it took."""


class PromptOnly(ByzerLLM):
    """A client that believes its deployment can't be held to a schema."""

    def _record(self, name: str) -> Any:
        record = super()._record(name)
        record.meta.pop("structured_output", None)
        return record


def _ours(llm: ByzerLLM) -> Get:
    def get(asked: Any, question: str, seed: int) -> tuple[bool, int]:
        config = {"temperature": 1.0, "max_tokens": MAX_TOKENS, "seed": seed}
        answer = llm.chat_oai(
            question, response_class=asked, llm_config=config, max_retries=RETRIES
        )[0]
        return isinstance(answer.value, asked), answer.metadata["attempts"]

    return get


def _instructor(llm: ByzerLLM, mode: str) -> Get:
    import instructor  # type: ignore[import-not-found]
    from openai.types.chat import ChatCompletion

    requests = 0

    def create(
        messages: list[dict[str, Any]], model: str, seed: int, **more: Any
    ) -> ChatCompletion:
        nonlocal requests
        requests += 1
        config = {"temperature": 1.0, "max_tokens": MAX_TOKENS, "seed": seed + 1000 * requests}
        turns = [Message(role=turn["role"], content=turn["content"]) for turn in messages]
        form = more.get("response_format", {}).get("json_schema", {})
        response = llm._ask(model, config)(turns, response_schema=form.get("schema"))
        reason = response.metadata["finish_reason"]
        return ChatCompletion.model_validate(
            {
                "id": "1", "created": 0, "model": model, "object": "chat.completion",
                "choices": [{"index": 0, "finish_reason": reason, "message": {
                    "role": "assistant", "content": response.output}}],
            }
        )  # fmt: skip

    logging.getLogger("instructor").setLevel(logging.CRITICAL)  # it tells of each failure
    ask: Any = instructor.patch(create=create, mode=instructor.Mode[mode])

    def get(asked: Any, question: str, seed: int) -> tuple[bool, int]:
        nonlocal requests
        requests = 0
        messages = [{"role": "user", "content": question}]
        try:
            value = ask(
                model="chat", messages=messages, response_model=asked, max_retries=RETRIES,
                seed=seed,
            )  # fmt: skip
        except Exception:  # it has a class of its own for each way of giving up
            return False, requests
        return isinstance(value, asked), requests

    return get


def _outlines() -> Get:
    import outlines  # type: ignore[import-not-found]
    import torch
    import transformers

    folder = str(bundled_model())
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    wrapped = outlines.from_transformers(model, tokenizer)
    generators: dict[Any, Any] = {}

    def get(asked: Any, question: str, seed: int) -> tuple[bool, int]:
        torch.manual_seed(seed)
        text = f"{question}\nReturn only JSON for this schema:\n{asked.model_json_schema()}"
        prompt = tokenizer.apply_chat_template(
            [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
        )
        try:
            if asked not in generators:
                generators[asked] = outlines.Generator(wrapped, asked)
            answer = generators[asked](
                prompt, max_new_tokens=MAX_TOKENS, do_sample=True, temperature=1.0
            )
            asked.model_validate_json(answer)
        except Exception:  # a schema that it can't hold, or an answer that doesn't fit
            return False, 1
        return True, 1

    return get


def _run_road(get: Get, seeds: range, tally: Tally) -> None:
    for asked, question in TASKS:
        for seed in seeds:
            began = time.perf_counter()
            valid, requests = get(asked, question, seed)
            tally.seconds += time.perf_counter() - began
            tally.asked += 1
            tally.requests += requests
            tally.valid += valid
            if not valid:
                tally.failed[asked.__name__] = tally.failed.get(asked.__name__, 0) + 1


def run(quick: bool = False) -> None:
    """Print the table."""
    missing = [name for name in ("instructor", "outlines") if find_spec(name) is None]
    if missing:
        print(f"Not run: {' and '.join(missing)} is not installed; see the module's text.")
        return
    rounds, each = (1, 2) if quick else (2, 5)
    with lab():
        llm = ByzerLLM().setup_default_model_name("chat")
        llm.deploy("bundled", udf_name="chat")
        prompt_only = PromptOnly().setup_default_model_name("chat")
        roads: dict[str, Get] = {
            "Byzer Lab": _ours(llm),
            "Byzer Lab, the prompt alone": _ours(prompt_only),
            "instructor, MD_JSON: the prompt alone": _instructor(llm, "MD_JSON"),
            "instructor, JSON_SCHEMA: our engine holds it": _instructor(llm, "JSON_SCHEMA"),
            "outlines, transformers in this process": _outlines(),
        }
        tallies = {name: Tally() for name in roads}
        for number in range(rounds):  # in turns, so that a busy machine slows all of them
            for name, get in roads.items():
                _run_road(get, range(number * each, (number + 1) * each), tallies[name])
    columns = ["", "valid", "requests", "ms each", "failed"]
    table(columns, [tally.row(name) for name, tally in tallies.items()])
