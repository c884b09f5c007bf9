"""What JupyterLab and the Jupyter server load: the prebuilt sidebar and the server extension.

Neither the Jupyter server nor anything imported here ever imports Ray.
"""

from __future__ import annotations

from typing import Any


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where the built front end lies (relative to ``byzer_lab``) and what it is called."""
    return [{"src": "labextension", "dest": "byzer-lab"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """The application that a Jupyter server loads."""
    from byzer_lab.jupyter.app import ByzerLabApp

    return [{"module": "byzer_lab.jupyter.app", "app": ByzerLabApp}]
