"""Random JSON schemas on a local engine: every answer that comes to its end must fit.

    python -m tests.support.schema_fuzz --engine transformers --count 500

Schemas of levels 0 to 5 take turns (``random_schemas.py``); the bundled model answers at
temperature 1. Besides, a fifth as many schemas that can't be held must be refused by name.
Prints counts; ends with status 1 where an answer didn't fit, or a schema was not refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

import jsonschema

from byzer_lab.bundled import bundled_model
from byzer_lab.engines import BACKENDS, find_engine
from byzer_lab.engines.base import EngineConfig
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest, Message, Sampling
from tests.support.random_schemas import Schema, random_schema, refused_schema

Validator = jsonschema.Draft202012Validator
LEVELS = 6
CONCURRENCY = 16


def load(name: str) -> Any:
    """The bundled model on an engine."""
    config = EngineConfig(str(bundled_model()), "custom/auto", {}, CONCURRENCY)
    engine: Any = find_engine(name)(config)
    engine.load(lambda _: None)
    return engine


async def asked(engine: Any, schema: Schema, seed: int, tokens: int) -> tuple[str, str]:
    """An answer, and why it ended."""
    request = GenerateRequest(
        request_id=str(seed),
        messages=[Message("user", "hello")],
        sampling=Sampling(max_tokens=tokens, temperature=1.0, seed=seed),
        response_schema=schema,
    )
    text, finish = "", ""
    async for chunk in engine.generate(request):
        text += chunk.text
        finish = chunk.finish_reason or finish
    return text, finish


async def fuzz(engine: Any, count: int, first: int, tokens: int) -> Counter[str]:
    """Ask for all of them; what came of how many."""
    found: Counter[str] = Counter()
    at_once = asyncio.Semaphore(CONCURRENCY)

    async def held(number: int) -> None:
        level = number % LEVELS
        schema = random_schema(first + number, level)
        async with at_once:
            try:
                text, finish = await asked(engine, schema, number, tokens)
            except InvalidRequestError as error:
                found["refused"] += 1
                print(f"refused, level {level}: {error.message}")
                return
        if finish == "length":
            found["cut at the token limit"] += 1
            return
        try:
            Validator(schema, format_checker=Validator.FORMAT_CHECKER).validate(json.loads(text))
            found["valid"] += 1
        except (ValueError, jsonschema.ValidationError) as error:
            found["WRONG"] += 1
            print(f"WRONG, {json.dumps(schema)}: {text!r}: {error}")

    async def refused(number: int) -> None:
        schema, word = refused_schema(first + number, number % 3)
        async with at_once:
            try:
                await asked(engine, schema, number, 1)
            except InvalidRequestError as error:
                named = word in error.message
                found["refused by name" if named else "WRONG refusals"] += 1
                if not named:
                    print(f"WRONG, not {word!r}: {error.message}")
                return
        found["WRONG refusals"] += 1
        print(f"WRONG, not refused: {json.dumps(schema)}")

    await asyncio.gather(*map(held, range(count)))
    await asyncio.gather(*map(refused, range(count // 5)))
    return found


def main() -> None:
    """Run it and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--engine", choices=list(BACKENDS), default="transformers")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="seed of the first schema")
    parser.add_argument("--tokens", type=int, default=500, help="most tokens of an answer")
    given = parser.parse_args()

    async def run() -> Counter[str]:
        engine = await asyncio.to_thread(load, given.engine)
        try:
            return await fuzz(engine, given.count, given.first, given.tokens)
        finally:
            await engine.close()

    began = time.monotonic()
    found = asyncio.run(run())
    told = ", ".join(f"{count} {what}" for what, count in sorted(found.items(), reverse=True))
    print(f"{given.engine}: {given.count} schemas: {told}; {time.monotonic() - began:.0f} s")
    sys.exit(any(what.startswith("WRONG") for what in found))


if __name__ == "__main__":
    main()
