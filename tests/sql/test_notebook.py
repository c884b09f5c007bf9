"""The notebook of SQL, on a cluster of its own."""

from __future__ import annotations

import pytest

from tests.magics.test_notebooks import environment, shown_by

__all__ = ["environment"]

EXPECTED = (
    "✓ chat: ready · a function of SQL now",
    "3 questions · 3 asked · 3 ok · 0 failed · 0 cached",
    "The capital of Japan is Tokyo.",
    "summary: chat: 3 distinct questions, 3 of them answered before",
    "told: chat: 1 distinct question, 0 of them answered before",
    "6 questions to ask, and --max-calls is 2; nothing of them was asked.",
    "One country stands out.",
    "again: answer is not null holds.",
)


@pytest.mark.slow
@pytest.mark.timeout(620)
def test_sql(environment: dict[str, str]) -> None:
    shown = shown_by("03_sql.ipynb", environment)
    assert [text for text in EXPECTED if text not in shown] == [], shown
