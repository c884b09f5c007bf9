"""What stands behind ``where`` (or ``options``), and other small pieces that statements share."""

from __future__ import annotations

from byzer_lab.sql.language.statements import Option, Options, Quoting, Text
from byzer_lab.sql.language.tokens import Kind, Token, Tokens

QUOTINGS = {Kind.STRING: Quoting.STRING, Kind.BLOCK: Quoting.BLOCK, Kind.BACK: Quoting.BACK}
WHERE = ("where", "options")


def shown(token: Token | None) -> str:
    """A token as an error names it."""
    if token is None:
        return "the end"
    text = " ".join(token.text.split())
    text = text if len(text) <= 30 else text[:27] + "..."
    return text if token.kind is Kind.BACK else f"`{text}`"


def text_of(tokens: Tokens, token: Token) -> Text:
    """A token as a text of a statement."""
    return Text(token.value, tokens.position(token.start), QUOTINGS.get(token.kind, Quoting.NONE))


def read_name(tokens: Tokens, what: str, *, dotted: bool = False) -> Text:
    """A name: a word (with templates in it), or back quoted.

    Args:
        tokens: Where to read.
        what: What is named, for the error: ``a table's name``.
        dotted: Dots may be in it: ``saas.api_key``.
    """
    first = tokens.peek()
    if first is None or first.kind not in (Kind.WORD, Kind.BACK, Kind.TEMPLATE):
        raise tokens.error(f"expected {what}, found {shown(first)}")
    tokens.take()
    if first.kind is Kind.BACK:
        return text_of(tokens, first)
    end = first.end
    while (token := tokens.peek()) is not None and token.start == end:
        joins = token.kind in (Kind.WORD, Kind.TEMPLATE) or (dotted and token.text in ".-")
        if not joins:
            break
        tokens.take()
        end = token.end
    return Text(tokens.text[first.start : end], tokens.position(first.start), Quoting.NONE)


def read_value(tokens: Tokens, what: str) -> Text:
    """A quoted text; bare words and numbers are taken too."""
    token = tokens.peek()
    if token is not None and token.kind in (Kind.STRING, Kind.BLOCK, Kind.BACK):
        tokens.take()
        return text_of(tokens, token)
    if token is not None and (token.kind in (Kind.WORD, Kind.TEMPLATE) or token.is_mark("-")):
        start = token.start
        end = start
        while (token := tokens.peek()) is not None and (token.start == end or end == start):
            if token.kind not in (Kind.WORD, Kind.TEMPLATE) and token.text not in ".-+":
                break
            tokens.take()
            end = token.end
        return Text(tokens.text[start:end], tokens.position(start), Quoting.NONE)
    raise tokens.error(
        f"expected the value of {what} in quotes, found {shown(token)}",
        "Write it as \"...\", or as '''...''' where it has quotes in it.",
    )


def read_options(tokens: Tokens) -> tuple[Option, ...]:
    """``where key = "value" and ...``; nothing where none stands next.

    The original takes options without ``where`` as well, and ``and`` directly behind it.
    """
    token = tokens.peek()
    if token is not None and token.is_word(*WHERE):
        tokens.take()
    elif not _is_option(tokens):
        return ()
    items: list[Option] = []
    joined = True
    while (token := tokens.peek()) is not None and not token.is_mark(";"):
        if token.is_word("and") and not _is_option(tokens):
            tokens.take()
            joined = True
        elif joined and not token.is_word("as"):
            items.append(_read_option(tokens))
            joined = False
        else:
            break
    return tuple(items)


def _is_option(tokens: Tokens) -> bool:
    """``key =`` stands next."""
    start = tokens.offset
    try:
        token = tokens.peek()
        if token is None or token.kind not in (Kind.WORD, Kind.BACK, Kind.TEMPLATE):
            return False
        read_name(tokens, "", dotted=True)
        token = tokens.peek()
        return token is not None and token.is_mark("=")
    finally:
        tokens.jump(start)


def expect_end(tokens: Tokens, behind: str) -> None:
    """Take the ``;``, or find the end of the text.

    Raises:
        ScriptError: Something else stands there.
    """
    token = tokens.peek()
    if token is None:
        return
    if token.is_mark(";"):
        tokens.take()
        return
    hint = "A statement ends with `;`."
    if _is_option(tokens):
        hint = "Options are joined with `and`."
    raise tokens.error(f"expected `;` behind {behind}, found {shown(token)}", hint)


def _read_option(tokens: Tokens) -> Option:
    key = read_name(tokens, "the name of an option", dotted=True)
    token = tokens.peek()
    if token is None or not token.is_mark("="):
        raise tokens.error(
            f"expected `=` behind the option `{key}`, found {shown(token)}",
            'An option is written as key="value".',
        )
    tokens.take()
    return Option(key.value, read_value(tokens, f"`{key}`"), key.at)


def all_options(*parts: tuple[Option, ...]) -> Options:
    """Options that were given in several places."""
    return Options(tuple(option for part in parts for option in part))
