"""Do the attributes of the benchmark's requests repeat more than a real shop's? They must not: repetition is cheap."""

import struct
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from backports import zstd

from benchmarks import payloads
from workbench.formats.otlp import decode

CLAIM = "The requests of the ingest benchmark repeat their attributes no more than the recording of the demo shop."
RECORDING = Path(__file__).parent.parent / "datasets" / "recordings" / "shop"
TABLES = {"traces": "spans", "logs": "log records", "metrics": "metric points"}


def run(quick: bool) -> list[dict[str, Any]]:  # noqa: ARG001 - every benchmark is asked so
    """Rows of the table: distinct pairs of key and value per hundred attributes, ours and the shop's."""
    found = []
    for signal, noun in TABLES.items():
        rows = _rows(signal, _recorded(signal))
        ours = _rows(signal, payloads.requests(signal, -(-rows.num_rows // payloads.ITEMS))).slice(0, rows.num_rows)
        shop, made = distinct_per_hundred(rows), distinct_per_hundred(ours)
        width = rows["attributes"].combine_chunks().items
        found.append(
            {
                "name": f"attributes of {rows.num_rows:,} {noun}",
                "value": made,
                "unit": "distinct per 100",
                "target": f">= {shop}",
                "baseline_name": "shop",
                "baseline_value": shop,
                "note": f"the shop has {len(width) / rows.num_rows:.1f} attributes per row",
            }
        )
    return found


def _recorded(signal: str) -> list[bytes]:
    """The export requests of the recording: each after its length in four bytes."""
    data = zstd.decompress((RECORDING / f"{signal}.otlp.zst").read_bytes())
    requests, position = [], 0
    while position < len(data):
        (size,) = struct.unpack_from(">I", data, position)
        requests.append(data[position + 4 : position + 4 + size])
        position += 4 + size
    return requests


def _rows(signal: str, requests: list[bytes]) -> pa.Table:
    (rows,) = decode(signal, requests, 0).tables.values()
    return rows


def distinct_per_hundred(rows: pa.Table) -> float:
    """Distinct pairs of key and value per hundred attributes of the rows."""
    maps = rows["attributes"].combine_chunks()
    pairs = pl.DataFrame({"key": pl.Series(maps.keys), "value": pl.Series(maps.items)})
    return round(100 * pairs.n_unique() / pairs.height, 1)
