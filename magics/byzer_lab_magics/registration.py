"""From the table of magics to IPython and back out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from IPython.core.magic import no_var_expand
from traitlets import Bool, Unicode
from traitlets.config import Configurable

from byzer_lab.schema import ParameterInfo
from byzer_lab_magics import deploying, finetuning, jobs, looking, prompting, speech, sql, talks
from byzer_lab_magics.arguments import Arguments, HelpWanted
from byzer_lab_magics.complete import CachedNames, Completion, deployment_names
from byzer_lab_magics.inputs import Inputs
from byzer_lab_magics.sql_complete import SqlCompletion


class ByzerMagics(Configurable):  # type: ignore[misc]
    """Settings of the magics: ``%config ByzerMagics.model = "chat"``."""

    model = Unicode("", help="Deployment that %%prompt asks when it names none.").tag(config=True)
    sql_shell = Bool(
        False, help='Whether %%llm_sql may run commands: set name=`...` where type="shell".'
    ).tag(config=True)


@dataclass(frozen=True)
class MagicEntry:
    """One magic.

    Attributes:
        arguments: What its line accepts.
        run: Does it, given the shell, the read line and the body.
        cell: It has a cell form too.
        more_help: What help says beside, given the line.
        body: What its body may set, given the line.
        bare: Does what the magic's name alone in a line asks for.
    """

    arguments: Arguments
    run: Callable[[Any, dict[str, Any], str], Any]
    cell: bool = False
    more_help: Callable[[str], str] | None = None
    body: Callable[[str], Sequence[ParameterInfo]] | None = None
    bare: Callable[[Any], Any] | None = None


def entries(settings: ByzerMagics) -> list[MagicEntry]:
    """All magics."""

    def prompt(shell: Any, options: dict[str, Any], body: str) -> Any:
        return prompting.prompt(shell, options, body, settings.model)

    def llm_sql(shell: Any, options: dict[str, Any], body: str) -> Any:
        return sql.llm_sql(shell, options, body, settings.sql_shell)

    return [
        MagicEntry(sql.SQL, llm_sql, cell=True),
        MagicEntry(prompting.PROMPT, prompt, cell=True),
        MagicEntry(speech.SPEAK, speech.speak, cell=True),
        MagicEntry(speech.DRAW, speech.draw, cell=True),
        MagicEntry(speech.TRANSCRIBE, speech.transcribe, cell=True),
        MagicEntry(talks.CONVERSATION, talks.conversation),
        MagicEntry(
            deploying.DEPLOY,
            deploying.deploy,
            cell=True,
            more_help=deploying.backend_help,
            body=deploying.parameters_in,
            bare=deploying.open_form,
        ),
        MagicEntry(deploying.UNDEPLOY, deploying.undeploy),
        MagicEntry(deploying.SCALE, deploying.scale),
        MagicEntry(
            finetuning.FINETUNE,
            finetuning.finetune,
            cell=True,
            more_help=finetuning.kind_help,
            body=finetuning.parameters_in,
        ),
        MagicEntry(jobs.JOBS, jobs.llm_jobs),
        MagicEntry(looking.LIST, looking.list_deployments),
        MagicEntry(looking.META, looking.meta),
        MagicEntry(looking.LOGS, looking.logs),
        MagicEntry(looking.STATUS, looking.status),
    ]


class Registration:
    """The magics, their completion and their settings in one shell.

    Args:
        shell: IPython's shell.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._settings = ByzerMagics(parent=shell)
        self._entries = entries(self._settings)
        for entry in self._entries:
            kind = "line_cell" if entry.cell else "line"
            shell.register_magic_function(
                _function(shell, entry), magic_kind=kind, magic_name=entry.arguments.magic
            )
        shell.configurables.append(self._settings)
        arguments = [entry.arguments for entry in self._entries]
        cells = [entry.arguments.magic for entry in self._entries if entry.cell]
        bodies = {entry.arguments.magic: entry.body for entry in self._entries if entry.body}
        self._completion = Completion(shell, arguments, bodies)
        self._sql = SqlCompletion(shell, CachedNames(deployment_names))
        self._inputs = Inputs(shell, cells)

    def undo(self) -> None:
        """Leave the shell as it was."""
        for kind in ("line", "cell"):
            for entry in self._entries:
                self._shell.magics_manager.magics[kind].pop(entry.arguments.magic, None)
        self._shell.configurables.remove(self._settings)
        self._completion.undo()
        self._sql.undo()
        self._inputs.undo()


def _function(shell: Any, entry: MagicEntry) -> Callable[..., Any]:
    arguments = entry.arguments
    one_line = arguments in (prompting.PROMPT, sql.SQL, speech.SPEAK, speech.DRAW)

    def magic(line: str, cell: str | None = None) -> Any:
        if entry.bare and not f"{line}{cell or ''}".strip():
            return entry.bare(shell)
        try:
            if one_line and cell is None:
                options, cell = arguments.parse_leading(line)
            else:
                options = arguments.parse(line)
        except HelpWanted:
            more = entry.more_help(line) if entry.more_help else ""
            print(arguments.help() + (f"\n\n{more}" if more else ""))
            return None
        return entry.run(shell, options, cell or "")

    magic.__name__ = magic.__qualname__ = arguments.magic
    magic.__doc__ = arguments.help()
    function: Callable[..., Any] = no_var_expand(magic)
    return function
