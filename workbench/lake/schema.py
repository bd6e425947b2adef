"""Every table of the lake, declared once: name, columns, which column is the time, which columns prune files.

Attributes are text maps with a letter per entry beside them (`s` string, `b` bool, `i` int, `d` double, `y` bytes as
base64, `a` array and `m` key-value list as JSON, `n` empty), so that OTLP in gives the same OTLP out.

Types are limited to what every reader of Delta tables has: no unsigned integers, timestamps in µs with zone UTC
(a naive one would raise the table's protocol version), nanoseconds as BIGINT beside them.
"""

from dataclasses import dataclass

import pyarrow as pa

from workbench.lake.groups import (
    ARRIVAL,
    ATTRIBUTES,
    BIGINT,
    BOOL,
    CONTEXT,
    DOUBLE,
    EVENT,
    EXEMPLAR,
    INT,
    LINK,
    MAPPING,
    SAMPLE_TYPE,
    TEXT,
    TIMESTAMP,
    TYPED_ATTRIBUTES,
    fields,
    promoted_fields,
)
from workbench.lake.promoted import INTEGERS, LOG_PROMOTED, POINT_PROMOTED, RESOURCE_PROMOTED, SPAN_PROMOTED

__all__ = [
    "ATTRIBUTES",
    "INTEGERS",
    "LOG_PROMOTED",
    "POINT_PROMOTED",
    "RESOURCE_PROMOTED",
    "SPANS",
    "SPAN_PROMOTED",
    "TABLES",
    "VERSION",
    "Table",
    "conform",
]

# Raised when a column changes its type or meaning: a workbench that knows less refuses the lake. A new column needs no
# new version, older lakes get it when a writer opens them.
VERSION = 1


@dataclass(frozen=True)
class Table:
    """One table: `schema` without the partition column `day`; `time` is the BIGINT column a window cuts by."""

    name: str
    schema: pa.Schema
    time: str
    statistics: tuple[str, ...]  # columns with minimum and maximum in the Delta log: pruning without opening files
    bloom: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()  # columns whose values hardly repeat: a dictionary would cost time and room
    content_id: str = ""  # rows are what this id says, may come many times, and one a day is enough

    @property
    def timestamp(self) -> str:
        """The µs TIMESTAMP column that goes with `time`."""
        return self.time.removesuffix("_unix_nano")


SPANS = Table(
    "spans",
    pa.schema(
        fields(
            start_time=TIMESTAMP,
            start_time_unix_nano=BIGINT,
            end_time_unix_nano=BIGINT,
            duration_ns=BIGINT,
            trace_id=TEXT,
            span_id=TEXT,
            parent_span_id=TEXT,
            name=TEXT,
            kind=TEXT,
            status_code=TEXT,
            status_message=TEXT,
            trace_state=TEXT,
            flags=BIGINT,
        )
        + promoted_fields(RESOURCE_PROMOTED)
        + promoted_fields(SPAN_PROMOTED)
        + TYPED_ATTRIBUTES
        + CONTEXT
        + fields(
            events=pa.list_(EVENT),
            links=pa.list_(LINK),
            dropped_attributes=INT,
            dropped_events=INT,
            dropped_links=INT,
        )
        + ARRIVAL
    ),
    time="start_time_unix_nano",
    statistics=("start_time_unix_nano", "duration_ns", "trace_id", "service_name", "received_time_unix_nano"),
    bloom=("trace_id",),
    unique=("start_time", "start_time_unix_nano", "end_time_unix_nano", "duration_ns", "span_id", "parent_span_id"),
)
LOGS = Table(
    "logs",
    pa.schema(
        fields(
            time=TIMESTAMP,
            time_unix_nano=BIGINT,
            observed_time_unix_nano=BIGINT,
            severity_number=INT,
            severity_text=TEXT,
            body=TEXT,
            body_type=TEXT,
            event_name=TEXT,
            trace_id=TEXT,
            span_id=TEXT,
            flags=BIGINT,
        )
        + promoted_fields(RESOURCE_PROMOTED)
        + promoted_fields(LOG_PROMOTED)
        + TYPED_ATTRIBUTES
        + CONTEXT
        + fields(dropped_attributes=INT)
        + ARRIVAL
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "severity_number", "trace_id", "service_name", "received_time_unix_nano"),
    bloom=("trace_id",),
    unique=("time", "time_unix_nano", "observed_time_unix_nano"),
)
METRIC_POINTS = Table(
    "metric_points",
    pa.schema(
        fields(
            time=TIMESTAMP,
            time_unix_nano=BIGINT,
            start_time_unix_nano=BIGINT,
            name=TEXT,
            description=TEXT,
            unit=TEXT,
            type=TEXT,
            temporality=TEXT,
            monotonic=BOOL,
            value=DOUBLE,
            int_value=BIGINT,
            count=BIGINT,
            sum=DOUBLE,
            min=DOUBLE,
            max=DOUBLE,
            bounds=pa.list_(DOUBLE),
            bucket_counts=pa.list_(BIGINT),
            scale=INT,
            zero_count=BIGINT,
            zero_threshold=DOUBLE,
            positive_offset=INT,
            positive_counts=pa.list_(BIGINT),
            negative_offset=INT,
            negative_counts=pa.list_(BIGINT),
            quantiles=pa.list_(pa.struct(fields(quantile=DOUBLE, value=DOUBLE))),
            exemplars=pa.list_(EXEMPLAR),
            flags=BIGINT,
            metadata=ATTRIBUTES,
            metadata_types=TEXT,
        )
        + promoted_fields(RESOURCE_PROMOTED)
        + promoted_fields(POINT_PROMOTED)
        + TYPED_ATTRIBUTES
        + CONTEXT
        + ARRIVAL
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "name", "service_name", "received_time_unix_nano"),
    unique=("value", "sum", "min", "max"),
)
PROFILES = Table(
    "profiles",
    pa.schema(
        fields(
            time=TIMESTAMP,
            time_unix_nano=BIGINT,
            duration_ns=BIGINT,
            profile_id=TEXT,
            profile_type=TEXT,
            unit=TEXT,
            sample_types=pa.list_(SAMPLE_TYPE),
            default_sample_type=TEXT,
            period=BIGINT,
            period_type=TEXT,
            period_unit=TEXT,
            sample_count=BIGINT,
            mappings=pa.list_(MAPPING),
            comments=pa.list_(TEXT),
            original_payload_format=TEXT,
            original_payload=pa.binary(),
            wire_shape=TEXT,
        )
        + promoted_fields(RESOURCE_PROMOTED)
        + TYPED_ATTRIBUTES
        + CONTEXT
        + fields(dropped_attributes=INT)
        + ARRIVAL
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "service_name", "profile_type", "received_time_unix_nano"),
)
PROFILE_SAMPLES = Table(
    "profile_samples",
    pa.schema(
        fields(
            time=TIMESTAMP,
            time_unix_nano=BIGINT,
            profile_id=TEXT,
            sample_index=BIGINT,
            profile_type=TEXT,
            unit=TEXT,
            value=BIGINT,
            value_is_count=BOOL,
            period=BIGINT,
            stack_id=BIGINT,
            trace_id=TEXT,
            span_id=TEXT,
            service_name=TEXT,
            service_version=TEXT,
            service_instance_id=TEXT,
            host_name=TEXT,
            host_id=TEXT,
            container_id=TEXT,
            process_pid=BIGINT,
            process_start_unix_nano=BIGINT,
            thread_id=BIGINT,
            thread_name=TEXT,
        )
        + TYPED_ATTRIBUTES
        + ARRIVAL
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "service_name", "profile_type", "trace_id", "received_time_unix_nano"),
)
PROFILE_NODES = Table(
    "profile_nodes",
    pa.schema(
        fields(
            time=TIMESTAMP,
            time_unix_nano=BIGINT,
            node_id=BIGINT,
            parent_id=BIGINT,
            frame_id=BIGINT,
            depth=INT,
            received_time_unix_nano=BIGINT,
        )
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "received_time_unix_nano"),
    content_id="node_id",
)
PROFILE_FRAMES = Table(
    "profile_frames",
    pa.schema(
        fields(
            time=TIMESTAMP,
            time_unix_nano=BIGINT,
            frame_id=BIGINT,
            function=TEXT,
            system_name=TEXT,
            file=TEXT,
            line=BIGINT,
            column=BIGINT,
            start_line=BIGINT,
            frame_type=TEXT,
            inlined=BOOL,
            mapping=TEXT,
            build_id=TEXT,
            address=BIGINT,
        )
        + TYPED_ATTRIBUTES
        + fields(received_time_unix_nano=BIGINT)
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "received_time_unix_nano"),
    content_id="frame_id",
)
THREAD_INTERVALS = Table(
    "thread_intervals",
    pa.schema(
        fields(
            start_time=TIMESTAMP,
            start_time_unix_nano=BIGINT,
            duration_ns=BIGINT,
            service_name=TEXT,
            host_name=TEXT,
            host_id=TEXT,
            container_id=TEXT,
            process_pid=BIGINT,
            process_start_unix_nano=BIGINT,
            thread_id=BIGINT,
            thread_name=TEXT,
            reason=TEXT,
            system_call=TEXT,
            peer=TEXT,
            file=TEXT,
            lock_address=BIGINT,
            waker_thread_id=BIGINT,
            run_queue_ns=BIGINT,
            on_cpu_ns=BIGINT,
            short_waits_ns=BIGINT,
            bytes=BIGINT,
            stack_id=BIGINT,
            trace_id=TEXT,
            span_id=TEXT,
            trigger=TEXT,
        )
        + ARRIVAL
    ),
    time="start_time_unix_nano",
    statistics=("start_time_unix_nano", "duration_ns", "service_name", "trace_id", "received_time_unix_nano"),
)
FINDINGS = Table(
    "findings",
    pa.schema(
        fields(
            start_time=TIMESTAMP,
            start_time_unix_nano=BIGINT,
            end_time_unix_nano=BIGINT,
            kind=TEXT,
            subject=TEXT,
            severity=TEXT,
            score=DOUBLE,
            summary=TEXT,
            evidence=TEXT,
            run_id=TEXT,
            model_name=TEXT,
            model_version=TEXT,
        )
        + TYPED_ATTRIBUTES
        + ARRIVAL
    ),
    time="start_time_unix_nano",
    statistics=("start_time_unix_nano", "kind", "received_time_unix_nano"),
)

# In the order of commits: what refers comes after what it refers to. A window pins them in the opposite order.
TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        PROFILE_FRAMES,
        PROFILE_NODES,
        PROFILES,
        PROFILE_SAMPLES,
        METRIC_POINTS,
        LOGS,
        SPANS,
        THREAD_INTERVALS,
        FINDINGS,
    )
}


def conform(rows: pa.Table, table: Table, *, packed: bool = False) -> pa.Table:
    """`rows` with exactly the columns of `table`, in order; absent ones are NULL.

    Args:
        packed: texts and maps of texts that come as dictionaries stay so. Parquet takes them as they are, at half the
            cost; elsewhere they are one cast away from the declared type.

    Raises:
        ValueError: `rows` has a column that the table does not declare, or rows without a time (a collector's mistake,
            never foreign data: a time that is broken there is stored as 0).
    """
    unknown = set(rows.column_names) - set(table.schema.names)
    if unknown:
        raise ValueError(f"table {table.name} declares no column {sorted(unknown)}")
    if table.time not in rows.column_names or rows[table.time].null_count:
        raise ValueError(f"column {table.time} of {table.name} must be there and never NULL: it says where a row lies")
    columns = []
    for field in table.schema:
        if field.name not in rows.column_names:
            columns.append(pa.nulls(rows.num_rows, field.type))
        else:
            found = rows[field.name]
            kind = _without_dictionaries(found.type) if packed else found.type
            columns.append(found if kind == field.type else found.cast(field.type))
    return pa.table(columns, names=table.schema.names) if packed else pa.table(columns, schema=table.schema)


def _without_dictionaries(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_map(kind):
        return pa.map_(_without_dictionaries(kind.key_type), _without_dictionaries(kind.item_type))
    return kind
