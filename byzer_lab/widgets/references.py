"""Keeps secrets out of the form: what looks like one is refused, a reference is not.

Whatever stands in a widget may be saved with the notebook.
"""

from __future__ import annotations

import re

from byzer_lab.secrets import REFERENCE, looks_secret, names_secret


def refusal(name: str, value: str) -> str:
    """Why a text may not stand in a field; empty where it may.

    Args:
        name: Name of the parameter.
        value: What was typed; it is not repeated in the sentence.
    """
    if REFERENCE.fullmatch(value) or not value:
        return ""
    if not names_secret(name) and not looks_secret(value):
        return ""
    variable = re.sub(r"\W", "_", name.rpartition(".")[2]).upper() if names_secret(name) else "KEY"
    return (
        "A secret is never written here: put it into an environment variable and write its name, "
        f"such as ${{{variable}}}."
    )
