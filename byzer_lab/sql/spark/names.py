"""The names that we translate ourselves."""

from __future__ import annotations

from byzer_lab.sql.spark.aggregates import AGGREGATES
from byzer_lab.sql.spark.generators import GENERATORS
from byzer_lab.sql.spark.lambdas import LAMBDAS
from byzer_lab.sql.spark.refusing import REFUSED
from byzer_lab.sql.spark.rewriting import REWRITES

OWN = {*AGGREGATES, *GENERATORS, *LAMBDAS, *REFUSED, *REWRITES, "convert"}
"""``convert`` is no function of Spark: users call theirs so."""
