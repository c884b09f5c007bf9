"""Answers held to a JSON schema against free ones, at 16 requests at a time.

    python benchmarks/structured_engine.py [--requests 16] [--tokens 96] [--rounds 7] [--model PATH]

The same requests go through the same engine with and without a schema, greedy and sampled; all
answers have the same number of tokens. The roads take turns in one process, so that a busy machine
slows all of them; the figures are their ratios, by the clock and by processor time. The model is a
Llama with random weights and a vocabulary of 32,000 tokens, trained on Python's standard library.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Cost, Figures, Rounds, goal, spread, table
from benchmarks.random_llama import load, save_llama
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.types import GenerateRequest, Sampling

GOAL = 0.97
VOCABULARY = 32_000
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 16},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "role": {"enum": ["reader", "writer", "owner"]},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 4},
    },
    "required": ["name", "age", "role", "tags"],
}
# Longer than any answer, so that none ends by itself.
PEOPLE = {"type": "array", "items": PERSON, "minItems": 1000}
SAMPLED = {"temperature": 1.0, "top_p": 0.95}


def texts() -> Iterator[str]:
    """The sources of Python's standard library."""
    for path in sorted(Path(json.__file__).parent.parent.glob("*.py")):
        yield path.read_text(errors="replace")


def save_model(folder: Path, hidden: int, layers: int) -> None:
    """Save a Llama with random weights and a byte-level tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<end>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts(), trainer)
    save_llama(folder, tokenizer, VOCABULARY, hidden, layers)


async def answers(engine: TransformersEngine, count: int, tokens: int, **asked: Any) -> None:
    """All requests at once; each must have so many tokens."""
    schema = asked.pop("response_schema", None)

    async def one(number: int) -> None:
        request = GenerateRequest(
            request_id=str(number),
            prompt=f"people = {number}",
            sampling=Sampling(max_tokens=tokens, ignore_eos=True, seed=number, **asked),
            response_schema=schema,
        )
        async for chunk in engine.generate(request):
            last = chunk
        if last.usage is None or last.usage.output_tokens != tokens:
            raise SystemExit(f"An answer has {last.usage} and not {tokens} tokens.")

    await asyncio.gather(*(one(number) for number in range(count)))


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=96, help="tokens per answer")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--model", help="a model's folder in place of random weights")
    given = parser.parse_args()
    total = given.requests * given.tokens

    with tempfile.TemporaryDirectory() as folder:
        if given.model is None:
            save_model(Path(folder), given.hidden, given.layers)
        engine = load(given.model or folder, given.requests)

        def road(**asked: Any) -> Callable[[], Figures]:
            def run() -> Figures:
                cost = Cost()
                asyncio.run(answers(engine, given.requests, given.tokens, **asked))
                return cost.per(total)

            return run

        roads = {
            "free, greedy": road(temperature=0.0),
            "held, greedy": road(temperature=0.0, response_schema=PEOPLE),
            "free, sampled": road(**SAMPLED),
            "held, sampled": road(**SAMPLED, response_schema=PEOPLE),
        }
        for run in roads.values():
            run()  # what is imported and compiled at the first call
        rounds = Rounds(roads, given.rounds)
        asyncio.run(engine.close())
    rows = [
        [name, f"{rounds.median(name, 'rate'):.0f}", f"{rounds.median(name, 'client'):.0f}"]
        for name in roads
    ]
    table([f"{given.requests} requests", "tokens/s", "CPU microseconds per token"], rows)
    print()
    for kind in ("greedy", "sampled"):
        held, free = f"held, {kind}", f"free, {kind}"
        by_clock = rounds.ratio(held, free, "rate")
        print(f"held to free, {kind}, tokens per second: {spread(by_clock)}")
        print(f"held to free, {kind}, CPU per token: {spread(rounds.ratio(held, free, 'client'))}")
        goal(f"tokens per second, held to free, {kind}", by_clock[0], GOAL, at_most=False)


if __name__ == "__main__":
    main()
