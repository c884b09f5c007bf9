"""docs/providers.md says what the presets say."""

from __future__ import annotations

import re
from pathlib import Path

from byzer_lab.providers.http import RETRIED
from byzer_lab.providers.presets import find_preset
from byzer_lab.providers.settings import DEFAULT_RETRIES
from byzer_lab.providers.table import PROVIDERS

PAGE = (Path(__file__).parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
SPEECH = {"azure", "volcengine"}


def test_what_each_provider_has() -> None:
    rows = re.findall(r"^\| `saas/(\w+)` \| (\w+) \| ([\w, ]*) \| (\w*) ?\|$", PAGE, re.M)
    assert {row[0] for row in rows} == PROVIDERS.keys() - SPEECH
    for name, tools, choices, structured in rows:
        preset = find_preset(name)
        assert (tools == "yes") == preset.tools
        assert choices == (", ".join(preset.tool_choices) if preset.tools else "")
        assert structured == preset.structured


def test_what_is_tried_again() -> None:
    told = re.search(r"^\| (408[\d, ]*) in the place of an answer", PAGE, re.M)
    assert told
    assert {int(status) for status in told[1].split(", ")} == RETRIED
    assert f"says how often ({DEFAULT_RETRIES})" in PAGE
