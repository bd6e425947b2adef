"""A window of the lake into a file that other tools read: OTLP in protobuf or JSON, in the order of the lake's files.

Protobuf messages have four bytes of length in front, the most significant first, as the OpenTelemetry Collector's file
exporter writes and its file receiver reads; JSON has one message a line. What is written imports back equal. The file
appears when it is whole: until then it has another name.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from backports import zstd
from isal import igzip

from workbench.formats.otlp import encode, protobuf_to_json
from workbench.formats.otlp.decoding import TABLE_OF
from workbench.formats.otlp.encoding import ROWS_PER_REQUEST
from workbench.formats.otlp.profile_encode import Stacks, encode_profiles
from workbench.lake import TABLES, BadParameter, LakeError, UnknownName, Window
from workbench.lake.window import FOREVER_NS

FORMATS = ("otlp", "otlp-json")
SIGNALS = (*TABLE_OF, "profiles")
ROWS_AT_ONCE = 8192
LONGEST_PROFILE_NS = 86_400_000_000_000
Progress = Callable[[int, int], None]


def export(
    window: Window, signal: str, output: Path, *, output_format: str = "otlp", progress: Progress | None = None
) -> int:
    """Write one signal of a window; the number of rows (spans, records, points, profiles).

    Args:
        output: `.gz` and `.zst` at the end of its name compress.

    Raises:
        UnknownName: no such signal or format.
        BadParameter: the directory of `output` does not exist, or `output` is a directory or a device.
        LakeError: the file cannot be written.
    """
    if signal not in SIGNALS:
        raise UnknownName.of("signal", signal, list(SIGNALS), "export")
    if output_format not in FORMATS:
        raise UnknownName.of("format", output_format, list(FORMATS), "--output-format")
    output = output.resolve()  # what a link leads to is replaced, never the link: /dev/stdout is one
    if output.exists() and not output.is_file():  # renamed over, /dev/null would be a file from then on
        raise BadParameter(f"not a file: {output}", "--output", "give the name of a file")
    if not output.parent.is_dir():
        raise BadParameter(f"no such directory: {output.parent}", "--output", f"mkdir -p {output.parent}")
    if signal == "profiles":
        requests = _profiles(window)
        total = rows_of(window, "profiles").count_rows()
    else:
        scanner = rows_of(window, TABLE_OF[signal])
        total = scanner.count_rows()
        requests = _requests(signal, scanner)
    done = 0
    unfinished = output.with_name(f"{output.name}.part")
    try:
        with _opened(unfinished, output.suffix) as file:
            for count, payload in requests:
                if output_format == "otlp":
                    file.write(len(payload).to_bytes(4, "big") + payload)
                else:
                    file.write(protobuf_to_json(signal, payload).encode() + b"\n")
                done += count
                if progress is not None:
                    progress(done, total)
        unfinished.rename(output)
    except OSError as error:
        raise LakeError(f"cannot write: {error}", str(output), "choose another --output, or make room") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return done


@contextlib.contextmanager
def _opened(path: Path, suffix: str) -> Iterator[Any]:
    if suffix == ".gz":
        with igzip.open(path, "wb", compresslevel=2) as file:
            yield file
    elif suffix == ".zst":
        with zstd.open(path, "wb") as file:
            yield file
    else:
        with path.open("wb") as file:
            yield file


def _requests(signal: str, scanner: ds.Scanner) -> Iterator[tuple[int, bytes]]:
    for batch in scanner.to_batches():
        for start in range(0, batch.num_rows, ROWS_PER_REQUEST):
            part = pa.Table.from_batches([batch.slice(start, ROWS_PER_REQUEST)])
            for payload in encode(signal, part):
                yield part.num_rows, payload


def _profiles(window: Window) -> Iterator[tuple[int, bytes]]:
    """Profiles that begin in the window, with all their samples, also those behind its end."""
    longer = dataclasses.replace(window, to_unix_nano=min(FOREVER_NS, window.to_unix_nano + LONGEST_PROFILE_NS))

    def samples_of(profile_ids: list[str]) -> pa.Table:
        return rows_of(longer, "profile_samples", condition=pc.field("profile_id").isin(profile_ids)).to_table()

    nodes, frames = (rows_of(longer, name).to_table() for name in ("profile_nodes", "profile_frames"))
    yield from encode_profiles(rows_of(window, "profiles").to_batches(), samples_of, Stacks(nodes, frames))


def rows_of(window: Window, table_name: str, *, condition: Any = None) -> ds.Scanner:
    """The rows of a table in a window, to be read in small batches."""
    table = TABLES[table_name]
    low, high = window.limits(table_name)
    terms = [pc.field(table.time) >= low] if low is not None else []
    terms += [pc.field(table.time) < high] if high is not None else []
    terms += [condition] if condition is not None else []
    filtered = None
    for term in terms:
        filtered = term if filtered is None else filtered & term
    files = window.files(table_name)
    if "://" in window.lake.uri and files:
        source = window.dataset(table_name)
    else:
        source = ds.dataset(files, schema=table.schema, format="parquet")
    return source.scanner(
        columns=table.schema.names,
        filter=filtered,
        batch_size=ROWS_AT_ONCE,
        batch_readahead=1,
        fragment_readahead=1,
    )
