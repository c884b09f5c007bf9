"""Rank 0: which requests run in the next step, and which token each one gets.

First come, first served: a request waits until it fits beside those that run, and none overtakes
it. What fits is reckoned with its whole answer, so that the cache can never overflow.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

from byzer_lab.engines.deepspeed.batch import PaddedBatch, Step
from byzer_lab.engines.deepspeed.link import Link
from byzer_lab.engines.deepspeed.protocol import Add, RankSetup, Token, Tokens, ToRank
from byzer_lab.engines.plan import GenerationPlan
from byzer_lab.engines.structured.constraint import Constraint
from byzer_lab.engines.transformers.sampling import RequestSampler, mark_choices

_PROMPT_TOKENS = {"cpu": 512, "cuda": 8192}


class _Request:
    def __init__(self, number: int, plan: GenerationPlan) -> None:
        self.number = number
        self.plan = plan
        self.sampler = RequestSampler(plan)
        self.made: list[int] = []
        self.over = False

    @property
    def longest(self) -> int:
        """Tokens of the prompt and the longest possible answer."""
        return len(self.plan.prompt) + self.plan.max_tokens

    def take(self, token: int) -> Token:
        """Note the token that was chosen."""
        self.made.append(token)
        plan = self.plan
        self.over = token in plan.end_tokens or len(self.made) == plan.max_tokens
        made = len(self.made)
        # Their texts are for the worker to fill in, which has the tokenizer.
        told = plan.notes.between(made - 1, made, str) if plan.notes is not None else []
        return Token(self.number, token, self.over, told[0] if told else None)


class Scheduler:
    """Runs the batch of all ranks.

    Args:
        batch: This rank's, empty.
        link: To the other ranks.
        inbox: What the worker asks.
        send: Tells the worker.
        setup: The rank's.
        cache_tokens: What the key-value cache may hold, padding included.
        start: Starts the constraint of a request.
    """

    def __init__(
        self,
        batch: PaddedBatch,
        link: Link,
        inbox: queue.SimpleQueue[ToRank],
        send: Callable[[Tokens], None],
        setup: RankSetup,
        cache_tokens: int,
        start: Callable[[Constraint], object],
    ) -> None:
        parameters = setup.parameters
        self._batch = batch
        self._link = link
        self._inbox = inbox
        self._send = send
        self._most_rows = parameters.max_batch_size or setup.concurrency
        self._most_prompt_tokens = parameters.max_batch_tokens or _PROMPT_TOKENS[setup.device]
        self._window_s = parameters.batch_window_ms / 1000
        self._cache_tokens = cache_tokens
        self._start = start
        self._waiting: deque[_Request] = deque()
        self._running: list[_Request] = []

    def run(self) -> NoReturn:
        """Take in requests and do steps, for ever."""
        while True:
            if self._waiting or self._running:
                self._take_in()
            else:
                self._wait()
            self._step()

    def _step(self) -> None:
        keep = [row for row, request in enumerate(self._running) if not request.over]
        stay = [self._running[row] for row in keep]
        join = self._admit(stay)
        step = Step(
            keep,
            tokens=[request.made[-1] for request in stay],
            prompts=[request.plan.prompt for request in join],
        )
        self._running = stay + join
        logits = self._batch.run(self._link.share(step))
        if logits is not None:
            self._send(Tokens(self._choose(logits)))

    def _choose(self, logits: Any) -> list[Token]:
        logits = logits.float()
        mark_choices(logits, [request.sampler for request in self._running])
        chosen: list[int] = logits.argmax(dim=-1).tolist()
        pairs = zip(self._running, chosen, strict=True)
        return [request.take(token) for request, token in pairs]

    def _admit(self, stay: list[_Request]) -> list[_Request]:
        """Those of the waiting that start now, beside the ones that stay."""
        join: list[_Request] = []
        longest = max((request.longest for request in stay), default=0)
        widest = 0
        while self._waiting:
            request = self._waiting[0]
            longest = max(longest, request.longest)
            widest = max(widest, len(request.plan.prompt))
            rows = len(stay) + len(join) + 1
            if rows > self._most_rows or (rows > 1 and rows * longest > self._cache_tokens):
                break
            if join and (len(join) + 1) * widest > self._most_prompt_tokens:
                break
            join.append(self._waiting.popleft())
        return join

    def _wait(self) -> None:
        """Wait for a request, and a moment longer for others that come together with it."""
        self._read(self._inbox.get())
        end = time.monotonic() + self._window_s
        while self._waiting and len(self._waiting) < self._most_rows:
            left = end - time.monotonic()
            try:
                self._read(self._inbox.get(timeout=max(0.0, left)))
            except queue.Empty:
                break
        self._take_in()

    def _take_in(self) -> None:
        try:
            while True:
                self._read(self._inbox.get_nowait())
        except queue.Empty:
            return

    def _read(self, message: ToRank) -> None:
        if isinstance(message, Add):
            if message.plan.constraint is not None:
                self._start(message.plan.constraint)
            self._waiting.append(_Request(message.number, message.plan))
            return
        for request in self._running:
            if request.number == message.number:
                request.over = True
        kept = [request for request in self._waiting if request.number != message.number]
        self._waiting = deque(kept)


def follow(batch: PaddedBatch, link: Link) -> NoReturn:
    """Do the steps that rank 0 tells, for ever."""
    while True:
        batch.run(link.share(None))
