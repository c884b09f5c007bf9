"""The SQL of Byzer-LLM's README, block by block, as it stands there."""

from __future__ import annotations

from pathlib import Path

README = {
    path.stem: path.read_text("utf-8")
    for path in sorted((Path(__file__).parent / "scripts").glob("*.bsql"))
}
"""By what each does."""
