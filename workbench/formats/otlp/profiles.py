"""ExportProfilesServiceRequest as rows of `profiles`, `profile_samples`, `profile_nodes` and `profile_frames`.

One row of `profile_samples` per event: a sample with ten timestamps is ten rows that share `sample_index`. A timestamp
without a value counts 1 (`value_is_count`); a value without a timestamp has the time of its profile. A count of samples
stays a count; `period` is beside it, for whoever wants time. References that lead nowhere are counted, never dropped.
Frames and nodes are written once per UTC day of the samples that use them, with the time of the first of these, so a
window that is widened by a day has all that its samples refer to.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from workbench.formats.otlp.arrow import nested_batch, portions
from workbench.formats.otlp.columns import (
    Repairs,
    hex_text,
    list_column,
    microseconds,
    offsets_of,
    parents_of,
    signed,
    small_count,
)
from workbench.formats.otlp.context import Context, mark
from workbench.formats.otlp.decoded import Decoded
from workbench.formats.otlp.logs import with_time
from workbench.formats.otlp.profile_dictionary import Dictionary, plain_maps, taken
from workbench.formats.otlp.profile_shapes import CURRENT, current, profiles_of
from workbench.formats.profile_trie import runs, trie
from workbench.lake.errors import BadInput
from workbench.lake.schema import TABLES, conform

DAY_NS = 86_400_000_000_000
SAMPLE_PROMOTED: dict[str, tuple[str, ...]] = {
    "process_pid": ("process.pid",),
    "container_id": ("container.id",),
    "thread_id": ("thread.id",),
    "thread_name": ("thread.name",),
}
OF_RESOURCE = ("service_name", "service_version", "service_instance_id", "host_name", "host_id")
UNITS_KEY = "workbench.attribute_units"  # attribute of a profile: units of attributes by key, where there are any
OLDER_FORMAT = "otlp-profiles-"  # and the version: `original_payload` is the request in an older shape
NAMES = ("profile_frames", "profile_nodes", "profiles", "profile_samples")
Columns = dict[str, Any]


def validate(payload: bytes) -> int:
    """Parse fully, throw away, and tell how many samples there were.

    Raises:
        BadInput: the payload does not parse, is older than 1.8, or has samples and no dictionary.
    """
    request, _, _ = current(payload)
    return sum(len(profile.samples) for profile in profiles_of(request))


def decode(payloads: Sequence[bytes], received_unix_nano: Sequence[int] | int) -> Decoded:
    """Decode profiles requests (protobuf); see `workbench.formats.otlp.decode`."""
    given = np.asarray(received_unix_nano, np.int64)
    received = np.full(len(payloads), given) if given.ndim == 0 else given
    parts: dict[str, list[pa.Table]] = {name: [TABLES[name].schema.empty_table()] for name in NAMES}
    refused: list[tuple[int, str]] = []
    repaired: Counter[str] = Counter()
    for portion in portions(payloads):
        readable: list[tuple[int, bytes, str]] = []
        for position in portion:
            try:
                request, shape, differs = current(payloads[position])
            except BadInput as error:
                refused.append((position, error.what))
                continue
            readable.append((position, request.SerializeToString() if differs else payloads[position], shape))
        batch, good, bad = nested_batch("profiles", [payload for _, payload, _ in readable])
        refused += [(readable[index][0], reason) for index, reason in bad]
        chosen = [readable[index] for index in good]
        positions = [position for position, _, _ in chosen]
        tables, counts = _rows(batch, received[positions], [payloads[each] for each in positions], chosen)
        repaired.update(counts)
        for name, columns in tables.items():
            parts[name].append(conform(pa.table(columns), TABLES[name]))
    return Decoded({name: pa.concat_tables(each) for name, each in parts.items()}, sorted(refused), dict(repaired))


def _rows(
    batch: pa.RecordBatch, received: np.ndarray, originals: list[bytes], chosen: list[tuple[int, bytes, str]]
) -> tuple[dict[str, Columns], Counter[str]]:
    context = Context(batch, "resource_profiles", "scope_profiles", "profiles", received)
    dictionary = Dictionary(batch.column("dictionary"))
    profiles, repairs, overflow = _profiles(context, dictionary, originals, [shape for _, _, shape in chosen])
    samples, stack_position, sample_repairs = _samples(context, dictionary, profiles, repairs)
    stack_of_row, nodes, frames = _stacks(dictionary, stack_position, samples)
    samples["stack_id"] = pa.array(stack_of_row)
    profiles["mappings"] = _mappings(dictionary, stack_position, samples.pop("profile"), len(context.leaves))
    repairs.mark("time_overflow", overflow)
    repairs.mark("index_out_of_range", dictionary.out_of_range[context.payload_of])
    profiles["repairs"], samples["repairs"] = repairs.column(), sample_repairs.column()
    tables = {"profile_frames": frames, "profile_nodes": nodes, "profiles": profiles, "profile_samples": samples}
    return tables, Counter(repairs.counts()) + Counter(sample_repairs.counts())


def _profiles(
    context: Context, dictionary: Dictionary, originals: list[bytes], shapes: list[str]
) -> tuple[Columns, Repairs, np.ndarray]:
    profile, payload = context.leaves, context.payload_of
    repairs = Repairs(len(profile))
    context.repair(repairs)
    overflow = np.zeros(len(profile), bool)
    own = dictionary.attributes(profile.field("attribute_indices"), payload)
    mark(repairs, own)
    time = with_time(signed(profile.field("time_unix_nano"), overflow), None, context.received(), repairs)
    texts = {}
    for column, struct, field in (
        ("profile_type", "sample_type", "type"),
        ("unit", "sample_type", "unit"),
        ("period_type", "period_type", "type"),
        ("period_unit", "period_type", "unit"),
    ):
        index = pc.fill_null(profile.field(struct).field(f"{field}_strindex"), 0)
        texts[column], broken = dictionary.texts(index.to_numpy(zero_copy_only=False), payload)
        repairs.mark("index_out_of_range", broken)
    each = np.arange(len(profile) + 1)
    sample_type = pa.StructArray.from_arrays([texts["profile_type"], texts["unit"]], ["type", "unit"])
    maps, types = _with_units(plain_maps(own.maps()), own.types(), payload, dictionary)
    formats, contents = _originals(profile, payload, originals, shapes)
    return (
        {
            "time": microseconds(time),
            "time_unix_nano": time,
            "duration_ns": signed(profile.field("duration_nano"), overflow),
            "profile_id": _ids(profile.field("profile_id"), payload, originals, repairs),
            **texts,
            "sample_types": list_column(each, sample_type),
            "period": profile.field("period"),
            "sample_count": pa.array(np.diff(offsets_of(profile.field("samples")))),
            "original_payload_format": formats,
            "original_payload": contents,
            "wire_shape": pa.array([shapes[of] for of in payload.tolist()], pa.string()),
            "attributes": maps,
            "attribute_types": types,
            **context.columns(),
            "dropped_attributes": small_count(profile.field("dropped_attributes_count")),
        },
        repairs,
        overflow,
    )


def _ids(ids: pa.Array, payload: np.ndarray, originals: list[bytes], repairs: Repairs) -> pa.Array:
    """Profile ids as hex; one that is absent is made of the payload and the place in it, the same every time."""
    texts = hex_text(ids).to_pylist()
    absent = np.array([not text for text in texts], bool)
    first = np.searchsorted(payload, np.arange(len(originals)))
    for row in np.flatnonzero(absent).tolist():
        of = int(payload[row])
        texts[row] = xxhash.xxh3_128_hexdigest(originals[of], seed=row - int(first[of]))
    repairs.mark("profile_id_from_content", absent)
    return pa.array(texts, pa.string())


def _with_units(
    maps: pa.Array, types: pa.Array, payload: np.ndarray, dictionary: Dictionary
) -> tuple[pa.Array, pa.Array]:
    """The units that attributes have in this protocol, as one more attribute of each profile."""
    units = {of: dictionary.units_of(of) for of in np.unique(payload).tolist()}
    if not any(units.values()):
        return maps, types
    pairs, letters = maps.to_pylist(), types.to_pylist()
    for row, of in enumerate(payload.tolist()):
        if units[of]:
            text = json.dumps(units[of], separators=(",", ":"), ensure_ascii=False, sort_keys=True)
            pairs[row] = [*pairs[row], (UNITS_KEY, text)]
            letters[row] += "m"
    return pa.array(pairs, maps.type), pa.array(letters, pa.string())


def _originals(profile: pa.Array, payload: np.ndarray, originals: list[bytes], shapes: list[str]) -> tuple[Any, Any]:
    """What the sender attached; of an older shape, the request itself with a profile that has no such thing."""
    formats, contents = profile.field("original_payload_format"), profile.field("original_payload")
    if all(shape == CURRENT for shape in shapes):
        return formats, contents
    names, payloads = formats.to_pylist(), contents.to_pylist()
    attached = set()
    for row, of in enumerate(payload.tolist()):
        if shapes[of] != CURRENT and of not in attached and not payloads[row]:
            names[row], payloads[row] = f"{OLDER_FORMAT}{shapes[of]}", originals[of]
            attached.add(of)
    return pa.array(names, pa.string()), pa.array(payloads, pa.binary())


def _samples(
    context: Context, dictionary: Dictionary, profiles: Columns, profile_repairs: Repairs
) -> tuple[Columns, np.ndarray, Repairs]:
    """Columns of the events, the position of the stack of each, and the repairs."""
    lists = context.leaves.field("samples")
    sample, profile = lists.flatten(), parents_of(lists)
    payload = context.payload_of[profile]
    values, times = sample.field("values"), sample.field("timestamps_unix_nano")
    value_counts, time_counts = np.diff(offsets_of(values)), np.diff(offsets_of(times))
    counts = np.maximum(np.maximum(value_counts, time_counts), 1)  # one with neither is kept, and counted as broken
    starts = np.cumsum(counts) - counts
    owner = np.repeat(np.arange(len(sample)), counts)
    profile_of = profile[owner]
    repairs = Repairs(len(owner))

    stack, broken_stack = dictionary.positions("stack", _numbers(sample, "stack_index"), payload)
    link_index = _numbers(sample, "link_index")
    link, broken_link = dictionary.positions("link", link_index, payload)
    link[link_index == 0] = -1
    own = dictionary.attributes(sample.field("attribute_indices"), payload)
    own.repaired["index_out_of_range"] = np.union1d(
        own.repaired.get("index_out_of_range", np.empty(0, np.int64)), np.flatnonzero(broken_stack | broken_link)
    )
    for word, rows in own.repaired.items():
        repairs.mark(word, np.isin(owner, rows))
    repairs.mark("sample_without_value", ((value_counts == 0) & (time_counts == 0))[owner])
    unequal = (value_counts > 0) & (time_counts != value_counts) & ((time_counts > 0) | (value_counts > 1))
    repairs.mark("sample_shape", unequal[owner])

    profile_time = profiles["time_unix_nano"].to_numpy()
    at, overflow = profile_time[profile_of], np.zeros(len(times.flatten()), bool)
    stamped = runs(starts, time_counts)
    at[stamped] = signed(times.flatten(), overflow).to_numpy()
    repairs.mark("time_overflow", stamped[overflow])
    if "time_from_receipt" in profile_repairs.counts():
        untimed = np.ones(len(owner), bool)
        untimed[stamped] = False
        repairs.mark("time_from_receipt", untimed & profile_repairs.mask("time_from_receipt")[profile_of])
    value = np.zeros(len(owner), np.int64)
    is_count = ((value_counts == 0) & (time_counts > 0))[owner]
    value[is_count] = 1
    value[runs(starts, value_counts)] = values.flatten().to_numpy(zero_copy_only=False)

    of, of_profile = pa.array(owner), pa.array(profile_of)
    time = pa.array(at)
    columns: Columns = {
        "profile": profile_of,
        "time": microseconds(time),
        "time_unix_nano": time,
        "profile_id": profiles["profile_id"].take(of_profile),
        "sample_index": pa.array((np.arange(len(sample)) - offsets_of(lists)[profile])[owner]),
        "profile_type": profiles["profile_type"].take(of_profile),
        "unit": profiles["unit"].take(of_profile),
        "value": pa.array(value),
        "value_is_count": pa.array(is_count),
        "period": profiles["period"].take(of_profile),
        "attributes": own.of(owner).maps(),
        "attribute_types": own.types().take(of),
        "received_time_unix_nano": pa.array(context.received(profile_of)),
    }
    columns |= {name: column.take(of) for name, column in own.promoted(SAMPLE_PROMOTED).items()}
    for name, kind in (("process_pid", pa.int64()), ("container_id", pa.string())):
        columns[name] = pc.coalesce(columns[name].cast(kind), profiles[name].cast(kind).take(of_profile))
    columns |= {name: profiles[name].take(of_profile) for name in OF_RESOURCE}
    columns |= {name: taken(column, link[owner]).fill_null("") for name, column in dictionary.links.items()}
    return columns, stack[owner], repairs


def _numbers(struct: pa.Array, field: str) -> np.ndarray:
    numbers: np.ndarray = struct.field(field).to_numpy(zero_copy_only=False)
    return numbers


def _stacks(dictionary: Dictionary, stack: np.ndarray, samples: Columns) -> tuple[np.ndarray, Columns, Columns]:
    """The stack id of every event, and the nodes and frames that the events use, once per day."""
    times = samples["time_unix_nano"].to_numpy()
    received = samples["received_time_unix_nano"].to_numpy()
    days, day_of = np.unique(times // DAY_NS, return_inverse=True)
    first_time = np.full(len(days), 2**63 - 1, np.int64)
    np.minimum.at(first_time, day_of, times)
    latest = int(received.max()) if len(received) else 0
    width = len(dictionary.tables["stack"]) + 1
    used, used_of = np.unique(day_of * width + stack + 1, return_inverse=True)
    frames, counts, _, _ = dictionary.frames_of(used % width - 1)
    leaf, nodes = trie(dictionary.frame_ids[frames], counts, used // width)
    frame_group = np.repeat(used // width, counts)
    distinct = np.lexsort((dictionary.frame_ids[frames], frame_group))
    ids, groups = dictionary.frame_ids[frames][distinct], frame_group[distinct]
    new = np.ones(len(distinct), bool)
    new[1:] = (np.diff(ids) != 0) | (np.diff(groups) != 0)
    frame_rows = dictionary.frames.take(pa.array(frames[distinct][new]))
    node_columns = {"node_id": nodes.node_id, "parent_id": nodes.parent_id, "frame_id": nodes.frame_id}
    return (
        leaf[used_of],
        {**_moment(first_time[nodes.group], latest), **node_columns, "depth": nodes.depth},
        {
            **_moment(first_time[groups[new]], latest),
            "frame_id": ids[new],
            **{name: frame_rows[name] for name in frame_rows.column_names},
        },
    )


def _moment(times: np.ndarray, received: int) -> Columns:
    time = pa.array(times)
    arrival = pa.array(np.full(len(times), received, np.int64))
    return {"time": microseconds(time), "time_unix_nano": time, "received_time_unix_nano": arrival}


def _mappings(dictionary: Dictionary, stack: np.ndarray, profile: np.ndarray, profiles: int) -> pa.Array:
    """Per profile, the mappings that its stacks go through, in the order of the mapping table."""
    width = len(dictionary.tables["stack"]) + 1
    used = np.unique(profile * width + stack + 1)
    _, _, locations, counts = dictionary.frames_of(used % width - 1)
    mapping = dictionary.mapping_of_location[locations]
    of, there = np.repeat(used // width, counts), mapping >= 0
    size = max(1, len(dictionary.mappings))
    pairs = np.unique(of[there] * size + mapping[there])
    offsets = np.concatenate([[0], np.cumsum(np.bincount(pairs // size, minlength=profiles))])
    return list_column(offsets, dictionary.mappings.take(pa.array(pairs % size)))
