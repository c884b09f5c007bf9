"""One warm sandbox for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from byzer_lab.sandbox.limits import Limits, Outcome
from byzer_lab.sandbox.sandbox import Sandbox
from byzer_lab.sandbox.support import missing

Run = Callable[..., Outcome]

LIMITS = Limits(time_s=60, cpu_s=60)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    lacks = missing()
    if lacks is not None:
        pytest.skip(lacks)
    with Sandbox(LIMITS) as made:
        yield made


@pytest.fixture
def run(sandbox: Sandbox) -> Run:
    """Runs a body of a function ``f``, with its arguments."""

    def run(body: str, *args: object, limits: Limits | None = None) -> Outcome:
        lines = body.strip("\n").splitlines()
        margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        text = "\n".join("    " + line[margin:] for line in lines)
        names = ", ".join("abcdefgh"[: len(args)])
        return sandbox.run(f"def f({names}):\n{text}\n", "f", args, limits=limits)

    return run
