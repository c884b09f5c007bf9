"""Train the bundled model; a rerun continues from the last checkpoint.

Run: ``python -m tools.bundled_model.train --run DIR --tokenizer DIR --tokens 12000000``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from .chat_format import encode_example
from .curriculum import SECOND_PHASE, training_chunk
from .model import Shape, TrainedLlama

CHUNK = 1024  # examples that are drawn, sorted by length and packed together
WARM_UP = 60
TOKENS_PER_EXAMPLE = 80  # mean of the mix; turns a token budget into a number of chunks


@dataclass
class Batch:
    """Rows of similar length, padded on the right."""

    ids: Tensor
    learned: Tensor


def pack(tokenizer: Tokenizer, seed: int, chunk: int, progress: float, size: int) -> list[Batch]:
    """The batches of a chunk: rows sorted by length so that little is padding, then shuffled."""
    rows = [encode_example(tokenizer, e) for e in training_chunk(seed, chunk, CHUNK, progress)]
    rows.sort(key=lambda row: len(row[0]))
    groups: list[list[tuple[list[int], list[bool]]]] = [[]]
    for row in reversed(rows):
        if groups[-1] and (len(groups[-1]) + 1) * len(groups[-1][0][0]) > size:
            groups.append([])
        groups[-1].append(row)
    random.Random(f"batches/{seed}/{chunk}").shuffle(groups)
    return [_pad(group) for group in groups]


def _pad(group: list[tuple[list[int], list[bool]]]) -> Batch:
    length = max(len(ids) for ids, _ in group)
    ids = torch.zeros(len(group), length, dtype=torch.long)
    learned = torch.zeros(len(group), length, dtype=torch.bool)
    for row, (tokens, mask) in enumerate(group):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        learned[row, : len(mask)] = torch.tensor(mask)
    return Batch(ids, learned)


def rate_factor(step: int, progress: float, decay_from: float) -> float:
    """Warm up, hold, then fall linearly to almost nothing."""
    warm = min(1.0, (step + 1) / WARM_UP)
    if progress <= decay_from:
        return warm
    return warm * max(0.01, (1.0 - progress) / (1.0 - decay_from))


class Trainer:
    """Model, optimizers and position; everything that a checkpoint holds."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.tokenizer = Tokenizer.from_file(str(options.tokenizer / "tokenizer.json"))
        shape = Shape(
            vocab_size=self.tokenizer.get_vocab_size(),
            intermediate_size=options.intermediate,
            num_hidden_layers=options.layers,
        )
        self.model = TrainedLlama(shape, options.seed)
        body = self.model.model.layers
        matrices = [p for p in body.parameters() if p.ndim == 2]
        others = [p for p in self.model.parameters() if all(p is not m for m in matrices)]
        # Muon on the matrices learns copying in far fewer tokens than AdamW alone.
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.Muon(
                matrices,
                lr=options.rate,
                weight_decay=0.01,
                momentum=0.95,
                adjust_lr_fn="match_rms_adamw",
            ),
            torch.optim.AdamW(others, lr=options.rate, betas=(0.9, 0.98), weight_decay=0.0),
        ]
        self.step = self.chunk = self.batch = self.tokens = 0
        self.seconds = 0.0
        self.chunks = max(1, round(options.tokens / (CHUNK * TOKENS_PER_EXAMPLE)))

    def learn(self, batch: Batch, progress: float) -> float:
        """One step; returns the loss."""
        factor = rate_factor(self.step, progress, self.options.decay_from)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.options.rate * factor
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = self.model.loss(batch.ids, batch.learned)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        self.step += 1
        self.tokens += batch.ids.numel()
        return loss.item()

    def save(self) -> None:
        """Write a checkpoint (atomically, so that an interrupted write loses nothing)."""
        state = {
            "model": self.model.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "position": (self.step, self.chunk, self.batch, self.tokens, self.seconds),
        }
        target = self.options.run / "checkpoint.pt"
        torch.save(state, target.with_suffix(".new"))
        os.replace(target.with_suffix(".new"), target)

    def restore(self) -> bool:
        """Continue from the checkpoint if there is one."""
        source = self.options.run / "checkpoint.pt"
        if not source.exists():
            return False
        state = torch.load(source, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.chunk, self.batch, self.tokens, self.seconds = state["position"]
        return True

    def start_from(self, checkpoint: Path) -> None:
        """Take the weights of another run (a second phase has its own stream and rate)."""
        self.model.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])

    def run(self) -> None:
        """Train to the end of the token budget."""
        saved = begun = time.monotonic()
        losses: list[float] = []
        before = self.seconds
        while self.chunk < self.chunks:
            stage = SECOND_PHASE if self.options.start_from else self.chunk / self.chunks
            batches = pack(
                self.tokenizer, self.options.seed, self.chunk, stage, self.options.batch_tokens
            )
            while self.batch < len(batches):
                exact = (self.chunk + self.batch / len(batches)) / self.chunks
                losses.append(self.learn(batches[self.batch], exact))
                self.batch += 1
                self.seconds = before + time.monotonic() - begun
                if self.step % 25 == 0:
                    self._log(losses, exact)
                    losses.clear()
                if time.monotonic() - saved > self.options.save_every:
                    self.save()
                    saved = time.monotonic()
            self.chunk, self.batch = self.chunk + 1, 0
        self.save()

    def _log(self, losses: list[float], progress: float) -> None:
        record = {
            "step": self.step,
            "progress": round(progress, 4),
            "tokens": self.tokens,
            "loss": round(sum(losses) / len(losses), 4),
            "seconds": round(self.seconds),
            "tokens_per_second": round(self.tokens / max(self.seconds, 1e-9)),
        }
        print(json.dumps(record), flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--tokens", type=float, default=8.2e6, help="token budget")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--decay-from", type=float, default=0.56)
    parser.add_argument("--batch-tokens", type=int, default=4096)
    parser.add_argument("--intermediate", type=int, default=512)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--save-every", type=float, default=180.0, help="seconds")
    parser.add_argument(
        "--start-from", type=Path, help="checkpoint of the first phase: run the second"
    )
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.run.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(options)
    resumed = trainer.restore()
    if options.start_from and not resumed:
        trainer.start_from(options.start_from)
    print("resumed" if resumed else "started", "at step", trainer.step, flush=True)
    trainer.run()


if __name__ == "__main__":
    main()
