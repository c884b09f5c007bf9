"""``llm_param`` and its kin: helpers that ask no model and are macros of DuckDB."""

from __future__ import annotations

import re
from typing import Any

_MARK = r"\{\d*(?::[^}]*)?\}"
_MARKS = rf"regexp_extract_all(template, '{_MARK}')"
_FILLED = r"""
case when mark = '' then ''
else coalesce(
    arguments[coalesce(try_cast(regexp_extract(mark, '^\{(\d+)', 1) as int), place - 1) + 1]
        ::varchar,
    case when contains(mark, ':') then regexp_extract(mark, ':([^}]*)', 1) else mark end
) end
"""

MACROS = (
    # The text of a reply or of a request, whether it stands alone or in an array.
    "llm__text(x) as coalesce(json_extract_string(to_json(x), '$[0]'), "
    "json_extract_string(to_json(x), '$'))",
    "llm_param(request) as [to_json(request)::varchar]",
    "llm_prompt(template, arguments) as array_to_string(list_transform(list_zip("
    f"string_split_regex(template, '{_MARK}'), list_append({_MARKS}, '')), "
    "lambda pair, place: pair[1] || "
    + _FILLED.replace("mark", "pair[2]").replace("\n", " ")
    + "), '')",
    "llm__field(x, name) as case when json_valid(llm__text(x)) "
    "and json_type(llm__text(x)) = 'OBJECT' "
    "then json_extract_string(llm__text(x), '$.' || name) end",
    "llm_result(reply) as case when json_valid(llm__text(reply)) "
    "and json_type(llm__text(reply)) = 'OBJECT' and "
    "list_contains(json_keys(llm__text(reply)), 'output') "
    "then json_extract_string(llm__text(reply), '$.output') else llm__text(reply) end",
    "llm_response_predict(reply) as llm_result(reply)",
    "llm_error(reply) as llm__field(reply, 'error')",
    "llm_stack(reply, request) as [json_merge_patch(llm__text(request)::json, "
    "json_object('history', coalesce(json_extract_string(llm__text(reply), '$.history'), '[]')))"
    "::varchar]",
)


def install(connection: Any) -> None:
    """Make the macros in a connection of DuckDB."""
    for macro in MACROS:
        connection.execute(f"create or replace macro {macro}")


def llm_split(text: str | None, separators: Any, limit: Any) -> list[dict[str, Any]] | None:
    """Cut a text into parts of at most ``limit`` characters, at separators where they are.

    Args:
        text: What to cut.
        separators: One or a list; kept at the end of the part before them.
        limit: Most characters of a part. A piece without separators is longer than that as well.

    Returns:
        For each part ``content`` and ``content_id``, its number from 0.
    """
    if text is None:
        return None
    marks = separators if isinstance(separators, list) else [separators]
    pattern = "|".join(re.escape(str(mark)) for mark in marks if mark)
    pieces = re.split(f"({pattern})", text) if pattern else [text]
    parts: list[str] = []
    for start in range(0, len(pieces), 2):
        piece = "".join(pieces[start : start + 2])
        if parts and len(parts[-1]) + len(piece) <= int(limit):
            parts[-1] += piece
        elif piece:
            parts.append(piece)
    return [{"content": part, "content_id": place} for place, part in enumerate(parts)]
