"""Options that several commands share: both spellings, words in a row, files of options."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from byzer_lab.schema import ParameterInfo

MANY = ("--infer_params", "--llm_config", "--params")
"""Options that take all the words up to the next option, as Byzer-LLM writes them."""
FROM_ENVIRONMENT = "ENV "


ALIASES = {
    "backend": "infer_backend",
    "workers": "num_workers",
    "gpu_gpus_per_worker": "gpus_per_worker",
    "num_gpus": "gpus_per_worker",
    "num_cpus": "cpus_per_worker",
    "name": "model",
    "udf_name": "model",
}
"""Other names of options, of Byzer-LLM's texts and of the deploy cell."""


RayAddress = Annotated[
    str,
    typer.Option(
        "--ray_address",
        help="The Ray cluster to run on: HOST:PORT or ray://HOST:PORT; auto is your own.",
    ),
]
Model = Annotated[str | None, typer.Option("--model", help="Name of the deployment.")]
ModelWord = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="The deployment's name, as a word.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        help="YAML of options; what stands there goes before the command line.",
        exists=True,
        dir_okay=False,
    ),
]


class Command(TyperCommand):
    """A command that reads ``--num-workers`` as ``--num_workers``, and :data:`MANY`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Write the options in their own spelling, and one of :data:`MANY` before each word."""
        names = option_names(self)
        plain: list[str] = []
        current = ""
        for number, word in enumerate(args):
            if word == "--":
                plain += args[number:]
                break
            if word.startswith("--"):
                written, equals, value = word.partition("=")
                known = names.get(written[2:].replace("-", "_"))
                spelled = f"--{known}" if known else written
                current = spelled if spelled in MANY and not equals else ""
                if not current:
                    plain.append(f"{spelled}{equals}{value}")
            elif current and not word.startswith("-"):
                plain += [current, word]
            else:
                current = ""
                plain.append(word)
        return super().parse_args(ctx, plain)


def option_names(command: Any) -> dict[str, str]:
    """Each name that an option may have, with underscores, and its own name."""
    own = [
        spelling[2:]
        for param in command.params
        for spelling in param.opts
        if spelling.startswith("--")
    ]
    spelled = {name.replace("-", "_"): name for name in own}
    aliases = {alias: spelled[name] for alias, name in ALIASES.items() if name in spelled}
    return {**aliases, **spelled}


def read_pairs(words: Iterable[str], name: str) -> dict[str, Any]:
    """The values of ``a=b c=d``.

    Args:
        words: As the shell gave them; each may hold several pairs, with spaces between them and
            values with spaces in quotes. Values are texts, but for a JSON object or list, which
            stands as it is. Of two values of a name the later one holds.
        name: Of the option, for messages.

    Raises:
        typer.BadParameter: A word is no pair. Values are not shown: they may be secret.
    """
    values: dict[str, Any] = {}
    for word in words:
        key, _, value = word.partition("=")
        if value[:1] in ("{", "["):
            with contextlib.suppress(ValueError):
                values[key] = json.loads(value)
                continue
        for piece in _pieces(word, name):
            key, equals, value = piece.partition("=")
            if not equals or not key:
                shown = key.split()[0] if key and not equals else "="
                raise typer.BadParameter(
                    f"{name}: {_short(shown)!r} is not NAME=VALUE; put a value with spaces in "
                    f"quotes of its own: {name} 'NAME=\"a b\"'."
                )
            values[key] = value
    return values


def _short(text: str) -> str:
    return text if len(text) <= 12 else f"{text[:4]}..."


def _pieces(word: str, name: str) -> list[str]:
    lexer = shlex.shlex(word, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape, lexer.commenters = True, "", ""
    try:
        return list(lexer)
    except ValueError as error:
        raise typer.BadParameter(
            f"{name}: a quotation mark is not closed; put the value in the other kind of quotes."
        ) from error


def with_file(ctx: typer.Context, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a command, with those of its ``--file`` in front.

    Args:
        ctx: The command's context.
        values: What the command line gave, by the names of parameters.

    Raises:
        typer.BadParameter: The file is no YAML mapping, or names an option that isn't there, or
            a value doesn't fit.
    """
    path: Path | None = values.get("file")
    if path is None:
        return dict(values)
    names = option_names(ctx.command)
    params: dict[str, Any] = {
        spelling[2:]: param for param in ctx.command.params for spelling in param.opts
    }
    found = dict(values)
    for key, value in _read_file(path).items():
        name = names.get(str(key).replace("-", "_"))
        if name is None:
            known = ", ".join(sorted(set(names.values()) - {"help", "file"}))
            raise typer.BadParameter(f"--file: there is no option {key!r}; known are {known}.")
        param = params[name]
        if f"--{name}" in MANY or value is None:
            found[param.name] = value
        elif name != "file":
            try:
                found[param.name] = param.process_value(ctx, value)
            except (typer.BadParameter, TypeError, ValueError) as error:
                raise typer.BadParameter(f"--file: {key}: {error}") from error
    return found


def _read_file(path: Path) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(getattr(error, "problem", "") or type(error).__name__)
        raise typer.BadParameter(f"--file: {path} can't be read as YAML: {reason}.") from error
    if not isinstance(found or {}, dict):
        raise typer.BadParameter(f"--file: {path} holds no mapping of options.")
    filled: dict[str, Any] = _fill(found or {}, path)
    return filled


def _fill(value: Any, path: Path) -> Any:
    """Render ``ENV {{NAME}}`` with the environment, at any depth."""
    if isinstance(value, dict):
        return {key: _fill(item, path) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, path) for item in value]
    if not isinstance(value, str) or not value.startswith(FROM_ENVIRONMENT):
        return value
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    template = value.removeprefix(FROM_ENVIRONMENT)
    try:
        return (
            SandboxedEnvironment(undefined=StrictUndefined).from_string(template).render(os.environ)
        )
    except TemplateError as error:
        raise typer.BadParameter(f"--file: {path}: {value!r}: {error.message}.") from error


def pairs_of(given: Any, name: str) -> dict[str, Any]:
    """Pairs from the command line, or from a file: a mapping, a text or a list of texts."""
    if isinstance(given, dict):
        return given
    return read_pairs([given] if isinstance(given, str) else given or (), name)


def the_model(word: str | None, named: str | None) -> str:
    """The deployment that a command is about.

    Raises:
        typer.BadParameter: It is not named, or two are.
    """
    if word and named and word != named:
        raise typer.BadParameter(f"two models are named, {word!r} and {named!r}.")
    if not (word or named):
        raise typer.BadParameter("name the deployment: --model NAME.")
    return str(word or named)


def setting_option(info: ParameterInfo, name: str = "") -> Any:
    """The option of a deployment's setting, described once in ``byzer_lab.deployment``."""
    default = "" if info.default in (None, "") else f" Default: {info.default}."
    return typer.Option(f"--{name or info.name}", help=info.help + default, show_default=False)
