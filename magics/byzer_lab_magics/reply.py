"""What ``%%prompt`` returns."""

from __future__ import annotations

from typing import Any

from byzer_lab.types import FinishReason, Message, TokenLogprob, Usage


class Reply(str):
    """A model's answer: a text that knows where it came from.

    Attributes:
        model: Name of the deployment.
        usage: Counts and times.
        messages: The conversation, the answer included.
        finish_reason: Why it ended.
        logprobs: One for each token, where ``--logprobs`` asked for them.
        reasoning: What the model thought before it answered.
        files: The sound, or each picture, of a model that speaks or draws.
        media_type: Of them, such as ``audio/mpeg``.
        value: The object that ``--schema`` asked for.
        calls: The tools that the model called, a dict for each.
        values: What they returned, where ``--execute`` ran them.
    """

    model: str
    usage: Usage
    messages: list[Message]
    finish_reason: FinishReason
    logprobs: list[TokenLogprob]
    reasoning: str
    files: list[bytes]
    media_type: str
    value: Any
    calls: list[dict[str, Any]]
    values: list[Any]
    _shown_in: tuple[int, int]

    def __new__(
        cls,
        text: str,
        *,
        model: str = "",
        usage: Usage | None = None,
        messages: list[Message] | None = None,
        finish_reason: FinishReason = "stop",
        logprobs: list[TokenLogprob] | None = None,
        reasoning: str = "",
        files: list[bytes] | None = None,
        media_type: str = "",
        value: Any = None,
        calls: list[dict[str, Any]] | None = None,
        values: list[Any] | None = None,
    ) -> Reply:
        """Make one."""
        reply = super().__new__(cls, text)
        reply.model = model
        reply.usage = usage or Usage()
        reply.messages = messages or []
        reply.finish_reason = finish_reason
        reply.logprobs = logprobs or []
        reply.reasoning = reasoning
        reply.files = files or []
        reply.media_type = media_type
        reply.value = value
        reply.calls = calls or []
        reply.values = values or []
        reply._shown_in = (0, -1)
        return reply

    @property
    def text(self) -> str:
        """The answer as an ordinary text."""
        return str.__str__(self)

    @property
    def data(self) -> bytes:
        """The sound or the picture, the first where there are several; empty where there is
        none."""
        return self.files[0] if self.files else b""

    def shown_in(self, shell: Any) -> Reply:
        """Remember that the running cell has shown the answer already."""
        self._shown_in = (id(shell), shell.execution_count)
        return self

    def _ipython_display_(self) -> None:
        from IPython.core.getipython import get_ipython

        from byzer_lab_magics.show import in_notebook, show
        from byzer_lab_magics.stream import markdown

        shell = get_ipython()
        if shell is None or self._shown_in == (id(shell), shell.execution_count):
            return
        if in_notebook(shell):
            show(markdown(self.text))
        else:
            print(self.text)
