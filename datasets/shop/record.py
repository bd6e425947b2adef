"""Record the shop: what its six services send in some minutes, as files that any OTLP reader takes.

    python datasets/shop/record.py --duration 240s --rate 12

Writes `traces.otlp.zst`, `logs.otlp.zst` and `metrics.otlp.zst`: export requests as they arrived, each after its length
(four bytes, the highest first), the whole file compressed by zstd. That is how the OpenTelemetry Collector's file
exporter writes with `format: proto`. The truth lies beside them. Paths of this machine are taken out of stack traces.
"""

import argparse
import functools
import struct
import subprocess
import sys
import sysconfig
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from backports import zstd
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HERE = Path(__file__).parent
REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
PLACES = {
    str(HERE): "/shop",
    sysconfig.get_paths()["purelib"]: "/python",
    sysconfig.get_paths()["stdlib"]: "/python",
}


class Recorder(ThreadingHTTPServer):
    """Keeps the body of every export request, by signal."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.bodies: dict[str, list[bytes]] = {name: [] for name in REQUESTS}
        self.lock = threading.Lock()


class Answer(BaseHTTPRequestHandler):
    """Takes what an OTLP exporter sends to /v1/traces, /v1/logs and /v1/metrics."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Keep it; an empty answer means that all of it was taken."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.bodies[self.path.removeprefix("/v1/")].append(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_) -> None:
        """Say nothing."""


def without_places(message: Message) -> None:
    """Replace this machine's directories in every text of a message."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING and not field.is_repeated:
            setattr(message, field.name, functools.reduce(lambda text, way: text.replace(*way), PLACES.items(), value))
        elif field.type == field.TYPE_MESSAGE:
            for each in value if field.is_repeated else [value]:
                without_places(each)


def framed(signal: str, bodies: list[bytes]) -> bytes:
    """The requests of one signal, each after its length, compressed."""
    parts = []
    for body in bodies:
        request = REQUESTS[signal].FromString(body)
        without_places(request)
        cleaned = request.SerializeToString()
        parts += [struct.pack(">I", len(cleaned)), cleaned]
    return zstd.compress(b"".join(parts), 19)


def main() -> int:
    """Run the shop against the recorder and write the files."""
    parser = argparse.ArgumentParser(prog="record.py", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=HERE.parent / "recordings" / "shop")
    parser.add_argument("--duration", default="240s")
    parser.add_argument("--rate", default="12")
    parser.add_argument("--faults", default="default")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    recorder = Recorder()
    threading.Thread(target=recorder.serve_forever, daemon=True).start()
    shop = [sys.executable, str(HERE / "shop.py"), "--endpoint", f"http://127.0.0.1:{recorder.server_port}"]
    shop += ["--duration", options.duration, "--rate", options.rate, "--faults", options.faults]
    status = subprocess.run([*shop, "--truth", str(options.output / "truth.json")], check=False).returncode
    recorder.shutdown()
    recorder.server_close()
    if status:
        return status
    for signal, bodies in recorder.bodies.items():
        path = options.output / f"{signal}.otlp.zst"
        path.write_bytes(framed(signal, bodies))
        print(f"{path}: {len(bodies)} requests, {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
