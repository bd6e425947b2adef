"""A lake of made-up spans, in columns: a shop of twelve services, twenty-four hours, traces of 7 to 12 spans.

Each trace follows one of four plans (indentation is parentage, "-" before a service says internal span). Of a plan all
traces are made at once, position by position; then spans are put in the order of their start and appended in batches,
as collectors do, and compacted as `workbench maintain compact` does.
"""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from workbench.lake import Writer
from workbench.lake.compact import compact
from workbench.lake.schema import ATTRIBUTES, SPANS

START_NS = 1_717_243_200 * 10**9  # 2024-06-01, noon: the border of the day lies inside
HOURS = 24
BATCHES = 40

# share of traces, then: kind, service, span name, destination (columns of the span, if any)
PLANS = {
    0.45: """
        server frontend GET /products
          client frontend GET server_address=catalog server_port=8080
            server catalog GET /items
              internal catalog load
                client catalog SELECT items db_system_name=postgresql db_namespace=catalog server_address=pg-1 server_port=5432
          client frontend GET server_address=recommendations server_port=8080
            server recommendations GET /similar
              client recommendations GET db_system_name=redis server_address=redis-1 server_port=6379
    """,  # noqa: E501 - one span a line
    0.25: """
        server frontend GET /search
          client frontend search.Search/Query rpc_system_name=grpc server_address=search server_port=9090
            server search search.Search/Query
              internal search plan
                internal search rank
              client search POST db_system_name=elasticsearch server_address=es-1 server_port=9200
          client frontend GET server_address=users server_port=8080
            server users GET /users/{id}
              client users SELECT users db_system_name=postgresql db_namespace=users server_address=pg-2 server_port=5432
    """,  # noqa: E501 - one span a line
    0.2: """
        server frontend POST /cart
          client frontend POST server_address=cart server_port=8080
            server cart POST /items
              client cart HSET db_system_name=redis server_address=redis-2 server_port=6379
              client cart GET server_address=inventory server_port=8080
                server inventory GET /stock
                  internal inventory lock
                    client inventory SELECT stock db_system_name=postgresql db_namespace=stock server_address=pg-3
    """,
    0.1: """
        server frontend POST /checkout
          client frontend POST server_address=checkout server_port=8080
            server checkout POST /orders
              internal checkout validate
              client checkout POST server_address=payments server_port=8080
                server payments POST /charge
                  client payments POST server_address=api.bank.example server_port=443
              client checkout INSERT orders db_system_name=postgresql db_namespace=orders server_address=pg-4
              producer checkout orders publish messaging_system=kafka messaging_destination_name=orders
                consumer shipping orders process messaging_system=kafka messaging_destination_name=orders
                consumer mailer orders process messaging_system=kafka messaging_destination_name=orders
    """,
}
HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), "<u2")
KEYS = ["http.request.method", "user.id", "net.peer.port", "thread.id", "app.feature", "app.version", "code.function"]


@dataclass(frozen=True)
class Step:
    """One span of a plan."""

    depth: int
    parent: int
    kind: str
    service: str
    name: str
    destination: dict[str, str]


def steps(plan: str) -> list[Step]:
    """The spans of a plan, parents first."""
    lines = [line for line in plan.splitlines() if line.strip()]
    left = min(len(line) - len(line.lstrip()) for line in lines)
    found: list[Step] = []
    for line in lines:
        depth = (len(line) - len(line.lstrip()) - left) // 2
        kind, service, *rest = line.split()
        parent = next((i for i in reversed(range(len(found))) if found[i].depth == depth - 1), -1)
        destination = dict(word.split("=") for word in rest if "=" in word)
        name = " ".join(word for word in rest if "=" not in word)
        found.append(Step(depth, parent, kind, service, name, destination))
    return found


def hex_ids(chance: np.random.Generator, count: int, width: int) -> pa.Array:
    """Random ids of `width` bytes as lower-case hex text."""
    text = HEX[chance.integers(0, 256, count * width, dtype=np.uint8)]
    offsets = np.arange(count + 1, dtype=np.int32) * (2 * width)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(text))


def times(
    chance: np.random.Generator, plan: list[Step], roots: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Start and duration (ns) of every span: children one after the other inside their parent, consumers behind it."""
    count = len(roots)
    starts, durations = [roots], [(chance.lognormal(3.5, 0.8, count) * 1e6).astype(np.int64)]
    for index, step in enumerate(plan[1:], 1):
        siblings = [i for i, each in enumerate(plan) if each.parent == step.parent]
        start, duration, slot = starts[step.parent], durations[step.parent], siblings.index(index)
        if step.kind == "consumer":
            starts.append(start + duration + chance.integers(10**6, 10**9, count))
            durations.append((chance.lognormal(2.5, 0.8, count) * 1e6).astype(np.int64))
        else:
            starts.append(start + (duration * (0.05 + 0.9 * slot / len(siblings))).astype(np.int64))
            durations.append((duration * 0.85 / len(siblings) * chance.uniform(0.5, 1, count)).astype(np.int64))
    return starts, durations


def attributes(chance: np.random.Generator, count: int) -> pa.Array:
    """Eight entries a span, of which one is nearly unique."""
    pools = [["GET", "POST"], None, ["8080", "9090"], [str(n) for n in range(64)]]
    pools += [["a", "b", "c"], ["1.4.2", "1.4.3"], [f"handler_{n}" for n in range(40)]]
    parts = [
        pa.array([str(n) for n in range(20_000)] if pool is None else pool).take(
            pa.array(chance.integers(0, 20_000 if pool is None else len(pool), count))
        )
        for pool in pools
    ]
    parts.append(pa.array(chance.integers(0, 10**9, count)).cast(pa.string()))
    items = pa.concat_arrays(parts).take(pa.array(np.arange(8 * count).reshape(8, count).T.ravel()))
    keys = pa.array([*KEYS, "request.id"]).take(pa.array(np.tile(np.arange(8), count)))
    return pa.MapArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * 8), keys, items)


def constant(value: object, count: int, type_: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, type_), count)


def plan_rows(chance: np.random.Generator, plan: list[Step], roots: np.ndarray) -> pa.Table:
    """All spans of all traces that follow one plan."""
    count = len(roots)
    starts, durations = times(chance, plan, roots)
    trace_ids, span_ids = hex_ids(chance, count, 16), [hex_ids(chance, count, 8) for _ in plan]
    parts = []
    for index, step in enumerate(plan):
        status = pa.array(["unset", "error"]).take(pa.array((chance.random(count) < 0.01).astype(np.int8)))
        columns = {
            "start_time": pa.array(starts[index] // 1000).cast(SPANS.schema.field("start_time").type),
            "start_time_unix_nano": pa.array(starts[index]),
            "end_time_unix_nano": pa.array(starts[index] + durations[index]),
            "duration_ns": pa.array(durations[index]),
            "trace_id": trace_ids,
            "span_id": span_ids[index],
            "parent_span_id": constant("", count, pa.string()) if step.parent < 0 else span_ids[step.parent],
            "status_code": status,
        }
        texts = {"name": step.name, "kind": step.kind, "service_name": step.service, **step.destination}
        texts |= {"service_version": "1.4.2", "host_name": f"host-{len(step.service) % 4}"}
        for name, value in texts.items():
            type_ = SPANS.schema.field(name).type
            columns[name] = constant(int(value) if type_ == pa.int64() else value, count, type_)
        columns["service_instance_id"] = pa.array([f"{step.service}-{n}" for n in range(3)]).take(
            pa.array(chance.integers(0, 3, count))
        )
        columns["received_time_unix_nano"] = pa.array(starts[index] + durations[index] + 10**9)
        missing = [field for field in SPANS.schema if field.name not in columns and field.type != ATTRIBUTES]
        columns |= {field.name: pa.nulls(count, field.type) for field in missing}
        columns["attributes"] = attributes(chance, count)
        columns["attribute_types"] = constant("ssiisssi", count, pa.string())
        empty = pa.array(np.zeros(count + 1, np.int32))
        nothing = pa.MapArray.from_arrays(empty, pa.array([], pa.string()), pa.array([], pa.string()))
        columns["resource_attributes"] = columns["scope_attributes"] = nothing
        parts.append(pa.table({field.name: columns[field.name] for field in SPANS.schema}, schema=SPANS.schema))
    return pa.concat_tables(parts)


def build(lake: Path, spans: int, *, seed: int = 7) -> None:
    """Write a lake of about `spans` spans, unless it is there, and compact it."""
    done = lake / f"built-{spans}-{seed}"
    if done.exists():
        return
    shutil.rmtree(lake, ignore_errors=True)
    chance, writer = np.random.default_rng(seed), Writer(lake)
    plans = {share: steps(text) for share, text in PLANS.items()}
    traces = spans / sum(share * len(plan) for share, plan in plans.items())
    slice_ns = HOURS * 3600 * 10**9 // BATCHES
    for batch in range(BATCHES):
        parts = []
        for share, plan in plans.items():
            roots = chance.integers(0, slice_ns, math.ceil(traces * share / BATCHES)) + START_NS + batch * slice_ns
            parts.append(plan_rows(chance, plan, np.sort(roots)))
        rows = pa.concat_tables(parts)
        order = np.argsort(rows["start_time_unix_nano"].to_numpy())
        writer.append({"spans": rows.take(pa.array(order))}, app_id="synthetic", sequence=batch)
        print(f"\r  building the lake: {100 * (batch + 1) // BATCHES} %", end="", flush=True)
    print("\n  compacting       ", end="", flush=True)
    compact(lake)
    live = set(DeltaTable(f"{lake}/spans").file_uris())
    for file in lake.glob("spans/day=*/*.parquet"):
        if str(file) not in live:  # what compaction replaced; nobody reads this lake yet
            file.unlink()
    done.touch()
    print("\r  the lake is built         ")
