"""Run a notebook in a real kernel and print what its cells show (``make demo``)."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from byzer_lab.cluster.launch import find_cluster, stop_cluster

CELL_TIMEOUT_S = 600


class PrintingClient(NotebookClient):  # type: ignore[misc]
    """Prints each code cell when it begins and its output when it has ended."""

    async def async_execute_cell(self, cell, cell_index, **options):  # type: ignore[no-untyped-def]
        if cell.cell_type == "code":
            print("\n" + "\n".join(f">>> {line}" for line in cell.source.splitlines()), flush=True)
        executed = await super().async_execute_cell(cell, cell_index, **options)
        for output in executed.get("outputs", []):
            print(as_text(output), flush=True)
        return executed


def as_text(output: nbformat.NotebookNode) -> str:
    """An output as a terminal would show it."""
    if output.output_type == "stream":
        return str(output.text).rstrip()
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    data = output.get("data", {})
    return str(data.get("text/markdown") or data.get("text/plain", "")).rstrip()


def main() -> int:
    """Entry point."""
    path = Path(sys.argv[1])
    notebook = nbformat.read(path, as_version=4)
    client = PrintingClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    was_running = find_cluster() is not None
    try:
        client.execute()
    except CellExecutionError as error:
        print(f"\nThe notebook stopped: {error.ename}: {error.evalue}", file=sys.stderr)
        return 1
    finally:
        if not was_running:
            stop_cluster()
    return 0


if __name__ == "__main__":
    sys.exit(main())
