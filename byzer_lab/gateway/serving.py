"""``byzer-lab serve``: the pages for models on a port of their own, in the caller's process."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from byzer_lab.errors import InvalidRequestError
from byzer_lab.gateway.app import model_routes, protected
from byzer_lab.gateway.backplane import FarBackplane
from byzer_lab.gateway.keys import given_key
from byzer_lab.gateway.service import Service
from byzer_lab.records import KeyRecord
from byzer_lab.web import bind, make_server, url_of
from byzer_lab.worker_calls import AsyncDataPlane


@dataclass(frozen=True)
class Serving:
    """How to serve.

    Attributes:
        host: Address to listen on.
        port: Port; 0 takes a free one.
        api_key: A key beside those of the cluster; empty: none.
        served_model: Deployment that answers whatever model a request names.
        response_role: Role that answers carry.
        ssl_keyfile, ssl_certfile: Files of a TLS certificate; both or none.
        log_level: What the HTTP server writes to stderr.
        origins: Origins of web pages that browsers let read answers; ``*``: any.
        methods, headers: What such pages may send.
        credentials: Such pages may send cookies.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str = ""
    served_model: str = ""
    response_role: str = "assistant"
    ssl_keyfile: str = ""
    ssl_certfile: str = ""
    log_level: str = "info"
    origins: Sequence[str] = ()
    methods: Sequence[str] = ("*",)
    headers: Sequence[str] = ("*",)
    credentials: bool = False

    @property
    def tls(self) -> dict[str, str]:
        """Of uvicorn's configuration.

        Raises:
            InvalidRequestError: One file is not named, or not there.
        """
        files = {"ssl_keyfile": self.ssl_keyfile, "ssl_certfile": self.ssl_certfile}
        if not any(files.values()):
            return {}
        for name, path in files.items():
            if not path or not Path(path).is_file():
                found = f"there is no file {path!r}" if path else "it is not given"
                raise InvalidRequestError(
                    f"TLS needs --ssl_keyfile and --ssl_certfile; of --{name} {found}."
                )
        return files


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(url: str, token: str, how: Serving, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        url: The cluster's gateway.
        token: Its token.
        how: How to serve.
        say: Told a sentence, once it listens.

    Raises:
        InvalidRequestError: It would listen on a public address without a key.
        ClusterError: The port is taken, or the gateway can't be reached.
    """
    tls = how.tls
    own = [given_key(how.api_key)] if how.api_key else []
    backplane = FarBackplane(url, token)
    plane = AsyncDataPlane(token, backplane.route)

    async def keys() -> list[KeyRecord]:
        return [*own, *await backplane.keys()]

    try:
        known = await keys()
        local = is_loopback(how.host)
        if not local and not known:
            raise InvalidRequestError(
                f"{how.host or 'every address'} can be reached from other machines, and there is "
                "no key: make one with 'byzer-lab keys create', give --api_key, or listen on "
                "127.0.0.1."
            )
        service = Service(
            backplane, plane, served_model=how.served_model, response_role=how.response_role
        )
        app = protected(
            model_routes(service),
            token,
            keys,
            _cors(how),
            without_key=local,
            origins=tuple(how.origins),
        )
        listener = bind(how.host or "0.0.0.0", how.port)
        where = url_of(listener).replace("http:", "https:" if tls else "http:")
        say(f"Models are served at {where}/v1, {'with' if known else 'without'} a key.")
        server = make_server(app, takes_signals=True, log_level=how.log_level, **tls)
        await server.serve(sockets=[listener])
    finally:
        await plane.close()
        await backplane.close()


def _cors(how: Serving) -> list[Middleware]:
    if not how.origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(how.origins),
            allow_methods=list(how.methods),
            allow_headers=list(how.headers),
            allow_credentials=how.credentials,
        )
    ]
