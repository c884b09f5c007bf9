"""One request in the loop."""

from __future__ import annotations

from byzer_lab.engines.llama_cpp.sampling import Sampler
from byzer_lab.engines.mailbox import Mailbox
from byzer_lab.engines.plan import GenerationPlan


class Sequence:
    """One request from its arrival to its last token.

    Args:
        plan: The request.

    Attributes:
        tokens: Prompt and answer so far.
        stored: How many of them the cache holds.
        slot: Its number in the cache; ``None`` while it waits.
        cancelled: The reader is gone.
        box: Where its tokens go.
        sampler: Chooses them.
    """

    def __init__(self, plan: GenerationPlan) -> None:
        self.plan = plan
        self.tokens = list(plan.prompt)
        self.stored = 0
        self.slot: int | None = None
        self.cancelled = False
        self.box = Mailbox()
        self.sampler = Sampler(plan)

    @property
    def waiting_tokens(self) -> int:
        """Tokens that are not in the cache yet: one when only the newest is missing."""
        return len(self.tokens) - self.stored

    def add(self, token: int) -> bool:
        """Take in the next token; whether the answer is over."""
        self.tokens.append(token)
        made = len(self.tokens) - len(self.plan.prompt)
        return token in self.plan.end_tokens or made >= self.plan.max_tokens
