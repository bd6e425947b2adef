"""The dictionary of a profiles request, filled: equal things get the same index."""

from collections.abc import Iterable
from typing import Any

from workbench.formats.otlp.values import any_value

Row = dict[str, Any]
Pair = tuple[tuple[str, str | None], str]  # key and text, letter


class Tables:
    """Interns strings, attributes, mappings, functions, locations, stacks and links. Index 0 of each is nothing."""

    def __init__(self, dictionary: Any) -> None:
        self._dictionary = dictionary
        dictionary.string_table.append("")
        for name in ("mapping", "location", "function", "link", "attribute", "stack"):
            getattr(dictionary, f"{name}_table").add()
        self._strings = {"": 0}
        self._known: dict[tuple[Any, ...], int] = {}

    def string(self, text: str | None) -> int:
        """Index of a text."""
        found = self._strings.setdefault(text or "", len(self._strings))
        if found == len(self._dictionary.string_table):
            self._dictionary.string_table.append(text or "")
        return found

    def _index(self, name: str, key: tuple[Any, ...]) -> tuple[int, Any]:
        """Index of `key` in a table, and the entry to fill if it is new."""
        table = getattr(self._dictionary, f"{name}_table")
        found = self._known.setdefault((name, *key), len(table))
        return found, table.add() if found == len(table) else None

    def attributes(self, pairs: Iterable[Pair], units: dict[str, str]) -> list[int]:
        """Indices of attributes."""
        found = []
        for (key, text), letter in pairs:
            unit = units.get(key, "")
            index, entry = self._index("attribute", (key, text, letter, unit))
            if entry is not None:
                entry.key_strindex, entry.unit_strindex = self.string(key), self.string(unit)
                entry.value.CopyFrom(any_value(text, letter))
            found.append(index)
        return found

    def link(self, trace_id: str, span_id: str) -> int:
        """Index of a link to a span."""
        if not trace_id and not span_id:
            return 0
        index, entry = self._index("link", (trace_id, span_id))
        if entry is not None:
            entry.trace_id, entry.span_id = bytes.fromhex(trace_id), bytes.fromhex(span_id)
        return index

    def stack(self, frames: list[Row], mappings: list[Row], units: dict[str, str]) -> int:
        """Index of a stack of rows of `profile_frames`, innermost first."""
        locations: list[int] = []
        lines: list[Row] = []
        for frame in frames:
            lines.append(frame)
            if not frame.get("inlined"):  # the last line of its location
                locations.append(self._location(lines, mappings, units))
                lines = []
        if lines:
            locations.append(self._location(lines, mappings, units))
        if not locations:
            return 0
        index, entry = self._index("stack", tuple(locations))
        if entry is not None:
            entry.location_indices.extend(locations)
        return index

    def _location(self, lines: list[Row], mappings: list[Row], units: dict[str, str]) -> int:
        last = lines[-1]
        mapping = self._mapping(last, mappings, units)
        index, entry = self._index("location", (mapping, *(frame.get("frame_id") for frame in lines)))
        if entry is not None:
            entry.mapping_index = mapping
            entry.address = unsigned(last.get("address"))
            pairs = zip(last.get("attributes") or [], last.get("attribute_types") or "", strict=True)
            entry.attribute_indices.extend(self.attributes(pairs, units))
            for frame in lines:
                if frame.get("function") is not None:
                    line = entry.lines.add(line=frame["line"] or 0, column=frame["column"] or 0)
                    line.function_index = self._function(frame)
        return index

    def _function(self, frame: Row) -> int:
        if frame["start_line"] is None:  # the line had no function
            return 0
        names = (frame["function"], frame["system_name"], frame["file"])
        index, entry = self._index("function", (*names, frame["start_line"]))
        if entry is not None:
            entry.name_strindex, entry.system_name_strindex, entry.filename_strindex = map(self.string, names)
            entry.start_line = frame["start_line"]
        return index

    def _mapping(self, frame: Row, mappings: list[Row], units: dict[str, str]) -> int:
        if frame.get("mapping") is None:
            return 0
        alike = [
            each for each in mappings if each["filename"] == frame["mapping"] and each["build_id"] == frame["build_id"]
        ]
        address = unsigned(frame.get("address"))
        inside = [each for each in alike if unsigned(each["memory_start"]) <= address < unsigned(each["memory_limit"])]
        found = (inside or alike or [{"filename": frame["mapping"]}])[0]
        key = tuple(found.get(name) for name in ("memory_start", "memory_limit", "file_offset", "filename"))
        pairs = list(zip(found.get("attributes") or [], found.get("attribute_types") or "", strict=True))
        index, entry = self._index("mapping", (*key, *pairs))
        if entry is not None:
            entry.memory_start, entry.memory_limit, entry.file_offset = map(unsigned, key[:3])
            entry.filename_strindex = self.string(found["filename"])
            entry.attribute_indices.extend(self.attributes(pairs, units))
        return index


def unsigned(value: int | None) -> int:
    """The uint64 of the same bits."""
    return (value or 0) & (2**64 - 1)
