"""Named clients that a client carries: for programs with a model for each task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

from byzer_lab.client.base import Client
from byzer_lab.errors import InvalidRequestError

if TYPE_CHECKING:
    from byzer_lab.client.byzer_llm import ByzerLLM


class SubClients(Client):
    """The clients; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._sub_clients: dict[str, Any] = {}

    def setup_sub_client(self, name: str, client: ByzerLLM | Sequence[ByzerLLM]) -> Self:
        """Keep a client, or several, under a name; one that was there before is replaced.

        Raises:
            InvalidRequestError: It is no client.
        """
        several = isinstance(client, list | tuple)
        clients: Any = client if several else [client]
        for one in clients:
            if not isinstance(one, Client):
                raise InvalidRequestError(
                    f"The sub client {name!r} is {one!r}; it must be a ByzerLLM, or a list of them."
                )
        if not clients:
            raise InvalidRequestError(f"The sub client {name!r} is an empty list.")
        self._sub_clients[name] = list(clients) if several else client
        return self

    def get_sub_client(self, name: str) -> Any:
        """The client of a name, or the list of them; ``None`` where there is none."""
        found = self._sub_clients.get(name)
        return list(found) if isinstance(found, list) else found

    def remove_sub_client(self, name: str) -> Self:
        """Forget the client of a name; nothing happens where there is none."""
        self._sub_clients.pop(name, None)
        return self
