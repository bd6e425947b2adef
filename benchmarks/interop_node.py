"""Node's official OTLP exporters send one of everything; what must be in the lake then, written down by hand."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import workbench as wb

PROGRAM = Path(__file__).with_name("interop_node.js")
KINDS = ("grpc", "http", "proto")  # of exporters: gRPC, HTTP with JSON, HTTP with protobuf
EXPORTERS = [f"exporter-{signal}-otlp-{kind}@0.223.1" for signal in ("trace", "logs") for kind in KINDS]
EXPORTERS += [f"exporter-metrics-otlp-{kind}@0.223.0" for kind in KINDS]
PACKAGES = ["api@1.9.1", "api-logs@0.223.1", "resources@2.12.1", "sdk-trace-base@2.12.1", "sdk-logs@0.223.1"]
PACKAGES += ["sdk-metrics@2.12.1", *EXPORTERS]
INSTALL_SECONDS, SEND_SECONDS = 120, 60

# Every attribute that the program sends: its text and its letter in the lake.
PLAIN = {
    "text": ("naïve ☃", "s"),
    "no text": ("", "s"),
    "yes": ("true", "b"),
    "no": ("false", "b"),
    "whole": ("42", "i"),
    "negative": ("-7", "i"),
    "large": ("9007199254740991", "i"),
    "half": ("0.5", "d"),
    "small": ("-1.5e-7", "d"),
    "texts": ('["a","b"]', "a"),
    "wholes": ("[1,2]", "a"),
    "halves": ("[0.5,1.5]", "a"),
    "bools": ("[true,false]", "a"),
    "nothing": ("[]", "a"),
}
NESTED = {**PLAIN, "bytes": ("AP8H", "y"), "map": ('{"a":{"b":[1,"x"]},"c":0.5}', "m")}
BODY = (
    '{"text":"naïve ☃","no text":"","yes":true,"no":false,"whole":42,"negative":-7,"large":9007199254740991,"half":0.5,'
    '"small":-1.5e-07,"texts":["a","b"],"wholes":[1,2],"halves":[0.5,1.5],"bools":[true,false],"nothing":[],'
    '"bytes":{"$bytes":"AP8H"},"map":{"a":{"b":[1,"x"]},"c":0.5}}'
)
SPAN = {
    "name": "GET /cart/{id}",
    "kind": "server",
    "status_code": "error",
    "status_message": "out of stock",
    "start_time_unix_nano": 1_800_000_000_123_456_789,
    "end_time_unix_nano": 1_800_000_001_987_654_321,
    "process_pid": 77,
    "scope_name": "interop",
    "scope_version": "1.0",
}
RECORD = {
    "time_unix_nano": 1_800_000_000_123_456_789,
    "observed_time_unix_nano": 1_800_000_000_123_456_790,
    "severity_number": 13,
    "severity_text": "warning",
    "event_name": "cart.empty",
}
POINTS = [  # name, type, unit, temporality, monotonic, value, int_value, count, sum, min, max, bounds, bucket_counts
    ("duration", "histogram", "s", "cumulative", None, None, None, 3, 6.0, 0.5, 4.0, [1.0, 2.0], [1, 1, 1]),
    ("exponential", "exponential_histogram", "", "cumulative", None, None, None, 4, 15.0, 1.0, 8.0, None, None),
    ("orders", "sum", "{order}", "cumulative", True, 3.0, 3, None, None, None, None, None, None),
    ("temperature", "gauge", "Cel", None, None, 21.5, None, None, None, None, None, None, None),
    ("waiting", "sum", "", "cumulative", False, -2.0, None, None, None, None, None, None, None),
]
POINT_COLUMNS = (
    "name, type, unit, temporality, monotonic, value, int_value, count, sum, min, max, bounds, bucket_counts"
)


class Unavailable(Exception):
    """Node or its packages cannot be had here; the text says why."""


def install(folder: Path) -> None:
    """Put the exporters into `folder`/node_modules.

    Raises:
        Unavailable: no Node, no npm, or npm cannot reach the packages.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Unavailable(f"{program} is not installed: apt-get install nodejs npm")
    (folder / "package.json").write_text('{"private": true}')
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error", "--fetch-retries=1"]
    command += [f"@opentelemetry/{package}" for package in PACKAGES]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable(f"npm did not fetch the packages within {INSTALL_SECONDS} s") from None
    if done.returncode:
        raise Unavailable(
            f"npm cannot fetch the packages: {(done.stderr.strip() or 'no reason given').splitlines()[0]}"
        )


def send(folder: Path, grpc: str, http: str) -> None:
    """Run the program against two addresses; it ends when all was acknowledged.

    Raises:
        RuntimeError: an export failed.
    """
    command = ["node", str(PROGRAM), grpc, http]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SEND_SECONDS, check=False)
    if done.returncode or done.stderr:
        raise RuntimeError(f"Node's exporters failed: {done.stderr[-2000:]}")


def faults(lake: Path) -> list[str]:
    """What is in the lake and should be otherwise; empty when all came unharmed."""
    window = wb.open(lake).window(0, 2 * 10**18)
    found = []
    for kind in KINDS:
        service = f"node-{kind}"
        spans, records = (
            window.sql(f"select * from {table} where service_name = $service order by 1", service=service).to_dicts()
            for table in ("spans", "logs")
        )
        resource = {"service.name": (service, "s"), "process.pid": ("77", "i"), **PLAIN}
        if len(spans) != 1 or len(records) != 2:
            found.append(f"{service}: {len(spans)} spans and {len(records)} records instead of 1 and 2")
            continue
        (span,) = spans
        found += _differences(f"{service} span", {**span}, SPAN)
        found += _pairs(f"{service} span", span, PLAIN) + _pairs(f"{service} resource", span, resource, "resource_")
        for part in ("events", "links"):
            if len(span[part]) != 1:
                found.append(f"{service}: {len(span[part])} {part} instead of 1")
            found += [fault for each in span[part] for fault in _pairs(f"{service} {part}", each, PLAIN)]
        for record in records:
            found += _differences(f"{service} record", record, RECORD) + _pairs(f"{service} record", record, NESTED)
        bodies = sorted((record["body_type"], record["body"]) for record in records)
        if bodies != [("m", BODY), ("s", "the cart is empty")]:
            found.append(f"{service}: bodies are {bodies}")
        found += _point_faults(window, service)
    return found


def _point_faults(window: Any, service: str) -> list[str]:
    query = f"select {POINT_COLUMNS}, attributes, attribute_types from metric_points where service_name = $service"
    rows = window.sql(f"{query} order by name", service=service).to_dicts()
    found = [fault for row in rows for fault in _pairs(f"{service} {row['name']}", row, PLAIN)]
    points = [tuple(row[name] for name in POINT_COLUMNS.split(", ")) for row in rows]
    return found + ([] if points == POINTS else [f"{service}: points are {points}, not {POINTS}"])


def _differences(where: str, row: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return [
        f"{where}: {name} is {row[name]!r}, not {value!r}" for name, value in expected.items() if row[name] != value
    ]


def _pairs(where: str, row: dict[str, Any], expected: dict[str, tuple[str, str]], prefix: str = "") -> list[str]:
    letters = row[f"{prefix}attribute_types"]
    given = {
        key: (text, letter) for (key, text), letter in zip(_items(row[f"{prefix}attributes"]), letters, strict=True)
    }
    missing = [
        f"{where}: {key} is {given.get(key)}, not {pair}" for key, pair in expected.items() if given.get(key) != pair
    ]
    return missing + [f"{where}: {key} was never sent" for key in given.keys() - expected.keys()]


def _items(attributes: Any) -> list[tuple[str, str]]:
    """A map as Polars gives it: a dictionary, or a list of entries."""
    if isinstance(attributes, dict):
        return list(attributes.items())
    return [(entry["key"], entry["value"]) for entry in attributes]
