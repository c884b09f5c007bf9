"""A model without a cluster that counts its calls, waits, fails, and tells how many ran at once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from byzer_lab.errors import EngineError, ModelNotFoundError
from byzer_lab.sql.models.ask import Model
from byzer_lab.sql.models.pump import Ask
from byzer_lab.sql.models.questions import Question
from byzer_lab.sql.models.store import Answer


class ScriptedModels:
    """See :class:`byzer_lab.sql.models.ask.Models`.

    Args:
        says: The answer to a text.
        delay_s: How long an answer takes.
        limit: Requests at a time.
        fails: Whether a text is refused.

    Attributes:
        asked: How often each text was asked.
        finished: How often each text was answered.
        questions: All questions.
        most: Most requests at a time.
    """

    def __init__(
        self,
        says: Callable[[str], str] = lambda text: text.upper(),
        delay_s: float = 0.0,
        limit: int = 8,
        fails: Callable[[str], bool] = lambda text: False,
        structured: bool = True,
    ) -> None:
        self._says = says
        self.delay_s = delay_s
        self._limit = limit
        self.fails = fails
        self._structured = structured
        self.asked: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.questions: list[Question] = []
        self.most = self._now = 0

    @property
    def calls(self) -> int:
        return sum(self.asked.values())

    def names(self) -> list[str]:
        return ["m", "other"]

    def find(self, name: str) -> Model:
        if name not in self.names():
            raise ModelNotFoundError(f"There is no deployment {name!r}; there is: m, other.")
        meta = {"structured_output": "constrained"} if self._structured else {}
        return Model(name, self._limit, f"revision of {name}", meta)

    @asynccontextmanager
    async def asking(self, model: Model) -> AsyncIterator[Ask]:
        yield self._ask

    async def _ask(self, question: Question) -> Answer:
        text = question.messages[-1].text if question.messages else " | ".join(question.texts)
        self.asked[text] += 1
        self.questions.append(question)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self._now -= 1
        if self.fails(text):
            raise EngineError(f"No answer to {text!r}.")
        self.finished[text] += 1
        if question.kind == "embed":
            return Answer(json.dumps([float(len(text)), 0.5]), input_tokens=len(text.split()))
        if question.kind == "rerank":
            return Answer(json.dumps(len(text) / 10), input_tokens=len(text.split()))
        return Answer(self._says(text), "", len(text.split()), 1)
