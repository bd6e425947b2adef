"""Files into the lake. A file is stored whole or not at all, and what is there already is not added again.

A file is read twice: once to its end without storing anything, so that a damaged one is refused before its first row,
and once to be stored in batches. The application id of these commits is made of the file's bytes: the same file, under
any name, writes nothing the second time, and an import that was broken off writes what is missing. The lake takes the
rows as received now, so retention keeps old ones for its full time.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from workbench.formats.registry import Format, detected, named
from workbench.formats.source import Source
from workbench.lake import BadInput, BadParameter, WorkbenchError, Writer

Progress = Callable[[int, int], None]


@dataclass
class Imported:
    """What became of one file."""

    path: str
    format: str = ""
    state: str = ""  # imported, present (all of it was in the lake), empty, skipped (of no known format), failed
    rows: dict[str, int] = field(default_factory=dict)  # by table, those added
    repaired: dict[str, int] = field(default_factory=dict)  # rows by what was changed to store them
    refused: list[tuple[int, str]] = field(default_factory=list)  # messages that parse and make no rows: byte, reason
    error: WorkbenchError | None = None  # why it failed or was skipped


def import_files(
    paths: Sequence[Path],
    lake: str | Path,
    *,
    input_format: str | None = None,
    service: str | None = None,
    progress: Progress | None = None,
) -> Iterator[Imported]:
    """Import files, and all files of directories; one answer per file, as each is done.

    Args:
        input_format: the format of all of them; None finds it by content.
        service: `service.name` of resources that have none.

    Raises:
        BadParameter: a path does not exist. Nothing is imported.
        UnknownName: there is no such format.
        LakeError: the lake cannot be written. Run it again: what is there is not added twice.
    """
    chosen = named(input_format) if input_format else None
    files = list(_files(paths))
    if not files:
        raise BadParameter("no files", ", ".join(map(str, paths)), "give files, or directories that have some")
    meter = _Meter(sum(2 * path.stat().st_size for path, _ in files), progress)
    writer = Writer(lake)
    for path, listed in files:
        yield _import_file(path, listed, writer, chosen, service, meter)
        meter.file_done(2 * path.stat().st_size)


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """Files in a stable order, and whether it was named itself: what lies in a directory may be something else."""
    for path in paths:
        if path.is_dir():
            inside = (each for each in sorted(path.rglob("*")) if each.is_file())
            yield from ((each, False) for each in inside)
        elif path.is_file():
            yield path, True
        else:
            raise BadParameter(f"no such file: {path}", "import", "give existing files or directories")


def _import_file(
    path: Path, listed: bool, writer: Writer, chosen: Format | None, service: str | None, meter: "_Meter"
) -> Imported:
    done = Imported(str(path))
    try:
        source = Source(path)
        if source.size == 0:
            done.state = "empty"
            return done
        found = chosen or detected(source)
    except BadInput as error:
        done.state, done.error = "failed" if listed else "skipped", error
        return done
    done.format = found.name
    try:
        found.check(source, meter.read)
    except BadInput as error:
        done.state, done.error = "failed", error
        return done
    meter.second_reading(source.size)
    _store(source, found, writer, service, meter, done)
    return done


def _store(source: Source, found: Format, writer: Writer, service: str | None, meter: "_Meter", done: Imported) -> None:
    app_id = f"import-{found.name}-{source.content_id()}" + (f"-{service}" if service else "")
    added: Counter[str] = Counter()
    repaired: Counter[str] = Counter()
    any_rows = False
    batches = found.read(source, received_unix_nano=time.time_ns(), service=service, progress=meter.read)
    for sequence, batch in enumerate(batches):
        written = writer.append(batch.tables, app_id=app_id, sequence=sequence)
        any_rows |= bool(written)
        added.update(written)
        repaired.update(batch.repaired)
        done.refused += batch.refused
    done.rows = {name: count for name, count in added.items() if count}
    done.repaired = dict(repaired)
    done.state = "imported" if done.rows else "present" if any_rows else "empty"


class _Meter:
    """Bytes read of all files, each of which is read twice."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress = max(total, 1), progress
        self._before = self._base = 0

    def read(self, position: int) -> None:
        if self._progress is not None:
            self._progress(min(self._base + position, self._total), self._total)

    def second_reading(self, size: int) -> None:
        self._base = self._before + size

    def file_done(self, size: int) -> None:
        self._before += size
        self._base = self._before
        self.read(0)
