"""Variables of scripts: ``set``, its types and scopes, and what ``${name}`` stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from byzer_lab.errors import InvalidRequestError
from byzer_lab.secrets import Redactor
from byzer_lab.sql.language.templates import render, render_query


@dataclass(frozen=True)
class Variable:
    """A variable.

    Attributes:
        text: As it was set, with ``${...}`` inside.
        secret: It must not enter queries, logs and answers.
    """

    text: str
    secret: bool = False


class Variables:
    """The variables of a session, and of the cell that runs."""

    def __init__(self) -> None:
        self._session: dict[str, Variable] = {}
        self._request: dict[str, Variable] = {}

    def begin(self) -> None:
        """A cell begins: those of the last one are gone."""
        self._request.clear()

    def set(self, name: str, variable: Variable, scope: str) -> None:
        """Set one.

        Raises:
            InvalidRequestError: There is no such scope.
        """
        scopes = {"request": self._request, "session": self._session, "application": self._session}
        if scope not in scopes:
            raise InvalidRequestError(
                f"The scope of {name!r} is {scope!r}; it must be request or session."
            )
        if scope != "request":
            self._request.pop(name, None)
        scopes[scope][name] = variable

    def __contains__(self, name: str) -> bool:
        return name in self._request or name in self._session

    def raw(self, name: str) -> str:
        """A text as it was set."""
        return {**self._session, **self._request}[name].text

    def text(self, name: str) -> str:
        """A text, filled.

        Raises:
            InvalidRequestError: There is none of that name.
        """
        values = self.values()
        if name not in values:
            close = get_close_matches(name, values, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "set it first."
            raise InvalidRequestError(f"There is no variable {name!r}; {hint}")
        return render(values[name], values)

    def values(self, *, secrets: bool = True) -> Mapping[str, str]:
        """All texts, as they were set.

        Args:
            secrets: With those that must not enter queries.
        """
        known = {**self._session, **self._request}
        return {name: one.text for name, one in known.items() if secrets or not one.secret}

    def fill(self, text: str) -> str:
        """A text with each ``${name}`` filled, secrets too."""
        return render(text, self.values())

    def fill_query(self, text: str) -> str:
        """A query with each ``${name}`` filled, but for secrets, which must not enter it."""
        return render_query(text, self.values(secrets=False))

    def redactor(self) -> Redactor:
        """Hides the values of secrets."""
        known = {**self._session, **self._request}
        return Redactor(one.text for one in known.values() if one.secret)
