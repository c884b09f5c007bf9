"""Asks a model that has tools, runs what it calls, and feeds the results back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from byzer_lab.client.asking import Ask
from byzer_lab.client.tools.calls import calls_in, new_id
from byzer_lab.client.tools.running import Outcome, reason_of, results_text, run_calls
from byzer_lab.client.tools.tool import LocalTool
from byzer_lab.client.typed.asking import CUT, with_text
from byzer_lab.client.typed.schemas import LEVELS, REFUSALS, loosened
from byzer_lab.client.types import LLMFunctionCallResponse, LLMResponse
from byzer_lab.client.wording import words
from byzer_lab.errors import ContextLengthError
from byzer_lab.types import TOOL_CHOICES, Message, ToolCall


@dataclass(frozen=True)
class ToolQuestion:
    """A question to a model that may call tools.

    Attributes:
        tools: What it may call.
        choice: ``auto``, ``none``, ``required`` or the name of one.
        parallel: It may call several in one answer.
        native: The deployment takes tools; else the prompt tells of them.
        structured: The deployment's ``structured_output``.
        write: Makes the question's text where the prompt tells of tools, given the last user
            message and the choice.
        language: Of our own words.
    """

    tools: list[LocalTool]
    choice: str
    parallel: bool
    native: bool
    structured: str
    write: Callable[[str, str], str]
    language: str

    def written(self, messages: list[Message], choice: str) -> list[Message]:
        """A copy of a conversation that tells of the tools, where the request can't."""
        if self.native:
            return messages
        return with_text(messages, lambda prompt: self.write(prompt, choice))

    def fields(self, choice: str) -> Iterator[dict[str, Any]]:
        """What to send beside the conversation, one after the other until it is taken."""
        if not self.native:
            if self.structured == "constrained" and choice not in ("auto", "none"):
                yield {"response_schema": self._calls_schema(choice)}
            yield {}
            return
        sent: list[Any] = []
        for dropped in LEVELS:
            tools = [
                msgspec.structs.replace(one.tool, parameters=loosened(one.tool.parameters, dropped))
                for one in self.tools
            ]
            if tools not in sent:
                sent.append(tools)
                yield {
                    "tools": tools,
                    "tool_choice": choice,
                    "parallel_tool_calls": self.parallel,
                }

    def ask(
        self, ask: Ask, messages: list[Message], choice: str
    ) -> tuple[LLMResponse, list[ToolCall]]:
        """Ask once.

        Args:
            ask: Asks the model.
            messages: The conversation, :meth:`written` already.
            choice: As the attribute.

        Returns:
            The answer and its calls.
        """
        refusal: Exception | None = None
        for fields in self.fields(choice):
            try:
                response = ask(messages, **fields)
                return response, self.calls_of(response.output, response.metadata, choice)
            except ContextLengthError:
                raise
            except REFUSALS as error:
                refusal = refusal or error
        assert refusal is not None
        raise refusal

    def run(self, ask: Ask, messages: list[Message], rounds: int) -> LLMFunctionCallResponse:
        """Ask, run the calls, and feed their results back.

        Args:
            ask: Asks the model.
            messages: The conversation.
            rounds: How often results go back at most; after the last time it must answer in prose.
        """
        messages = self.written(messages, self.choice)
        response, calls = self.ask(ask, messages, self.choice)
        outcomes: list[Outcome] = []
        reasons = [] if calls else self.missing(response.metadata.get("finish_reason"))
        done = 0
        while calls:
            new = self.execute(calls, first=not outcomes)
            outcomes += new
            if done == rounds or response.metadata.get("finish_reason") == "cancelled":
                break  # who ended the answer wants no other
            done += 1
            messages = [*messages, *self._fed(response, new)]
            response, calls = self.ask(ask, messages, "none" if done == rounds else "auto")
        metadata = response.metadata | facts_of(outcomes, reasons) | {"rounds": done}
        values = [one.value for one in outcomes if not one.error]
        return LLMFunctionCallResponse(response=response, values=values, metadata=metadata)

    def execute(self, calls: list[ToolCall], first: bool = True) -> list[Outcome]:
        """Run calls.

        Args:
            calls: Of one answer.
            first: It is the first answer, for which the choice holds.
        """
        if not first or self.choice in TOOL_CHOICES:
            return run_calls(calls, self.tools)
        right = [call for call in calls if call.name == self.choice]
        wrong = f"The model called another tool than {self.choice}, which tool_choice names."
        return [
            *run_calls(right, self.tools),
            *(Outcome(call, error=wrong) for call in calls if call.name != self.choice),
        ]

    def missing(self, finish_reason: Any) -> list[str]:
        """What is wrong with an answer that calls nothing; nothing where it may."""
        reasons = []
        if self.choice not in ("auto", "none"):
            reasons.append("The model called no tool, although tool_choice asks for one.")
        if finish_reason == "length":
            reasons.append(f"{CUT}.")
        return reasons

    def calls_of(self, text: str, metadata: dict[str, Any], choice: str) -> list[ToolCall]:
        """The calls of an answer, each with an id.

        Args:
            text: All of its text.
            metadata: Of the answer.
            choice: As the attribute.
        """
        if choice == "none":
            return []
        told = metadata.get("tool_calls", [])
        calls = [ToolCall(one["id"] or new_id(), one["name"], one["arguments"]) for one in told]
        if not self.native and not calls:
            names = [one.tool.name for one in self.tools]
            calls = calls_in(
                text,
                names,
                whole=metadata.get("finish_reason") != "length",
                schemas={one.tool.name: one.tool.parameters for one in self.tools},
            )
        return calls if self.parallel else calls[:1]

    def _fed(self, response: LLMResponse, outcomes: list[Outcome]) -> list[Message]:
        """The answer and what came of its calls, as the turns that follow."""
        output = response.output
        if self.native:
            calls = [one.call for one in outcomes]
            turn = Message(role="assistant", content=output, tool_calls=calls)
            return [turn, *(one.message for one in outcomes)]
        told = words("tool_results", self.language, results=results_text(outcomes))
        return [Message(role="assistant", content=output), Message(role="user", content=told)]

    def _calls_schema(self, choice: str) -> dict[str, Any]:
        """What an answer of nothing but calls looks like."""
        definitions: dict[str, Any] = {}
        forms = []
        for place, one in enumerate(self.tools):
            if choice not in ("required", one.tool.name):
                continue
            parameters, own = _moved(one.tool.parameters, f"tool{place}_")
            definitions |= own
            forms.append(
                {
                    "type": "object",
                    "properties": {"name": {"const": one.tool.name}, "arguments": parameters},
                    "required": ["name", "arguments"],
                    "additionalProperties": False,
                }
            )
        calls: dict[str, Any] = {"type": "array", "items": {"anyOf": forms}, "minItems": 1}
        if not self.parallel:
            calls["maxItems"] = 1
        return {
            "type": "object",
            "properties": {"tool_calls": calls},
            "required": ["tool_calls"],
            "additionalProperties": False,
            "$defs": definitions,
        }


def facts_of(outcomes: list[Outcome], reasons: list[str]) -> dict[str, Any]:
    """What an answer's metadata tells of its calls.

    Args:
        outcomes: Of the calls.
        reasons: What else went wrong.
    """
    reason = "\n".join([*reasons, reason_of(outcomes)]).strip()
    return {
        "reason": reason,
        "resason": reason,  # as Byzer-LLM's page spells it
        "selected_functions": [one.tool.given for one in outcomes if one.tool],
        "calls": [one.told for one in outcomes],
    }


def calls_text(calls: list[ToolCall]) -> str:
    """Calls as the text of an answer that nobody ran."""
    listed = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in calls
    ]
    return json.dumps({"tool_calls": listed}, ensure_ascii=False)


def _moved(schema: dict[str, Any], prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema to stand inside another one, and its definitions under names of their own."""

    def renamed(node: Any) -> Any:
        if isinstance(node, dict):
            return {
                key: value.replace("#/$defs/", f"#/$defs/{prefix}")
                if key == "$ref" and isinstance(value, str)
                else renamed(value)
                for key, value in node.items()
            }
        return [renamed(item) for item in node] if isinstance(node, list) else node

    whole = renamed(schema)
    own = {f"{prefix}{name}": value for name, value in whole.pop("$defs", {}).items()}
    return whole, own
