"""Start the cluster and open JupyterLab on the quickstart notebook (``make lab``).

``LAB_PORT=8899 make lab`` chooses JupyterLab's port (default 8888); ``LAB_BROWSER=0`` opens no
browser.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from byzer_lab.cluster.connect import connect_cluster
from byzer_lab.errors import ByzerLabError
from byzer_lab.web import bind

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "00_quickstart.ipynb"


def main() -> None:
    """Entry point; becomes JupyterLab when all is well."""
    port = os.environ.get("LAB_PORT", "8888")
    if not port.isdigit():
        sys.exit(f"LAB_PORT is {port!r}; it must be a number.")
    try:
        bind("127.0.0.1", int(port)).close()
        runtime = connect_cluster(progress=lambda phase: print(f"    {phase}", flush=True))
    except ByzerLabError as error:
        sys.exit(error.message)
    print(f"==> cluster at {runtime.url}; it outlives JupyterLab, 'make down' stops it")
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={ROOT / 'notebooks'}"]
    command += [f"--LabApp.default_url=/lab/tree/{NOTEBOOK}", f"--ServerApp.port={port}"]
    command += ["--ServerApp.port_retries=0", "--ServerApp.ip=127.0.0.1"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    if os.environ.get("LAB_BROWSER") == "0":
        command.append("--no-browser")
    print("==> JupyterLab; open the URL with the token below")
    sys.stdout.flush()
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
