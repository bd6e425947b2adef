"""The recording of the shop in the repository: readable as documented, small, and true."""

import json
import re
import struct
from pathlib import Path

import pytest
from backports import zstd
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

import workbench as wb
from collectors.files.importer import import_files
from tests.conftest import ROOT
from tests.shop_truth import FAULTS, SERVICES, edges_on_map, fault_shows, true_edges

RECORDING = ROOT / "datasets" / "recordings" / "shop"
REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
SIGNALS = tuple(REQUESTS)
TRUTH = json.loads((RECORDING / "truth.json").read_text())


def content(signal: str) -> bytes:
    return zstd.decompress((RECORDING / f"{signal}.otlp.zst").read_bytes())


def requests(signal: str) -> list[bytes]:
    rest, found = content(signal), []
    while rest:
        (length,) = struct.unpack(">I", rest[:4])
        assert len(rest) >= 4 + length
        found.append(rest[4 : 4 + length])
        rest = rest[4 + length :]
    return found


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    lake = tmp_path_factory.mktemp("recording") / "lake"
    states = {Path(each.path).name: each.state for each in import_files([RECORDING], lake)}
    assert {states.pop(f"{signal}.otlp.zst") for signal in SIGNALS} == {"imported"}
    assert set(states.values()) == {"skipped"}
    return wb.open(lake).whole()


def test_it_is_framed_as_documented_and_every_frame_is_an_export_request():
    for signal, request in REQUESTS.items():
        frames = requests(signal)
        assert len(frames) > 100
        assert all(len(request.FromString(frame).ListFields()) == 1 for frame in frames)


def test_it_is_small():
    assert sum(path.stat().st_size for path in RECORDING.parent.rglob("*")) < 3_000_000


def test_it_names_no_place_of_the_machine_that_made_it():
    for signal in SIGNALS:
        files = set(re.findall(rb"[\w./-]*/[\w.-]+\.py", content(signal)))
        assert {path for path in files if not path.startswith((b"/shop/", b"/python/"))} == set()
        assert not re.search(rb"/(home|root|work|Users|tmp)/", content(signal))


def test_every_service_sends_all_signals_from_one_made_up_host(window):
    for table in ("spans", "logs", "metric_points"):
        rows = window.sql(f"select distinct service_name, host_name from {table}").rows()
        assert set(rows) == {(service, "shop-host") for service in SERVICES}


def test_the_service_map_shows_every_true_edge_with_every_call(window):
    assert edges_on_map(window) == true_edges(TRUTH)


def test_all_of_it_lies_in_the_time_of_the_truth(window):
    first, last = window.sql("select min(start_time_unix_nano), max(end_time_unix_nano) from spans").row(0)
    assert TRUTH["from_unix_nano"] <= first
    assert last <= TRUTH["to_unix_nano"]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_shows_in_its_time(window, fault):
    assert fault_shows(window, TRUTH, fault)
