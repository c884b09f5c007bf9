"""``--conversation NAME`` and ``%llm_conversation``: conversations that go on from cell to cell."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from IPython.core.error import UsageError

from byzer_lab.types import Message
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.options import Option, Positional
from byzer_lab_magics.show import in_notebook, say, show
from byzer_lab_magics.stream import markdown
from byzer_lab_magics.table import Table

_talks: WeakKeyDictionary[Any, dict[str, list[Message]]] = WeakKeyDictionary()

CONVERSATION = Arguments(
    "llm_conversation",
    "Show a conversation of %%prompt --conversation NAME; without a name, list them.",
    ["%llm_conversation [NAME] [--clear]"],
    [Positional("name", "name of the conversation", required=False)],
    [Option("clear", "forget it; without a name, all", "flag")],
)


def talks_of(shell: Any) -> dict[str, list[Message]]:
    """The conversations of a shell by name."""
    return _talks.setdefault(shell, {})


def conversation(shell: Any, options: dict[str, Any], body: str) -> Table | None:
    """Run ``%llm_conversation``."""
    talks, name = talks_of(shell), options["name"]
    if name is None and options["clear"]:
        talks.clear()
        say(shell, "All conversations are forgotten.")
        return None
    if name is None:
        rows = [[name, len(turns), _start(turns)] for name, turns in talks.items()]
        return Table(["name", "turns", "begins"], rows, "There is no conversation.")
    if name not in talks:
        known = ", ".join(talks) or "none; %%prompt --conversation NAME begins one"
        raise UsageError(f"There is no conversation {name!r}; there is: {known}.")
    if options["clear"]:
        del talks[name]
        say(shell, f"The conversation {name} is forgotten.")
        return None
    for turn in talks[name]:
        _show(shell, turn)
    return None


def _start(turns: list[Message]) -> str:
    first = next((turn.text for turn in turns if turn.role == "user"), "")
    return first if len(first) <= 60 else f"{first[:59]}…"


def _show(shell: Any, turn: Message) -> None:
    pictures = f" [{len(turn.images)} pictures]" if turn.images else ""
    calls = "".join(f"\n→ {call.name}({call.arguments})" for call in turn.tool_calls)
    if not in_notebook(shell):
        print(f"{turn.role}: {turn.text}{pictures}{calls}")
        return
    bundle = markdown(f"{turn.text}{pictures}{calls}")
    plain = f"{turn.role}: {bundle['text/plain']}"
    show({"text/markdown": f"**{turn.role}** \n\n{bundle['text/markdown']}", "text/plain": plain})
