"""The notebook of finetuning, on a cluster of its own."""

from __future__ import annotations

import pytest

from tests.magics.test_notebooks import environment, shown_by

__all__ = ["environment"]

EXPECTED = (
    "✓ countries: completed · step ",
    "completed ['adapter',",
    "base: 0% right",
    "tuned: 100% right",
    "✓ tuned: ready",
    "The capital of Quillam is Elva.",
    "✓ merged: ready · a function of SQL now",
    "33 of 33 answers are right",
    "✓ merged: undeployed",
    "countries is deleted with its files.",
)


@pytest.mark.slow
@pytest.mark.timeout(620)
def test_finetune(environment: dict[str, str]) -> None:
    shown = shown_by("06_finetune.ipynb", environment)
    assert [text for text in EXPECTED if text not in shown] == [], shown
