"""What every table and column means, in a sentence. `docs/lake-columns.md` is written from here and the schema."""

from workbench.lake.promoted import LOG_PROMOTED, POINT_PROMOTED, RESOURCE_PROMOTED, SPAN_PROMOTED

TABLE_MEANINGS = {
    "spans": "One row per span: OTLP traces, imported traces, requests seen by other collectors.",
    "logs": "One row per log record.",
    "metric_points": "One row per point of a metric, of any kind.",
    "profiles": "One row per profile: what was sampled, how, and by whom.",
    "profile_samples": "One row per value of a sample: a stack, when and in which thread, and how much.",
    "profile_nodes": "One row per node of the call tree. May hold a node more than once: take one per `node_id`.",
    "profile_frames": "One row per place in the code. May hold a frame more than once: take one per `frame_id`.",
    "thread_intervals": "One row per wait of a thread: why it did not run, for how long, and who woke it.",
    "findings": "One row per thing that a report or a model found worth telling.",
}

_ATTRIBUTES = "as text; `{}` has their types"
_TYPES = "a letter per entry of `{}`, in order: s string, b bool, i int, d double, y bytes, a array, m map, n empty"

COLUMN_MEANINGS = {
    "day": "UTC day of the time (of the arrival, where the time is absurd): the partition. Never filter by it alone.",
    # time
    "start_time": "when it began, to the microsecond, for people",
    "start_time_unix_nano": "when it began, exact",
    "time": "when it happened, to the microsecond, for people",
    "time_unix_nano": "when it happened, exact",
    "end_time_unix_nano": "when it ended, exact",
    "observed_time_unix_nano": "when the collector or library saw the record",
    "duration_ns": "how long it took",
    "received_time_unix_nano": "when it arrived here; retention counts from the later of event and arrival",
    "process_start_unix_nano": "when the process started: tells two processes with one id apart",
    # identity
    "trace_id": "32 hex digits, lower case; empty: none",
    "span_id": "16 hex digits, lower case; empty: none",
    "parent_span_id": "the span that caused this one; empty: a root",
    "profile_id": "the profile that a sample belongs to",
    "thread_name": "name of the thread",
    # spans
    "name": "name of the span, or of the metric",
    "kind": "internal, server, client, producer or consumer; in `findings`: what kind of thing was found",
    "status_code": "unset, ok or error",
    "status_message": "what the program said about an error",
    "trace_state": "W3C trace state, as sent",
    "flags": "OTLP flags, as sent",
    "events": "what happened inside: time, name, attributes",
    "links": "other spans that this one has to do with: trace id, span id, trace state, flags, attributes",
    "dropped_attributes": "attributes that the sender dropped",
    "dropped_events": "events that the sender dropped",
    "dropped_links": "links that the sender dropped",
    # attributes and context
    "attributes": "attributes " + _ATTRIBUTES.format("attribute_types"),
    "attribute_types": _TYPES.format("attributes"),
    "resource_attributes": "attributes of what sent it, " + _ATTRIBUTES.format("resource_attribute_types"),
    "resource_attribute_types": _TYPES.format("resource_attributes"),
    "resource_dropped_attributes": "resource attributes that the sender dropped",
    "resource_schema_url": "schema URL of the resource",
    "scope_name": "name of the instrumentation library",
    "scope_version": "version of the instrumentation library",
    "scope_attributes": "attributes of the instrumentation library, " + _ATTRIBUTES.format("scope_attribute_types"),
    "scope_attribute_types": _TYPES.format("scope_attributes"),
    "scope_dropped_attributes": "scope attributes that the sender dropped",
    "scope_schema_url": "schema URL of the scope",
    "repairs": "what was changed to store a row that broke a rule, words with commas; NULL: nothing",
    # logs
    "severity_number": "1 (trace) to 24 (fatal)",
    "severity_text": "the level as the program calls it",
    "body": "the message; structured ones as JSON",
    "body_type": "type letter of `body`, as in `attribute_types`",
    "event_name": "name of the event, where the record is one",
    # metrics
    "description": "what the metric says about itself",
    "unit": "unit of the value, as the source names it",
    "type": "gauge, sum, histogram, exponential_histogram or summary",
    "temporality": "delta or cumulative; NULL where there is none",
    "monotonic": "does the sum only grow?",
    "value": "the number; in `profile_samples`: how much, in `unit`",
    "int_value": "the number, where it was sent as an integer",
    "count": "number of measurements",
    "sum": "sum of the measurements",
    "min": "smallest measurement",
    "max": "largest measurement",
    "bounds": "upper bounds of the buckets, the last one open",
    "bucket_counts": "measurements per bucket, one more than `bounds`",
    "scale": "resolution of an exponential histogram: base = 2^(2^-scale)",
    "zero_count": "measurements that count as zero",
    "zero_threshold": "what counts as zero",
    "positive_offset": "index of the first positive bucket",
    "positive_counts": "measurements per positive bucket",
    "negative_offset": "index of the first negative bucket",
    "negative_counts": "measurements per negative bucket",
    "quantiles": "quantile and value, of a summary",
    "exemplars": "single measurements with their trace and span",
    "metadata": "metadata of the metric " + _ATTRIBUTES.format("metadata_types"),
    "metadata_types": _TYPES.format("metadata"),
    # profiles
    "profile_type": "what was sampled, the sample type's own name: cpu, off_cpu, alloc_space, ...",
    "sample_types": "type and unit of each value of a sample, in order",
    "default_sample_type": "the type that is shown first",
    "period": "one sample stands for so many of `period_unit`",
    "period_type": "what is counted between two samples",
    "period_unit": "unit of `period`",
    "sample_count": "number of samples",
    "mappings": "files in memory: addresses, offset, name, build id, attributes",
    "comments": "free text of the profile",
    "original_payload_format": "format of `original_payload`",
    "original_payload": "the profile as it was before it became OTLP, where the sender kept it",
    "wire_shape": "version of the profiles protocol that the request was in: 1.8, 1.9 or 1.10",
    "sample_index": "position of the sample in its profile: values of one sample share it",
    "value_is_count": "true: a time without a value, which counts 1",
    "stack_id": "`node_id` of the innermost frame: the whole stack",
    "node_id": "hash of the path from the root to here",
    "parent_id": "the caller's node; NULL: a root",
    "frame_id": "hash of the frame's own columns",
    "depth": "distance from the root, which has 0",
    "function": "name of the function, readable",
    "system_name": "name of the function as the linker knows it",
    "file": "source file; in `thread_intervals`: the file that was waited for",
    "line": "line in the source file",
    "column": "column in the line",
    "start_line": "line where the function begins",
    "frame_type": "language or kind of code: native, kernel, cpython, ...",
    "inlined": "was the function inlined into its caller?",
    "mapping": "binary or library",
    "build_id": "build id of the binary",
    "address": "address in the binary",
    # thread intervals
    "reason": "why the thread did not run",
    "system_call": "the system call it was in",
    "peer": "address of the other side",
    "lock_address": "address of the lock",
    "waker_thread_id": "the thread that woke it",
    "run_queue_ns": "time between being woken and running",
    "on_cpu_ns": "time on a processor since this thread's previous row",
    "short_waits_ns": "waits too short for a row of their own since this thread's previous row",
    "bytes": "bytes moved",
    "trigger": "why this interval was kept",
    # findings
    "subject": "what it is about: a service, an operation, a host",
    "severity": "how bad, in a word",
    "score": "how sure or how strong, higher is more",
    "summary": "one sentence",
    "evidence": "what the finding rests on, as JSON",
    "run_id": "the run of the report that found it",
    "model_name": "the model that found it",
    "model_version": "the model's version",
}


def column_meaning(name: str) -> str:
    """What a column holds, in words; of a promoted one, which attributes it is taken from.

    Raises:
        KeyError: nobody has described it.
    """
    if name in COLUMN_MEANINGS:
        return COLUMN_MEANINGS[name]
    for promoted, level in (
        (RESOURCE_PROMOTED, "resource attribute"),
        (SPAN_PROMOTED, "attribute"),
        (LOG_PROMOTED, "attribute"),
        (POINT_PROMOTED, "attribute"),
    ):
        if name in promoted:
            first, *older = promoted[name]
            return f"{level} `{first}`" + (
                f", or the older {' or '.join(f'`{key}`' for key in older)}" if older else ""
            )
    raise KeyError(name)
