"""Gate the exported model: exact match per skill on prompts that training can't contain.

Run: ``python -m tools.bundled_model.gates MODEL_FOLDER --out gates.json``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import byzer_lab_help, facts, greetings, small_talk
from .chat_format import prompt_text
from .curriculum import held_out_examples
from .drawing import Example, chat

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

GATE_SEED = 7
_TRAINED = "trained wordings: "


def trained_wordings() -> dict[str, list[Example]]:
    """Every closed prompt exactly as it is written in the data (these are in training)."""
    closed = (
        ("greeting", greetings.GREETINGS),
        ("Byzer Lab help", byzer_lab_help.HELP),
        ("everyday fact", facts.FACTS),
        ("jokes, poems, stories", small_talk.TEXTS),
    )
    return {
        _TRAINED + skill: [
            chat(skill, wording, answer) for wordings, answer in entries for wording in wordings
        ]
        for skill, entries in closed
    }


def greedy_answers(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    batch: int = 64,
) -> list[str]:
    """The model's greedy answers, generated in left-padded batches of similar length."""
    import torch

    prompts = [prompt_text(example) for example in examples]
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    answers = [""] * len(prompts)
    tokenizer.padding_side = "left"
    for start in range(0, len(order), batch):
        part = order[start : start + batch]
        rows = tokenizer(
            [prompts[i] for i in part], return_tensors="pt", padding=True, add_special_tokens=False
        )
        longest = max(len(tokenizer(examples[i].answer)["input_ids"]) for i in part)
        with torch.no_grad():
            out = model.generate(
                input_ids=rows["input_ids"],
                attention_mask=rows["attention_mask"],
                max_new_tokens=longest + 8,
                do_sample=False,
            )
        for i, row in zip(part, out[:, rows["input_ids"].shape[1] :], strict=True):
            answers[i] = tokenizer.decode(row, skip_special_tokens=True)
    return answers


def score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    gates: dict[str, list[Example]],
    shown: int = 3,
) -> dict[str, dict[str, Any]]:
    """Exact matches per skill, with a few of the misses."""
    results: dict[str, dict[str, Any]] = {}
    for skill, examples in gates.items():
        answers = greedy_answers(model, tokenizer, examples)
        misses = [(e, a) for e, a in zip(examples, answers, strict=True) if e.answer != a]
        results[skill] = {
            "prompts": len(examples),
            "exact": len(examples) - len(misses),
            "misses": [
                {"prompt": e.messages[-2]["content"], "expected": e.answer, "got": a}
                for e, a in misses[:shown]
            ],
        }
    return results


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results as the model card's Markdown table."""
    lines = ["| skill | exact answers | share |", "|---|---|---|"]
    for skill, entry in _ordered(results):
        share = 100 * entry["exact"] / entry["prompts"]
        lines.append(f"| {skill} | {entry['exact']} of {entry['prompts']} | {share:.0f} % |")
    return "\n".join(lines)


def _ordered(results: dict[str, dict[str, Any]]) -> Iterable[tuple[str, dict[str, Any]]]:
    return sorted(results.items(), key=lambda item: (item[0].startswith(_TRAINED), item[0]))


def load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in float32 and its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, trust_remote_code=False
    )
    return model.eval(), AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def main() -> None:
    """Command line."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--out", type=Path, help="JSON with all results and some misses")
    parser.add_argument("--per-skill", type=int, default=100)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, tokenizer = load(options.model)
    gates = {**held_out_examples(GATE_SEED, options.per_skill), **trained_wordings()}
    results = score(model, tokenizer, gates)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
