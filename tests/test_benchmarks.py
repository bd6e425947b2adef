"""The benchmarks run, check their answers, and say what they found in the way the README needs. No figure is tested."""

import gzip
import re

import pytest

from benchmarks import __main__ as runner
from benchmarks import ingest, payloads, plain_way
from benchmarks.receiving import receiver
from workbench.formats.otlp import decode

ROW = {
    "name": "spans",
    "value": 150_000,
    "unit": "rows per CPU-second",
    "target": ">= 130,000",
    "baseline_name": "plain way",
    "baseline_value": 30_000,
    "note": "a | b",
}


def test_every_benchmark_has_a_place_in_the_readme():
    text = runner.README.read_text()
    for name in runner.found():
        assert re.search(f"<!-- begin {name} -->.*<!-- end {name} -->", text, re.DOTALL), name


def test_a_row_becomes_a_line_of_the_table():
    expected = "| spans | **150,000** rows per CPU-second | >= 130,000 ✓ | plain way: 30,000 | a \\| b |"
    assert runner.table([ROW]) == f"{runner.HEAD}\n{expected}"


@pytest.mark.parametrize(
    ("target", "value", "held"), [("<= 4", 4, True), ("<= 4", 4.01, False), (">= 130,000", 129_999, False)]
)
def test_a_missed_target_is_said(target, value, held):
    row = {**ROW, "target": target, "value": value}
    assert runner.met(row) is held
    assert ("**missed**" in runner.table([row])) is not held


def test_a_target_that_cannot_be_read_is_an_error():
    with pytest.raises(ValueError, match="write <= N or >= N"):
        runner.met({**ROW, "target": "fast"})


def test_only_the_own_block_of_the_readme_is_replaced():
    text = "a\n<!-- begin x -->\nold\n<!-- end x -->\n<!-- begin y -->\nkept\n<!-- end y -->\n"
    assert runner.written(text, "x", "new") == text.replace("old", "new")


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_payloads_hold_what_the_benchmark_says(signal):
    first, second = payloads.requests(signal, 2)
    assert first != second
    (rows,) = decode(signal, [first], 7).tables.values()
    assert rows.num_rows == payloads.ITEMS
    counts = {len(row) for row in rows["attributes"].to_pylist()}
    assert counts == {{"traces": 8, "logs": 5, "metrics": 3}[signal]}


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_the_plain_way_stores_every_row(signal, tmp_path):
    file = tmp_path / "request.gz"
    file.write_bytes(gzip.compress(payloads.requests(signal, 1)[0]))
    rows, seconds = plain_way.store([file, file], signal, tmp_path / "plain.parquet")
    assert (rows, seconds > 0) == (2 * payloads.ITEMS, True)


@pytest.mark.slow
def test_the_load_is_acknowledged_and_ends_in_the_lake_over_both_protocols(tmp_path):
    files = payloads.stored(tmp_path / "requests", "traces", 8)
    with receiver(tmp_path) as server:
        for number, over in enumerate(("http", "grpc")):
            assert server.load(files, "traces", over=over, requests=8)["acknowledged"] == 8 * payloads.ITEMS
            server.drained("traces", (number + 1) * 8 * payloads.ITEMS)
        used = server.cpu()
    ingest.check(tmp_path / "lake", "traces", 16 * payloads.ITEMS)
    assert {"receiver", "worker"} <= used.keys()
    with pytest.raises(RuntimeError, match="were sent"):
        ingest.check(tmp_path / "lake", "traces", 17 * payloads.ITEMS)
