"""Shows what runs: as text, or in a notebook with the code folded."""

from __future__ import annotations

import html
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from byzer_lab.client.functions.implementation import Implementation, folded


@dataclass(frozen=True, repr=False)
class Shown:
    """A written function on its way to run.

    Attributes:
        function: The function.
        asked_s: Seconds that the model took; ``None``: it comes from the cache.
        metadata: Of the model's answer.
    """

    function: Implementation
    asked_s: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Where it comes from, and what it cost."""
        if self.asked_s is None:
            return "from the cache"
        parts = [f"written by {self.metadata.get('model', 'the model')} in {self.asked_s:.1f} s"]
        if tokens := self.metadata.get("generated_tokens_count"):
            parts.append(f"{tokens} tokens")
        if "cost" in self.metadata:
            cost, currency = self.metadata["cost"], self.metadata.get("currency", "")
            parts.append(f"{cost:.6f} {currency}".strip())
        return ", ".join(parts)

    def __repr__(self) -> str:
        head = f"{self.function.name}: {self.origin}; runs {self.function.place}"
        return f"{head}\n\n{self.function.source}"

    def _repr_html_(self) -> str:
        name = html.escape(self.function.name)
        title = f"<code>{name}</code>: {html.escape(self.origin)}; runs {self.function.place}"
        return folded(title, self.function.source)


def shower(verbose: bool | None) -> Callable[[Shown], None]:
    """What shows functions.

    Args:
        verbose: ``True``: always; ``None``: in a notebook, when the model has just written it;
            ``False``: never.
    """

    def show(shown: Shown) -> None:
        display = _display()
        fresh = shown.asked_s is not None
        if verbose is False or (verbose is None and not (display and fresh)):
            return
        if display:
            display(shown)
        else:
            print(shown)

    return show


def _display() -> Callable[[Any], Any] | None:
    """A notebook's ``display``; ``None`` where no notebook runs. Loads nothing."""
    running = sys.modules.get("IPython")
    shell = running.get_ipython() if running else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return getattr(sys.modules.get("IPython.display"), "display", None)
