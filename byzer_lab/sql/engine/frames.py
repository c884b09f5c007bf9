"""DataFrames of the notebook as tables, and tables as DataFrames."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from byzer_lab.errors import InvalidRequestError

if TYPE_CHECKING:
    import polars

FrameKind = Literal["pandas", "polars", "arrow"]


def as_table(value: Any) -> Any:
    """Data of the notebook in a form that an engine registers; ``None`` where it is no table.

    Args:
        value: A DataFrame of pandas or polars, an Arrow table, a list of dicts, or a dict of lists.

    Raises:
        InvalidRequestError: A list or dict whose values fit no columns.
    """
    if isinstance(value, pa.Table | pa.RecordBatch):
        return value if isinstance(value, pa.Table) else pa.table(value)
    if isinstance(value, pa.RecordBatchReader):
        return value.read_all()  # a reader can be read once; a table is used often
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(value, pandas.DataFrame):
        return pa.Table.from_pandas(value, preserve_index=False)
    if polars is not None and isinstance(value, polars.LazyFrame):
        return value.collect().to_arrow()
    if polars is not None and isinstance(value, polars.DataFrame):
        return value.to_arrow()
    try:
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            return pa.Table.from_pylist(value)
        if isinstance(value, dict) and value and all(isinstance(c, list) for c in value.values()):
            return pa.table(value)
    except pa.ArrowException as error:
        raise InvalidRequestError(f"These rows make no table: {error}.") from error
    return None


def as_frame(table: pa.Table, kind: FrameKind) -> Any:
    """A table of the engine as a DataFrame."""
    if kind == "arrow":
        return table
    if kind == "polars":
        return _polars(table)
    return table.to_pandas()


def _polars(table: pa.Table) -> polars.DataFrame:
    try:
        import polars
    except ModuleNotFoundError as error:
        raise InvalidRequestError(
            "polars is not installed where this kernel runs; pip install polars, or take pandas."
        ) from error
    frame = polars.from_arrow(table)
    assert isinstance(frame, polars.DataFrame)
    return frame
