"""Markdown of a model, made unable to run anything in the page.

JupyterLab renders the Markdown of a cell that was just run as trusted, raw HTML included, so a
model (or whoever wrote into its context) could run scripts with the user's rights. No tag, no
character reference and no ``javascript:`` link of the model's gets through here.

Nothing rests on reading Markdown as the page does: whatever begins a tag is escaped wherever it
stands. Code with tags in it is rewritten as escaped HTML, so that it is shown, and copied, as the
model wrote it.
"""

from __future__ import annotations

import re

from byzer_lab_magics.blocks import closes_fence, opening_fence

_DANGER = re.compile(
    r"(?P<tag><(?=[A-Za-z/!?]))"
    r"|(?P<reference>&(?!(?:lt|gt|amp|quot|nbsp);)(?=#|[A-Za-z][A-Za-z0-9]*;))"
    r"|(?P<scheme>(?:javascript|vbscript)(?=\\?:))",
    re.IGNORECASE,
)
_CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)((?:(?!\n[ \t]*\n).){1,2000}?)(?<!`)\1(?!`)", re.DOTALL)
_WORD_JOINER = "\u2060"
"""Invisible, and no part of a URL's scheme."""

# Whatever Markdown or the typesetter of formulas would act on, should they read code as text.
_IN_CODE = str.maketrans({char: f"&#{ord(char)};" for char in "&<>[]`$\\*_|~:"})


def harmless(text: str) -> str:
    """Markdown that renders like ``text`` and can't run anything."""
    if not _DANGER.search(text):
        return text
    parts: list[str] = []
    prose: list[str] = []
    code: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        if fence:
            code.append(line)
            if closes_fence(line, fence):
                parts.append(_code_block(code, closed=True))
                fence, code = "", []
        elif fence := opening_fence(line.rstrip("\r\n")):
            parts.append(_prose("".join(prose)))
            prose, code = [], [line]
        else:
            prose.append(line)
    if code:
        parts.append(_code_block(code, closed=False))
    parts.append(_prose("".join(prose)))
    return "".join(parts)


def _code_block(lines: list[str], *, closed: bool) -> str:
    if not _DANGER.search("".join(lines)):
        return "".join(lines)
    opening, content = lines[0], lines[1:-1] if closed else lines[1:]
    indent = opening[: len(opening) - len(opening.lstrip(" "))]
    language = re.match(r"[`~ ]*([\w+#-]*)", opening.strip())
    name = language[1] if language else ""
    code = "".join(content).removeprefix(indent).translate(_IN_CODE).rstrip("\n")
    return f'{indent}<pre><code class="language-{name}">{code}\n{indent}</code></pre>\n'


def _prose(text: str) -> str:
    parts: list[str] = []
    end = 0
    for span in _CODE_SPAN.finditer(text):
        if _DANGER.search(span[2]):
            inner = " ".join(span[2].split("\n"))
            parts.append(_escaped(text[end : span.start()]))
            parts.append(f"<code>{inner.strip(' ').translate(_IN_CODE)}</code>")
            end = span.end()
    parts.append(_escaped(text[end:]))
    return "".join(parts)


def _escaped(text: str) -> str:
    def escape(match: re.Match[str]) -> str:
        if match["scheme"]:
            return match[0] + _WORD_JOINER
        return "&lt;" if match["tag"] else "&amp;"

    return _DANGER.sub(escape, text)
