"""Arrow's types and Spark's, where they are not the same."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

_WIDER = {
    pa.uint8(): pa.int16(),
    pa.uint16(): pa.int32(),
    pa.uint32(): pa.int64(),
    pa.uint64(): pa.decimal128(20, 0),
    pa.float16(): pa.float32(),
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
    pa.date64(): pa.date32(),
}


def for_spark(table: pa.Table) -> pa.Table:
    """A table with types that Spark has."""
    fields = [field.with_type(_type(field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def _type(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _type(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _type(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_time(kind):
        return pa.string()
    if pa.types.is_map(kind):
        return pa.map_(_type(kind.key_type), _type(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.list_(_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_type(field.type)) for field in kind])
    return _WIDER.get(kind, kind)


def of_spark(table: pa.Table) -> pa.Table:
    """A table whose times are those of the session's zone, as DuckDB's have none either."""
    for place, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            local = pc.local_timestamp(table.column(place))
            table = table.set_column(place, field.name, local)
    return table
