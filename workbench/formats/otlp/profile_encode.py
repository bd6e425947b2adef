"""Rows of profiles back to OTLP requests of today's shape, equal to what came in.

A sample that had a value and no timestamp and one stamped exactly at the start of its profile look alike in the rows;
all samples of a profile share one shape, so other samples of the profile decide, and without a sign it was a value.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.formats.otlp.encoding import RESOURCE, SCOPE, Row, fill_resource, fill_scope, key_of
from workbench.formats.otlp.profile_tables import Tables, unsigned
from workbench.formats.otlp.profiles import OLDER_FORMAT, UNITS_KEY
from workbench.formats.otlp.requests import REQUESTS
from workbench.formats.profile_trie import EMPTY_STACK

PROFILES_PER_REQUEST = 64
PROFILE = ("profile_id", "profile_type", "unit", "received_time_unix_nano")  # one that was sent twice is two
SamplesOf = Callable[[list[str]], pa.Table]


class Stacks:
    """Stacks by id, from the rows of `profile_nodes` and `profile_frames`; an id may be in several rows."""

    def __init__(self, nodes: pa.Table, frames: pa.Table) -> None:
        ids = nodes["node_id"].to_numpy()
        self._node_ids, first = np.unique(ids, return_index=True)
        self._parents = nodes["parent_id"].to_numpy()[first]
        self._frame_of = nodes["frame_id"].to_numpy()[first]
        frame_ids, first = np.unique(frames["frame_id"].to_numpy(), return_index=True)
        self._rows = frames.take(pa.array(first))
        self._row_of = dict(zip(frame_ids.tolist(), range(len(frame_ids)), strict=True))
        self._known: dict[int, Row] = {}

    def frames(self, stack_id: int) -> list[Row]:
        """Frames of a stack, innermost first; where the lake has lost a node, what is above it is missing."""
        found = []
        while stack_id != EMPTY_STACK:
            place = int(np.searchsorted(self._node_ids, stack_id))
            if place == len(self._node_ids) or self._node_ids[place] != stack_id:
                break
            found.append(self._frame(int(self._frame_of[place])))
            stack_id = int(self._parents[place])
        return found

    def _frame(self, frame_id: int) -> Row:
        if frame_id not in self._known:
            row = self._row_of.get(frame_id)
            self._known[frame_id] = {} if row is None else self._rows.slice(row, 1).to_pylist()[0]
        return self._known[frame_id]


def encode_profiles(
    profiles: Iterable[pa.RecordBatch], samples_of: SamplesOf, stacks: Stacks
) -> Iterator[tuple[int, bytes]]:
    """Requests of at most 64 profiles, with how many there are in each.

    Args:
        profiles: rows of `profiles`.
        samples_of: rows of `profile_samples` by profile ids.
    """
    for batch in profiles:
        for start in range(0, batch.num_rows, PROFILES_PER_REQUEST):
            rows = batch.slice(start, PROFILES_PER_REQUEST).to_pylist()
            samples = _by_profile(samples_of(sorted({row["profile_id"] for row in rows})))
            yield len(rows), _request(rows, samples, stacks)


def _by_profile(samples: pa.Table) -> dict[tuple[Any, ...], list[Row]]:
    order = pc.sort_indices(samples, sort_keys=[("sample_index", "ascending"), ("time_unix_nano", "ascending")])
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in samples.take(order).to_pylist():
        found.setdefault(tuple(row[name] for name in PROFILE), []).append(row)
    return found


def _request(rows: list[Row], samples: dict[tuple[Any, ...], list[Row]], stacks: Stacks) -> bytes:
    request = REQUESTS["profiles"]()
    tables = Tables(request.dictionary)
    for resource, in_resource in itertools.groupby(rows, lambda row: key_of(row, RESOURCE)):
        group = request.resource_profiles.add()
        fill_resource(group, resource)
        for scope, in_scope in itertools.groupby(in_resource, lambda row: key_of(row, SCOPE)):
            holder = group.scope_profiles.add()
            fill_scope(holder, scope)
            for row in in_scope:
                own = samples.get(tuple(row[name] for name in PROFILE), [])
                _profile(holder.profiles.add(), row, own, tables, stacks)
    encoded: bytes = request.SerializeToString()
    return encoded


def _profile(profile: Any, row: Row, samples: list[Row], tables: Tables, stacks: Stacks) -> None:
    repairs = (row["repairs"] or "").split(",")
    attributes = list(zip(row["attributes"] or [], row["attribute_types"] or "", strict=True))
    units: dict[str, str] = next((json.loads(text) for (key, text), _ in attributes if key == UNITS_KEY), {})
    if "time_from_receipt" not in repairs:
        profile.time_unix_nano = row["time_unix_nano"]
    if "profile_id_from_content" not in repairs:
        profile.profile_id = bytes.fromhex(row["profile_id"])
    profile.duration_nano, profile.period = row["duration_ns"] or 0, row["period"] or 0
    profile.sample_type.type_strindex = tables.string(row["profile_type"])
    profile.sample_type.unit_strindex = tables.string(row["unit"])
    profile.period_type.type_strindex = tables.string(row["period_type"])
    profile.period_type.unit_strindex = tables.string(row["period_unit"])
    profile.dropped_attributes_count = row["dropped_attributes"] or 0
    if not (row["original_payload_format"] or "").startswith(OLDER_FORMAT):
        profile.original_payload_format = row["original_payload_format"] or ""
        profile.original_payload = row["original_payload"] or b""
    own = [((key, text), letter) for (key, text), letter in attributes if key != UNITS_KEY]
    profile.attribute_indices.extend(tables.attributes(own, units))
    stamped = any(each["time_unix_nano"] != row["time_unix_nano"] for each in samples)
    for _, same in itertools.groupby(samples, lambda each: each["sample_index"]):
        _sample(profile.samples.add(), list(same), row, tables, stacks, units, stamped)


def _sample(
    sample: Any, rows: list[Row], profile: Row, tables: Tables, stacks: Stacks, units: dict[str, str], stamped: bool
) -> None:
    first = rows[0]
    repairs = (first["repairs"] or "").split(",")
    sample.stack_index = tables.stack(stacks.frames(first["stack_id"]), profile["mappings"] or [], units)
    pairs = list(zip(first["attributes"] or [], first["attribute_types"] or "", strict=True))
    sample.attribute_indices.extend(tables.attributes(pairs, units))
    sample.link_index = tables.link(first["trace_id"] or "", first["span_id"] or "")
    if "sample_without_value" in repairs:
        return
    if not first["value_is_count"]:
        sample.values.extend(row["value"] for row in rows)
    if (first["value_is_count"] or stamped) and "time_from_receipt" not in repairs:
        sample.timestamps_unix_nano.extend(unsigned(row["time_unix_nano"]) for row in rows)
