"""Types, and the groups of columns that tables share.

A span, a log line, a point, a sample and a wait of one thread must meet, so the promoted resource columns say in every
table who ran it; CONTEXT is the OpenTelemetry resource and scope.
"""

import pyarrow as pa

from workbench.lake.promoted import INTEGERS

TEXT, BIGINT, INT, DOUBLE, BOOL = pa.string(), pa.int64(), pa.int32(), pa.float64(), pa.bool_()
TIMESTAMP = pa.timestamp("us", tz="UTC")
ATTRIBUTES = pa.map_(TEXT, TEXT)


def fields(**types: pa.DataType) -> list[pa.Field]:
    """Columns by name and type."""
    return [pa.field(name, type_) for name, type_ in types.items()]


def promoted_fields(columns: dict[str, tuple[str, ...]]) -> list[pa.Field]:
    """The columns of promoted attributes: numbers where they are numbers, text otherwise."""
    return [pa.field(name, BIGINT if name in INTEGERS else TEXT) for name in columns]


CONTEXT = fields(
    resource_attributes=ATTRIBUTES,
    resource_attribute_types=TEXT,
    resource_dropped_attributes=INT,
    resource_schema_url=TEXT,
    scope_name=TEXT,
    scope_version=TEXT,
    scope_attributes=ATTRIBUTES,
    scope_attribute_types=TEXT,
    scope_dropped_attributes=INT,
    scope_schema_url=TEXT,
)
TYPED_ATTRIBUTES = fields(attributes=ATTRIBUTES, attribute_types=TEXT)
# `repairs`: what was changed to store a row that broke a rule, comma-separated, NULL where nothing was.
# `received_time_unix_nano`: when it arrived; retention counts from the later of event and arrival.
ARRIVAL = fields(repairs=TEXT, received_time_unix_nano=BIGINT)

EVENT = pa.struct(
    fields(time_unix_nano=BIGINT, name=TEXT, attributes=ATTRIBUTES, attribute_types=TEXT, dropped_attributes=INT)
)
LINK = pa.struct(
    fields(
        trace_id=TEXT,
        span_id=TEXT,
        trace_state=TEXT,
        flags=BIGINT,
        attributes=ATTRIBUTES,
        attribute_types=TEXT,
        dropped_attributes=INT,
    )
)
EXEMPLAR = pa.struct(
    fields(
        time_unix_nano=BIGINT,
        value=DOUBLE,
        int_value=BIGINT,
        trace_id=TEXT,
        span_id=TEXT,
        attributes=ATTRIBUTES,
        attribute_types=TEXT,
    )
)
MAPPING = pa.struct(
    fields(
        memory_start=BIGINT,
        memory_limit=BIGINT,
        file_offset=BIGINT,
        filename=TEXT,
        build_id=TEXT,
        attributes=ATTRIBUTES,
        attribute_types=TEXT,
    )
)
SAMPLE_TYPE = pa.struct(fields(type=TEXT, unit=TEXT))
