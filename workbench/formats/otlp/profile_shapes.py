"""Which version of the profiles protocol is it, and the same request in the numbers of today.

The signal is in development and its numbers moved: 1.9 renumbered `Profile`, 1.10 renumbered `Sample`. A 1.9 sample
read by today's classes gives other values and no error, so the shape is told by wire types before anything is decoded
(0 varint, 1 fixed64, 2 length-delimited):

* Profile: field 8 of type 2, field 9 of type 0, or field 12: 1.8. Field 3 of type 2: 1.5 or older.
* Sample: field 3 of type 2 or field 4 of type 0: 1.8 or 1.9. Field 3 of type 0 or field 4 of type 2: 1.10.
  Field 2 of type 0, or field 6: 1.7 or older.
* Samples with fields 1, 2 and 5 only are of today, unless field 2 cannot be attribute indices (out of range, one
  twice) or must be the values (neither field 4 nor field 5 is there).

Since 1.10 keys and texts of attributes may be references into the string table, also in resource and scope; they are
replaced by what they refer to.
"""

import functools
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2
from opentelemetry.proto.profiles.v1development import profiles_pb2

from workbench.formats.otlp.requests import parsed
from workbench.formats.wire import fields, varints, within
from workbench.lake.errors import BadInput

CURRENT = "1.10"
MOST_LOOKED_AT = 1000  # samples without a sign of their version; a payload is of one producer
_OLD_NUMBERS = {
    "1.9": {"Sample": {"values": 2, "attribute_indices": 3, "link_index": 4}},
    "1.8": {
        "Sample": {"values": 2, "attribute_indices": 3, "link_index": 4},
        "Profile": {
            "profile_id": 8,
            "dropped_attributes_count": 9,
            "original_payload_format": 10,
            "original_payload": 11,
            "attribute_indices": 12,
        },
    },
}
_REMEDY = "send OTLP profiles of version 1.8 or later"


def current(payload: bytes) -> tuple[Any, str, bool]:
    """A request of any readable version.

    Returns:
        The request as a message of today, the version of its shape, and whether it differs from the payload.

    Raises:
        BadInput: it does not parse, is older than 1.8, or has samples and no dictionary.
    """
    try:
        request = parsed("profiles", payload)
    except BadInput:  # the numbers of an older version may not even parse
        request, shape = None, wire_shape(payload)
        if shape == CURRENT:
            raise
    else:
        if not any(profile.samples for profile in profiles_of(request)):
            return request, CURRENT, _resolve(request)
        shape = wire_shape(payload)
    if shape != CURRENT:
        request = _renumbered(shape, payload)
    if not request.HasField("dictionary"):
        raise BadInput("a profiles request with samples and without a dictionary", f"{len(payload)} bytes", _REMEDY)
    changed = _resolve(request)
    return request, shape, changed or shape != CURRENT


def profiles_of(request: Any) -> Iterator[Any]:
    """Every profile of a request."""
    return (
        profile
        for resource in request.resource_profiles
        for scope in resource.scope_profiles
        for profile in scope.profiles
    )


def wire_shape(payload: bytes) -> str:
    """`1.8`, `1.9` or `1.10` (which is also what came after it).

    Raises:
        BadInput: an older shape.
    """
    attributes = sum(
        number == 6
        for field, _, dictionary in fields(memoryview(payload))
        if field == 2 and dictionary is not None
        for number, _, _ in fields(dictionary)
    )
    looked_at = 0
    for profile in within(within(within([memoryview(payload)], 1), 2), 2):
        samples: list[memoryview] = []
        for number, wire, content in fields(profile):
            if number == 3 and wire == 2:
                raise BadInput("OTLP profiles of version 1.5 or older", "Profile", _REMEDY)
            if (number, wire) in ((8, 2), (9, 0)) or number == 12:
                return "1.8"
            if number == 2 and content is not None and looked_at + len(samples) < MOST_LOOKED_AT:
                samples.append(content)
        for sample in samples:
            found = _sample_shape(sample, attributes)
            if found:
                return found
        looked_at += len(samples)
    return CURRENT


def _sample_shape(sample: memoryview, attributes: int) -> str:
    seen: dict[int, int] = {}
    second: list[int] = []
    for number, wire, content in fields(sample):
        seen[number] = wire
        if number == 2 and content is not None:
            second = list(varints(content))
    if seen.get(2) == 0 or 6 in seen:
        raise BadInput("OTLP profiles of version 1.7 or older", "Sample", _REMEDY)
    if seen.get(3) == 2 or seen.get(4) == 0:
        return "1.9"
    if 3 in seen or 4 in seen:
        return CURRENT
    impossible = len(set(second)) < len(second) or max(second, default=0) >= max(attributes, 1)
    return "1.9" if second and (5 not in seen or impossible) else ""


def _renumbered(shape: str, payload: bytes) -> Any:
    try:
        old = old_request(shape).FromString(payload)
    except DecodeError as error:
        raise BadInput(f"not OTLP profiles of version {shape}: {error}", f"{len(payload)} bytes", _REMEDY) from error
    request = profiles_service_pb2.ExportProfilesServiceRequest()
    copy_by_name(old, request)
    return request


@functools.cache
def old_request(shape: str) -> Any:
    """A message class with the numbers of an older version: today's descriptors, renumbered, in a pool of their own."""
    pool = descriptor_pool.DescriptorPool()
    for module in (profiles_pb2, profiles_service_pb2):
        file = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        if module is profiles_pb2:
            for dependency in module.DESCRIPTOR.dependencies:
                _add(pool, dependency)
            for message in file.message_type:
                numbers = _OLD_NUMBERS[shape].get(message.name, {})
                for field in message.field:
                    field.number = numbers.get(field.name, field.number)
        del file.service[:]
        pool.AddSerializedFile(file.SerializeToString())
    name = profiles_service_pb2.ExportProfilesServiceRequest.DESCRIPTOR.full_name
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def _add(pool: descriptor_pool.DescriptorPool, file: Any) -> None:
    for dependency in file.dependencies:
        _add(pool, dependency)
    pool.AddSerializedFile(file.serialized_pb)


def copy_by_name(old: Message, new: Any) -> None:
    """Field by field, by name."""
    for field, value in old.ListFields():
        if field.message_type is None:
            if field.is_repeated:
                getattr(new, field.name).extend(value)
            else:
                setattr(new, field.name, value)
        elif field.is_repeated:
            for each in value:
                copy_by_name(each, getattr(new, field.name).add())
        else:
            getattr(new, field.name).SetInParent()
            copy_by_name(value, getattr(new, field.name))


def _resolve(request: Any) -> bool:
    """Replace references into the string table in place; True if there were any."""
    strings = request.dictionary.string_table
    owners = [group.resource for group in request.resource_profiles]
    owners += [scope.scope for group in request.resource_profiles for scope in group.scope_profiles]
    changed = False
    for owner in owners:
        for pair in owner.attributes:
            changed |= _resolve_pair(pair, strings)
    for entry in request.dictionary.attribute_table:
        changed |= _resolve_value(entry.value, strings)
    return changed


def _resolve_pair(pair: Any, strings: Any) -> bool:
    changed = False
    if 0 < pair.key_strindex < len(strings):
        pair.key, changed = strings[pair.key_strindex], True
        pair.ClearField("key_strindex")
    return _resolve_value(pair.value, strings) or changed


def _resolve_value(value: Any, strings: Any) -> bool:
    kind = value.WhichOneof("value")
    changed = False
    if kind == "string_value_strindex":
        if 0 <= value.string_value_strindex < len(strings):  # what is out of range stays, and is counted as such
            value.string_value, changed = strings[value.string_value_strindex], True
    elif kind == "array_value":
        for each in value.array_value.values:
            changed |= _resolve_value(each, strings)
    elif kind == "kvlist_value":
        for pair in value.kvlist_value.values:
            changed |= _resolve_pair(pair, strings)
    return changed
