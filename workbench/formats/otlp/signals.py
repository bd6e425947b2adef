"""Which signal is a protobuf request of? The four share their field numbers, so its structure decides.

All are {1: group {1: resource, 2: scopes {1: scope, 2: leaves}}}. A leaf of one signal has fields, or wire types of
fields, that a leaf of another has not, and none of them comes without some that are its own.
"""

from workbench.formats.otlp.requests import SIGNALS, parsed
from workbench.formats.wire import FIXED32, FIXED64, LENGTH, VARINT, fields, within
from workbench.lake.errors import BadInput

LOOKED_AT = 50
Signs = set[tuple[int, int]]


def _of(wire: int, *numbers: int) -> Signs:
    return {(number, wire) for number in numbers}


# (field number, wire type) that a leaf may have.
LEAVES: dict[str, Signs] = {
    "traces": _of(LENGTH, 1, 2, 3, 4, 5, 9, 11, 13, 15)
    | _of(VARINT, 6, 10, 12, 14)
    | _of(FIXED64, 7, 8)
    | _of(FIXED32, 16),
    "logs": _of(FIXED64, 1, 11) | _of(VARINT, 2, 7) | _of(LENGTH, 3, 5, 6, 9, 10, 12) | _of(FIXED32, 8),
    "metrics": _of(LENGTH, 1, 2, 3, 5, 7, 9, 10, 11, 12),
    "profiles": _of(LENGTH, 1, 2, 5, 7, 8, 9, 10, 11, 12) | _of(FIXED64, 3) | _of(VARINT, 4, 6, 8, 9),
}
# One of them is in any leaf that says something.
SIGNS: dict[str, Signs] = {
    "traces": _of(FIXED64, 7, 8),
    "logs": _of(FIXED64, 1, 11) | _of(VARINT, 2) | _of(LENGTH, 5),
    "metrics": _of(LENGTH, 5, 7, 9, 10, 11),
    "profiles": _of(FIXED64, 3) | _of(LENGTH, 2),
}
NAMES = {
    "traces": ("trace", "span"),
    "logs": ("log",),
    "metrics": ("metric",),
    "profiles": ("profile", "prof"),
}


def signal_of(payload: bytes, file_name: str = "") -> str | None:
    """The signal of a request; None when it holds nothing that would tell. The file name decides a tie.

    Raises:
        BadInput: it is no request of any signal.
    """
    possible = [each for each in SIGNALS if _parses(each, payload)]
    if not possible:
        raise BadInput("not an OTLP request of any signal", f"{len(payload)} bytes", "give OTLP protobuf or OTLP/JSON")
    leaves = []
    for leaf in within(within(within([memoryview(payload)], 1), 2), 2):
        leaves.append([(number, wire) for number, wire, _ in fields(leaf)])
        if len(leaves) == LOOKED_AT:
            break
    if any(number == 2 for number, _, _ in fields(memoryview(payload))) and "profiles" in possible:
        return "profiles"  # only they have a dictionary
    if not any(leaves):
        return None
    fitting = [each for each in possible if all(_fits(each, leaf) for leaf in leaves)]
    signed = [each for each in fitting if any(SIGNS[each] & set(leaf) for leaf in leaves)]
    left = signed or fitting or possible
    lower = file_name.lower()
    by_name = [each for each in left if any(word in lower for word in NAMES[each])]
    return (by_name or left)[0]


def _fits(signal: str, leaf: list[tuple[int, int]]) -> bool:
    newest = max(number for number, _ in LEAVES[signal])  # what is beyond came with a later version
    return all(field in LEAVES[signal] or field[0] > newest for field in leaf)


def _parses(signal: str, payload: bytes) -> bool:
    try:
        parsed(signal, payload)
    except BadInput:
        return False
    return True
