"""Profiles requests for tests, and what they say when every index is followed."""

import itertools
from typing import Any

from hypothesis import strategies as st

from tests.otlp_literals import NOW, any_values, canonical, resources, scopes, texts
from workbench.formats.otlp.requests import REQUESTS

TABLES = ("mapping", "location", "function", "link", "attribute", "stack")
FIRST_ID = itertools.count(1)


def blank() -> Any:
    """A request with a dictionary of zero values."""
    request = REQUESTS["profiles"]()
    request.dictionary.string_table.append("")
    for name in TABLES:
        getattr(request.dictionary, f"{name}_table").add()
    return request


@st.composite
def profiles_requests(draw: Any) -> Any:
    """A request whose indices are all in range and whose samples have one shape per profile."""
    request = blank()
    d = request.dictionary
    d.string_table.extend(["service.name", "thread.id", "profile.frame.type", *draw(st.lists(texts, max_size=4))])
    strings = st.integers(0, len(d.string_table) - 1)
    ints = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63])
    signed = st.integers(0, 2**62)
    for key in draw(st.lists(strings, max_size=3, unique_by=lambda at: d.string_table[at])):
        d.attribute_table.add(key_strindex=key, unit_strindex=draw(strings)).value.CopyFrom(draw(any_values))
    keys = st.lists(st.integers(1, len(d.attribute_table) - 1), max_size=2, unique=True)
    attributes = keys if len(d.attribute_table) > 1 else st.just([])
    for _ in range(draw(st.integers(0, 2))):
        start, size = draw(st.integers(0, 2**63)), draw(st.integers(1, 2**20))
        taken = {each.filename_strindex for each in d.mapping_table}
        name = next((at for at in range(1, len(d.string_table)) if at not in taken), None)
        if name is not None and d.string_table[name]:
            d.mapping_table.add(
                memory_start=start,
                memory_limit=start + size,
                filename_strindex=name,
                attribute_indices=draw(attributes),
            )
    for _ in range(draw(st.integers(0, 3))):
        names = {f"{each}_strindex": draw(strings) for each in ("name", "system_name", "filename")}
        d.function_table.add(**names, start_line=draw(signed))
    for _ in range(draw(st.integers(0, 3))):
        location = d.location_table.add(
            mapping_index=draw(st.integers(0, len(d.mapping_table) - 1)),
            address=draw(ints),
            attribute_indices=draw(attributes),
        )
        for _ in range(draw(st.integers(0, 3))):
            location.lines.add(
                function_index=draw(st.integers(0, len(d.function_table) - 1)), line=draw(signed), column=draw(signed)
            )
    for _ in range(draw(st.integers(0, 3))):
        d.stack_table.add(
            location_indices=draw(st.lists(st.integers(1, len(d.location_table) - 1), max_size=4))
            if len(d.location_table) > 1
            else []
        )
    for _ in range(draw(st.integers(0, 2))):
        d.link_table.add(
            trace_id=draw(st.binary(min_size=16, max_size=16)), span_id=draw(st.binary(min_size=8, max_size=8))
        )
    for _ in range(draw(st.integers(0, 2))):
        group = request.resource_profiles.add(resource=draw(resources), schema_url=draw(texts))
        for _ in range(draw(st.integers(0, 2))):
            holder = group.scope_profiles.add(scope=draw(scopes), schema_url=draw(texts))
            for _ in range(draw(st.integers(0, 2))):
                _profile(draw, holder.profiles.add(), d, strings, attributes)
    return request


def _profile(draw: Any, profile: Any, d: Any, strings: Any, attributes: Any) -> None:
    profile.time_unix_nano = draw(st.sampled_from([NOW, NOW + 86_400 * 10**9, 1]))
    profile.profile_id = next(FIRST_ID).to_bytes(16, "big") if draw(st.booleans()) else b""
    profile.duration_nano = draw(st.integers(0, 2**63 - 1))
    profile.period = draw(st.integers(-(2**63), 2**63 - 1))
    for each in (profile.sample_type, profile.period_type):
        each.type_strindex, each.unit_strindex = draw(strings), draw(strings)
    profile.dropped_attributes_count = draw(st.integers(0, 9))
    profile.original_payload_format = draw(texts)
    profile.original_payload = draw(st.binary(max_size=3))
    profile.attribute_indices.extend(draw(attributes))
    shape = draw(st.sampled_from(["value", "times", "both"]))
    for _ in range(draw(st.integers(0, 3))):
        sample = profile.samples.add(
            stack_index=draw(st.integers(0, len(d.stack_table) - 1)),
            link_index=draw(st.integers(0, len(d.link_table) - 1)),
            attribute_indices=draw(attributes),
        )
        count = 1 if shape == "value" else draw(st.integers(1, 3))
        if shape != "value":
            sample.timestamps_unix_nano.extend(profile.time_unix_nano + 1 + each for each in range(count))
        if shape != "times":
            sample.values.extend(draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=count, max_size=count)))


def said(request: Any) -> list[Any]:
    """Every profile with all that it refers to, sorted."""
    d = request.dictionary

    def pairs(indices: Any) -> tuple[Any, ...]:
        last = {}
        for at in indices:
            entry = d.attribute_table[at]
            key = d.string_table[entry.key_strindex]
            last.pop(key, None)
            last[key] = (canonical(entry.value), d.string_table[entry.unit_strindex])
        return tuple(last.items())

    def mapping(at: int) -> Any:
        found = d.mapping_table[at]
        limits = (found.memory_start, found.memory_limit, found.file_offset)
        return (*limits, d.string_table[found.filename_strindex], pairs(found.attribute_indices))

    def function(at: int) -> Any:
        found = d.function_table[at]
        names = (found.name_strindex, found.system_name_strindex, found.filename_strindex)
        return (*(d.string_table[name] for name in names), found.start_line)

    def location(at: int) -> Any:
        found = d.location_table[at]
        lines = tuple((function(each.function_index), each.line, each.column) for each in found.lines)
        return mapping(found.mapping_index), found.address, lines, pairs(found.attribute_indices)

    def sample(found: Any) -> Any:
        link = d.link_table[found.link_index]
        stack = tuple(map(location, d.stack_table[found.stack_index].location_indices))
        own = pairs(found.attribute_indices)
        return stack, own, link.trace_id, link.span_id, tuple(found.values), tuple(found.timestamps_unix_nano)

    found = []
    for group in request.resource_profiles:
        for holder in group.scope_profiles:
            outer = (canonical(group.resource), group.schema_url, canonical(holder.scope), holder.schema_url)
            for each in holder.profiles:
                types = [
                    d.string_table[at]
                    for kind in (each.sample_type, each.period_type)
                    for at in (kind.type_strindex, kind.unit_strindex)
                ]
                numbers = (each.time_unix_nano, each.duration_nano, each.period, each.dropped_attributes_count)
                original = (each.original_payload_format, each.original_payload)
                own = pairs(each.attribute_indices)
                found.append((*outer, each.profile_id, types, numbers, original, own, list(map(sample, each.samples))))
    return sorted(found, key=repr)
