"""Tab completion inside ``%%llm_sql``: words, tables, columns, models, keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion

from byzer_lab.errors import ByzerLabError
from byzer_lab_magics.matcher import Matcher
from byzer_lab_magics.sql import known_session

if TYPE_CHECKING:
    from byzer_lab.sql.commands.session import SqlSession

_FIRST = re.compile(r"\s*(?:\w+\s*=\s*)?%%?llm_sql\b")
_WORD = re.compile(r"[\w.!`]*$")
STATEMENTS = ("set", "load", "select", "save", "run", "register", "connect", "include")
WORDS = (
    "from", "where", "group by", "order by", "limit", "join", "having", "options", "and",
    "overwrite", "append", "errorIfExists", "ignore", "partitionBy", "lateral view", "explode(",
)  # fmt: skip
FORMATS = ("csv", "json", "jsonl", "parquet", "text", "excel", "jsonStr", "csvStr", "script")
HELPERS = (
    "llm_param(", "llm_prompt(", "llm_result(", "llm_response_predict(", "llm_stack(",
    "llm_split(", "llm_error(", "llm_json(", "llm_embed(", "llm_rerank(", "llm_filter(",
    "llm_classify(", "llm_agg(",
)  # fmt: skip
KEYS = (
    "action", "pretrainedModelType", "localModelDir", "localPathPrefix", "udfName", "modelTable",
    "reconnect", "replace", "header", "inferSchema", "sep", "wholetext", "fileNum",
    "partitionNum", "partitionCols", "system_msg", "user_role", "assistant_role", "instruction",
    "history", "temperature", "max_tokens", "top_p",
)  # fmt: skip
COMMANDS = (
    "!byzerllm setup single;", "!byzerllm setup", "!byzerllm model exists",
    "!byzerllm model remove", "!show tables;", "!show functions;", "!show models;", "!desc",
    "!println", "!retry failed", "!assert", "!if", "!else;", "!fi;", "!answers;",
    "!lastCommand named", "!cache",
)  # fmt: skip


class SqlCompletion(Matcher):
    """The matcher in one shell.

    Args:
        shell: IPython's shell.
        names: Asks for the names of deployments.
    """

    def __init__(self, shell: Any, names: Callable[[], list[str]]) -> None:
        self._shell = shell
        self._names = names
        super().__init__(shell, "byzer_lab_sql")

    def match(self, context: Any) -> dict[str, Any]:
        """What fits at the cursor."""
        lines = context.full_text.split("\n")
        line = lines[context.cursor_line][: context.cursor_position]
        if not _FIRST.match(lines[0]) or context.cursor_line == 0:
            return {"completions": []}
        before = "\n".join([*lines[1 : context.cursor_line], line])
        found = _WORD.search(before)
        word = found[0] if found else ""
        texts = [one for one in self._proposals(word, before) if _fits(one, word)]
        return {
            "completions": [SimpleCompletion(text=text, type="byzer-lab") for text in texts],
            "matched_fragment": word,
            "suppress": True,
        }

    def _proposals(self, word: str, before: str) -> Iterable[str]:
        if word.startswith("!"):
            return COMMANDS
        session = known_session(self._shell)
        start = before[: len(before) - len(word)].rstrip()
        if re.search(r"\bload$", start, re.I):
            return (f"{kind}.`" for kind in FORMATS)
        tables = session.tables.names() if session else []
        if re.search(r"\b(from|join|run|save|desc)$", start, re.I):
            return [*tables, *frames(self._shell.user_ns)]
        columns = _columns(session, tables, before) if session else []
        models = [f"{name}(" for name in self._names()]
        return dict.fromkeys([*columns, *tables, *models, *HELPERS, *KEYS, *STATEMENTS, *WORDS])


def frames(names: dict[str, Any]) -> list[str]:
    """Names of the notebook's DataFrames."""
    kinds = ("DataFrame", "LazyFrame", "Table")
    return [
        name
        for name, value in names.items()
        if not name.startswith("_") and type(value).__name__ in kinds
    ]


def _columns(session: SqlSession, tables: list[str], before: str) -> list[str]:
    """Columns of the tables that the script names, else of the last one."""
    named = [name for name in tables if re.search(rf"\b{re.escape(name)}\b", before)]
    columns: list[str] = []
    for name in named or ([session.last] if session.last else []):
        try:
            made = session.tables.find(name)
            columns += [column.name for column in session.engine.columns(session.all_of(made))]
        except ByzerLabError:  # a Tab shows no errors; the cell will
            continue
    return columns


def _fits(text: str, word: str) -> bool:
    return text.lower().startswith(word.lower())
