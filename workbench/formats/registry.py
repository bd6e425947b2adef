"""Foreign file formats by name, and which of them a file is, by its content.

A format is one entry here and one module: `recognises` looks at the first bytes, `read` gives rows of the lake in
batches whose boundaries depend on the content alone, so that an import that broke off goes on where it was.
"""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workbench.formats.otlp.decoded import Decoded
from workbench.formats.source import Source
from workbench.lake.errors import BadInput, UnknownName


@dataclass(frozen=True)
class Format:
    """A format of files. The module is loaded when it is needed; it has these three functions."""

    name: str
    summary: str
    module: str

    def recognises(self, head: bytes) -> bool:
        """Do these first (decompressed) bytes begin a file of this format?"""
        return bool(self._module().recognises(head))

    def check(self, source: Source, progress: Any = None) -> None:
        """Read the file to its end without storing anything.

        Raises:
            BadInput: the file is damaged; the error says where.
        """
        self._module().check(source, progress)

    def read(self, source: Source, *, received_unix_nano: int, service: str | None, progress: Any) -> Iterator[Decoded]:
        """The file as batches of rows."""
        return iter(self._module().read(source, received_unix_nano, service, progress))

    def _module(self) -> Any:
        return importlib.import_module(self.module)


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("otlp-json", "OTLP/JSON, one document or one a line", "workbench.formats.otlp.json_files"),
        Format("otlp", "OTLP protobuf, one message or length-framed ones", "workbench.formats.otlp.protobuf_files"),
    )
}


def named(name: str) -> Format:
    """A format by its name.

    Raises:
        UnknownName: there is none of that name.
    """
    if name not in FORMATS:
        raise UnknownName.of("format", name, list(FORMATS), "--input-format")
    return FORMATS[name]


def detected(source: Source) -> Format:
    """The format of a file, by its content.

    Raises:
        BadInput: no format recognises it.
    """
    head = source.head()
    for each in FORMATS.values():
        if each.recognises(head):
            return each
    remedy = f"name it with --input-format, if it is one of: {', '.join(FORMATS)}"
    raise BadInput("no known format of telemetry", str(source.path), remedy)
