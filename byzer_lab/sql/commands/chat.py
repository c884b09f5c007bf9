"""Cells that begin with ``--%chat``."""

from __future__ import annotations

from sqlglot import exp

from byzer_lab.sql.commands.queries import Queries
from byzer_lab.sql.language.statements import Chat

REPLY = "chat_reply"
"""The table of a reply that the cell gives no name."""
_HEADERS = ("model", "input", "output", "format")


def ask(queries: Queries, chat: Chat) -> tuple[str, str]:
    """Ask the model of a chat cell.

    Args:
        queries: Runs the query that the cell stands for.
        chat: The cell.

    Returns:
        The table of the reply, and its text.
    """
    session = queries.session
    fill = session.variables.fill
    request = {
        "instruction": chat.text.value,
        "system_msg": chat.system_msg,
        "user_role": chat.user_role,
        "assistant_role": chat.assistant_role,
    }
    known = (*_HEADERS, *request)
    request |= {key: value for key, value in chat.options.items() if key not in known}
    pairs = ", ".join(
        f"{_text(key)}, {_text(fill(value))}" for key, value in request.items() if value
    )
    asked = f"llm_param(map({pairs}))"
    source = ""
    if chat.input:
        table = session.tables.find(chat.input)
        column = session.engine.columns(session.all_of(table))[0].name
        asked = f"llm_stack(`{column}`, {asked})"
        source = f" from `{chat.input}`"
    name = chat.output or REPLY
    queries.table(name, f"select `{chat.model}`({asked}) as q{source}")
    said = (
        exp.Anonymous(this=f, expressions=[exp.column("q")]) for f in ("llm_result", "llm_error")
    )
    kept = exp.Table(this=exp.to_identifier(session.tables.find(name), quoted=True))
    query = exp.select(exp.func("coalesce", *said)).from_(kept).limit(1)
    reply = session.engine.query(session.engine.words.sql(query))
    return name, str(reply.column(0)[0].as_py()) if reply.num_rows else ""


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
