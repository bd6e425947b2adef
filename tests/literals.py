"""Telemetry as people write it down: rows for the lake from a few lines of text.

Spans: indentation is parentage; then, two spaces or more between them, service, span name, start..end and the rest:

    web       GET /cart    0..90ms   server
      cart    load         5..85ms   http_route=/load
        db    select      10..20ms   client error db_system_name=postgresql

The rest are words in any order: a kind (else `internal`), `error` or `ok` (else `unset`), `column=value` for a column
of the table, `id=`, `parent=` and `trace=` for ids of your choice, `links=trace:span,...`, and `some.key=value` for an
attribute. A blank line begins another trace. Times count from `T0`.
"""

import re
from typing import Any

import pyarrow as pa

from workbench.lake.schema import SPANS

T0 = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
KINDS = {"internal", "client", "server", "producer", "consumer"}
UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
TIMES = re.compile(r"(-?[\d.]+)(ns|us|ms|s|m|h)?\.\.(-?[\d.]+)(ns|us|ms|s|m|h)")
NUMBERS = {field.name for field in SPANS.schema if pa.types.is_integer(field.type)}


def spans(text: str, *, first_trace: int = 1) -> pa.Table:
    """Rows of the table `spans`. Trace ids count up from `first_trace`; give it where literals meet in one lake."""
    blocks = [block for block in re.split(r"\n\s*\n", text.strip("\n")) if block.strip()]
    found: list[dict[str, Any]] = []
    for number, block in enumerate(blocks, first_trace):
        found += _trace(block, f"{number:032x}")
    return pa.Table.from_pylist([_row(each) for each in found], schema=SPANS.schema)


def _trace(block: str, trace_id: str) -> list[dict[str, Any]]:
    lines = [line for line in block.splitlines() if line.strip()]
    left = min(_indent(line) for line in lines)
    above: list[tuple[int, str]] = []  # indentation and id of the spans that a line may lie in
    found = []
    for number, line in enumerate(lines, 1):
        indent = _indent(line) - left
        above = [each for each in above if each[0] < indent]
        parent = above[-1][1] if above else ""
        span = {"trace": trace_id, "id": f"{trace_id[-8:]}{number:08x}", "parent": parent, **_fields(line)}
        above.append((indent, span["id"]))
        found.append(span)
    return found


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _fields(line: str) -> dict[str, Any]:
    times = TIMES.search(line)
    assert times, f"no start..end in {line!r}"
    service, *name = re.split(r"\s{2,}", line[: times.start()].strip())
    assert len(name) == 1, f"two spaces between service and span name in {line!r}"
    unit = times[4]
    found: dict[str, Any] = {
        "service_name": service,
        "name": name[0],
        "start": T0 + round(float(times[1]) * UNITS[times[2] or unit]),
        "end": T0 + round(float(times[3]) * UNITS[unit]),
    }
    for word in line[times.end() :].split():
        key, equals, value = word.partition("=")
        if equals:
            found[key] = value
        elif word in KINDS:
            found["kind"] = word
        else:
            assert word in ("error", "ok", "unset"), f"{word!r} in {line!r}"
            found["status_code"] = word
    return found


def _row(span: dict[str, Any]) -> dict[str, Any]:
    start, end = span.pop("start"), span.pop("end")
    row: dict[str, Any] = {
        "start_time": start // 1000,
        "start_time_unix_nano": start,
        "end_time_unix_nano": end,
        "duration_ns": max(0, end - start),
        "trace_id": span.pop("trace"),
        "span_id": span.pop("id"),
        "parent_span_id": span.pop("parent"),
        "kind": "internal",
        "status_code": "unset",
        "received_time_unix_nano": end + 10**9,
        "links": [dict(zip(("trace_id", "span_id"), each.split(":"), strict=True)) for each in _list(span, "links")],
        "attributes": {},
    }
    for key, value in span.items():
        if key in SPANS.schema.names:
            row[key] = int(value) if key in NUMBERS else value
        else:
            assert "." in key, f"{key!r} is neither a column of spans nor an attribute"
            row["attributes"][key] = value
    row["attribute_types"] = "s" * len(row["attributes"])
    row["attributes"] = list(row["attributes"].items())
    return row


def _list(span: dict[str, Any], key: str) -> list[str]:
    return [each for each in span.pop(key, "").split(",") if each]
