"""A real Jupyter server in a process of its own, with the checkout's extension in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

REPOSITORY = Path(__file__).parents[2]
BASE_URL = "/user/bob/"
START_TIMEOUT_S = 60.0

QUIET_SETTINGS = {"fetchNews": "false", "checkForUpdates": False}


class JupyterProcess:
    """Starts ``jupyter APP`` on a free port of 127.0.0.1; a context manager.

    Args:
        app: ``server``, ``lab`` or ``notebook``.
        folder: Where its settings, its notebooks and its log go.
        options: More command line options.
        byzer_lab_home: ``BYZER_LAB_HOME`` of the server and its kernels.
        real_cluster: Whether "Start the cluster" starts a real one.

    Attributes:
        url: URL of the server, with its base path.
        token: Jupyter's token.
        root: The folder that it serves.
    """

    def __init__(
        self,
        app: str,
        folder: Path,
        byzer_lab_home: Path,
        options: list[str] | None = None,
        real_cluster: bool = False,
    ) -> None:
        self.url = ""
        self.token = "jupyter-token"
        self.root = folder / "root"
        self._app = app
        self._folder = folder
        self._options = options or []
        self._home = byzer_lab_home
        self._real_cluster = real_cluster
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> JupyterProcess:
        self._write_configuration()
        command = [
            *(sys.executable, "-m", "jupyter", self._app, "--no-browser", "--allow-root"),
            *("--ServerApp.port=0", f"--ServerApp.root_dir={self.root}"),
            *(f"--IdentityProvider.token={self.token}", f"--ServerApp.base_url={BASE_URL}"),
            "--ServerApp.jpserver_extensions={'byzer_lab': True}",
            "--LabApp.expose_app_in_browser=True",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            *self._options,
        ]
        with (self._folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                command, env=self._environment(), cwd=self.root, stdout=log, stderr=log
            )
        self._await_start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return (self._folder / "server.log").read_text()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Call the server with Jupyter's token."""
        headers = {"Authorization": f"token {self.token}"}
        return httpx.request(
            method, self.url + path, headers=headers, timeout=30, trust_env=False, **options
        )

    def _write_configuration(self) -> None:
        self.root.mkdir(parents=True)
        config = self._folder / "config"
        config.mkdir()
        if not self._real_cluster:
            (config / "jupyter_server_config.py").write_text(
                "import fake_launch\nfake_launch.install()\n"
            )
        settings = self._folder / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        quiet = json.dumps(QUIET_SETTINGS)
        (settings / "notification.jupyterlab-settings").write_text(quiet)
        # The bundle just built goes before any copy that an installation left behind.
        labextensions = self._folder / "share" / "labextensions"
        labextensions.mkdir(parents=True)
        (labextensions / "byzer-lab").symlink_to(REPOSITORY / "byzer_lab" / "labextension")

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        inherited = {key: value for key, value in os.environ.items() if "JUPYTER" not in key}
        return {
            **inherited,
            "BYZER_LAB_HOME": str(self._home),
            "IPYTHONDIR": str(folder / "ipython"),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "JUPYTER_PATH": str(folder / "share"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "PYTHONPATH": os.pathsep.join(
                str(path) for path in (REPOSITORY, REPOSITORY / "magics", Path(__file__).parent)
            ),
        }

    def _await_start(self) -> None:
        assert self._process is not None
        announcement = self._folder / "runtime" / f"jpserver-{self._process.pid}.json"
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"jupyter {self._app} ended:\n{self.log}")
            try:
                self.url = json.loads(announcement.read_text())["url"]
                if self.request("GET", "api/status").status_code == 200:
                    return
            except (FileNotFoundError, ValueError, httpx.HTTPError):
                pass
            time.sleep(0.1)
        self._process.kill()
        raise RuntimeError(f"jupyter {self._app} did not start:\n{self.log}")
