"""Starting the six services: their sockets, their addresses of one another, and what OpenTelemetry reads.

Every service is configured by variables alone, most of them those of the OpenTelemetry specification.
"""

import argparse
import contextlib
import os
import socket
import sys
from pathlib import Path

import requests

import schedule
from processes import Children, ShopError

HERE = Path(__file__).parent
VERSION = "1.0.0"
NAMES = ("inventory", "payments", "recommendations", "mailer", "checkout", "storefront")  # callers after callees
LISTENING = tuple(name for name in NAMES if name != "mailer")
PASSED_ON = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_COMPRESSION")


def start(options: argparse.Namespace, directory: Path, children: Children, urls: dict[str, str]) -> str:
    """Start all six; the storefront's address, when all of them answer.

    Their sockets listen before they start, and are handed over: no port is guessed, and nobody calls too early.
    """
    (directory / "tallies").mkdir()
    sockets = {name: socket.create_server(("127.0.0.1", 0), backlog=128) for name in LISTENING}
    addresses = {name: f"http://127.0.0.1:{each.getsockname()[1]}" for name, each in sockets.items()}
    environment = _surroundings() | urls | {f"{name.upper()}_URL": address for name, address in addresses.items()}
    environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": options.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": options.protocol,
        "OTEL_METRIC_EXPORT_INTERVAL": str(int(schedule.seconds(options.metrics_every) * 1000)),
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "OTEL_BSP_MAX_QUEUE_SIZE": "20000",
        "OTEL_BLRP_SCHEDULE_DELAY": "1000",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",  # today's names of attributes
        "OTEL_PYTHON_EXCLUDED_URLS": "healthz",
        "SHOP_FAULTS": str(directory / "faults.json"),
        "SHOP_TALLIES": str(directory / "tallies"),
        "SPOOL": str(directory / "spool.mbox"),
    }
    for name in NAMES:
        of_service = {
            "OTEL_SERVICE_NAME": name,
            "OTEL_RESOURCE_ATTRIBUTES": f"service.namespace=shop,service.version={VERSION},"
            f"service.instance.id={name}-1,host.name={options.host_name},deployment.environment.name=demo",
        }
        descriptors = ()
        if name in sockets:
            of_service["SHOP_SOCKET"] = str(sockets[name].fileno())
            descriptors = (sockets[name].fileno(),)
        command = [sys.executable, str(HERE / f"{name}.py")]
        children.start(name, command, env=environment | of_service, pass_fds=descriptors)
    for name in LISTENING:
        sockets[name].close()
        _await_answer(f"{addresses[name]}/healthz", name, children)
    return addresses["storefront"]


def _surroundings() -> dict[str, str]:
    """The environment without what would send telemetry elsewhere; credentials for the receiver stay."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_") or name in PASSED_ON}


def _await_answer(url: str, name: str, children: Children) -> None:
    """Until a service answers; a service that dies is told at once."""
    for _ in range(120):
        children.check()
        with contextlib.suppress(requests.RequestException):
            requests.get(url, timeout=0.5).raise_for_status()
            return
    raise ShopError(f"{name} does not answer after 60 s: {url}")
