"""Spark, in this process or behind Spark Connect: the engine of data that one machine can't hold.

Tables are temporary views; rows that are kept are kept by a local checkpoint.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlsplit

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType
from sqlglot import exp

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine import spark_files
from byzer_lab.sql.engine.base import Column, Place
from byzer_lab.sql.engine.duck import DuckEngine
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.engine.paths import is_elsewhere
from byzer_lab.sql.engine.saving import checked, is_file, put
from byzer_lab.sql.engine.spark_arrow import for_spark, of_spark
from byzer_lab.sql.engine.spark_words import AGGREGATES, PLACE, SparkWords, quoted
from byzer_lab.sql.engine.worker import Worker

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
HERE = "local[*]"
CONNECT_PORT = 15002
REACH_S = 5.0
_NOISE = ("SQLQueryContextLogger", "DataFrameQueryContextLogger")
"""They write each error a second time."""
_VERSION = re.compile(r"@\d+(?=`)")


class SparkEngine:
    """See :class:`byzer_lab.sql.engine.base.Engine`. Queries run on a thread of its own.

    Args:
        address: ``sc://HOST:PORT``, or a master such as ``local[4]``; empty: the session that this
            process has, which stays as it is, else one of this machine.
        expand: See :class:`~byzer_lab.sql.engine.spark_words.SparkWords`.

    Raises:
        InvalidRequestError: It can't be reached or started.
    """

    name = "Spark"

    def __init__(self, address: str, expand: Callable[[exp.Expr], exp.Expr]) -> None:
        self.words = SparkWords(expand)
        self._tag = f"byzer-lab-{uuid.uuid4().hex}"
        self._views: set[str] = set()
        self._kept: dict[str, Any] = {}  # Connect frees the rows with the frame
        self._remote: dict[str, dict[str, str]] = {}
        self._session: SparkSession | None = None
        existing = None if address else SparkSession.getActiveSession()
        self._owned = existing is None
        self._here = (address or HERE).startswith("local") and not os.environ.get("SPARK_REMOTE")
        self._connects = address.startswith("sc://")
        self._worker = Worker("byzer-lab spark", self._interrupt)
        try:
            self._session = self._run(lambda: self._open(existing, address))
        except BaseException:
            self._worker.close()
            raise

    def register(self, name: str, data: Any) -> None:
        """See the protocol."""
        self._run(lambda: self._view(name, self._spark.createDataFrame(for_spark(data))))

    def view(self, name: str, query: str) -> None:
        """See the protocol."""
        self._run(lambda: self._view(name, self._spark.sql(query)))

    def create(self, name: str, query: str, *, placed: bool = False) -> None:
        """See the protocol."""

        def make() -> None:
            frame = self._spark.sql(query)
            if placed:
                frame = frame.selectExpr("*", f"monotonically_increasing_id() as {PLACE}")
            self._kept[name] = frame.localCheckpoint(eager=True)
            self._view(name, self._kept[name])

        self._run(make)

    def define(self, name: str, columns: str) -> None:
        """See the protocol."""
        self._run(lambda: self._view(name, self._spark.createDataFrame([], columns)))

    def drop(self, name: str) -> None:
        """See the protocol."""
        if name in self._views:
            self._views.discard(name)
            self._kept.pop(name, None)
            self._run(lambda: self._spark.sql(f"drop view if exists {quoted(name)}").collect())

    def columns(self, query: str) -> Sequence[Column]:
        """See the protocol."""
        schema = self._run(lambda: self._spark.sql(query).schema)
        return [
            Column(f.name, f.dataType.simpleString(), isinstance(f.dataType, ArrayType))
            for f in schema.fields
        ]

    def query(self, query: str) -> pa.Table:
        """See the protocol."""
        return of_spark(self._run(lambda: self._spark.sql(query).toArrow()))

    def aggregates(self) -> frozenset[str]:
        """See the protocol."""
        return AGGREGATES

    def configure(self, name: str, value: str) -> None:
        """See the protocol: every setting of Spark that may be changed while it runs."""
        if not name.startswith("spark."):
            raise InvalidRequestError(
                f"There is no setting {name!r}; there is engine, and those of Spark, which begin "
                "with spark."
            )
        self._run(lambda: self._spark.conf.set(name, value))

    def read(self, name: str, kind: str, path: str, options: Mapping[str, str]) -> None:
        """See the protocol."""
        self._run(
            lambda: self._view(
                name, spark_files.read(self._spark, kind, path, options, here=self._here)
            )
        )

    def write(self, query: str, place: Place) -> bool:
        """See the protocol; a single file is written by this process."""
        place = checked(place)
        if is_file(place) and not is_elsewhere(place.path):
            return self._write_file(query, place)
        if not self._here or is_elsewhere(place.path):
            self._write_folder(query, place, place.path, place.mode)
            return True

        def make(made: Path, with_present: bool) -> None:
            self._write_folder(query, place, made.absolute().as_uri(), "errorIfExists")

        return put(place, make)

    def attach(self, name: str, url: str, options: Mapping[str, str]) -> None:
        """See the protocol; the driver of the database must be on Spark's class path."""
        given = Options("connect jdbc", options)
        named = {key: given.text(key) for key in ("user", "password", "driver")}
        given.skip(("readOnly",))
        given.end()
        address = url if url.startswith("jdbc:") else f"jdbc:{url}"
        self._remote[name] = {key: text for key, text in named.items() if text} | {"url": address}

    def detach(self, name: str) -> None:
        """See the protocol."""
        self._remote.pop(name, None)

    def read_remote(self, made: str, name: str, table: str, query: str) -> None:
        """See the protocol."""
        what = {"query": query} if query else {"dbtable": table}
        options = self._remote[name] | what
        self._run(
            lambda: self._view(made, self._spark.read.format("jdbc").options(**options).load())
        )

    def write_remote(self, query: str, name: str, table: str, mode: str) -> None:
        """See the protocol."""
        options = self._remote[name] | {"dbtable": table}

        def write() -> None:
            frame = self._spark.sql(query)
            frame.write.format("jdbc").mode(mode.lower()).options(**options).save()

        self._run(write)

    def progress(self) -> float | None:
        """See the protocol; it is not known."""
        return None

    def close(self) -> None:
        """See the protocol. A session that was there before stays, without our tables."""
        self._interrupt()
        if not self._owned or self._connects:  # frames of Connect free their rows themselves
            for name in list(self._views):
                self.drop(name)
        if self._owned:
            self._run(self._spark.stop)
        self._worker.close()

    @property
    def _spark(self) -> SparkSession:
        assert self._session is not None
        return self._session

    def _open(self, existing: SparkSession | None, address: str) -> SparkSession:
        for name in _NOISE:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        session = existing or _started(address)
        session.addTag(self._tag)  # of this thread's queries
        return session

    def _view(self, name: str, frame: Any) -> None:
        frame.createOrReplaceTempView(quoted(name))
        self._views.add(name)

    def _write_file(self, query: str, place: Place) -> bool:
        duck = DuckEngine()
        try:
            duck.register("rows", self.query(query))
            return duck.write("select * from rows", place)
        finally:
            duck.close()

    def _write_folder(self, query: str, place: Place, path: str, mode: str) -> None:
        self._run(lambda: spark_files.write(self._spark.sql(query), place, path, mode))

    def _interrupt(self) -> None:
        if self._session is not None:
            self._session.interruptTag(self._tag)

    def _run(self, work: Callable[[], T]) -> T:
        def named() -> T:
            try:
                return work()
            except PySparkException as error:
                raise InvalidRequestError(sentence(error)) from error

        return self._worker.run(named)


def _started(address: str) -> SparkSession:
    """A session as Byzer has it: a cast that fails is NULL and no error."""
    if address.startswith("sc://"):
        _reach(address)
        return _connected(address)
    builder = SparkSession.builder.appName("byzer-lab").config("spark.sql.ansi.enabled", "false")
    if os.environ.get("SPARK_REMOTE") and not address:
        return builder.getOrCreate()
    builder = builder.master(address or HERE).config("spark.ui.enabled", "false")
    builder = builder.config("spark.ui.showConsoleProgress", "false")
    if (address or HERE).startswith("local"):
        parts = str(os.cpu_count() or 1)
        builder = (
            builder.config("spark.sql.shuffle.partitions", parts)
            .config("spark.driver.bindAddress", "127.0.0.1")
            .config("spark.driver.host", "127.0.0.1")
        )
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session


def _connected(address: str) -> SparkSession:
    """A session of Connect, beside a classic one that this process may have."""
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    session: Any = ConnectSession.builder.remote(address).create()
    session.conf.set("spark.sql.ansi.enabled", "false")
    return cast("SparkSession", session)


def _reach(address: str) -> None:
    """Look whether anybody listens there: the client would try for many minutes."""
    parts = urlsplit(address)
    try:
        place = (parts.hostname or "", parts.port or CONNECT_PORT)
        socket.create_connection(place, timeout=REACH_S).close()
    except (OSError, ValueError) as error:
        raise InvalidRequestError(
            f"No Spark Connect server answers at {address.partition(';')[0]} ({error})."
        ) from error


def sentence(error: Exception) -> str:
    """What Spark says, without the plan and without our numbers behind the names of tables."""
    text = str(error).strip().split("\n")[0]
    text = _VERSION.sub("", re.sub(r"\s*SQLSTATE: \w+.*", "", text))
    if "JAVA_GATEWAY_EXITED" in text:
        return "Spark needs Java 17 or later, which could not be started here; set JAVA_HOME."
    if "UNRESOLVED_ROUTINE" in text:
        text += " No model of that name is deployed either; %llm_list shows those that are."
    return re.sub(r"^\[[A-Z_.]+\]\s*", "", text)
