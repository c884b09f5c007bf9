"""Rows of this process, written where a job finds them."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from byzer_lab.errors import InvalidRequestError

DATA = "finetune_data"
"""Of a job's folder: where its rows lie."""
_BATCH = 1_000  # rows of an Arrow table that are turned into Python's at once


def new_folder(path_prefix: str, name: str) -> str:
    """A folder for a job, not made yet."""
    prefix = os.path.abspath(os.path.expanduser(path_prefix))
    return os.path.join(prefix, f"{name}-{uuid.uuid4()}")


def stage(data: Any, folder: str, parts: int = 0) -> str:
    """Write rows into a job's folder.

    Args:
        data: A list of rows (mappings; texts count as ``{"text": ...}``), a DataFrame of pandas or
            Polars, or an Arrow table.
        folder: The job's.
        parts: So many partitions ``data-0``, ``data-1`` ..., one for each worker of a pretraining;
            0: one file.

    Returns:
        Path of the rows.

    Raises:
        InvalidRequestError: It is something else, has no rows, or can't be written.
    """
    if parts:
        rows = list(rows_of(data))
        edges = [len(rows) * part // parts for part in range(parts + 1)]
        pieces: dict[str, Iterable[Any]] = {
            f"data-{part}/data.jsonl": rows[edges[part] : edges[part + 1]] for part in range(parts)
        }
    else:
        pieces = {"data.jsonl": rows_of(data)}
    target = Path(folder) / DATA
    try:
        count = sum(_write(target / name, piece) for name, piece in pieces.items())
    except OSError as error:
        discard(folder)
        raise InvalidRequestError(
            f"The rows can't be written into {str(target)!r} ({error.strerror}); name another "
            "place with localPathPrefix, or mend that one."
        ) from error
    except BaseException:
        discard(folder)
        raise
    if not count:
        discard(folder)
        raise InvalidRequestError("The data has no rows.")
    return str(target if parts else target / "data.jsonl")


def discard(folder: str) -> None:
    """Take back what :func:`stage` wrote, where the job was not begun."""
    shutil.rmtree(Path(folder) / DATA, ignore_errors=True)
    with contextlib.suppress(OSError):  # something else is in it
        Path(folder).rmdir()


def rows_of(data: Any) -> Iterator[dict[str, Any]]:
    """The rows of :func:`stage`'s data."""
    if hasattr(data, "to_batches"):  # Arrow
        for batch in data.to_batches(max_chunksize=_BATCH):
            yield from batch.to_pylist()
    elif hasattr(data, "to_dicts"):  # Polars
        yield from data.to_dicts()
    elif hasattr(data, "to_dict") and hasattr(data, "columns"):  # pandas
        for row in data.to_dict("records"):
            yield {str(name): _known(value) for name, value in row.items()}
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        for number, row in enumerate(data, 1):
            if isinstance(row, str):
                yield {"text": row}
            elif isinstance(row, Mapping):
                yield dict(row)
            else:
                raise InvalidRequestError(
                    f"Row {number} of the data is of type {type(row).__name__}; rows are mappings, "
                    "such as {'instruction': ..., 'output': ...}, or texts."
                )
    else:
        raise InvalidRequestError(
            f"The data is of type {type(data).__name__}; give a list of rows, a DataFrame, an "
            "Arrow table, or the path of a file or folder."
        )


def _write(path: Path, rows: Iterable[Any]) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("wb") as file:
        for row in rows:
            file.write(msgspec.json.encode(row, enc_hook=_plain) + b"\n")
            count += 1
    return count


def _known(value: Any) -> Any:
    """``None`` for what pandas writes in the place of nothing."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _plain(value: Any) -> Any:
    """What JSON can't write: arrays and numbers of NumPy, timestamps of pandas."""
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    raise InvalidRequestError(f"A value of type {type(value).__name__} can't be written as JSON.")
