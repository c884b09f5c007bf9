"""``serve``: an OpenAI-compatible server for the cluster's models."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from byzer_lab.cli.options import Command, File, RayAddress, with_file
from byzer_lab.cli.output import Progress

app = typer.Typer()


@app.command(cls=Command)
def serve(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
    api_key: Annotated[
        str,
        typer.Option(
            "--api_key",
            help="A key beside those of 'byzer-lab keys'; better set in the environment, where "
            "lists of processes don't show it.",
            envvar=["BYZER_LAB_API_KEY", "BYZERLLM_API_KEY"],
            show_default=False,
        ),
    ] = "",
    served_model_name: Annotated[
        str,
        typer.Option(
            "--served_model_name", help="This deployment answers whatever model a request names."
        ),
    ] = "",
    ssl_keyfile: Annotated[str, typer.Option("--ssl_keyfile", help="Key of TLS.")] = "",
    ssl_certfile: Annotated[str, typer.Option("--ssl_certfile", help="Certificate of TLS.")] = "",
    allowed_origins: Annotated[
        list[str] | None,
        typer.Option(
            "--allowed_origins",
            help="Web pages that may ask: origins, or *. Without it no page of another origin.",
        ),
    ] = None,
    allowed_methods: Annotated[
        list[str] | None, typer.Option("--allowed_methods", help="What such pages may send.")
    ] = None,
    allowed_headers: Annotated[
        list[str] | None, typer.Option("--allowed_headers", help="What such pages may send.")
    ] = None,
    allow_credentials: Annotated[
        bool, typer.Option("--allow_credentials", help="Such pages may send cookies.")
    ] = False,
    response_role: Annotated[
        str, typer.Option("--response_role", help="Role that answers carry.")
    ] = "assistant",
    uvicorn_log_level: Annotated[
        str, typer.Option("--uvicorn_log_level", help="critical, error, warning, info or debug.")
    ] = "info",
    template: Annotated[str, typer.Option(help="Only auto: the model's own chat template.")] = (
        "auto"
    ),
    prompt_template: Annotated[
        str, typer.Option("--prompt_template", help="The same; only auto, or nothing.")
    ] = "",
    file: File = None,
    ray_address: RayAddress = "auto",
) -> None:
    """Serve the cluster's models as OpenAI and Anthropic do, until Ctrl-C."""
    from byzer_lab.cluster.connect import connect_cluster
    from byzer_lab.gateway.serving import Serving
    from byzer_lab.gateway.serving import serve as run

    given = with_file(ctx, ctx.params)
    for name in ("template", "prompt_template"):
        if given[name] not in ("", "auto"):
            raise typer.BadParameter(
                f"--{name} is {given[name]!r}, but a server writes every prompt by the model's own "
                "chat template; only auto is accepted."
            )
    if given["uvicorn_log_level"] not in ("critical", "error", "warning", "info", "debug"):
        raise typer.BadParameter("--uvicorn_log_level is critical, error, warning, info or debug.")
    how = Serving(
        host=given["host"],
        port=given["port"],
        api_key=given["api_key"],
        served_model=given["served_model_name"],
        response_role=given["response_role"],
        ssl_keyfile=given["ssl_keyfile"],
        ssl_certfile=given["ssl_certfile"],
        log_level=given["uvicorn_log_level"],
        origins=_words(given["allowed_origins"]),
        methods=_words(given["allowed_methods"]) or ("*",),
        headers=_words(given["allowed_headers"]) or ("*",),
        credentials=given["allow_credentials"],
    )
    with Progress() as progress:
        runtime = connect_cluster(given["ray_address"], progress=progress.step)
    asyncio.run(run(runtime.url, runtime.token, how, lambda told: typer.echo(told, err=True)))


def _words(given: Any) -> tuple[str, ...]:
    """A list as it is repeated, with commas, or as JSON."""
    words: list[str] = []
    for word in [given] if isinstance(given, str) else given or ():
        try:
            read = json.loads(word)
        except ValueError:
            read = word.split(",")
        words += [str(one).strip() for one in (read if isinstance(read, list) else [word])]
    return tuple(word for word in words if word)
