"""What is known of the data once it was made into tokens: ``data_report.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from byzer_lab.training.data.encoding import Encoded
from byzer_lab.training.data.masking import IGNORED
from byzer_lab.training.data.rows import Findings

REPORT = "data_report.json"
_PROBLEMS = 1000
_PREVIEWS = 3
_SMALLEST_BIN = 32


@dataclass
class Tally:
    """Counts of what was made into tokens.

    Attributes:
        rows: Examples; a long text counts as often as it has parts.
        tokens: Of all.
        trained: That are trained on.
        lost: That were cut off.
        truncated: Examples that lost some.
        last_turn_only: Conversations of which only the last answer is trained on.
        longest: Tokens of the longest.
        histogram: Examples by their length: up to 32 tokens, 64, 128 and so on.
        previews: The first few, in parts that are trained on or not.
    """

    rows: int = 0
    tokens: int = 0
    trained: int = 0
    lost: int = 0
    truncated: int = 0
    last_turn_only: int = 0
    longest: int = 0
    histogram: dict[int, int] = field(default_factory=dict)
    previews: list[dict[str, Any]] = field(default_factory=list)

    def add(self, encoded: Encoded, tokenizer: Any) -> None:
        """Count one."""
        length = len(encoded.input_ids)
        self.rows += 1
        self.tokens += length
        self.trained += encoded.trained
        self.lost += encoded.lost
        self.truncated += encoded.lost > 0
        self.last_turn_only += encoded.last_only
        self.longest = max(self.longest, length)
        top = _SMALLEST_BIN
        while top < length:
            top *= 2
        self.histogram[top] = self.histogram.get(top, 0) + 1
        if len(self.previews) < _PREVIEWS:
            self.previews.append({"row": encoded.row, "parts": _parts(encoded, tokenizer)})


def write_report(
    folder: Path, findings: Findings, train: Tally | None = None, held_out: Tally | None = None
) -> Path:
    """Write the report into a job's folder; returns its path."""
    listed = findings.problems[:_PROBLEMS]
    report: dict[str, Any] = {
        "rows": findings.rows,
        "bad_rows": len(findings.problems),
        "codes": findings.codes,
        "formats": findings.formats,
        "duplicates": findings.duplicates,
        "problems": [asdict(problem) for problem in listed],
        "problems_left_out": len(findings.problems) - len(listed),
    }
    for name, tally in (("train", train), ("held_out", held_out)):
        if tally is not None:
            counts = asdict(tally)
            bins = sorted(tally.histogram.items())
            counts["histogram"] = [{"up_to": top, "rows": rows} for top, rows in bins]
            report[name] = counts
    path = folder / REPORT
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def _parts(encoded: Encoded, tokenizer: Any) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    begin = 0
    marks = [label != IGNORED for label in encoded.labels]
    for at in range(1, len(marks) + 1):
        if at == len(marks) or marks[at] != marks[begin]:
            text = tokenizer.decode(encoded.input_ids[begin:at])
            parts.append({"text": text, "trained": marks[begin]})
            begin = at
    return parts
