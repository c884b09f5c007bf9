"""Options of ``load`` and ``save``: texts in a script, of which none is ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from byzer_lab.errors import InvalidRequestError

_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Options:
    """The options of one statement. Each is taken once; what is left over is refused.

    Args:
        owner: What they belong to, for messages: ``load csv``.
        given: Names and texts; names are read without regard to case.
    """

    def __init__(self, owner: str, given: Mapping[str, str]) -> None:
        self._owner = owner
        self._given = {name.lower(): (name, value) for name, value in given.items()}
        self._known: list[str] = []

    def text(self, *names: str, default: str = "") -> str:
        """The value of the first of these names that is given."""
        self._known += names
        for name in names:
            if name.lower() in self._given:
                return self._given[name.lower()][1]
        return default

    def truth(self, *names: str, default: bool = False) -> bool:
        """As a truth value."""
        text = self.text(*names)
        if not text:
            return default
        if text.lower() not in _TRUTHS:
            raise InvalidRequestError(
                f"{names[0]} of {self._owner} is {text!r}; it must be true or false."
            )
        return _TRUTHS[text.lower()]

    def number(self, *names: str, default: int | None = None, least: int = 0) -> int | None:
        """As a whole number."""
        text = self.text(*names)
        if not text:
            return default
        if not text.strip().isdigit() or int(text) < least:
            raise InvalidRequestError(
                f"{names[0]} of {self._owner} is {text!r}; it must be a whole number of at least "
                f"{least}."
            )
        return int(text)

    def skip(self, names: Iterable[str]) -> None:
        """Options that ask for what happens anyway."""
        self._known += names

    def end(self) -> None:
        """Refuse what nobody took.

        Raises:
            InvalidRequestError: An option is not known.
        """
        known = {name.lower() for name in self._known}
        for lower, (name, _) in self._given.items():
            if lower not in known:
                close = get_close_matches(name, self._known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"it has {self._listed()}."
                raise InvalidRequestError(f"{self._owner} has no option {name!r}; {hint}")

    def _listed(self) -> str:
        return ", ".join(sorted(set(self._known))) or "none"
