"""``query`` and ``chat``."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from byzer_lab.cli.options import (
    AsJson,
    Command,
    File,
    Model,
    ModelWord,
    RayAddress,
    pairs_of,
    the_model,
    with_file,
)
from byzer_lab.cli.output import connected, print_json
from byzer_lab.errors import ByzerLabError

if TYPE_CHECKING:
    from byzer_lab.client.byzer_llm import ByzerLLM

app = typer.Typer()
TEMPLATES = ("auto", "default", "llama", "qwen", "yi", "empty")
Template = Annotated[str, typer.Option(help=f"How the prompt is written: {', '.join(TEMPLATES)}.")]
LLMConfig = Annotated[
    list[str] | None,
    typer.Option(
        "--llm_config", help="NAME=VALUE ...: generation parameters, such as temperature=0."
    ),
]
System = Annotated[str, typer.Option(help="What the model is told before the conversation.")]


@app.command(cls=Command)
def query(
    ctx: typer.Context,
    model: Model = None,
    query: Annotated[str | None, typer.Option(help="The question; - reads stdin.")] = None,
    template: Template = "auto",
    system: System = "",
    llm_config: LLMConfig = None,
    output_file: Annotated[
        Path | None,
        typer.Option("--output_file", help="Write the answer there: text, sound, picture."),
    ] = None,
    file: File = None,
    ray_address: RayAddress = "auto",
    as_json: AsJson = False,
) -> None:
    """Ask a model one question; the answer is printed as it comes."""
    given = with_file(ctx, ctx.params)
    name = the_model(None, given["model"])
    if given["query"] is None:
        raise typer.BadParameter("ask something: --query TEXT.")
    question = sys.stdin.read() if given["query"] == "-" else given["query"]
    connected(given["ray_address"])
    llm = _client(given["ray_address"], name, given["template"])
    conversation = [*_conversation(given["system"]), {"role": "user", "content": question}]
    config = pairs_of(given["llm_config"], "--llm_config")
    target: Path | None = given["output_file"]
    if given["as_json"] or target:
        found = llm.chat_oai(conversation, model=name, llm_config=config)[0]
        if target:
            _write(target, found.output, found.metadata)
        if given["as_json"]:
            print_json({"output": found.output, "metadata": found.metadata})
        else:
            typer.echo(f"The answer is in {target}.", err=True)
        return
    _stream(llm, name, conversation, config)


@app.command(cls=Command)
def chat(
    model_word: ModelWord = None,
    model: Model = None,
    template: Template = "auto",
    system: System = "",
    llm_config: LLMConfig = None,
    ray_address: RayAddress = "auto",
) -> None:
    """Talk with a model. /clear begins anew, /exit or Ctrl-D ends, Ctrl-C stops an answer."""
    name = the_model(model_word, model)
    connected(ray_address)
    llm = _client(ray_address, name, template)
    llm.get_meta(name)  # an unknown model is told before anything is typed
    config = pairs_of(llm_config, "--llm_config")
    turns = _conversation(system)
    while True:
        try:
            question = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if question in ("/exit", "/quit"):
            return
        if question == "/clear":
            turns = _conversation(system)
            continue
        if not question:
            continue
        asked = [*turns, {"role": "user", "content": question}]
        try:
            answer = _stream(llm, name, asked, config)
        except KeyboardInterrupt:
            typer.echo("\n(stopped)", err=True)
            continue
        except ByzerLabError as error:
            typer.echo(error.message, err=True)
            continue
        turns = [*asked, {"role": "assistant", "content": answer}]


def _client(ray_address: str, model: str, template: str) -> ByzerLLM:
    from byzer_lab.client.byzer_llm import ByzerLLM
    from byzer_lab.client.templates import Templates

    if template not in TEMPLATES:
        raise typer.BadParameter(f"--template is {template!r}; known are {', '.join(TEMPLATES)}.")
    llm = ByzerLLM(ray_address)
    llm.setup_template(model, template if template == "auto" else getattr(Templates, template)())
    return llm


def _conversation(system: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": system}] if system else []


def _stream(llm: ByzerLLM, model: str, conversation: list[dict[str, str]], config: Any) -> str:
    """Print an answer as it comes."""
    whole = ""
    for item in llm.stream_chat_oai(conversation, model=model, delta_mode=True, llm_config=config):
        if isinstance(item[0], bytes):
            raise typer.BadParameter("this model does not answer with text; add --output_file.")
        whole += item[0]
        sys.stdout.write(item[0])
        sys.stdout.flush()
    typer.echo()
    return whole


def _write(path: Path, output: str, metadata: dict[str, Any]) -> None:
    if metadata.get("media_type"):
        path.write_bytes(base64.b64decode(output))
    else:
        path.write_text(output, encoding="utf-8")
