"""Continuous batching against one request at a time, in tokens per CPU-second.

    python benchmarks/transformers_engine.py [--requests 16] [--tokens 96] [--rounds 3]

A Llama with random weights (15 million parameters by default) answers the same greedy requests
twice: through the engine, all at once, and through ``model.generate``, one after another. The two
take turns in one process, so that a busy machine slows both; the figure is their ratio. The answers
must be equal.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.random_llama import load, save_llama
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.types import GenerateRequest, Sampling

GOAL = 4.0


def save_model(folder: Path, hidden: int, layers: int) -> None:
    """Save a Llama with random weights and a tokenizer of single bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: number for number, piece in enumerate(["<end>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    save_llama(folder, tokenizer, 8192, hidden, layers)


async def batched(engine: TransformersEngine, prompts: list[str], tokens: int) -> list[str]:
    """All prompts at once through the engine."""

    async def one(number: int, prompt: str) -> str:
        sampling = Sampling(max_tokens=tokens, temperature=0, ignore_eos=True)
        request = GenerateRequest(request_id=str(number), prompt=prompt, sampling=sampling)
        return "".join([chunk.text async for chunk in engine.generate(request)])

    return await asyncio.gather(*(one(number, prompt) for number, prompt in enumerate(prompts)))


def sequential(model: Any, tokenizer: Any, prompts: list[str], tokens: int) -> list[str]:
    """One prompt after another through the library's ``generate``."""
    texts = []
    for prompt in prompts:
        inputs = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        made = model.generate(
            **inputs,
            do_sample=False,
            max_new_tokens=tokens,
            eos_token_id=[model.config.vocab_size],
            pad_token_id=0,
        )
        new = made[0, inputs["input_ids"].shape[1] :]
        texts.append(tokenizer.decode(new, skip_special_tokens=True).rstrip("\ufffd"))
    return texts


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=96, help="tokens per answer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--layers", type=int, default=6)
    given = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder), given.hidden, given.layers)
        engine = load(folder, given.requests)
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        torch.set_num_threads(1)  # this thread's own; the engine has set its own
        model = AutoModelForCausalLM.from_pretrained(folder).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        prompts = [f"Request {number}: tell me about " * 2 for number in range(given.requests)]

        sequential(model, tokenizer, prompts[:1], 4)  # what is imported at the first call
        asyncio.run(batched(engine, prompts, 4))
        rates: dict[str, list[float]] = {"generate": [], "engine": []}
        total = given.requests * given.tokens
        for _ in range(given.rounds):
            start = time.process_time()
            one_by_one = sequential(model, tokenizer, prompts, given.tokens)
            middle = time.process_time()
            together = asyncio.run(batched(engine, prompts, given.tokens))
            end = time.process_time()
            if [text.rstrip("\ufffd") for text in together] != one_by_one:
                raise SystemExit("The engine's answers differ from generate's.")
            rates["generate"].append(total / (middle - start))
            rates["engine"].append(total / (end - middle))
        ratios = [b / a for a, b in zip(rates["generate"], rates["engine"], strict=True)]

        print(f"model: {model.num_parameters() / 1e6:.1f} M parameters, 1 thread, float32, greedy")
        print(f"load:  {given.requests} requests of {given.tokens} tokens, {given.rounds} rounds\n")
        print(f"{'':24}{'tokens per CPU-second':>22}")
        print(f"{'generate, one by one':24}{statistics.median(rates['generate']):>22.0f}")
        print(f"{'engine, all at once':24}{statistics.median(rates['engine']):>22.0f}")
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{'ratio':24}{statistics.median(ratios):>22.2f}   ({spread}; goal {GOAL:.0f})")
        asyncio.run(engine.close())


if __name__ == "__main__":
    main()
