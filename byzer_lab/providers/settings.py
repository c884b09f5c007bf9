"""Parameters that every provider has. Each name is also taken with the prefix ``saas.``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import ParameterInfo, describe_parameters, parameter, read_values

PREFIX = "saas."
DEFAULT_TIMEOUT_S = 600.0
DEFAULT_RETRIES = 4
S = TypeVar("S", bound="Settings")


@dataclass(frozen=True)
class Settings:
    """What a deployment says of any provider. A provider with more inherits from it."""

    api_key: str | None = parameter(None, "The key; write ${NAME} for an environment variable.")
    model: str | None = parameter(None, "The model, as the provider names it.")
    base_url: str | None = parameter(None, "Where the provider listens, instead of its own place.")
    proxies: str | None = parameter(
        None, "Proxy to go through, such as http://host:3128.", aliases=("proxy",)
    )
    local_address: str | None = parameter(None, "Address of this machine to connect from.")
    timeout: float = parameter(
        DEFAULT_TIMEOUT_S,
        "Longest wait for the next piece of an answer.",
        unit="seconds",
        above=0,
        aliases=("timeout_s", "request_timeout"),
    )
    connect_timeout: float = parameter(
        10.0, "Longest wait for a connection.", unit="seconds", above=0
    )
    max_retries: int = parameter(
        DEFAULT_RETRIES,
        "How often a request that the provider has not begun is tried again.",
        least=0,
        most=100,
        aliases=("retry_count",),
    )


def describe_settings(settings: type[Settings]) -> list[ParameterInfo]:
    """The parameters of a provider, in their order, each also with the prefix."""
    return [
        dataclasses.replace(
            info,
            aliases=(
                f"{PREFIX}{info.name}",
                *info.aliases,
                *(f"{PREFIX}{alias}" for alias in info.aliases),
            ),
        )
        for info in describe_parameters(settings)
    ]


def read_settings(settings: type[S], given: Mapping[str, Any], provider: str) -> S:
    """Check a deployment's parameters; empty texts count as not given.

    Args:
        settings: The provider's class.
        given: As the deployment has them.
        provider: Its ``saas/NAME``, for messages.

    Raises:
        InvalidRequestError: An unknown name, the same one twice, or a value that doesn't fit.
    """
    filled = {name: None if value == "" else value for name, value in given.items()}
    read = settings(**read_values(describe_settings(settings), filled, provider))
    for name in ("base_url", "proxies"):
        url = getattr(read, name)
        if url is not None and "://" not in url:
            raise InvalidRequestError(
                f"{PREFIX}{name} is {url!r}; it must begin with its scheme, such as https://.",
                parameter=name,
            )
    return read
