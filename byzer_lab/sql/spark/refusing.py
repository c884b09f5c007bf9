"""What can't be translated is refused by its name and place."""

from __future__ import annotations

from sqlglot import exp

from byzer_lab.sql.language.places import Position, ScriptError

DIALECT_HINT = "%%llm_sql --dialect duckdb takes DuckDB's own SQL."


def place(node: exp.Expr) -> Position:
    """Where a node stands in its query; the start where it is not known."""
    for one in (node, *node.walk()):
        meta = one.meta
        if "line" in meta:
            return Position(meta["line"], max(1, meta["col"] - (meta["end"] - meta["start"])))
    return Position()


def refused(node: exp.Expr, problem: str, hint: str = DIALECT_HINT) -> ScriptError:
    """An error that points to a node."""
    return ScriptError(problem, place(node), hint)


# fmt: off
REFUSED = frozenset({
    "aes_decrypt", "aes_encrypt", "bitmap_bit_position", "bitmap_bucket_number",
    "bitmap_construct_agg", "bitmap_count", "bitmap_or_agg", "bloom_filter_agg", "collate",
    "count_min_sketch", "crc32", "current_catalog", "current_database", "current_schema",
    "current_timezone", "current_user", "from_avro", "from_csv", "from_protobuf", "from_xml",
    "hash", "histogram_numeric", "hll_sketch_agg", "hll_sketch_estimate", "hll_union",
    "hll_union_agg", "input_file_block_length", "input_file_block_start", "input_file_name",
    "java_method", "luhn_check", "make_dt_interval", "make_interval", "make_ym_interval", "randn",
    "randstr", "reflect", "schema_of_csv", "schema_of_json", "schema_of_variant", "schema_of_xml",
    "sentences", "session_window", "shiftrightunsigned", "to_avro", "to_char",
    "to_csv", "to_number", "to_protobuf", "to_varchar", "to_xml", "try_aes_decrypt", "try_avg",
    "try_reflect", "try_sum", "try_to_number", "try_url_decode", "uniform", "version", "window",
    "window_time", "xpath", "xpath_boolean", "xpath_double", "xpath_float", "xpath_int",
    "xpath_long", "xpath_number", "xpath_short", "xpath_string", "xxhash64",
})
# fmt: on
"""Functions of Spark that would fail in DuckDB or, worse, give another value."""

DIRECTIONS = {
    "hash": "md5(x) gives a text that is the same everywhere.",
    "xxhash64": "md5(x) gives a text that is the same everywhere.",
    "window": "date_trunc('hour', ts) groups by a unit of time.",
    "schema_of_json": "Write the schema out, and give it to from_json(text, 'a int, b string').",
    "to_number": "cast(replace(text, ',', '') as double) reads a number with commas.",
    "try_to_number": "cast(replace(text, ',', '') as double) reads a number with commas.",
    "from_csv": "split(text, ',') gives an array.",
}
"""What to write in their place."""
