"""``llm_param`` and its kin in Spark's own functions: they take a text or an array, which no
function that a script could make does."""

from __future__ import annotations

from functools import cache

import sqlglot
from sqlglot import exp

_MARK = r"\\{\\d*(?::[^}]*)?\\}"
_NUMBER = r"cast(nullif(regexp_extract(m__, '^\\{(\\d+)', 1), '') as int)"
_FILLED = f"""
case when m__ is null then '' else coalesce(
    cast(get(s__.a, coalesce({_NUMBER}, i__)) as string),
    if(contains(m__, ':'), regexp_extract(m__, ':([^}}]*)', 1), m__)
) end
"""
_TEXT = (
    "coalesce(get_json_object(to_json(array({0})), '$[0][0]'), "
    "get_json_object(to_json(array({0})), '$[0]'))"
)
"""The text of a reply or of a request, whether it stands alone or in an array."""
_FIRST, _SECOND = "first__", "second__"

MACROS = {
    "llm_param": f"array(to_json({_FIRST}))",
    "llm_prompt": (
        f"transform(array(named_struct('t', {_FIRST}, 'a', {_SECOND})), s__ -> array_join("
        f"transform(split(s__.t, '{_MARK}'), (p__, i__) -> concat(p__, element_at(transform(array("
        f"get(regexp_extract_all(s__.t, '({_MARK})', 1), i__)), m__ -> {_FILLED}), 1))), ''))[0]"
    ),
    "llm_result": (
        f"transform(array({_TEXT.format(_FIRST)}), t__ -> "
        "if(array_contains(json_object_keys(t__), 'output'), get_json_object(t__, '$.output'), "
        "t__))[0]"
    ),
    "llm_error": f"get_json_object({_TEXT.format(_FIRST)}, '$.error')",
    "llm_stack": (
        f"array(to_json(map_concat(map_filter(from_json({_TEXT.format(_SECOND)}, "
        "'map<string,string>'), (k__, v__) -> k__ <> 'history'), map('history', "
        f"coalesce(get_json_object({_TEXT.format(_FIRST)}, '$.history'), '[]')))))"
    ),
}
MACROS["llm_response_predict"] = MACROS["llm_result"]


def expand(tree: exp.Expr) -> exp.Expr:
    """A tree, which is changed, without these functions."""
    holder = exp.Paren(this=tree)
    for node in reversed(list(holder.bfs())):
        if isinstance(node, exp.Anonymous) and node.name.lower() in MACROS:
            node.replace(_expanded(node))
    expanded: exp.Expr = holder.this
    expanded.pop()
    return expanded


def _expanded(node: exp.Anonymous) -> exp.Expr:
    made = exp.Paren(this=_template(node.name.lower()).copy())
    values = dict(zip((_FIRST, _SECOND), node.expressions, strict=False))
    for column in list(made.find_all(exp.Column)):
        if column.name in values:
            column.replace(values[column.name].copy())
    return made


@cache
def _template(name: str) -> exp.Expr:
    return sqlglot.parse_one(MACROS[name], read="spark")
