"""The dictionaries of many profiles payloads as one: tables with positions that hold for all payloads together.

An index of a payload counts from the start of its own table; a position counts from the start of all tables of that
kind, one after another, and is -1 where there is nothing: the index was out of range (reported) or the table is empty.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.formats.otlp.attributes import Attributes, of_pairs
from workbench.formats.otlp.columns import hex_text, offsets_of, parents_of
from workbench.formats.profile_trie import frame_ids, runs

BUILD_IDS = (
    "process.executable.build_id.gnu",
    "process.executable.build_id.go",
    "process.executable.build_id.htlhash",
    "process.executable.build_id.profiling",
)
FRAME_PROMOTED: dict[str, tuple[str, ...]] = {"frame_type": ("profile.frame.type",)}
TABLES = ("mapping", "location", "function", "link", "string", "attribute", "stack")


class Dictionary:
    """What profiles refer to, with texts and attributes resolved."""

    def __init__(self, column: pa.Array) -> None:
        lists = {name: column.field(f"{name}_table") for name in TABLES}
        self._offsets = {name: offsets_of(each) for name, each in lists.items()}
        self._payload = {name: parents_of(each) for name, each in lists.items()}
        self.tables = {name: each.flatten() for name, each in lists.items()}
        self.strings = self.tables["string"]
        self.out_of_range = np.zeros(len(column), bool)  # payloads with a broken reference between tables
        self._entries()
        self.mappings = self._mappings()
        self.frames = self._frames()
        self.frame_ids = frame_ids(self.frames)
        link = self.tables["link"]
        self.links = {name: hex_text(link.field(name)) for name in ("trace_id", "span_id")}

    def positions(self, name: str, index: np.ndarray, payload: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions of indices, and which of them were out of range."""
        offsets = self._offsets[name]
        size = np.diff(offsets)[payload]
        there = (index >= 0) & (index < size)
        return np.where(there, offsets[payload] + index, -1), ~there & (index != 0)

    def texts(self, index: np.ndarray, payload: np.ndarray) -> tuple[pa.Array, np.ndarray]:
        """Strings, empty where there is none, and which indices were out of range."""
        position, broken = self.positions("string", index, payload)
        return taken(self.strings, position).fill_null(""), broken

    def attributes(self, lists: pa.Array, payload: np.ndarray) -> Attributes:
        """Lists of attribute indices, one list per owner; index 0 means nothing."""
        index, owner = lists.flatten().to_numpy(zero_copy_only=False), parents_of(lists)
        position, broken = self.positions("attribute", index, payload[owner])
        keep = (position >= 0) & (index != 0)
        counts = np.bincount(owner[keep], minlength=len(lists))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        found = of_pairs(offsets, position[keep], self.keys, self.tables["attribute"].field("value"))
        found.repaired["index_out_of_range"] = np.unique(owner[broken])
        return found

    def _entries(self) -> None:
        entry, payload = self.tables["attribute"], self._payload["attribute"]
        self.keys = self._column(entry.field("key_strindex"), payload)
        self.units = self._column(entry.field("unit_strindex"), payload)

    def units_of(self, payload: int) -> dict[str, str]:
        """Units of attributes by key, of those that have one."""
        part = slice(*self._offsets["attribute"][payload : payload + 2].tolist())
        units, keys = self.units[part], self.keys[part]
        if not pc.any(pc.not_equal(units, "")).as_py():
            return {}
        return {key: unit for key, unit in zip(keys.to_pylist(), units.to_pylist(), strict=True) if unit}

    def _column(self, index: pa.Array, payload: np.ndarray) -> pa.Array:
        texts, broken = self.texts(index.to_numpy(zero_copy_only=False), payload)
        self.out_of_range[payload[broken]] = True
        return texts

    def _position(self, name: str, index: pa.Array, payload: np.ndarray) -> np.ndarray:
        """Positions of references between tables; 0 means nothing."""
        numbers = index.to_numpy(zero_copy_only=False)
        position, broken = self.positions(name, numbers, payload)
        self.out_of_range[payload[broken]] = True
        return np.where(numbers == 0, -1, position)

    def _own_attributes(self, name: str) -> Attributes:
        payload = self._payload[name]
        found = self.attributes(self.tables[name].field("attribute_indices"), payload)
        for rows in found.repaired.values():
            self.out_of_range[payload[rows.astype(np.int64)]] = True
        return found

    def _mappings(self) -> pa.StructArray:
        mapping, payload = self.tables["mapping"], self._payload["mapping"]
        own = self._own_attributes("mapping")
        fields = {name: as_signed(mapping.field(name)) for name in ("memory_start", "memory_limit", "file_offset")}
        fields["filename"] = self._column(mapping.field("filename_strindex"), payload)
        fields["build_id"] = as_text(own.promoted({"build_id": BUILD_IDS})["build_id"])
        fields |= {"attributes": plain_maps(own.maps()), "attribute_types": own.types()}
        return pa.StructArray.from_arrays(list(fields.values()), list(fields))

    def _frames(self) -> pa.Table:
        """One row per line of a location, innermost first; a location without lines is one row with its address."""
        location, payload = self.tables["location"], self._payload["location"]
        lines = location.field("lines")
        line, line_counts = lines.flatten(), np.diff(offsets_of(lines))
        self.frame_counts = np.maximum(line_counts, 1)
        self.frame_starts = np.cumsum(self.frame_counts) - self.frame_counts
        of = np.repeat(np.arange(len(location)), self.frame_counts)
        line_of = np.full(len(of), -1, np.int64)
        line_of[runs(self.frame_starts, line_counts)] = np.arange(len(line))
        function_of_line = self._position("function", line.field("function_index"), payload[parents_of(lines)])
        function_of = np.append(function_of_line, -1)[line_of]
        self.mapping_of_location = self._position("mapping", location.field("mapping_index"), payload)
        own = self._own_attributes("location")
        function, of_payload = self.tables["function"], self._payload["function"]
        last = np.ones(len(of), bool)
        last[:-1] = of[1:] != of[:-1]
        no_line = pa.array(line_of < 0)
        columns = {}
        for name, field in (("function", "name"), ("system_name", "system_name"), ("file", "filename")):
            texts = taken(self._column(function.field(f"{field}_strindex"), of_payload), function_of).fill_null("")
            columns[name] = pc.if_else(no_line, pa.scalar(None, pa.string()), texts)
        columns["line"] = taken(line.field("line"), line_of)
        columns["column"] = taken(line.field("column"), line_of)
        columns["start_line"] = taken(function.field("start_line"), function_of)
        columns["frame_type"] = as_text(own.promoted(FRAME_PROMOTED)["frame_type"]).take(pa.array(of))
        columns["inlined"] = pa.array(~last)
        mapping_of = self.mapping_of_location[of]
        columns["mapping"] = taken(self.mappings.field("filename"), mapping_of)
        columns["build_id"] = taken(self.mappings.field("build_id"), mapping_of)
        columns["address"] = as_signed(location.field("address")).take(pa.array(of))
        columns["attributes"] = plain_maps(own.of(of).maps())
        columns["attribute_types"] = own.types().take(pa.array(of))
        return pa.table(columns)

    def frames_of(self, stacks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of stacks at positions (-1: the empty one), innermost first.

        Returns:
            Positions of frames, how many per stack, positions of locations, how many per stack.
        """
        lists = self.tables["stack"].field("location_indices")
        offsets, index = offsets_of(lists), lists.flatten()
        per_stack = np.append(np.diff(offsets), 0)
        location, broken = self.positions(
            "location", index.to_numpy(zero_copy_only=False), self._payload["stack"][parents_of(lists)]
        )
        self.out_of_range[self._payload["stack"][parents_of(lists)[broken]]] = True
        counts = per_stack[stacks]
        locations = location[runs(offsets[stacks], counts)]
        stack_of = np.repeat(np.arange(len(stacks)), counts)
        there = locations >= 0
        locations, stack_of = locations[there], stack_of[there]
        frames = runs(self.frame_starts[locations], self.frame_counts[locations])
        frame_counts = np.zeros(len(stacks), np.int64)
        np.add.at(frame_counts, stack_of, self.frame_counts[locations])
        return frames, frame_counts, locations, np.bincount(stack_of, minlength=len(stacks))


def taken(column: pa.Array, position: np.ndarray) -> pa.Array:
    """Values at positions; NULL at -1."""
    return column.take(pa.array(position, mask=position < 0))


def as_signed(column: pa.Array) -> pa.Array:
    """uint64 as the int64 of the same bits: addresses of the kernel become negative and lose nothing."""
    return pa.array(column.to_numpy(zero_copy_only=False).view(np.int64))


def as_text(column: pa.Array) -> pa.Array:
    """Texts, which may be a dictionary, as plain texts."""
    return column.cast(pa.string())


def plain_maps(maps: pa.Array) -> pa.Array:
    """Maps of text to text without dictionaries inside."""
    return pa.MapArray.from_arrays(maps.offsets, as_text(maps.keys), as_text(maps.items))
