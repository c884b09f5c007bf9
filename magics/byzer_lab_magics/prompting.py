"""``%%prompt``: ask a deployed model."""

from __future__ import annotations

import contextlib
import keyword
import secrets
import time
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from byzer_lab.errors import ModelNotFoundError, NotReadyError
from byzer_lab.generation import GENERATION, read_sampling
from byzer_lab.records import StateSnapshot
from byzer_lab.types import (
    Chunk,
    FinishReason,
    GenerateRequest,
    Message,
    TextPart,
    TokenLogprob,
    Usage,
)
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.boxes import show_boxes
from byzer_lab_magics.connection import connect
from byzer_lab_magics.failures import interrupted
from byzer_lab_magics.interpolate import interpolate
from byzer_lab_magics.media import Media
from byzer_lab_magics.objects import ask_for_object, ask_with_tools
from byzer_lab_magics.options import Option, Positional, option_of, phrase
from byzer_lab_magics.pictures import picture, read_addresses
from byzer_lab_magics.reply import Reply
from byzer_lab_magics.show import StateLine, in_notebook
from byzer_lab_magics.stream import Writer, writer_for
from byzer_lab_magics.talks import talks_of

if TYPE_CHECKING:
    from collections.abc import Generator

STOP_NOTE = r"; \n and \t are understood"
SAMPLING = [
    option_of(info, **({"help": phrase(info.help) + STOP_NOTE} if info.name == "stop" else {}))
    for info in GENERATION
]

PROMPT = Arguments(
    "prompt",
    "Ask a deployed model; the answer is shown as it comes. An interrupt cancels it.",
    ["%%prompt [MODEL] [options]", "%prompt [--model NAME] [options] TEXT"],
    [Positional("model", "name of the deployment", required=False, deployment=True)],
    [
        Option(
            "model",
            "the same, and the only spelling in the one-line form",
            metavar="NAME",
            shown_default="%config ByzerMagics.model, else the only one that is ready",
            deployment=True,
        ),
        Option("system", "the system message"),
        Option("adapter", "LoRA adapter of the deployment that answers", metavar="NAME"),
        Option("schema", "answer with an object of this class or JSON schema", metavar="CLASS"),
        Option("tools", "functions of the notebook that the model may call", metavar="A,B"),
        Option("tool_choice", "auto, none, required, or the tool to call", metavar="NAME"),
        Option("execute", "run what it calls", "flag"),
        Option("rounds", "run it, and let the model go on with the results so often", "integer"),
        Option("image", "a picture: a variable or a file", metavar="NAME", repeat=True),
        Option("conversation", "go on with this conversation, or begin it", metavar="NAME"),
        *SAMPLING,
        Option("as", "keep the answer, or its object, in this variable", metavar="NAME"),
        Option("raw", "send the text as it stands: no template, no {{ name }}", "flag"),
        Option("completion", "let the model continue the text, without its chat template", "flag"),
    ],
    "The text is a Jinja template over the notebook's variables: {{ name }} stands for a variable; "
    "single braces are plain text. A generation parameter that is not given is the deployment's, "
    "else the model's own.",
)


def prompt(shell: Any, options: dict[str, Any], body: str, default_model: str = "") -> Reply:
    """Run ``%%prompt``.

    Args:
        shell: IPython's shell.
        options: The read line.
        body: The prompt, before its template is filled in.
        default_model: Who is asked when the line names nobody.
    """
    _check_variable(options["as"])
    if not options["raw"]:
        body = interpolate(body, shell.user_ns)
    body = body.strip("\n") if options["raw"] else body.strip()
    if not body.strip():
        raise UsageError("The prompt is empty; write it below %%prompt, or after %prompt.")
    _check_combination(options)
    talk = talks_of(shell).get(options["conversation"], [])
    request = _request(shell, options, body, talk)
    session = connect(shell)
    model = options["model"] or default_model or _only_ready(session.gateway.state())
    if options["image"]:
        read_addresses(request, model, session.gateway.state())
    if options["schema"] or options["tools"]:
        reply = _ask_with_abilities(shell, model, options, request)
    else:
        writer = writer_for(shell, owns_cell=_owns_cell(shell))
        exchange = _Exchange(model, request, writer, StateLine(shell, model))
        reply = exchange.run(session.data_plane.stream(model, request))
        exchange.media.show(shell)
        if options["image"]:
            show_boxes(shell, reply, session.gateway.state())
    if options["conversation"]:
        talks_of(shell)[options["conversation"]] = reply.messages
    if options["as"]:
        shell.user_ns[options["as"]] = reply.value if options["schema"] else reply
    return reply.shown_in(shell)


def _check_combination(options: dict[str, Any]) -> None:
    abilities = [name for name in ("schema", "tools") if options[name]]
    if len(abilities) > 1:
        raise UsageError("%prompt: leave one of --schema and --tools out; an answer is an object "
                         "or calls tools.")  # fmt: skip
    if not options["tools"]:
        for name in ("execute", "rounds", "tool_choice"):
            if options[name]:
                raise UsageError(f"%prompt: --{name} goes with --tools.")
    if options["rounds"] is not None and options["rounds"] < 1:
        raise UsageError(f"%prompt: --rounds is {options['rounds']}; it must be at least 1.")
    if options["completion"]:
        with_turns = [name for name in ("system", "schema", "tools", "image", "conversation")
                      if options[name]]  # fmt: skip
        if with_turns:
            raise UsageError(
                f"%prompt: --completion goes on with a text, without turns; leave "
                f"--{with_turns[0]} out."
            )


def _ask_with_abilities(
    shell: Any, model: str, options: dict[str, Any], request: GenerateRequest
) -> Reply:
    messages = request.messages or []
    config = {option.name: options[option.name] for option in SAMPLING}
    config |= {"stop": request.sampling.stop, "adapter": options["adapter"]}
    config = {name: value for name, value in config.items() if value not in (None, [])}
    if options["schema"]:
        return ask_for_object(shell, model, options["schema"], messages, config)
    return ask_with_tools(shell, model, options, messages, config)


def _check_variable(name: str | None) -> None:
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"%prompt: --as {name} is not a name that a variable can have.")


def _request(
    shell: Any, options: dict[str, Any], body: str, talk: list[Message]
) -> GenerateRequest:
    given = {option.name: options[option.name] for option in SAMPLING}
    given["stop"] = [text.replace(r"\n", "\n").replace(r"\t", "\t") for text in given["stop"]]
    # an empty list is an option that was left out
    chosen = {name: value for name, value in given.items() if value != []}
    sampling = read_sampling(chosen)
    fields: dict[str, Any] = {
        "request_id": secrets.token_hex(8),
        "sampling": sampling,
        "adapter": options["adapter"],
    }
    if options["completion"]:
        return GenerateRequest(**fields, prompt=body)
    messages = talk
    if options["system"]:
        turns = [turn for turn in talk if turn.role != "system"]
        messages = [Message(role="system", content=options["system"]), *turns]
    pictures = [picture(shell, name) for name in options["image"]]
    content: Any = [*pictures, TextPart(body)] if pictures else body
    return GenerateRequest(**fields, messages=[*messages, Message(role="user", content=content)])


def _only_ready(snapshot: StateSnapshot) -> str:
    ready = [record.spec.name for record in snapshot.deployments if record.state == "ready"]
    if len(ready) == 1:
        return ready[0]
    if ready:
        raise UsageError(f"Several models are ready, name one: %%prompt {' or '.join(ready)}.")
    if snapshot.deployments:
        others = ", ".join(f"{item.spec.name} ({item.state})" for item in snapshot.deployments)
        raise NotReadyError(f"No model is ready; there is: {others}.")
    raise ModelNotFoundError(
        "Nothing is deployed; %llm_deploy chat --model_path bundled deploys the bundled model."
    )


def _owns_cell(shell: Any) -> bool:
    """Whether the running cell is one cell magic, so that its other outputs are all ours."""
    if not in_notebook(shell):
        return False
    code = shell.kernel.get_parent("shell").get("content", {}).get("code", "")
    return bool(code.lstrip().startswith("%%prompt"))


class _Exchange:
    """One question and its answer."""

    def __init__(
        self, model: str, request: GenerateRequest, writer: Writer, line: StateLine
    ) -> None:
        self._model = model
        self._request = request
        self._writer = writer
        self._line = line
        self._text: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._reasoning: list[str] = []
        self.media = Media()
        self._tokens = 0
        self._started = time.perf_counter()
        self._first = 0.0

    def run(self, chunks: Generator[Chunk]) -> Reply:
        """Show the answer as it comes; what has come stays, however it ends."""
        usage: Usage | None = None
        finish: FinishReason = "stop"
        try:
            with contextlib.closing(chunks):
                for chunk in chunks:
                    self._take(chunk)
                    if chunk.finish_reason:
                        usage, finish = chunk.usage, chunk.finish_reason
        except KeyboardInterrupt:
            self._end(self._measured(), "cancelled", "interrupted")
            raise interrupted("The answer was interrupted; the model has stopped.") from None
        except Exception:
            if self._text:
                self._end(self._measured(), "error", "broke off")
            raise
        self._end(usage or self._measured(), finish)
        return self._reply(usage or self._measured(), finish)

    def _take(self, chunk: Chunk) -> None:
        if chunk.text:
            self._first = self._first or time.perf_counter()
            self._text.append(chunk.text)
            self._writer.write(chunk.text)
        self.media.take(chunk)
        if chunk.progress:
            share = chunk.progress.done / max(1, chunk.progress.total)
            self._line.running(chunk.progress.phase, share)
        self._reasoning.append(chunk.reasoning)
        self._tokens += chunk.tokens
        self._logprobs += chunk.logprobs

    def _measured(self) -> Usage:
        """Usage of an answer whose end never came."""
        now = time.perf_counter()
        return Usage(
            output_tokens=self._tokens,
            first_token_ms=((self._first or now) - self._started) * 1000,
            total_ms=(now - self._started) * 1000,
        )

    def _end(self, usage: Usage, finish: str, mark: str = "") -> None:
        metadata = {
            "model": self._model,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "first_token_ms": round(usage.first_token_ms, 1),
            "total_ms": round(usage.total_ms, 1),
            "tokens_per_second": round(usage.tokens_per_second, 1),
            "finish_reason": finish,
        }
        self._writer.end("".join(self._text), metadata, self._footer(usage, finish, mark))

    def _footer(self, usage: Usage, finish: str, mark: str) -> str:
        parts = [f"■ {mark}"] if mark else []
        parts.append(self._model)
        asked = f"{usage.input_tokens} + " if usage.input_tokens else ""
        plural = "" if not asked and usage.output_tokens == 1 else "s"
        parts.append(f"{asked}{usage.output_tokens} token{plural}")
        if usage.output_tokens:
            parts.append(f"first token {usage.first_token_ms:.0f} ms")
        if usage.tokens_per_second:
            rate = usage.tokens_per_second
            parts.append(f"{rate:.1f} tokens/s" if rate < 100 else f"{rate:,.0f} tokens/s")
        if finish == "length":
            parts.append("cut at the token limit")
        if finish == "content_filter":
            parts.append("ended by the provider's content filter")
        if usage.provider is not None and usage.provider.cost is not None:
            parts.append(f"about {usage.provider.cost:.2g} {usage.provider.currency}")
        return " · ".join(parts)

    def _reply(self, usage: Usage, finish: FinishReason) -> Reply:
        text = "".join(self._text)
        asked = self._request.messages or [Message(role="user", content=self._request.prompt or "")]
        return Reply(
            text,
            model=self._model,
            usage=usage,
            messages=[*asked, Message(role="assistant", content=text)],
            finish_reason=finish,
            logprobs=self._logprobs,
            reasoning="".join(self._reasoning),
            files=self.media.files,
            media_type=self.media.media_type,
        )
