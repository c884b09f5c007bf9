"""Which engine a script runs on."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.base import Engine
from byzer_lab.sql.engine.duck import DuckEngine

DUCKDB = "duckdb"
ENGINES = (DUCKDB, "spark", "sc://HOST:PORT", "spark://HOST:PORT", "local[N]")
_SPARK = re.compile(r"spark|sc://.+|spark://.+|local(\[.+\])?|yarn|k8s://.+")


def check_engine(name: str) -> None:
    """Refuse what names no engine.

    Raises:
        InvalidRequestError: It does not, or the library of the engine is not installed.
    """
    if name == DUCKDB:
        return
    if not _SPARK.fullmatch(name):
        raise InvalidRequestError(f"There is no engine {name!r}; there is: {', '.join(ENGINES)}.")
    if find_spec("pyspark") is None:
        raise InvalidRequestError(
            f"The engine {name!r} needs pyspark: pip install 'byzer-lab[sql-spark]'"
            + ("." if name.startswith("sc:") else ", and Java 17 or later on this machine.")
        )


def make_engine(name: str) -> Engine:
    """The engine of a name.

    Args:
        name: ``duckdb``; ``spark``: the session of Spark that this process has, else one of this
            machine; ``sc://...``: Spark Connect; another master's address.

    Raises:
        InvalidRequestError: There is none, or it can't be started.
    """
    check_engine(name)
    if name == DUCKDB:
        return DuckEngine(prepare=_prepare)
    from byzer_lab.sql.engine.spark import SparkEngine
    from byzer_lab.sql.models.spark_macros import expand

    return SparkEngine("" if name == "spark" else name, expand)


def _prepare(connection: Any) -> None:
    from byzer_lab.sql.models import macros
    from byzer_lab.sql.spark import install

    install(connection)
    macros.install(connection)
