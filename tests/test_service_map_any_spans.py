"""`wb.service_map`: what holds for any spans, sensible or not."""

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import workbench as wb
from tests.literals import T0
from workbench.lake import Lake, Writer
from workbench.lake.schema import SPANS

DESTINATIONS: list[dict[str, Any]] = [
    {},
    {"server_address": "a.local", "server_port": 80},
    {"peer_service": "b"},
    {"db_system_name": "redis", "server_address": "localhost"},
    {"messaging_system": "kafka", "messaging_destination_name": "orders"},
]


@st.composite
def forests(draw) -> list[dict[str, Any]]:
    """Up to thirty spans of three traces; ids repeat, parents may be absent, later, or the span itself."""
    found = []
    for _ in range(draw(st.integers(1, 30))):
        start, duration = draw(st.integers(-5, 25)), draw(st.integers(0, 9))
        trace_id = draw(st.sampled_from("123"))
        parent = draw(st.integers(-1, 14))
        linked = draw(st.lists(st.integers(0, 14), max_size=1))
        found.append(
            {
                "start_time_unix_nano": T0 + start,
                "end_time_unix_nano": T0 + start + duration,
                "duration_ns": duration,
                "trace_id": trace_id,
                "span_id": f"s{draw(st.integers(0, 14))}",
                "parent_span_id": "" if parent < 0 else f"s{parent}",
                "service_name": draw(st.sampled_from(["a", "b", "c"])),
                "kind": draw(st.sampled_from(["internal", "client", "server", "producer", "consumer"])),
                "status_code": draw(st.sampled_from(["unset", "error"])),
                "links": [{"trace_id": trace_id, "span_id": f"s{each}"} for each in linked],
                **draw(st.sampled_from(DESTINATIONS)),
            }
        )
    return found


@pytest.fixture(scope="module")
def mapped(empty_lake):
    """Maps of one set of rows, cut at these times."""

    def answers(rows: list[dict[str, Any]], *, cuts: tuple[int, ...] = ()) -> list[wb.Topology]:
        with tempfile.TemporaryDirectory() as directory:
            lake = shutil.copytree(empty_lake, Path(directory) / "lake")
            table = pa.Table.from_pylist(rows, schema=SPANS.schema)
            Writer(lake).append({"spans": table}, app_id="test", sequence=0)
            opened, edges = Lake(lake), [T0 - 100, *(T0 + cut for cut in cuts), T0 + 100]
            return [wb.service_map(opened.window(low, high)) for low, high in itertools.pairwise(edges)]

    return answers


ANY = settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@ANY
@given(rows=forests(), data=st.data())
def test_neither_order_nor_repetition_of_rows_matters(mapped, rows, data):
    again = data.draw(st.lists(st.sampled_from(rows), max_size=5))
    (one,), (other,) = mapped(rows), mapped(data.draw(st.permutations(rows + again)))
    assert one.edges.equals(other.edges)
    assert one.nodes.equals(other.nodes)


@ANY
@given(rows=forests())
def test_the_calls_of_a_node_are_those_of_the_edges_into_it_and_those_without_a_caller(mapped, rows):
    (found,) = mapped(rows)
    into = found.edges.group_by(id="target").agg(pl.col("calls").sum().alias("into"))
    both = found.nodes.join(into, on="id", how="left").with_columns(pl.col("into").fill_null(0))
    assert (both["calls"] == both["into"] + both["root_calls"] + both["orphan_calls"]).all()
    assert set(found.edges["source"]) | set(found.edges["target"]) <= set(found.nodes["id"])
    assert found.nodes["id"].is_unique().all()
    for frame in (found.nodes, found.edges):
        assert (frame["errors"] <= frame["calls"]).all()
        assert (frame["unanswered_calls"] <= frame["calls"]).all()
        assert (frame["p50_ms"].fill_null(0) <= frame["p95_ms"].fill_null(0)).all()
        assert (frame["p95_ms"].fill_null(0) <= frame["p99_ms"].fill_null(0)).all()


@pytest.mark.filterwarnings("ignore::workbench.lake.EmptyWindow")
@ANY
@given(rows=forests(), cut=st.integers(-5, 25))
def test_a_window_cut_in_two_counts_every_call_once(mapped, rows, cut):
    parts = ["source", "asynchronous"]  # the target of a call that nothing answered is learned per window

    def calls(found: wb.Topology) -> pl.DataFrame:
        counted = found.edges.group_by(parts).agg(pl.col("calls", "errors").sum())
        alone = found.nodes.select(pl.col("root_calls", "orphan_calls").sum())
        return counted, alone

    (whole,), halves = mapped(rows), mapped(rows, cuts=(cut,))
    counted, alone = zip(*map(calls, halves), strict=True)
    together = pl.concat(counted).group_by(parts).agg(pl.col("calls", "errors").sum()).sort(parts)
    assert together.equals(calls(whole)[0].sort(parts))
    assert pl.concat(alone).sum().equals(calls(whole)[1])
