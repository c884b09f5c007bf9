"""Writes byzer_lab/training/parameters/trainer_arguments.py from the installed trl.

Run after an upgrade of trl or transformers: ``.venv/bin/python tools/trainer_arguments.py``.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from pathlib import Path
from typing import Any

TARGET = (
    Path(__file__).parent.parent / "byzer_lab" / "training" / "parameters" / "trainer_arguments.py"
)
OURS = {"output_dir", "local_rank", "do_train", "do_eval", "do_predict"}
"""Set by the job itself."""
PREFERRED = (dict, list, bool, int, float, str)
"""Which kind is taken where several are allowed; a text is only taken alone."""


def kinds_of(config: Any) -> dict[str, str]:
    """Name of the kind of each argument."""
    fields = [field for field in dataclasses.fields(config) if field.init]
    return {field.name: _kind(field.type) for field in fields if field.name not in OURS}


def _kind(hint: Any) -> str:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        parts = [typing.get_origin(part) or part for part in typing.get_args(hint)]
    else:
        parts = [typing.get_origin(hint) or hint]
    for kind in PREFERRED:
        if kind in parts:
            return kind.__name__
    return "str"


def render(sft: dict[str, str], dpo: dict[str, str]) -> str:
    """The module's text."""
    both = {name: kind for name, kind in sft.items() if dpo.get(name) == kind}
    tables = {
        "COMMON": ("Of every trainer.", both),
        "SFT": ("Of the finetuning on answers.", {n: k for n, k in sft.items() if n not in both}),
        "DPO": ("Of the preference tuning.", {n: k for n, k in dpo.items() if n not in both}),
    }
    lines = [
        '"""What the trainers of trl may be told, by name and kind.',
        "",
        "Written by tools/trainer_arguments.py; the docs of the transformers library's",
        "``TrainingArguments`` and of trl's ``SFTConfig`` and ``DPOConfig`` explain them.",
        '"""',
    ]
    for name, (words, table) in tables.items():
        lines += ["", f"{name}: dict[str, type] = {{"]
        lines += [f'    "{key}": {kind},' for key, kind in sorted(table.items())]
        lines += ["}", f'"""{words}"""']
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def main() -> str:
    """The module's text as the installed libraries have it."""
    from trl import DPOConfig, SFTConfig

    return render(kinds_of(SFTConfig), kinds_of(DPOConfig))


if __name__ == "__main__":
    TARGET.write_text(main(), encoding="utf-8")
