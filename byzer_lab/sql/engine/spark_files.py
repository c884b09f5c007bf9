"""The formats of ``load`` and ``save``, read and written by Spark."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from typing import TYPE_CHECKING

from byzer_lab.sql.engine.base import Place
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.engine.paths import is_elsewhere, local, no_file
from byzer_lab.sql.engine.spark_words import quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_FORMATS = {"jsonl": "json"}
_GENERAL = ("pathGlobFilter", "recursiveFileLookup", "modifiedAfter", "modifiedBefore")
_READ = {
    "csv": (
        *("header", "inferSchema", "sep", "delimiter", "quote", "escape", "encoding", "charset"),
        *("nullValue", "emptyValue", "comment", "dateFormat", "timestampFormat", "mode"),
        *("multiLine", "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace", "lineSep"),
    ),
    "json": ("multiLine", "mode", "dateFormat", "timestampFormat", "primitivesAsString"),
    "parquet": ("mergeSchema",),
    "text": ("wholetext", "lineSep"),
}
_WRITTEN = {
    "csv": (
        *("header", "sep", "delimiter", "quote", "escape", "encoding", "nullValue", "compression"),
        *("dateFormat", "timestampFormat"),
    ),
    "json": ("compression", "dateFormat", "timestampFormat"),
    "parquet": ("compression",),
    "text": ("compression", "lineSep"),
}
"""Options of the formats that are Spark's own."""


def read(
    spark: SparkSession, kind: str, path: str, given: Mapping[str, str], *, here: bool
) -> DataFrame:
    """The rows of files.

    Args:
        spark: Reads them.
        kind: The format, in small letters.
        path: Of the files; several with commas between them.
        given: Options.
        here: Spark runs on this machine, and sees the files that are here.

    Raises:
        InvalidRequestError: There is no file, or an option is not known.
    """
    kind = _FORMATS.get(kind, kind)
    options = Options(f"load {kind}", given)
    named = _named(options, (*_READ[kind], *_GENERAL))
    options.skip(("inferSchema", "wholeText"))
    options.end()
    paths = [_place(one, here=here) for one in path.split(",")]
    frame = spark.read.format(kind).options(**named).load(paths)
    if kind == "text":
        file = "regexp_replace(_metadata.file_path, '^file:/+', '/') as file"
        return frame.selectExpr("value", file)
    return frame


def write(frame: DataFrame, place: Place, path: str, mode: str) -> None:
    """Write rows as a folder of parts.

    Args:
        frame: The rows.
        place: Format, options and columns of folders.
        path: The folder.
        mode: What to do where something is already.
    """
    kind = _FORMATS.get(place.kind, place.kind)
    options = Options(f"save {kind}", place.options)
    parts = options.number("fileNum", least=1)
    named = _named(options, _WRITTEN[kind])
    column = options.text("contentColumn", default="value") if kind == "text" else ""
    options.end()
    if column:
        frame = frame.selectExpr(f"{quoted(column)} as value")
    if parts:
        frame = frame.repartition(parts)
    writer = frame.write.format(kind).mode(mode.lower()).options(**named)
    if place.partition_by:
        writer = writer.partitionBy(*place.partition_by)
    writer.save(path)


def _named(options: Options, names: tuple[str, ...]) -> dict[str, str]:
    """Those of the options that are given, by the names that Spark knows."""
    texts = {name: options.text(name) for name in names}
    return {name: text for name, text in texts.items() if text}


def _place(path: str, *, here: bool) -> str:
    if is_elsewhere(path):
        return path.strip()
    target = local(path)
    if glob.glob(str(target)):
        return target.absolute().as_uri() if target.exists() else f"file://{target.absolute()}"
    if here:
        raise no_file(target)
    return path.strip()
