"""`make interop`: Node's exporters, and a real OpenTelemetry Collector in between, deliver what was sent, unharmed.

What cannot be had on a machine (Node, Go, the packages) is skipped with the reason. The exit status is 1 when something
came otherwise than it was sent.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

import workbench as wb
from benchmarks import interop_collector, interop_node
from benchmarks.receiving import receiver, scratch
from collectors.otlp.grpc_server import METHODS
from workbench.formats.otlp import SIGNALS, decode

METHOD_OF = {signal: method for method, signal in METHODS.items()}
OURS = ("received_time_unix_nano", "day")  # when it came here, and the partition
TIMES_OF_ARRIVAL = {"profile_frames": ("time", "time_unix_nano"), "profile_nodes": ("time", "time_unix_nano")}


def node_to_receiver() -> list[str]:
    """Node's nine exporters straight into the receiver."""
    with scratch() as folder:
        interop_node.install(folder)
        with receiver(folder) as server:
            interop_node.send(folder, server.grpc, server.http)
        return interop_node.faults(folder / "lake")


def node_through_collector() -> list[str]:
    """The same through the Collector."""
    program = interop_collector.built()
    with scratch() as folder:
        interop_node.install(folder)
        with receiver(folder) as server:
            signals = ["traces", "logs", "metrics"]
            with interop_collector.collector(program, folder, server.grpc, server.http, signals) as between:
                interop_node.send(folder, between.grpc, between.http)
        return interop_node.faults(folder / "lake")


def requests_through_collector() -> list[str]:
    """One of everything, all four signals, over gRPC and over HTTP: the rows that decoding the request gives."""
    program = interop_collector.built()
    found = []
    for over in ("grpc", "http"):
        with scratch() as folder:
            with (
                receiver(folder) as server,
                interop_collector.collector(program, folder, server.grpc, server.http, list(SIGNALS)) as between,
            ):
                for signal in SIGNALS:
                    body = interop_collector.message(signal)
                    if over == "http":
                        interop_collector.post(between.http, signal, body)
                        continue
                    with grpc.insecure_channel(between.grpc) as channel:
                        channel.unary_unary(METHOD_OF[signal])(body, timeout=30, wait_for_ready=True)
            found += [fault for signal in SIGNALS for fault in _differences(folder / "lake", signal, over)]
    return found


def _differences(lake: Path, signal: str, over: str) -> list[str]:
    """What the lake has otherwise than the request, decoded without a Collector, says."""
    window = wb.open(lake).window(0, time.time_ns() * 2)
    found = []
    for table, expected in decode(signal, [interop_collector.message(signal)], time.time_ns()).tables.items():
        skipped = (*OURS, *TIMES_OF_ARRIVAL.get(table, ()))
        wanted = _comparable(expected.to_pylist(), skipped)
        given = _comparable(window.sql(f'select * from "{table}"').to_arrow().to_pylist(), skipped)
        if len(wanted) != len(given):
            found.append(f"{signal} over {over}: {len(given)} rows in {table} instead of {len(wanted)}")
        for row, other in zip(wanted, given, strict=False):
            found += [
                f"{signal} over {over}: {table}.{name} is {other.get(name)!r}, not {row[name]!r}"
                for name in row
                if repr(row[name]) != repr(other.get(name))  # text, because NaN is not equal to itself
            ]
    return found


def _comparable(rows: list[dict[str, Any]], skipped: tuple[str, ...]) -> list[dict[str, Any]]:
    """Rows without what arrival decides, in an order of their own."""
    kept = [{name: value for name, value in row.items() if name not in skipped} for row in rows]
    return sorted(kept, key=repr)


CHECKS: dict[str, Callable[[], list[str]]] = {
    "Node's exporters to the receiver": node_to_receiver,
    "Node's exporters through the Collector": node_through_collector,
    "all four signals through the Collector": requests_through_collector,
}


def main() -> int:
    """Run all checks; the exit status."""
    failed = False
    for name, check in CHECKS.items():
        try:
            faults = check()
        except (interop_node.Unavailable, interop_collector.Unavailable) as missing:
            print(f"skipped  {name}: {missing}")
            continue
        print(f"{'FAILED ' if faults else 'ok     '}  {name}", *faults, sep="\n           ")
        failed = failed or bool(faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
