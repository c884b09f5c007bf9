"""``%%prompt --schema`` and ``--tools``: answers that are objects, and calls of the notebook's
functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from byzer_lab.types import Message, ToolCall
from byzer_lab_magics.failures import interrupted
from byzer_lab_magics.growing import GrowingTree
from byzer_lab_magics.names import looked_up, split_names
from byzer_lab_magics.reply import Reply
from byzer_lab_magics.show import Bundle, StateLine, in_notebook, show
from byzer_lab_magics.stream import markdown
from byzer_lab_magics.tree import tree

if TYPE_CHECKING:
    from byzer_lab.client.byzer_llm import ByzerLLM

SHOWN = 2000
"""Most characters of a model's text that an error repeats."""


def ask_for_object(
    shell: Any, model: str, expression: str, messages: list[Message], config: dict[str, Any]
) -> Reply:
    """Ask for an object and show it while it grows.

    Args:
        shell: IPython's shell.
        model: Name of the deployment.
        expression: What it is to be, in the notebook.
        messages: The conversation.
        config: ``llm_config``.

    Returns:
        The model's text, with the object as its ``value``.

    Raises:
        UsageError: The model gave none.
    """
    response_class = looked_up(shell, "schema", expression)
    growing = GrowingTree(shell)

    def ask(llm: ByzerLLM) -> tuple[Any, dict[str, Any]]:
        for value, meta in llm.stream_chat_oai(
            messages, model=model, response_class=response_class, llm_config=config
        ):
            if not meta.finish_reason:
                growing.grow(value)
        return value, meta.metadata

    value, metadata = _waited(shell, model, ask)
    text = metadata["output"]
    if metadata["reason"]:
        shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
        raise UsageError(f"{metadata['reason']} The model wrote: {shown}")
    growing.end(value, {"byzer_lab": _kept(metadata)})
    return _reply(model, text, metadata, messages, value=value)


def ask_with_tools(
    shell: Any,
    model: str,
    options: dict[str, Any],
    messages: list[Message],
    config: dict[str, Any],
) -> Reply:
    """Ask with tools, and show each call.

    Args:
        shell: IPython's shell.
        model: Name of the deployment.
        options: The read line.
        messages: The conversation.
        config: ``llm_config``.

    Returns:
        The model's prose, with ``calls`` and ``values``.
    """
    tools = [looked_up(shell, "tools", name) for name in split_names(options["tools"])]
    execute = options["execute"] or options["rounds"] is not None

    def ask(llm: ByzerLLM) -> tuple[Any, dict[str, Any]]:
        [answer] = llm.chat_oai(
            messages,
            model=model,
            tools=tools,
            tool_choice=options["tool_choice"],
            execute_tool=execute,
            max_tool_rounds=options["rounds"] or 0,
            llm_config=config,
        )
        return answer, answer.metadata

    answer, _ = _waited(shell, model, ask)
    response = answer.response if execute else answer
    calls = answer.metadata.get("calls" if execute else "tool_calls", [])
    for call in calls:
        _put(shell, _call_tree(call))
    prose = "" if calls and not execute else response.output
    if prose.strip() and not (calls and options["rounds"] is None):
        _put(shell, markdown(prose))
    if not calls and answer.metadata.get("reason"):
        raise UsageError(answer.metadata["reason"])
    values = answer.values if execute else []
    reply = _reply(model, prose, answer.metadata, messages, calls=calls, values=values)
    if calls and options["rounds"] is None:
        reply.messages = [*messages, *_turns(response.output, calls, answer.metadata)]
    return reply


def _turns(output: str, calls: list[dict[str, Any]], metadata: dict[str, Any]) -> list[Message]:
    """Calls and their results as turns, for a conversation that goes on."""
    if not metadata.get("tool_calls") or "calls" not in metadata:
        return [Message(role="assistant", content=output)]
    from byzer_lab.client.tools.running import as_text

    made = [ToolCall(call["id"], call["name"], call["arguments"]) for call in calls]
    results = [
        Message(
            role="tool",
            content=f"Error: {call['error']}" if "error" in call else as_text(call["value"]),
            tool_call_id=call["id"],
        )
        for call in calls
    ]
    return [Message(role="assistant", content=output, tool_calls=made), *results]


def _waited(
    shell: Any, model: str, ask: Callable[[ByzerLLM], tuple[Any, dict[str, Any]]]
) -> tuple[Any, dict[str, Any]]:
    """Ask, and tell in a line how it goes.

    Args:
        shell: IPython's shell.
        model: Name of the deployment.
        ask: Asks; returns the answer and its metadata.
    """
    from byzer_lab.client.byzer_llm import ByzerLLM  # with httpx: not at load time

    line = StateLine(shell, model)
    line.running("answering")
    try:
        with line.ticking():
            answer, metadata = ask(ByzerLLM())
    except KeyboardInterrupt:
        line.end("cancelled", "interrupted")
        raise interrupted("The answer was interrupted; the model has stopped.") from None
    except BaseException:
        line.end("failed", f"no answer after {line.seconds:.1f} s")
        raise
    unfit = "structured_output" in metadata and bool(metadata["reason"])
    line.end("failed" if unfit else "succeeded", _footer(metadata))
    return answer, metadata


def _footer(metadata: dict[str, Any]) -> str:
    asked, made = metadata["input_tokens_count"], metadata["generated_tokens_count"]
    parts = [f"{asked} + {made} tokens", f"{metadata['time_cost']:.0f} ms"]
    if metadata.get("structured_output"):
        parts.append(metadata["structured_output"])
    if metadata.get("attempts", 1) > 1:
        parts.append(f"asked {metadata['attempts']} times")
    if metadata.get("rounds"):
        times = "once" if metadata["rounds"] == 1 else f"{metadata['rounds']} times"
        parts.append(f"results went back {times}")
    return " · ".join(parts)


def _call_tree(call: dict[str, Any]) -> Bundle:
    try:
        arguments: Any = json.loads(call["arguments"] or "{}")
    except ValueError:
        arguments = call["arguments"]
    told = {"arguments": arguments}
    told |= {key: call[key] for key in ("value", "error") if key in call}
    if "value" in told:
        told["result"] = told.pop("value")
    return tree(Called(told), call["name"])


class Called(dict[str, Any]):
    """What is shown of a call."""


def _put(shell: Any, bundle: Bundle) -> None:
    if in_notebook(shell):
        show(bundle)
    else:
        print(bundle["text/plain"])


def _kept(metadata: dict[str, Any]) -> dict[str, Any]:
    """What of an answer's metadata stays in the notebook file."""
    names = ("model", "attempts", "structured_output", "finish_reason")
    return {name: metadata[name] for name in names if name in metadata}


def _reply(
    model: str, text: str, metadata: dict[str, Any], messages: list[Message], **more: Any
) -> Reply:
    turns = [*messages, Message(role="assistant", content=text)]
    finish = metadata.get("finish_reason", "stop")
    return Reply(text, model=model, messages=turns, finish_reason=finish, **more)
