"""Node's official exporters deliver traces, logs and metrics unharmed: every kind of value, gRPC, JSON and protobuf.

A real OpenTelemetry Collector in between is `make interop`: it has to be built first.
"""

import pytest

from benchmarks import interop_node
from tests.receiver_process import receiver


@pytest.mark.slow
def test_what_node_sends_is_in_the_lake_value_by_value(tmp_path):
    try:
        interop_node.install(tmp_path)
    except interop_node.Unavailable as missing:
        pytest.skip(str(missing))
    with receiver(tmp_path / "lake") as running:
        interop_node.send(tmp_path, running.grpc, running.http)
    assert interop_node.faults(tmp_path / "lake") == []


def test_a_value_that_was_harmed_is_named(tmp_path):
    with receiver(tmp_path / "lake", "--metrics-every", ""):
        pass
    assert interop_node.faults(tmp_path / "lake") == [
        f"node-{kind}: 0 spans and 0 records instead of 1 and 2" for kind in ("grpc", "http", "proto")
    ]
