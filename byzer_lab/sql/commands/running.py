"""Runs a script, one statement after another."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import singledispatchmethod

import pyarrow as pa

from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.jobs import JobRecord
from byzer_lab.records import OperationRecord
from byzer_lab.sql.commands import builtin, checks, files
from byzer_lab.sql.commands.chat import ask
from byzer_lab.sql.commands.choosing import chosen
from byzer_lab.sql.commands.functions import read_function
from byzer_lab.sql.commands.includes import included
from byzer_lab.sql.commands.llm import Deploying, byzerllm, run_llm
from byzer_lab.sql.commands.operators import operate
from byzer_lab.sql.commands.passing import passed
from byzer_lab.sql.commands.queries import Dialect, Queries
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.commands.tables import SHOWN
from byzer_lab.sql.commands.training import Watching
from byzer_lab.sql.commands.variables import Variable
from byzer_lab.sql.language import statements as st
from byzer_lab.sql.language.commands import Arguments, expand, named
from byzer_lab.sql.language.parsing import parse
from byzer_lab.sql.language.places import ScriptError
from byzer_lab.sql.models.answering import Budget, Report

DEPTH = 20
"""Macros inside macros, at most."""
SHELL_S = 600


def _unwatched(changes: Iterable[JobRecord]) -> None:
    for _ in changes:
        pass


def _silent(name: str, deploy: Callable[[Callable[[OperationRecord], None]], None]) -> None:
    deploy(lambda record: None)


@dataclass
class Way:
    """How a script is run.

    Attributes:
        budget: What its calls may spend.
        dialect: Of its queries.
        say: Shows a sentence.
        deploying: Shows a deploy.
        watching: Shows a job that is waited for.
        planned: Called with each part of the plan; ``None``: nobody wants it.
        report: Where calls are told.
    """

    budget: Budget = field(default_factory=Budget)
    dialect: Dialect = "spark"
    say: Callable[[str], None] = print
    deploying: Deploying = _silent
    watching: Watching = _unwatched
    planned: Callable[[str], None] | None = None
    report: Report = field(default_factory=Report)


class Runner:
    """Runs scripts in a session.

    Args:
        session: What stays.
        way: How.
    """

    def __init__(self, session: SqlSession, way: Way | None = None) -> None:
        self.session = session
        self.way = way or Way()
        self._queries = Queries(
            session, self.way.budget, self.way.report, self.way.dialect, self.way.planned
        )
        self._shown = ""
        self._depth = 0
        self._text = ""

    def run(self, script: str) -> str:
        """Run a script.

        Returns:
            The engine's name of the last table; empty where no statement makes one, and after a
            dry run.

        Raises:
            ByzerLabError: A statement failed; the sentence has its line. Those before it stand.
            KeyboardInterrupt: Interrupted; answers of models are kept.
        """
        self.session.variables.begin()
        self._shown = ""
        if self.way.budget.dry:
            self._dry(script)
            return ""
        self._script(included(self.session, script))
        return self._shown

    def _dry(self, script: str) -> None:
        """Run it without its answers; nothing of it stays."""
        held = self.session.hold()
        try:
            self._script(included(self.session, script))
        finally:
            self.session.restore(held)

    def _script(self, script: str) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise InvalidRequestError("Macros call one another without an end.")
        outer, self._text = self._text, script
        try:
            self._all(parse(script))
        finally:
            self._text = outer
            self._depth -= 1

    def _all(self, statements: Iterable[st.Statement]) -> None:
        for statement in statements:
            try:
                if self.way.budget.dry and _lasts(statement):
                    self.way.say(f"Line {statement.at.line} is left out of a dry run.")
                    continue
                self._run(statement)
            except ScriptError as error:
                hidden = self.session.variables.redactor()(error.message)
                if hidden == error.message:
                    raise
                raise InvalidRequestError(hidden) from None
            except ByzerLabError as error:
                raise self._placed(error, statement) from error

    def _placed(self, error: ByzerLabError, statement: st.Statement) -> ByzerLabError:
        redacted = self.session.variables.redactor().error(error)
        if "line" not in redacted.details:
            redacted.details["line"] = statement.at.line
            redacted.message = f"Line {statement.at.line}: {redacted.message}"
            redacted.args = (redacted.message,)
        return redacted

    @singledispatchmethod
    def _run(self, statement: st.Statement) -> None:
        raise InvalidRequestError(f"{type(statement).__name__} is not supported.")

    # -- tables --------------------------------------------------------------------------------

    def _made(self, name: str) -> None:
        self.session.last = name
        self._shown = self.session.tables.find(name)

    def _show(self, table: pa.Table) -> None:
        made = self.session.tables.fresh("shown")
        self.session.engine.register(made, table)
        self.session.tables.put(SHOWN, made)
        self._shown = made

    @_run.register
    def _(self, statement: st.Select) -> None:
        text = self.session.variables.fill_query(statement.query.value)
        name = self._fill(statement.table)
        try:
            self._queries.table(name, text)
        except ScriptError as error:
            # In a filled text places are others than in the script.
            filled = "${" in statement.query.value
            place = statement.query.at if filled else statement.query.at.after(error.at)
            raise ScriptError(error.problem, place, error.hint, self._text) from None
        self._made(name)

    @_run.register
    def _(self, statement: st.Load) -> None:
        name = self._fill(statement.table)
        kind, path = self._fill(statement.format), self._fill(statement.path)
        files.load_table(self.session, name, kind, path, self._options(statement.options))
        self._made(name)

    @_run.register
    def _(self, statement: st.Save) -> None:
        said = files.save_table(
            self.session,
            self._fill(statement.table),
            self._fill(statement.format),
            self._fill(statement.path),
            self._options(statement.options),
            statement.mode,
            [self._fill(column) for column in statement.partition_by],
        )
        self.way.say(said)

    @_run.register
    def _(self, statement: st.Passed) -> None:
        passed(self.session, self._queries, self.session.variables.fill_query(statement.sql.value))

    @_run.register
    def _(self, statement: st.Run) -> None:
        operator, options = self._fill(statement.operator), self._options(statement.options)
        if statement.verb == "predict":
            raise InvalidRequestError(
                "predict is not supported; register a function of Python and call it in select."
            )
        if operator == "LLM":
            self._show(run_llm(self.session, options, self.way.deploying, self.way.watching))
            if statement.output is not None:
                self.session.tables.put(self._fill(statement.output), self._shown)
            return
        source = self.session.tables.find(self._fill(statement.table))
        query = operate(self.session, operator, source, options)
        made = self.session.tables.fresh("output")
        self.session.engine.create(made, query)
        if operator == "TableRepartition":
            self.session.partitions[made] = int(options["partitionNum"])
        name = self._fill(statement.output) if statement.output else SHOWN
        self.session.tables.put(name, made)
        self._made(name)

    # -- variables, functions, connections -----------------------------------------------------

    @_run.register
    def _(self, statement: st.Set) -> None:
        name, text = statement.name.value, statement.value.value
        variables = self.session.variables
        if statement.type == "defaultParam" and name in variables:
            return
        if statement.type == "conf":
            self._configure(name, self._fill(statement.value))
            return
        if statement.type == "sql":
            rows = self.session.engine.query(self._queries.rows(variables.fill_query(text)))
            first = rows.column(0)[0].as_py() if rows.num_rows and rows.num_columns else ""
            text = "" if first is None else str(first)
        elif statement.type == "shell":
            text = self._shell(name, self._fill(statement.value))
        elif statement.type not in ("text", "defaultParam"):
            raise InvalidRequestError(
                f"The type of {name!r} is {statement.type!r}; it must be text, defaultParam, sql, "
                "conf or shell."
            )
        variables.set(name, Variable(text, statement.secret), statement.scope)

    def _shell(self, name: str, command: str) -> str:
        if not self.session.allow_shell:
            raise InvalidRequestError(
                f'{name!r} has type="shell", which runs commands and is off; allow it with '
                "%config ByzerMagics.sql_shell = True, or set the variable from Python."
            )
        done = subprocess.run(
            command, shell=True, capture_output=True, text=True, timeout=SHELL_S, check=False
        )
        if done.returncode:
            raise InvalidRequestError(
                f"The command of {name!r} ended with {done.returncode}: {done.stderr.strip()}"
            )
        return done.stdout.strip()

    def _configure(self, name: str, value: str) -> None:
        if name == "engine":
            self.session.chosen = value
            self.session.use(value)
        else:
            self.session.engine.configure(name, value)

    @_run.register
    def _(self, statement: st.Register) -> None:
        operator, name = self._fill(statement.operator), self._fill(statement.function)
        options = self._options(statement.options)
        if operator != "ScriptUDF":
            raise InvalidRequestError(
                f"register {operator} is not supported; it must be ScriptUDF, or a model's "
                "function comes from: run command as LLM."
            )
        code = options.get("code") or self._code(self._fill(statement.path), name)
        self.session.functions[name.lower()] = read_function(name, code, options)
        self.way.say(f"{name} is a function now.")

    def _code(self, path: str, name: str) -> str:
        if path in self.session.variables:
            return self.session.variables.text(path)
        if not path:
            raise InvalidRequestError(f"{name!r} has no code; write: where code='''...'''.")
        table = self.session.tables.find(path)
        rows = self.session.engine.query(self.session.all_of(table))
        return "\n".join(str(value) for value in rows.column(0).to_pylist())

    @_run.register
    def _(self, statement: st.Unregister) -> None:
        name = self._fill(statement.path)
        if self.session.functions.pop(name.lower(), None) is None:
            raise InvalidRequestError(f"There is no function {name!r} to unregister.")

    @_run.register
    def _(self, statement: st.Connect) -> None:
        kind, name = self._fill(statement.format), self._fill(statement.name)
        files.connect(self.session, name, kind, self._options(statement.options))
        self.session.last = ""

    @_run.register
    def _(self, statement: st.Include) -> None:
        raise InvalidRequestError("include stands at the top of a script, not inside !if.")

    # -- commands ------------------------------------------------------------------------------

    @_run.register
    def _(self, statement: st.Command) -> None:
        name = statement.name.value
        if name in self.session.variables:
            self._script(expand(self.session.variables.raw(name), statement))
            return
        arguments = named(statement.arguments)
        filled = type(arguments)(
            tuple(self.session.variables.fill(text) for text in arguments.plain),
            {key: self.session.variables.fill(text) for key, text in arguments.named.items()},
        )
        if name == "byzerllm":
            self._show(byzerllm(self.session, filled.plain))
        elif name in checks.CHECKS:
            self.way.say(checks.check(self._queries, name, filled.plain))
        elif name == "retry":
            if len(filled.plain) != 2 or filled.plain[0] != "failed":
                raise InvalidRequestError("!retry is written: !retry failed TABLE.")
            self._queries.again(filled.plain[1])
            self._made(self.session.last)
        elif name == "runScript":
            self._run_script(filled.plain)
        elif name in builtin.BUILTINS:
            self._builtin(name, filled.plain, filled.named)
        else:
            raise builtin.unknown(name)

    def _builtin(self, name: str, plain: tuple[str, ...], by_name: dict[str, str]) -> None:
        done = builtin.BUILTINS[name](self.session, Arguments(plain, by_name))
        if isinstance(done, str):
            self.way.say(done)
        elif done is not None:
            self._show(done)
        else:
            self._made(self.session.last)

    def _run_script(self, plain: tuple[str, ...]) -> None:
        if len(plain) not in (1, 3) or (len(plain) == 3 and plain[1] != "named"):
            raise InvalidRequestError("!runScript is written: !runScript '''...''' [named TABLE].")
        self._script(plain[0])
        if len(plain) == 3:
            self.session.tables.put(plain[2], self._shown)
            self._made(plain[2])

    @_run.register
    def _(self, statement: st.If) -> None:
        self._all(chosen(self._queries, statement))

    @_run.register
    def _(self, statement: st.Chat) -> None:
        name, reply = ask(self._queries, statement)
        self._made(name)
        self.way.say(reply)

    # -- texts ---------------------------------------------------------------------------------

    def _fill(self, text: st.Text) -> str:
        return self.session.variables.fill(text.value)

    def _options(self, options: st.Options) -> dict[str, str]:
        return {key: self.session.variables.fill(value) for key, value in options.items()}


def _lasts(statement: st.Statement) -> bool:
    """Whether a statement changes more than tables: files, deployments."""
    if isinstance(statement, st.Run):
        return statement.operator.value == "LLM"
    if isinstance(statement, st.Command):
        return statement.name.value == "byzerllm"
    return isinstance(statement, st.Save)
