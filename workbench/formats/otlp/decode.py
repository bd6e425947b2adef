"""Many export requests at once to tables of the lake. One bad payload among good ones costs only itself."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from workbench.formats.otlp.arrow import nested_batch, portions
from workbench.formats.otlp.columns import Repairs
from workbench.formats.otlp.logs import logs
from workbench.formats.otlp.points import points
from workbench.formats.otlp.spans import spans
from workbench.lake.schema import TABLES, conform

TABLE_OF = {"traces": "spans", "logs": "logs", "metrics": "metric_points"}


@dataclass
class Decoded:
    """Rows by table, payloads that could not be decoded as (position, reason), and repaired rows by word."""

    tables: dict[str, pa.Table]
    refused: list[tuple[int, str]] = field(default_factory=list)
    repaired: dict[str, int] = field(default_factory=dict)


def decode(signal: str, payloads: Sequence[bytes], received_unix_nano: Sequence[int] | int) -> Decoded:
    """Decode export requests (protobuf) of one signal.

    Args:
        signal: traces, logs, metrics or profiles.
        received_unix_nano: when each payload arrived, or one time for all.

    Returns:
        Tables with exactly the lake's columns; the same payloads give the same rows in the same order.
    """
    if signal == "profiles":
        from workbench.formats.otlp.profiles import decode as decode_profiles

        return decode_profiles(payloads, received_unix_nano)
    given = np.asarray(received_unix_nano, np.int64)
    received = np.full(len(payloads), given) if given.ndim == 0 else given
    table = TABLES[TABLE_OF[signal]]
    parts = [table.schema.empty_table()]
    refused: list[tuple[int, str]] = []
    repaired: Counter[str] = Counter()
    for portion in portions(payloads):
        batch, good, bad = nested_batch(signal, [payloads[position] for position in portion])
        refused += [(portion[position], reason) for position, reason in bad]
        for columns, repairs in _rows(signal, batch, received[portion.start : portion.stop][good]):
            columns["repairs"] = repairs.column()
            repaired.update(repairs.counts())
            parts.append(conform(pa.table(columns), table))
    return Decoded({table.name: pa.concat_tables(parts)}, refused, dict(repaired))


def _rows(signal: str, batch: pa.RecordBatch, received: np.ndarray) -> Iterator[tuple[dict[str, pa.Array], Repairs]]:
    if signal == "traces":
        yield spans(batch, received)
    elif signal == "logs":
        yield logs(batch, received)
    else:
        yield from points(batch, received)
