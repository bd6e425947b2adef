"""A real OpenTelemetry Collector between clients and our receiver, built by its own `builder`.

Built once per release and kept outside the repository: $XDG_CACHE_HOME/telemetry-workbench (default ~/.cache). Two ways
through it, one per protocol: OTLP/gRPC in and out, OTLP/HTTP in and out.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import text_format

from workbench.formats.otlp.requests import REQUESTS

RELEASE = "0.161.0"
MANIFEST = Path(__file__).with_name("collector.yaml")
BUILD_SECONDS, START_SECONDS = 3600, 30

CONFIGURATION = """
receivers:
  otlp/grpc: {{protocols: {{grpc: {{endpoint: "{grpc}"}}}}}}
  otlp/http: {{protocols: {{http: {{endpoint: "{http}"}}}}}}
exporters:
  otlp: {{endpoint: "{to_grpc}", tls: {{insecure: true}}, compression: gzip}}
  otlphttp:
    endpoint: "http://{to_http}"
    compression: gzip
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
{pipelines}
"""
PIPELINES = """    {signal}/grpc: {{receivers: [otlp/grpc], exporters: [otlp]}}
    {signal}/http: {{receivers: [otlp/http], exporters: [otlphttp]}}
"""

ATTRIBUTES = r"""
  attributes { key: "text" value { string_value: "na\303\257ve" } }
  attributes { key: "empty text" value { string_value: "" } }
  attributes { key: "bool" value { bool_value: true } }
  attributes { key: "false" value { bool_value: false } }
  attributes { key: "least" value { int_value: -9223372036854775808 } }
  attributes { key: "largest" value { int_value: 9223372036854775807 } }
  attributes { key: "double" value { double_value: 1e300 } }
  attributes { key: "whole double" value { double_value: 2 } }
  attributes { key: "not a number" value { double_value: nan } }
  attributes { key: "bytes" value { bytes_value: "\000\377" } }
  attributes { key: "array" value { array_value {
    values { int_value: 1 } values { string_value: "x" } values { bytes_value: "\001" } values { array_value {} } } } }
  attributes { key: "map" value { kvlist_value {
    values { key: "inner" value { kvlist_value { values { key: "double" value { double_value: 0.5 } } } } } } } }
  attributes { key: "nothing" value {} }
"""
RESOURCE = (
    'resource { attributes { key: "service.name" value { string_value: "collected" } } '
    + ATTRIBUTES
    + ' dropped_attributes_count: 1 } schema_url: "urn:resource"'
)
SCOPE = 'scope { name: "interop" version: "1.0" ' + ATTRIBUTES + '} schema_url: "urn:scope"'
TIMES = "start_time_unix_nano: 1800000000000000001 time_unix_nano: 1800000000000000002"
EXEMPLAR = (
    'exemplars { time_unix_nano: 5 as_double: 1.5 trace_id: "0123456789abcdef" span_id: "01234567" '
    'filtered_attributes { key: "k" value { int_value: 3 } } }'
)
POINT = f"{TIMES} flags: 1 {ATTRIBUTES} "
MESSAGES = {
    "traces": f"""
resource_spans {{ {RESOURCE} scope_spans {{ {SCOPE} spans {{
  trace_id: "0123456789abcdef" span_id: "01234567" parent_span_id: "76543210" trace_state: "a=b" flags: 769
  name: "GET" kind: SPAN_KIND_CONSUMER start_time_unix_nano: 1800000000123456789 end_time_unix_nano: 1800000001987654321
  status {{ code: STATUS_CODE_ERROR message: "no" }} {ATTRIBUTES}
  dropped_attributes_count: 2 dropped_events_count: 3 dropped_links_count: 4
  events {{ time_unix_nano: 1800000000223456789 name: "event" {ATTRIBUTES} dropped_attributes_count: 5 }}
  links {{ trace_id: "fedcba9876543210" span_id: "abcdefgh" trace_state: "c=d" flags: 1 {ATTRIBUTES} }}
}} }} }}""",
    "logs": f"""
resource_logs {{ {RESOURCE} scope_logs {{ {SCOPE}
  log_records {{ time_unix_nano: 1800000000123456789 observed_time_unix_nano: 1800000000123456790 event_name: "event"
    severity_number: SEVERITY_NUMBER_WARN2 severity_text: "warning" body {{ string_value: "text" }} flags: 1
    trace_id: "0123456789abcdef" span_id: "01234567" {ATTRIBUTES} dropped_attributes_count: 2 }}
  log_records {{ time_unix_nano: 1800000000123456791 observed_time_unix_nano: 1800000000123456792
    body {{ kvlist_value {{ values {{ key: "a" value {{ array_value {{ values {{ double_value: 1 }} }} }} }} }} }} }}
}} }}""",
    "metrics": f"""
resource_metrics {{ {RESOURCE} scope_metrics {{ {SCOPE}
  metrics {{ name: "gauge" unit: "1" description: "d" gauge {{ data_points {{ {POINT} as_int: -5 {EXEMPLAR} }} }} }}
  metrics {{ name: "sum" sum {{ aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA is_monotonic: true
    data_points {{ {POINT} as_double: 2.5 }} }} }}
  metrics {{ name: "histogram" histogram {{ aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE data_points {{
    {POINT} count: 3 sum: 6 min: 1 max: 3 bucket_counts: [1, 2] explicit_bounds: [1.5] {EXEMPLAR} }} }} }}
  metrics {{ name: "exponential" exponential_histogram {{ aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA
    data_points {{ {POINT} count: 4 sum: 2 scale: -1 zero_count: 1 zero_threshold: 0.1
      positive {{ offset: 2 bucket_counts: [1, 0, 1] }} negative {{ offset: -3 bucket_counts: [1] }} }} }} }}
  metrics {{ name: "summary" summary {{ data_points {{ {POINT} count: 2 sum: 3
    quantile_values {{ quantile: 0.5 value: 1.5 }} }} }} }}
}} }}""",
    "profiles": """
resource_profiles { resource { attributes { key: "service.name" value { string_value: "collected" } } }
  scope_profiles { scope { name: "interop" } profiles {
    profile_id: "0123456789abcdef" time_unix_nano: 1800000000123456789 duration_nano: 1000000000
    sample_type { type_strindex: 1 unit_strindex: 2 } period_type { type_strindex: 1 unit_strindex: 2 } period: 10
    samples { stack_index: 1 values: [7] attribute_indices: [1] link_index: 1
      timestamps_unix_nano: 1800000000200000000 }
} } }
dictionary {
  string_table: "" string_table: "cpu" string_table: "nanoseconds" string_table: "main" string_table: "a.c"
  string_table: "thread.id"
  mapping_table {} mapping_table { memory_start: 1 memory_limit: 9 filename_strindex: 4 }
  function_table {} function_table { name_strindex: 3 filename_strindex: 4 start_line: 3 }
  location_table {} location_table { mapping_index: 1 address: 5 lines { function_index: 1 line: 4 column: 2 } }
  stack_table {} stack_table { location_indices: [1] }
  link_table {} link_table { trace_id: "0123456789abcdef" span_id: "01234567" }
  attribute_table {} attribute_table { key_strindex: 5 value { int_value: 12 } }
}""",
}


class Unavailable(Exception):
    """No Collector can be built here; the text says why."""


def message(signal_name: str) -> bytes:
    """An export request with one of everything that the signal has."""
    data: bytes = text_format.Parse(MESSAGES[signal_name], REQUESTS[signal_name]()).SerializeToString()
    return data


def built() -> Path:
    """The Collector's program, built when it is not there.

    Raises:
        Unavailable: no Go, or the modules cannot be had.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "telemetry-workbench"
    folder = cache / f"collector-{RELEASE}"
    program = folder / "build" / "collector"
    if program.exists():
        return program
    if shutil.which("go") is None:
        raise Unavailable("Go is not installed: the Collector is built from its sources (apt-get install golang)")
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
    print(f"building the OpenTelemetry Collector {RELEASE} in {folder}: some minutes, once")
    for command in (
        ["go", "install", f"go.opentelemetry.io/collector/cmd/builder@v{RELEASE}"],
        [str(folder / "builder"), "--config", str(MANIFEST), "--output-path", str(folder / "build")],
    ):
        done = subprocess.run(
            command, env=environment, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
        if done.returncode:
            reason = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
            raise Unavailable(f"{Path(command[0]).name} failed: {reason}")
    return program


@dataclass(frozen=True)
class Collector:
    """A running Collector: where it listens."""

    grpc: str
    http: str


@contextlib.contextmanager
def collector(program: Path, folder: Path, to_grpc: str, to_http: str, signals: list[str]) -> Iterator[Collector]:
    """Run it in front of a receiver; at the end it is told to stop, which flushes it.

    Raises:
        RuntimeError: it does not start.
    """
    grpc, http = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    pipelines = "".join(PIPELINES.format(signal=each) for each in signals)
    text = CONFIGURATION.format(grpc=grpc, http=http, to_grpc=to_grpc, to_http=to_http, pipelines=pipelines)
    (folder / "collector.yaml").write_text(text)
    command = [str(program), "--config", str(folder / "collector.yaml")]
    command += ["--feature-gates", "service.profilesSupport"] if "profiles" in signals else []
    log = folder / "collector.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + START_SECONDS
        while not _listens(http):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the Collector did not start: {log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield Collector(grpc, http)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def post(address: str, signal_name: str, body: bytes) -> None:
    """One export over HTTP."""
    path = "/v1development/profiles" if signal_name == "profiles" else f"/v1/{signal_name}"
    request = urllib.request.Request(f"http://{address}{path}", body, {"Content-Type": "application/x-protobuf"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{signal_name} over HTTP: status {answer.status}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(address: str) -> bool:
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
