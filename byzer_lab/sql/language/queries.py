"""``select ... as table``, and the SQL that is passed to the engine as it stands."""

from __future__ import annotations

from byzer_lab.sql.language.statements import Passed, Quoting, Select, Text
from byzer_lab.sql.language.tokens import Kind, Token, Tokens


def read_select(tokens: Tokens, start: int) -> Select:
    """Everything before the last ``as`` is the query, whatever stands in it."""
    first = tokens.peek()
    found = _until_end(tokens)
    cut = _last_as(found)
    if cut is None or cut == 0:
        word = first.text if first else "select"
        raise tokens.error(
            f"expected `as` and a table's name at the end of `{word.lower()}`",
            "The result of a query gets a name: select ... as result;",
            found[-1].end,
        )
    query_end = found[cut - 1].end
    name = found[cut + 1 :]
    text = tokens.text[start:query_end]
    at = tokens.position(start)
    table = Text(
        name[0].value if len(name) == 1 else tokens.text[name[0].start : name[-1].end],
        tokens.position(name[0].start),
        Quoting.BACK if name[0].kind is Kind.BACK else Quoting.NONE,
    )
    source = tokens.text[start : found[-1].end]
    return Select(at, source, Text(text, at, Quoting.NONE), table)


def read_passed(tokens: Tokens, start: int) -> Passed:
    """``create ...``, ``insert ...``, ``drop ...``, ``refresh ...``."""
    found = _until_end(tokens)
    at, text = tokens.position(start), tokens.text[start : found[-1].end]
    return Passed(at, text, found[0].text.lower(), Text(text, at, Quoting.NONE))


def _until_end(tokens: Tokens) -> list[Token]:
    found: list[Token] = []
    while (token := tokens.take()) is not None and not token.is_mark(";"):
        found.append(token)
    return found


def _last_as(found: list[Token]) -> int | None:
    """The number of the ``as`` before the table's name at the very end."""
    start = len(found) - 1
    if found[start].kind not in (Kind.WORD, Kind.BACK, Kind.TEMPLATE):
        return None
    while start > 0 and found[start - 1].end == found[start].start:
        if found[start - 1].kind not in (Kind.WORD, Kind.TEMPLATE):
            return None
        start -= 1
    return start - 1 if start > 0 and found[start - 1].is_word("as") else None
