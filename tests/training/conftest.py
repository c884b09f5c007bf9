"""The bundled model's tokenizer, read once."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.bundled import bundled_model


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(bundled_model())
