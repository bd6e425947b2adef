"""ExportLogsServiceRequest as rows of the table `logs`."""

import numpy as np
import pyarrow as pa

from workbench.formats.otlp.attributes import attributes
from workbench.formats.otlp.columns import Repairs, hex_text, microseconds, signed, small_count
from workbench.formats.otlp.context import Context, mark
from workbench.formats.otlp.values import any_text
from workbench.lake.schema import LOG_PROMOTED


def logs(batch: pa.RecordBatch, received: np.ndarray) -> tuple[dict[str, pa.Array], Repairs]:
    """Columns of the log records of a nested batch.

    A record without a time gets the time it was observed (as the log data model says), or else of its receipt; the
    word in `repairs` lets the way back restore the absence.
    """
    context = Context(batch, "resource_logs", "scope_logs", "log_records", received)
    record = context.leaves
    repairs = Repairs(len(record))
    context.repair(repairs)
    own = attributes(record.field("attributes"))
    mark(repairs, own)
    overflow = np.zeros(len(record), bool)
    event_time = signed(record.field("time_unix_nano"), overflow)
    observed = signed(record.field("observed_time_unix_nano"), overflow)
    repairs.mark("time_overflow", overflow)
    time = with_time(event_time, observed.to_numpy(), context.received(), repairs)
    body, letters, broken = any_text(record.field("body"))
    for word, rows in broken.items():
        repairs.mark(word, rows)
    each = np.arange(len(body) + 1, dtype=np.int32)
    return {
        "time": microseconds(time),
        "time_unix_nano": time,
        "observed_time_unix_nano": observed,
        "severity_number": record.field("severity_number").cast(pa.int32()),
        "severity_text": record.field("severity_text"),
        "body": body,
        "body_type": pa.StringArray.from_buffers(len(body), pa.py_buffer(each), pa.py_buffer(letters)),
        "event_name": record.field("event_name"),
        "trace_id": hex_text(record.field("trace_id")),
        "span_id": hex_text(record.field("span_id")),
        "flags": record.field("flags").cast(pa.int64()),
        **own.promoted(LOG_PROMOTED),
        "attributes": own.maps(),
        "attribute_types": own.types(),
        **context.columns(),
        "dropped_attributes": small_count(record.field("dropped_attributes_count")),
    }, repairs


def with_time(time: pa.Array, observed: np.ndarray | None, received: np.ndarray, repairs: Repairs) -> pa.Array:
    """`time` where it is not zero, else `observed` where that is not, else `received`; what was done is marked."""
    values = time.to_numpy()
    absent = values == 0
    if not absent.any():
        return time
    values = values.copy()
    if observed is not None:
        from_observed = absent & (observed != 0)
        values[from_observed] = observed[from_observed]
        repairs.mark("time_from_observed", from_observed)
        absent &= ~from_observed
    values[absent] = received[absent]
    repairs.mark("time_from_receipt", absent)
    return pa.array(values)
