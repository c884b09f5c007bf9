"""How models write calls of tools, found out from their chat templates."""

from __future__ import annotations

from dataclasses import dataclass

import jinja2

_LEXER = jinja2.Environment(autoescape=True)


@dataclass(frozen=True)
class CallFormat:
    """One way to write calls: texts around the name of a tool and its arguments.

    Attributes:
        before_name: Before the name of each call.
        after_name: Between the name and the arguments.
        after_arguments: After each call.
        opening: Before the first call.
        between: Between two calls.
        closing: After the last call.
        marks: Parts of these texts that may be tokens of their own; the first begins the calls,
            and text beside calls can't hold it. Without one, an answer is either text or calls.
        several: An answer may hold more than one call.
        tagged: Arguments stand as tags (:mod:`byzer_lab.tagged_calls`), else as a JSON object.
        short_ids: The template takes ids of nine letters and digits only.
    """

    before_name: str
    after_name: str
    after_arguments: str
    opening: str = ""
    between: str = ""
    closing: str = ""
    marks: tuple[str, ...] = ()
    several: bool = True
    tagged: bool = False
    short_ids: bool = False

    @property
    def trigger(self) -> str:
        """The text that begins the calls; empty where they begin with the answer."""
        return self.marks[0] if self.marks else ""

    @property
    def start(self) -> str:
        """All that comes before the first call's name."""
        return self.opening + self.before_name


HERMES = CallFormat(
    before_name='<tool_call>\n{"name": "',
    after_name='", "arguments": ',
    after_arguments="}\n</tool_call>",
    between="\n",
    marks=("<tool_call>", "</tool_call>"),
)
LLAMA = CallFormat(
    before_name='{"name": "',
    after_name='", "parameters": ',
    after_arguments="}",
    several=False,
)
MISTRAL = CallFormat(
    before_name="[TOOL_CALLS]",
    after_name="[ARGS]",
    after_arguments="",
    marks=("[TOOL_CALLS]", "[ARGS]"),
    short_ids=True,
)
TAGGED = CallFormat(
    before_name="<tool_call>\n<function=",
    after_name=">\n",
    after_arguments="</function>\n</tool_call>",
    between="\n",
    marks=("<tool_call>", "</tool_call>"),
    tagged=True,
)


def _mistral_list(opening: str) -> CallFormat:
    return CallFormat(
        opening=opening,
        before_name='{"name": "',
        after_name='", "arguments": ',
        after_arguments="}",
        between=", ",
        closing="]",
        marks=("[TOOL_CALLS]",),
        short_ids=True,
    )


def call_format(template: str) -> CallFormat | None:
    """The format of a model's chat template; ``None`` where the template has no tools.

    Args:
        template: Its source.
    """
    if not _names(template, "tools"):
        return None
    if "[TOOL_CALLS]" in template:
        if "[ARGS]" in template:
            return MISTRAL
        return _mistral_list("[TOOL_CALLS] [" if "[TOOL_CALLS] [" in template else "[TOOL_CALLS][")
    if "<function=" in template and "<parameter=" in template:
        return TAGGED
    if "<tool_call>" not in template and '"parameters"' in template and "ipython" in template:
        return LLAMA
    return HERMES


def _names(template: str, name: str) -> bool:
    """Whether a template speaks of a variable, not only in a text."""
    try:
        return any(kind == "name" and value == name for _, kind, value in _LEXER.lex(template))
    except jinja2.TemplateSyntaxError:
        return False  # rendering it says what is wrong
