"""Write the model card of the shipped folder from the gate results.

Run: ``python -m tools.bundled_model.model_card FOLDER --gates gates.json --run DIR [DIR]``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from .gates import table

_CARD = """\
---
license: apache-2.0
language: [en, zh]
library_name: transformers
pipeline_tag: text-generation
tags: [demonstration]
---

# Byzer Lab demo model

A **tiny demonstration model**: a Llama of {parameters:.2f} million parameters that lets you deploy,
chat, call tools, ask for JSON, fine-tune and merge without a network, a GPU or a download. It is
not a useful assistant and it was never meant to be one. For real work deploy a real model.

| | |
|---|---|
| architecture | `LlamaForCausalLM`, {layers} layers, tied embeddings |
| sizes | hidden {hidden}, feed-forward {inner}, {heads} heads ({kv} key/value) of {head_dim} |
| tokenizer | byte-level BPE of {vocab} tokens, Qwen2's pre-tokenizer, single digits |
| prompt format | ChatML, with tools (see `chat_template.jinja`) |
| context | 2,048 positions; trained on conversations of up to about 300 tokens |
| files | `model.safetensors` (bfloat16), `byzer-lab-demo.gguf` (the same weights in float16) |
| training | {tokens:.1f} million tokens, {minutes:.0f} minutes of one thread on a busy machine |
| license | Apache-2.0 |

## Training data
All of it is written by a seeded generator in the project's `tools/bundled_model/`: greetings,
questions about Byzer Lab, everyday facts, copying (names, numbers, short contexts), word games,
tool calls and JSON, in English and a little Chinese. No text comes from the web, from other models
or from people's data. The recipe there rebuilds the model from its seed.

## What it can do
Greedy decoding, exact match of the whole answer. The prompts of the upper rows are **held out**:
the generator decides by a hash of every name, word, number and wording on which side it lies, so
these prompts hold values or wordings that training never showed. The rows at the end ask the closed
questions exactly as training shows them.

{table}

## What it can't do
- Know anything beyond a few dozen facts. Asked something else it answers with a wrong fact or
  with a sentence that looks right and isn't, and it does not notice.
- Reason, calculate, translate, summarise or write code (beyond two fixed snippets).
- Follow instructions in other words than its data's; long prompts; more than a few turns.
- Copy without fault: it finds the right one among several people or words only two times in three,
  and slips on long names and on many JSON fields.
- Letters: upper case and reversal of unseen words fail about every second time; so does counting
  words now and then.
- Chinese beyond greetings, a few facts, names and the date tools.
- Its jokes, poems and stories are fixed texts.

Decode greedily (the default of `generation_config.json`): sampling at a high temperature breaks
what little it knows.
"""


def write_card(folder: Path, gates: Path, tokens: float, minutes: float) -> None:
    """Write ``README.md`` into the model's folder."""
    config = json.loads((folder / "config.json").read_text())
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    width = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    per_layer = 2 * hidden * width + 2 * hidden * keys + 3 * hidden * inner + 2 * hidden
    parameters = config["vocab_size"] * hidden + hidden + config["num_hidden_layers"] * per_layer
    (folder / "README.md").write_text(
        _CARD.format(
            parameters=parameters / 1e6,
            layers=config["num_hidden_layers"],
            hidden=hidden,
            inner=inner,
            heads=config["num_attention_heads"],
            kv=config["num_key_value_heads"],
            head_dim=config["head_dim"],
            vocab=config["vocab_size"],
            tokens=tokens / 1e6,
            minutes=minutes,
            table=table(json.loads(gates.read_text())),
        )
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gates", type=Path, required=True)
    parser.add_argument("--run", type=Path, nargs="+", help="folders of the checkpoints")
    options = parser.parse_args()
    tokens = seconds = 0.0
    for run in options.run:
        state = torch.load(run / "checkpoint.pt", weights_only=True)
        tokens += state["position"][3]
        seconds += state["position"][4]
    write_card(options.folder, options.gates, tokens, seconds / 60)


if __name__ == "__main__":
    main()
