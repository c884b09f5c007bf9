"""The same deploy as text, to copy or to put into the notebook."""

from __future__ import annotations

import json
from collections.abc import Mapping

import ipywidgets as widgets

from byzer_lab.widgets.style import escape, span

COPY = (
    "const r = document.createRange();"
    "r.selectNodeContents(this.closest('.widget-html-content').querySelector('pre'));"
    "const s = getSelection(); s.removeAllRanges(); s.addRange(r);"
    "document.execCommand('copy'); s.removeAllRanges(); this.textContent = 'Copied'"
)
"""Copies without asking the kernel, which may be busy, and on pages without TLS as well."""
INSERT = "byzer-lab:insert-deploy-cell"
"""The command of the JupyterLab extension that puts a cell into the notebook."""


SHELL = "Shell"
"""Title of the tab with a command."""


class Snippets(widgets.Tab):
    """One tab per way to write it.

    Args:
        titles: The tabs' titles.
    """

    def __init__(self, titles: tuple[str, ...]) -> None:
        self._pages = {title: widgets.HTML() for title in titles}
        super().__init__(list(self._pages.values()), titles=titles)

    def put(self, texts: Mapping[str, str]) -> None:
        """Show these texts, by title; without any, say what is missing."""
        for title, page in self._pages.items():
            text = texts.get(title)
            # as it stands: "!" would put Python's values in the place of braces
            cell = {"source": f"%%bash\n{text}"} if title == SHELL else {}
            page.value = (
                snippet(text, **cell)
                if text
                else span("muted", "Comes when the fields above are filled in and right.")
            )


def snippet(text: str, command: str = INSERT, **arguments: str) -> str:
    """A text with its buttons.

    Args:
        text: The text.
        command: What the second button tells JupyterLab to do.
        arguments: The command's arguments; default: the text as a cell's source.
    """
    given = json.dumps(arguments or {"source": text})
    return (
        f"<pre>{escape(text)}</pre>"
        f'<div class="bl-tools"><button onclick="{escape(COPY)}">Copy</button>'
        f'<button data-commandlinker-command="{command}" '
        f'data-commandlinker-args="{escape(given)}">Insert into the notebook</button></div>'
    )
