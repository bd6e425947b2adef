"""Every table of the lake, declared once: name, columns, which column is the time, which columns prune files.

Columns come in groups, because a span, a log line, a point, a sample and a wait of one thread must meet: IDENTITY says
who ran it in every table, CONTEXT is the OpenTelemetry resource and scope. Attributes are text maps with a letter per
entry beside them (`s` string, `b` bool, `i` int, `d` double, `y` bytes as base64, `a` array and `m` key-value list as
JSON, `n` empty), so that OTLP in gives the same OTLP out.

Types are limited to what every reader of Delta tables has: no unsigned integers, timestamps in µs with zone UTC
(a naive one would raise the table's protocol version), nanoseconds as BIGINT beside them.
"""

from dataclasses import dataclass

import pyarrow as pa

VERSION = 1

TEXT, BIGINT, INT, DOUBLE, BOOL = pa.string(), pa.int64(), pa.int32(), pa.float64(), pa.bool_()
TIMESTAMP = pa.timestamp("us", tz="UTC")
ATTRIBUTES = pa.map_(TEXT, TEXT)


def _fields(**types: pa.DataType) -> list[pa.Field]:
    return [pa.field(name, type_) for name, type_ in types.items()]


# Attribute keys that become columns of their own (the value stays in the map too): column -> keys, the first one that is
# there wins. Later keys are names of older semantic conventions that much instrumentation still sends.
RESOURCE_PROMOTED: dict[str, tuple[str, ...]] = {
    "service_name": ("service.name",),
    "service_namespace": ("service.namespace",),
    "service_version": ("service.version",),
    "service_instance_id": ("service.instance.id",),
    "host_name": ("host.name",),
    "host_id": ("host.id",),
    "container_id": ("container.id",),
    "process_pid": ("process.pid",),
    "k8s_pod_name": ("k8s.pod.name",),
    "k8s_namespace_name": ("k8s.namespace.name",),
    "deployment_environment_name": ("deployment.environment.name", "deployment.environment"),
}
SPAN_PROMOTED: dict[str, tuple[str, ...]] = {
    "thread_id": ("thread.id",),
    "http_request_method": ("http.request.method", "http.method"),
    "http_route": ("http.route",),
    "http_response_status_code": ("http.response.status_code", "http.status_code"),
    "url_path": ("url.path", "http.target"),
    "rpc_system_name": ("rpc.system.name", "rpc.system"),
    "rpc_service": ("rpc.service",),
    "rpc_method": ("rpc.method",),
    "db_system_name": ("db.system.name", "db.system"),
    "db_namespace": ("db.namespace", "db.name"),
    "db_query_text": ("db.query.text", "db.statement"),
    "messaging_system": ("messaging.system",),
    "messaging_destination_name": ("messaging.destination.name", "messaging.destination"),
    "server_address": ("server.address", "net.peer.name"),
    "server_port": ("server.port", "net.peer.port"),
    "peer_service": ("service.peer.name", "peer.service"),
    "error_type": ("error.type",),
}
LOG_PROMOTED: dict[str, tuple[str, ...]] = {
    "thread_id": ("thread.id",),
    "exception_type": ("exception.type",),
    "code_function_name": ("code.function.name", "code.function"),
    "http_route": ("http.route",),
}
POINT_PROMOTED: dict[str, tuple[str, ...]] = {
    "thread_id": ("thread.id",),
    "http_route": ("http.route",),
}
INTEGERS = {"process_pid", "thread_id", "http_response_status_code", "server_port"}  # promoted columns that are numbers


def _promoted(columns: dict[str, tuple[str, ...]]) -> list[pa.Field]:
    return [pa.field(name, BIGINT if name in INTEGERS else TEXT) for name in columns]


CONTEXT = _fields(
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
TYPED_ATTRIBUTES = _fields(attributes=ATTRIBUTES, attribute_types=TEXT)
# `repairs`: what was changed to store a row that broke a rule, comma-separated, NULL where nothing was.
# `received_time_unix_nano`: when it arrived; retention counts from the later of event and arrival.
ARRIVAL = _fields(repairs=TEXT, received_time_unix_nano=BIGINT)

EVENT = pa.struct(
    _fields(time_unix_nano=BIGINT, name=TEXT, attributes=ATTRIBUTES, attribute_types=TEXT, dropped_attributes=INT)
)
LINK = pa.struct(
    _fields(
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
    _fields(
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
    _fields(
        memory_start=BIGINT,
        memory_limit=BIGINT,
        file_offset=BIGINT,
        filename=TEXT,
        build_id=TEXT,
        attributes=ATTRIBUTES,
        attribute_types=TEXT,
    )
)
SAMPLE_TYPE = pa.struct(_fields(type=TEXT, unit=TEXT))


@dataclass(frozen=True)
class Table:
    """One table: `schema` without the partition column `day`; `time` is the BIGINT column a window cuts by."""

    name: str
    schema: pa.Schema
    time: str
    statistics: tuple[str, ...]  # columns with minimum and maximum in the Delta log: pruning without opening files
    bloom: tuple[str, ...] = ()

    @property
    def timestamp(self) -> str:
        """The µs TIMESTAMP column that goes with `time`."""
        return self.time.removesuffix("_unix_nano")


SPANS = Table(
    "spans",
    pa.schema(
        _fields(
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
        + _promoted(RESOURCE_PROMOTED)
        + _promoted(SPAN_PROMOTED)
        + TYPED_ATTRIBUTES
        + CONTEXT
        + _fields(
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
)
LOGS = Table(
    "logs",
    pa.schema(
        _fields(
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
        + _promoted(RESOURCE_PROMOTED)
        + _promoted(LOG_PROMOTED)
        + TYPED_ATTRIBUTES
        + CONTEXT
        + _fields(dropped_attributes=INT)
        + ARRIVAL
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "severity_number", "trace_id", "service_name", "received_time_unix_nano"),
    bloom=("trace_id",),
)
METRIC_POINTS = Table(
    "metric_points",
    pa.schema(
        _fields(
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
            quantiles=pa.list_(pa.struct(_fields(quantile=DOUBLE, value=DOUBLE))),
            exemplars=pa.list_(EXEMPLAR),
            flags=BIGINT,
            metadata=ATTRIBUTES,
            metadata_types=TEXT,
        )
        + _promoted(RESOURCE_PROMOTED)
        + _promoted(POINT_PROMOTED)
        + TYPED_ATTRIBUTES
        + CONTEXT
        + ARRIVAL
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "name", "service_name", "received_time_unix_nano"),
)
PROFILES = Table(
    "profiles",
    pa.schema(
        _fields(
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
        + _promoted(RESOURCE_PROMOTED)
        + TYPED_ATTRIBUTES
        + CONTEXT
        + _fields(dropped_attributes=INT)
        + ARRIVAL
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "service_name", "profile_type", "received_time_unix_nano"),
)
PROFILE_SAMPLES = Table(
    "profile_samples",
    pa.schema(
        _fields(
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
        _fields(
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
)
PROFILE_FRAMES = Table(
    "profile_frames",
    pa.schema(
        _fields(
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
            received_time_unix_nano=BIGINT,
        )
    ),
    time="time_unix_nano",
    statistics=("time_unix_nano", "received_time_unix_nano"),
)
THREAD_INTERVALS = Table(
    "thread_intervals",
    pa.schema(
        _fields(
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
        _fields(
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


def conform(rows: pa.Table, table: Table) -> pa.Table:
    """`rows` with exactly the columns of `table`, in order; absent ones are NULL.

    Raises:
        KeyError: `rows` has a column that the table does not declare (a collector's mistake, never foreign data).
    """
    unknown = set(rows.column_names) - set(table.schema.names)
    if unknown:
        raise KeyError(f"table {table.name} declares no column {sorted(unknown)}")
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in table.schema
    ]
    return pa.table(columns, schema=table.schema)
