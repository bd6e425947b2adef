"""What comes of decoding payloads."""

from dataclasses import dataclass, field

import pyarrow as pa


@dataclass
class Decoded:
    """Rows by table, payloads that could not be decoded as (position, reason), and repaired rows by word."""

    tables: dict[str, pa.Table]
    refused: list[tuple[int, str]] = field(default_factory=list)
    repaired: dict[str, int] = field(default_factory=dict)
