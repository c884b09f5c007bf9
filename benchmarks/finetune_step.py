"""A step of a finetuning beside a bare loop and trl's own trainer, and the preparation of rows.

LoRA of rank 8 on a Llama with random weights, 32,000 tokens in its vocabulary, batches of 4 rows of
256 tokens of which 60 of 100 are the question's. The three take turns in one process, with one
thread; the figure is processor time.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.measure import Figures, Rounds, goal, spread, table

BARE_GOAL = 0.85
TRL_GOAL = 0.5
DATA_GOAL = 2.0
_VOCABULARY, _HIDDEN, _LAYERS = 32_000, 512, 4
_ROWS, _LENGTH, _ASKED = 4, 256, 154
_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}"
    "{% generation %}{{ m.content }}<|im_end|>\n{% endgeneration %}{% else %}{{ m.content }}"
    "<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_model() -> Any:
    """A Llama of about 25 million parameters."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=_VOCABULARY,
        hidden_size=_HIDDEN,
        intermediate_size=3 * _HIDDEN,
        num_hidden_layers=_LAYERS,
        num_attention_heads=8,
        num_key_value_heads=4,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config)


def make_rows(count: int) -> Any:
    """Random tokens, of which those of the answer have labels."""
    import torch
    from datasets import Dataset

    tokens = torch.randint(3, _VOCABULARY, (count, _LENGTH)).tolist()
    labels = [[-100] * _ASKED + row[_ASKED:] for row in tokens]
    return Dataset.from_dict({"input_ids": tokens, "labels": labels})


def adapter() -> Any:
    """LoRA on every linear layer but the head."""
    from peft import LoraConfig

    return LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")


class Clock:
    """Processor time of all steps but the first, which warms up."""

    def __init__(self) -> None:
        self._at = 0.0
        self.steps: list[float] = []

    def tick(self) -> None:
        """A step is over."""
        now = time.process_time()
        if self._at:
            self.steps.append(now - self._at)
        self._at = now

    def figures(self) -> Figures:
        """Milliseconds of one step."""
        return {"ms": 1000 * sum(self.steps) / len(self.steps)}


def bare(rows: Any, steps: int) -> Figures:
    """What anyone would write: the model's own loss, and an optimizer."""
    import torch
    from peft import get_peft_model

    model = get_peft_model(make_model(), adapter())
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=2e-4
    )
    clock = Clock()
    for at in range(steps):
        part = rows[at * _ROWS : (at + 1) * _ROWS]
        tokens, labels = torch.tensor(part["input_ids"]), torch.tensor(part["labels"])
        model(
            input_ids=tokens, attention_mask=torch.ones_like(tokens), labels=labels
        ).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.3)
        optimizer.step()
        optimizer.zero_grad()
        clock.tick()
    return clock.figures()


def trained(kind: Any, rows: Any, steps: int, tokenizer: Any, *, reports: bool) -> Figures:
    """A trainer's steps.

    Args:
        kind: Its class.
        rows: See :func:`make_rows`.
        steps: How many, with the first.
        tokenizer: Only to pad with.
        reports: With the reports of a job.
    """
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig

    clock = Clock()

    class Ticks(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick()

    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            per_device_train_batch_size=_ROWS,
            gradient_accumulation_steps=1,
            max_steps=steps,
            learning_rate=2e-4,
            max_grad_norm=0.3,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            include_num_input_tokens_seen="non_padding",
            dataset_kwargs={"skip_prepare_dataset": True},
        )
        trainer = kind(
            model=make_model(),
            args=arguments,
            train_dataset=rows,
            processing_class=tokenizer,
            peft_config=adapter(),
            callbacks=[Ticks()],
        )
        trainer.remove_callback(PrinterCallback)
        if reports:
            from byzer_lab.training.reporting import Reporter
            from tests.support.notes import Notes

            trainer.add_callback(Reporter(Path(folder), Notes()))
        trainer.train()
    return clock.figures()


def prepared(tokenizer: Any, path: Path, *, ours: bool) -> Figures:
    """A file of conversations to a file of tokens and labels: rows a second of the processor."""
    from datasets import load_dataset
    from trl import SFTConfig, SFTTrainer

    from byzer_lab.training.data.encoding import Shape
    from byzer_lab.training.data.preparing import Wanted, prepare

    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        if ours:
            count = prepare(
                Path(folder), Wanted(str(path), Shape(1024)), tokenizer, lambda _: None
            ).rows
        else:
            rows = load_dataset("json", data_files=str(path), cache_dir=folder, split="train")
            arguments = SFTConfig(
                output_dir=folder, use_cpu=True, bf16=False, assistant_only_loss=True
            )
            trainer: Any = SimpleNamespace(chat_template=None, completion_only_loss=False)
            made = SFTTrainer._prepare_dataset(
                trainer, rows, tokenizer, arguments, False, None, "train"
            )
            count = len(made)
        return {"rate": count / (time.process_time() - start)}


def write_talks(path: Path, count: int) -> Path:
    """Conversations, no two alike."""
    with path.open("w") as file:
        for at in range(count):
            asked = {"role": "user", "content": f"What is {at} plus {at}, and why is it so?"}
            said = {"role": "assistant", "content": f"It is {2 * at}: twice {at} is that."}
            file.write(json.dumps({"messages": [asked, said]}) + "\n")
    return path


def run(*, quick: bool = False) -> None:
    """Print both tables."""
    import torch
    from datasets import disable_caching, disable_progress_bars
    from transformers import AutoTokenizer
    from trl import SFTTrainer

    from byzer_lab.bundled import bundled_model
    from byzer_lab.training.sft.trainer import Trainer

    torch.set_num_threads(1)
    disable_progress_bars()
    disable_caching()
    tokenizer = AutoTokenizer.from_pretrained(bundled_model())
    steps = 3 if quick else 5
    rows = make_rows(steps * _ROWS)
    roads: dict[str, Callable[[], Figures]] = {
        "bare loop": lambda: bare(rows, steps),
        "trl's SFTTrainer": lambda: trained(SFTTrainer, rows, steps, tokenizer, reports=False),
        "Byzer Lab": lambda: trained(Trainer, rows, steps, tokenizer, reports=True),
    }
    found = Rounds(roads, 1 if quick else 5)
    lines = [
        [name, f"{found.median(name, 'ms'):.0f}", spread(found.ratio(name, "bare loop", "ms"))]
        for name in roads
    ]
    table(["4 rows of 256 tokens", "CPU ms a step", "of the bare loop's"], lines)
    ours = found.ratio("Byzer Lab", "bare loop", "ms")[0]
    goal("a step, of a bare loop's", ours, BARE_GOAL, at_most=True)
    theirs = found.ratio("Byzer Lab", "trl's SFTTrainer", "ms")[0]
    goal("a step, of trl's", theirs, TRL_GOAL, at_most=True)

    chat = AutoTokenizer.from_pretrained(bundled_model())
    chat.chat_template = _CHAT
    with tempfile.TemporaryDirectory() as folder:
        path = write_talks(Path(folder) / "rows.jsonl", 200 if quick else 2000)
        ways: dict[str, Callable[[], Figures]] = {
            "trl": lambda: prepared(chat, path, ours=False),
            "Byzer Lab": lambda: prepared(chat, path, ours=True),
        }
        found = Rounds(ways, 1 if quick else 5)
    lines = [
        [name, f"{found.median(name, 'rate'):.0f}", spread(found.ratio(name, "trl", "rate"))]
        for name in ways
    ]
    table(["conversations to labels", "rows per CPU s", "of trl's"], lines)
    rate = found.ratio("Byzer Lab", "trl", "rate")[0]
    goal("rows per second, of trl's", rate, DATA_GOAL, at_most=False)


if __name__ == "__main__":
    run()
