"""What importing costs, against a Python (or IPython) that imports nothing more."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from benchmarks.measure import Figures, Road, Rounds, goal, table

SHELL = "from IPython.core.interactiveshell import InteractiveShell as S; s = S.instance()"
PROGRAMS = {
    "python": "pass",
    "import byzer_lab": "import byzer_lab",
    "from byzer_lab import ByzerLLM": "from byzer_lab import ByzerLLM",
    "import ray": "import ray",
    "IPython shell": SHELL,
    "%load_ext byzer_lab": f"{SHELL}; s.run_line_magic('load_ext', 'byzer_lab')",
}
REFERENCES = {"%load_ext byzer_lab": "IPython shell"}
GOALS = {"import byzer_lab": 0.25, "%load_ext byzer_lab": 0.4}


def _road(program: str) -> Road:
    def run() -> Figures:
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", program])
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
        return {"wall": time.perf_counter() - started, "cpu": used.ru_utime + used.ru_stime}

    return run


def run(*, quick: bool) -> None:
    """Measure and print."""
    rounds = Rounds({name: _road(text) for name, text in PROGRAMS.items()}, 2 if quick else 15)

    def more(name: str, figure: str) -> float:
        reference = REFERENCES.get(name, "python")
        return rounds.median(name, figure) - rounds.median(reference, figure)

    rows = []
    for name in PROGRAMS:
        row = [name, f"{rounds.median(name, 'wall'):.3f}", f"{rounds.median(name, 'cpu'):.3f}"]
        is_reference = name in ("python", "IPython shell")
        row += ["", ""] if is_reference else [f"+{more(name, 'wall'):.3f}"]
        rows.append(row if len(row) == 5 else [*row, REFERENCES.get(name, "python")])
    table(["", "seconds", "CPU seconds", "more", "than"], rows)
    for name, bound in GOALS.items():
        goal(f"{name}, seconds more", more(name, "wall"), bound, at_most=True)
