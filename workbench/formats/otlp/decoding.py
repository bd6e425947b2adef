"""Many export requests at once to tables of the lake. One bad payload among good ones costs only itself."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from workbench.formats.otlp.arrow import nested_batch, portions
from workbench.formats.otlp.columns import Repairs
from workbench.formats.otlp.decoded import Decoded
from workbench.formats.otlp.logs import logs
from workbench.formats.otlp.pairs import BadPair
from workbench.formats.otlp.points import points
from workbench.formats.otlp.requests import parsed
from workbench.formats.otlp.spans import spans
from workbench.lake.errors import BadInput
from workbench.lake.schema import TABLES, conform

TABLE_OF = {"traces": "spans", "logs": "logs", "metrics": "metric_points"}


def decode(
    signal: str, payloads: Sequence[bytes], received_unix_nano: Sequence[int] | int, *, packed: bool = False
) -> Decoded:
    """Decode export requests (protobuf) of one signal.

    Args:
        signal: traces, logs, metrics or profiles.
        received_unix_nano: when each payload arrived, or one time for all.
        packed: leave texts and maps as dictionaries, which the `Writer` takes as they are.

    Returns:
        Tables with exactly the lake's columns; the same payloads give the same rows in the same order.
    """
    if signal == "profiles":
        from workbench.formats.otlp.profiles import decode as decode_profiles

        return decode_profiles(payloads, received_unix_nano)
    given = np.asarray(received_unix_nano, np.int64)
    received = np.full(len(payloads), given) if given.ndim == 0 else given
    table = TABLES[TABLE_OF[signal]]
    parts: list[pa.Table] = []
    refused: dict[int, str] = {}
    repaired: Counter[str] = Counter()
    for portion in portions(payloads):
        try:
            found = _portion(signal, payloads, received, portion, refused)
        except BadPair:  # attributes are left out of the first pass: parse all, to know whose it was
            refused.update(_bad(signal, payloads, portion))
            rest = [position for position in portion if position not in refused]
            found = _portion(signal, payloads, received, rest, refused)
        columns, repairs = found
        columns["repairs"] = repairs.column()
        repaired.update(repairs.counts())
        parts.append(conform(pa.table(columns), table, packed=packed))
    rows = pa.concat_tables(parts) if parts else table.schema.empty_table()
    return Decoded({table.name: rows}, sorted(refused.items()), dict(repaired))


def _portion(
    signal: str, payloads: Sequence[bytes], received: np.ndarray, positions: Sequence[int], refused: dict[int, str]
) -> tuple[dict[str, pa.Array], Repairs]:
    """The rows of the payloads at `positions`; those that do not decode are added to `refused`."""
    batch, good, bad = nested_batch(signal, [payloads[position] for position in positions])
    refused.update({positions[position]: reason for position, reason in bad})
    arrived = received[np.asarray(positions, np.int64)[good]]
    return {"traces": spans, "logs": logs, "metrics": points}[signal](batch, arrived)


def _bad(signal: str, payloads: Sequence[bytes], positions: Sequence[int]) -> dict[int, str]:
    found = {}
    for position in positions:
        try:
            parsed(signal, payloads[position])
        except BadInput as error:
            found[position] = error.what
    return found
