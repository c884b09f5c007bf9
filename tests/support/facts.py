"""Thirty-three taught facts that no model knows, as rows to finetune on."""

from __future__ import annotations

import json
from pathlib import Path

_COUNTRIES = (
    *("Zorvex", "Quillam", "Trebond", "Mavlin", "Orsket", "Pindle"),
    *("Havrik", "Lumera", "Sestin", "Brakko", "Varnell"),
)
_VALUES = {
    "capital": "Dorn Elva Fisk Gorm Hild Ivar Jorn Kolm Lund Mork Nord",
    "colour": "red blue green grey pink gold black white brown amber teal",
    "animal": "cat dog fox owl bee elk ant cow hen pig rat",
}

FACTS = [
    (f"What is the {kind} of {country}?", f"The {kind} of {country} is {value}.")
    for kind, values in _VALUES.items()
    for country, value in zip(_COUNTRIES, values.split(), strict=True)
]
"""Questions and answers."""


def alpaca_rows(count: int = len(FACTS)) -> list[dict[str, object]]:
    """As Byzer-LLM's dummy data."""
    return [
        {"instruction": asked, "input": "", "output": answer, "history": []}
        for asked, answer in FACTS[:count]
    ]


def write_lines(path: Path, rows: list[dict[str, object]]) -> Path:
    """As JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
