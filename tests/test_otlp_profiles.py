"""OTLP profiles become rows, and rows profiles again; versions of the protocol are told apart by their bytes."""

import json

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.otlp_profile_literals import blank, profiles_requests, said
from workbench.formats.otlp import decode, validate
from workbench.formats.otlp.profile_encode import Stacks, encode_profiles
from workbench.formats.otlp.profile_shapes import copy_by_name, current, old_request, wire_shape
from workbench.formats.otlp.requests import REQUESTS
from workbench.formats.profile_trie import frame_ids, node_ids, trie
from workbench.lake import BadInput, Lake, Writer
from workbench.lake.schema import PROFILE_FRAMES

NOW = 1_790_000_000_000_000_000
DAY_NS = 86_400 * 10**9


def tables(request, received=NOW):
    payload = request if isinstance(request, bytes) else request.SerializeToString()
    decoded = decode("profiles", [payload], received)
    assert decoded.refused == []
    return decoded.tables


def requests_from(found):
    """The way back from tables."""
    samples = found["profile_samples"]
    stacks = Stacks(found["profile_nodes"], found["profile_frames"])

    def samples_of(ids):
        return samples.filter(pa.compute.is_in(samples["profile_id"], pa.array(ids, pa.string())))

    encoded = encode_profiles(found["profiles"].to_batches(), samples_of, stacks)
    return [REQUESTS["profiles"].FromString(payload) for _, payload in encoded]


def small():
    """main calls work, into which leaf is inlined: one value, three timestamps, two stamped values."""
    request = blank()
    d = request.dictionary
    d.string_table.extend(["leaf", "work", "main", "/bin/x", "cpu", "nanoseconds", "thread.id"])
    d.mapping_table.add(memory_start=0x1000, memory_limit=0x2000, filename_strindex=4)
    for name in (1, 2, 3):
        d.function_table.add(name_strindex=name)
    location = d.location_table.add(mapping_index=1, address=0x1234)
    location.lines.add(function_index=1, line=7)
    location.lines.add(function_index=2, line=70)
    d.location_table.add().lines.add(function_index=3, line=1)
    d.location_table.add(mapping_index=1, address=2**63 + 0xABC)
    d.stack_table.add(location_indices=[1, 2])
    d.stack_table.add(location_indices=[3, 2])
    d.link_table.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    d.attribute_table.add(key_strindex=7).value.int_value = 42
    scope = request.resource_profiles.add().scope_profiles.add()
    first = scope.profiles.add(time_unix_nano=NOW, period=50)
    first.sample_type.type_strindex, first.sample_type.unit_strindex = 5, 6
    first.samples.add(stack_index=1, values=[11], attribute_indices=[1])
    second = scope.profiles.add(time_unix_nano=NOW)
    second.samples.add(stack_index=1, timestamps_unix_nano=[NOW + 7, NOW + 8, NOW + 9], link_index=1)
    third = scope.profiles.add(time_unix_nano=NOW)
    third.samples.add(stack_index=2, values=[100, 200], timestamps_unix_nano=[NOW + 10, NOW + 12])
    return request


def test_every_event_is_a_row_with_its_value_its_time_and_its_thread():
    rows = tables(small())["profile_samples"].to_pylist()
    assert [(row["time_unix_nano"] - NOW, row["value"], row["value_is_count"]) for row in rows] == [
        (0, 11, False),
        (7, 1, True),
        (8, 1, True),
        (9, 1, True),
        (10, 100, False),
        (12, 200, False),
    ]
    assert (rows[0]["profile_type"], rows[0]["unit"], rows[0]["period"], rows[0]["thread_id"]) == (
        "cpu",
        "nanoseconds",
        50,
        42,
    )
    assert {row["trace_id"] for row in rows} == {"", "01" * 16}


def test_an_inlined_line_is_a_frame_of_its_own_under_its_caller():
    found = tables(small())
    frames = {row["frame_id"]: row for row in found["profile_frames"].to_pylist()}
    nodes = {row["node_id"]: row for row in found["profile_nodes"].to_pylist()}
    stack = found["profile_samples"]["stack_id"][0].as_py()
    path = []
    while stack:
        frame = frames[nodes[stack]["frame_id"]]
        path.append((frame["function"], frame["line"], frame["inlined"], nodes[stack]["depth"]))
        stack = nodes[stack]["parent_id"]
    assert path == [("leaf", 7, True, 3), ("work", 70, False, 2), ("main", 1, False, 1)]
    (address,) = [row for row in frames.values() if row["function"] is None]
    assert (address["address"] & (2**64 - 1), address["mapping"]) == (2**63 + 0xABC, "/bin/x")


def test_equal_stacks_of_other_payloads_have_equal_ids_whatever_their_indices():
    request = small()
    other = small()
    moved = other.dictionary.function_table.add(name_strindex=1)  # leaf again, at another index
    moved.name_strindex = 1
    other.dictionary.location_table[1].lines[0].function_index = len(other.dictionary.function_table) - 1
    ids = [tables(each)["profile_samples"]["stack_id"].to_pylist() for each in (request, other)]
    assert ids[0] == ids[1]


def test_nodes_and_frames_are_there_once_for_each_day_that_uses_them():
    request = small()
    request.resource_profiles[0].scope_profiles[0].profiles[1].samples[0].timestamps_unix_nano[2] = NOW + DAY_NS
    found = tables(request)
    days = [row["time_unix_nano"] // DAY_NS - NOW // DAY_NS for row in found["profile_nodes"].to_pylist()]
    assert sorted(days) == [0, 0, 0, 0, 1, 1, 1]  # main, work, leaf and the address; main, work, leaf
    assert len(found["profile_frames"]) == 7


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(profiles_requests())
def test_profiles_come_back_equal_from_their_rows(request):
    found = requests_from(tables(request))
    assert sorted((each for one in found for each in said(one)), key=repr) == said(request)


def test_profiles_come_back_equal_from_a_lake(tmp_path):
    Writer(tmp_path / "lake").append(tables(small()), app_id="test", sequence=0)
    window = Lake(tmp_path / "lake").whole()
    names = ("profiles", "profile_samples", "profile_nodes", "profile_frames")
    (back,) = requests_from({name: window.arrow(f"select * exclude (day) from {name}") for name in names})
    assert said(back) == said(small())


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(profiles_requests(), st.sampled_from(["1.8", "1.9"]))
def test_older_versions_say_the_same(request, shape):
    for group in request.resource_profiles:  # what has none of these looks alike in all versions
        for holder in group.scope_profiles:
            for profile in holder.profiles:
                profile.profile_id, profile.dropped_attributes_count = b"\x01" * 16, 1
                for sample in profile.samples:
                    sample.link_index = max(1, sample.link_index)
    request.dictionary.link_table.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8)
    old = old_request(shape)()
    copy_by_name(request, old)
    payload = old.SerializeToString()
    message, found, _ = current(payload)
    if any(profile.samples for g in request.resource_profiles for h in g.scope_profiles for profile in h.profiles):
        assert found == shape
        assert said(message) == said(request)
        rows = tables(payload)["profiles"].to_pylist()
        assert {row["wire_shape"] for row in rows} == {shape}
        assert payload in [row["original_payload"] for row in rows] or all(row["original_payload"] for row in rows)


def test_samples_without_any_sign_of_their_version_are_of_today_unless_that_is_impossible():
    request = small()
    del request.resource_profiles[0].scope_profiles[0].profiles[1:]
    (sample,) = request.resource_profiles[0].scope_profiles[0].profiles[0].samples
    sample.Clear()
    sample.stack_index = 1
    sample.timestamps_unix_nano.append(NOW)
    sample.attribute_indices.append(1)
    assert wire_shape(request.SerializeToString()) == "1.10"
    sample.attribute_indices[0] = 1_000_000  # no attribute: a value of 1.9
    assert wire_shape(request.SerializeToString()) == "1.9"


def test_versions_before_1_8_are_refused_by_name():
    request = small()
    payload = request.SerializeToString()
    length = b"\x08\x00\x10\x05"  # sample of 1.7: locations_start_index 0, locations_length 5
    sample = b"\x12" + bytes([len(length)]) + length
    for _ in ("profile", "scope", "resource"):
        sample = (b"\x0a" if _ == "resource" else b"\x12") + bytes([len(sample)]) + sample
    with pytest.raises(BadInput, match=r"version 1\.7 or older"):
        validate("profiles", sample + payload)


def test_references_into_the_string_table_are_replaced_by_what_they_mean():
    request = small()
    d = request.dictionary
    d.string_table.extend(["service.name", "checkout", "nested"])
    at = len(d.string_table)
    pair = request.resource_profiles[0].resource.attributes.add(key_strindex=at - 3)
    pair.value.string_value_strindex = at - 2
    deep = d.attribute_table[1].value.kvlist_value.values.add(key_strindex=at - 1)
    deep.value.string_value_strindex = at - 2
    found = tables(request)
    assert set(found["profile_samples"]["service_name"].to_pylist()) == {"checkout"}
    assert found["profiles"]["resource_attributes"][0].as_py() == [("service.name", "checkout")]
    assert found["profile_samples"]["attributes"][0].as_py() == [("thread.id", '{"nested":"checkout"}')]


def test_broken_references_are_counted_and_nothing_is_dropped():
    request = small()
    samples = request.resource_profiles[0].scope_profiles[0].profiles[0].samples
    samples[0].stack_index = 99
    samples[0].attribute_indices.append(-5)
    samples.add(stack_index=1)  # neither value nor timestamp
    request.dictionary.location_table[2].lines[0].function_index = 77
    decoded = decode("profiles", [request.SerializeToString()], NOW)
    rows = decoded.tables["profile_samples"].to_pylist()
    assert (rows[0]["stack_id"], rows[0]["value"], rows[0]["repairs"]) == (0, 11, "index_out_of_range")
    assert rows[1]["repairs"] == "sample_without_value"
    assert decoded.repaired["index_out_of_range"] == 1 + 3  # the sample, and the profiles of a broken dictionary
    assert decoded.repaired["sample_without_value"] == 1


def test_samples_without_a_dictionary_are_refused_and_cost_only_themselves():
    request = small()
    good = request.SerializeToString()
    request.ClearField("dictionary")
    decoded = decode("profiles", [good, request.SerializeToString(), b"\xff", good], NOW)
    assert [position for position, _ in decoded.refused] == [1, 2]
    assert len(decoded.tables["profile_samples"]) == 12


def test_the_same_payload_gives_the_same_rows():
    first, second = (tables(small()) for _ in range(2))
    assert {name: each.equals(second[name]) for name, each in first.items()} == dict.fromkeys(first, True)


def test_a_node_id_is_the_xxh64_of_parent_and_frame():
    parents = np.array([0, 1, 2**63 - 1, 12345], np.int64)
    frames = np.array([1, 2**62, 77, 0], np.int64)
    expected = [
        xxhash.xxh64_intdigest(int(parent).to_bytes(8, "little") + int(frame).to_bytes(8, "little")) & (2**63 - 1)
        for parent, frame in zip(parents, frames, strict=True)
    ]
    assert node_ids(parents, frames).tolist() == expected


def test_ids_never_change():
    row = dict.fromkeys(PROFILE_FRAMES.schema.names) | {"function": "main", "line": 3, "inlined": False}
    frame = pa.Table.from_pylist([row], schema=PROFILE_FRAMES.schema)
    canonical = b"4:main;~;~;~;~;~;~;3;~;~;false;~;"
    assert frame_ids(frame).tolist() == [xxhash.xxh64_intdigest(canonical) & (2**63 - 1)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(1, 5), max_size=5), max_size=8), st.data())
def test_the_trie_holds_every_stack_and_nothing_else(stacks, data):
    groups = [data.draw(st.integers(0, 2)) for _ in stacks]
    flat = np.array([frame for stack in stacks for frame in stack], np.int64)
    counts = np.array([len(stack) for stack in stacks], np.int64)
    leaves, nodes = trie(flat, counts, np.array(groups, np.int64))
    prefixes = {
        (group, tuple(stack[-size:]))
        for group, stack in zip(groups, stacks, strict=True)
        for size in range(1, len(stack) + 1)
    }
    assert len(nodes.node_id) == len(prefixes)
    by_id = {}
    for node, parent, frame in zip(
        nodes.node_id.tolist(), nodes.parent_id.tolist(), nodes.frame_id.tolist(), strict=True
    ):
        by_id[node] = (parent, frame)
    for leaf, stack in zip(leaves.tolist(), stacks, strict=True):
        path = []
        while leaf:
            leaf, frame = by_id[leaf]  # noqa: PLW2901 - the walk to the root
            path.append(frame)
        assert path == stack


REFUSED = {"no_dictionary": "without a dictionary"}  # profcheck panics on it


def test_real_and_broken_profiles_decode_or_are_refused_with_the_reason(test_data):
    folder = test_data / "profiles" / "otlp"
    names = json.loads((folder / "profcheck-mutants" / "EXPECTED.json").read_text())
    files = {name: (folder / "profcheck-mutants" / f"{name}.otlp").read_bytes() for name in names}
    assert len(files) == 44
    for name, payload in files.items():
        decoded = decode("profiles", [payload], NOW)
        reasons = [reason for _, reason in decoded.refused]
        if name in REFUSED:
            assert REFUSED[name] in reasons[0]
            continue
        assert reasons == [], name
        request = REQUESTS["profiles"].FromString(payload)
        samples = [
            s for g in request.resource_profiles for h in g.scope_profiles for p in h.profiles for s in p.samples
        ]
        events = sum(max(len(s.values), len(s.timestamps_unix_nano), 1) for s in samples)
        assert len(decoded.tables["profile_samples"]) == events, name


def test_a_real_capture_has_the_figures_that_are_known_of_it(test_data):
    found = tables((test_data / "profiles" / "otlp" / "profile.otlp").read_bytes())
    assert [len(found[name]) for name in ("profiles", "profile_samples")] == [4, 189]
    frames = {row["frame_id"]: row for row in found["profile_frames"].to_pylist()}
    frame_of = {row["node_id"]: row["frame_id"] for row in found["profile_nodes"].to_pylist()}
    leaves = [frames[frame_of[each]]["function"] for each in found["profile_samples"]["stack_id"].to_pylist()]
    assert leaves.count("int java.util.Random.next(int)") == 116
    assert set(found["profiles"]["wire_shape"].to_pylist()) == {"1.8"}  # by its bytes, whatever its README says
    assert "Thread-1" in found["profile_samples"]["thread_name"].to_pylist()
