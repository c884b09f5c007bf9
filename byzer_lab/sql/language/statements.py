"""The statements of a script.

Texts of a statement stand here as they were written, without their quotes and with ``${...}``
inside: :func:`byzer_lab.sql.language.templates.render` fills them when the statement runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from byzer_lab.sql.language.places import START, Position


class Quoting(StrEnum):
    """How a text was written."""

    NONE = "none"
    """A bare word or number."""
    STRING = "string"
    """``'...'`` or ``"..."``."""
    BLOCK = "block"
    """``'''...'''``: nothing in it is an escape."""
    BACK = "back"
    """Back quotes."""


@dataclass(frozen=True)
class Text:
    """A text of a script: a name, a path, a value.

    Attributes:
        value: Without quotes and escapes.
        at: Where it begins, with its quotes.
        quoting: How it was written.
    """

    value: str
    at: Position = START
    quoting: Quoting = Quoting.STRING

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Option:
    """``key = value`` behind ``where``.

    Attributes:
        key: Without back quotes; dots stay.
        value: Of it.
        at: Where the key stands.
    """

    key: str
    value: Text
    at: Position


@dataclass(frozen=True)
class Options(Mapping[str, str]):
    """The options of a statement, in their order: a mapping from keys to raw texts.

    Attributes:
        items_: Each option; of a key that was given twice the last one counts.
    """

    items_: tuple[Option, ...] = ()

    def __getitem__(self, key: str) -> str:
        return self.option(key).value.value

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(option.key for option in self.items_))

    def __len__(self) -> int:
        return len({option.key for option in self.items_})

    def option(self, key: str) -> Option:
        """The option with its place.

        Raises:
            KeyError: It is not given.
        """
        for option in reversed(self.items_):
            if option.key == key:
                return option
        raise KeyError(key)


@dataclass(frozen=True)
class Statement:
    """Base class.

    Attributes:
        at: Where it begins.
        source: Its text, without the ``;``.
    """

    at: Position
    source: str


@dataclass(frozen=True)
class Set(Statement):
    """``set name = value where type="...", scope="...", mode="..."``.

    Attributes:
        name: Of the variable.
        value: Back quoted for ``sql`` and ``shell``.
        type: ``text``, ``defaultParam``, ``sql``, ``shell`` or ``conf``.
        scope: ``request`` (this cell) or ``session``.
        mode: ``runtime`` or ``compile``: when a query of type ``sql`` runs.
        secret: ``visibility="un_select"``: the value must not enter queries, logs and answers.
        options: All that stands behind ``where``.
    """

    name: Text
    value: Text
    type: str = "text"
    scope: str = "request"
    mode: str = "runtime"
    secret: bool = False
    options: Options = Options()


@dataclass(frozen=True)
class Load(Statement):
    """``load format.`path` where ... as table``.

    Attributes:
        format: As written: ``csv``, ``jsonStr``, ``_mlsql_``.
        path: Or the name of a variable, for ``jsonStr``, ``csvStr``, ``script``.
        options: Of the format.
        table: Its name.
    """

    format: Text
    path: Text
    options: Options
    table: Text


@dataclass(frozen=True)
class Select(Statement):
    """``select ... as table`` or ``with ... select ... as table``.

    Attributes:
        query: Spark SQL, from ``select`` or ``with`` to before the last ``as``; comments stay.
        table: Its name.
    """

    query: Text
    table: Text


@dataclass(frozen=True)
class Save(Statement):
    """``save mode table as format.`path` where ... partitionBy ...``.

    Attributes:
        mode: ``overwrite``, ``append``, ``errorIfExists`` (default) or ``ignore``.
        table: What is saved.
        format: Of the files.
        path: Of the files.
        options: Of the format.
        partition_by: Columns.
    """

    mode: str
    table: Text
    format: Text
    path: Text
    options: Options
    partition_by: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Run(Statement):
    """``run table as Operator.`path` where ... as output``.

    Attributes:
        verb: ``run``, ``train`` (the same) or ``predict``.
        table: What is given to it; ``command`` is a table that is always there.
        operator: Its name: ``LLM``, ``TableRepartition``.
        path: May be empty.
        options: Of the operator.
        output: Name of the table that it gives, or ``None``.
    """

    verb: str
    table: Text
    operator: Text
    path: Text
    options: Options
    output: Text | None = None


@dataclass(frozen=True)
class Register(Statement):
    """``register Operator.`path` as function where ...``.

    Attributes:
        operator: ``ScriptUDF`` or the name of another one.
        path: Table or variable of the code; may be empty.
        function: The name that queries call.
        options: ``lang``, ``code``, ``udfType``, ``methodName``, ``className``.
    """

    operator: Text
    path: Text
    function: Text
    options: Options


@dataclass(frozen=True)
class Unregister(Statement):
    """``unregister Operator.`path```."""

    operator: Text
    path: Text
    options: Options


@dataclass(frozen=True)
class Connect(Statement):
    """``connect jdbc where url="..." as name``.

    Attributes:
        format: ``jdbc``.
        options: Of the connection.
        name: What paths begin with: ``load jdbc.`name.table```.
    """

    format: Text
    options: Options
    name: Text


@dataclass(frozen=True)
class Include(Statement):
    """``include kind.`path` where ...``.

    Attributes:
        kind: ``project``, ``local``, ``lib``, ``http``.
        path: Of the script.
        options: Of it.
    """

    kind: Text
    path: Text
    options: Options


@dataclass(frozen=True)
class Passed(Statement):
    """``create``, ``insert``, ``drop``, ``refresh``: SQL for the engine, as it stands.

    Attributes:
        verb: In lower case.
        sql: The whole text.
    """

    verb: str
    sql: Text


@dataclass(frozen=True)
class Command(Statement):
    """``!name argument ...``: a built-in command, or a variable whose text is a script.

    Attributes:
        name: Without ``!``.
        arguments: In their order, ``-key`` among them; see
            :func:`byzer_lab.sql.language.commands.named`.
        text: All behind the name, as written.
    """

    name: Text
    arguments: tuple[Text, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class Branch:
    """A condition with what it guards.

    Attributes:
        condition: ``select ... as :x; expression with :x``, or only the expression; see
            :func:`byzer_lab.sql.language.conditions.read_condition`.
        body: What runs where it holds.
        at: Of ``!if`` or ``!elif``.
    """

    condition: Text
    body: tuple[Statement, ...]
    at: Position


@dataclass(frozen=True)
class If(Statement):
    """``!if '''...'''; !then; ... !elif '''...'''; ... !else; ... !fi;``.

    Attributes:
        branches: The first whose condition holds runs.
        otherwise: What runs where none holds.
    """

    branches: tuple[Branch, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True)
class Chat(Statement):
    """A cell that begins with ``--%chat``: its text is a question to a model.

    Attributes:
        model: Name of the model's function.
        text: The question.
        input: Table of the reply that this one goes on from; empty: a new conversation.
        output: Name of the table of the reply; empty: the caller's choice.
        system_msg: Of the request.
        user_role: Of the request.
        assistant_role: Of the request.
        options: Every header, these among them.
    """

    model: Text
    text: Text
    input: str = ""
    output: str = ""
    system_msg: str = ""
    user_role: str = ""
    assistant_role: str = ""
    options: Options = Options()
