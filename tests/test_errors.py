"""Errors on the wire."""

from __future__ import annotations

from byzer_lab.errors import ClusterError, EngineDeadError, InvalidRequestError, from_wire


def test_the_same_class_comes_back() -> None:
    for error in (EngineDeadError("It died.", batch=3), InvalidRequestError("No.")):
        back = from_wire(error.to_wire())
        assert (type(back), back.message, back.details) == (
            type(error),
            error.message,
            error.details,
        )


def test_a_code_belongs_to_the_class_that_others_derive_from() -> None:
    class SpecialClusterError(ClusterError):
        """Shares its parent's code."""

    assert type(from_wire(SpecialClusterError("Gone.").to_wire())) is ClusterError
