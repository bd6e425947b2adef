"""OTLP in, through a real lake on disk, OTLP out: equal, after the last of repeated keys wins."""

import base64
import itertools
import re
from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.otlp_literals import canonical, leaves_of, requests
from workbench.formats.otlp import decode, encode, json_to_protobuf, protobuf_to_json
from workbench.formats.otlp.decoding import TABLE_OF
from workbench.formats.otlp.requests import REQUESTS
from workbench.lake import Lake, Writer

RECEIVED = 1_790_000_000_000_000_000
QUICK = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large]}
SIGNALS = ["traces", "logs", "metrics"]


def leaves(signal, payloads):
    return sorted((leaf for each in payloads for leaf in leaves_of(REQUESTS[signal].FromString(each))), key=repr)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Writes tables into one lake and reads these rows, and only these, back through a window."""
    directory = tmp_path_factory.mktemp("round-trip") / "lake"
    writer, lake, sequences = Writer(directory), None, itertools.count()

    def through(tables, received):
        nonlocal lake
        writer.append(tables, app_id="test", sequence=next(sequences))
        lake = lake or Lake(directory)
        (name,) = tables
        query = f"select * exclude (day) from {name} where received_time_unix_nano = $received"
        return lake.whole().arrow(query, received=received)

    return through


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=5, **QUICK)
@given(data=st.data())
def test_what_went_into_the_lake_comes_out_equal(signal, stored, data):
    payloads = [each.SerializeToString() for each in data.draw(st.lists(requests(signal), min_size=1, max_size=2))]
    received = RECEIVED + next(COUNTER)
    decoded = decode(signal, payloads, received)
    assert decoded.refused == []
    rows = stored(decoded.tables, received)
    assert rows.num_rows == decoded.tables[TABLE_OF[signal]].num_rows
    assert leaves(signal, encode(signal, rows)) == leaves(signal, payloads)


COUNTER = itertools.count()


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=25, **QUICK)
@given(data=st.data())
def test_rows_and_requests_say_the_same(signal, data):
    payload = data.draw(requests(signal)).SerializeToString()
    decoded = decode(signal, [payload], RECEIVED)
    assert leaves(signal, encode(signal, decoded.tables[TABLE_OF[signal]])) == leaves(signal, [payload])


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=15, **QUICK)
@given(data=st.data())
def test_json_says_the_same_as_protobuf(signal, data):
    payload = data.draw(requests(signal)).SerializeToString()
    again = json_to_protobuf(signal, protobuf_to_json(signal, payload).encode())
    assert leaves(signal, [again]) == leaves(signal, [payload])


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=15, **QUICK)
@given(data=st.data())
def test_json_is_read_as_protobuf_reads_it_but_for_the_ids(signal, data):
    request = data.draw(requests(signal))
    text = json_format.MessageToJson(request)  # ids in base64, 64-bit integers as text, enumerations as names
    hexadecimal = re.sub(r'("(?:trace|span|parentSpan)Id": ")([^"]*)"', as_hex, text)
    found = REQUESTS[signal].FromString(json_to_protobuf(signal, hexadecimal.encode()))
    assert canonical(found) == canonical(request)


def as_hex(found):
    return f'{found[1]}{base64.b64decode(found[2]).hex()}"'


@pytest.mark.parametrize("signal", SIGNALS)
@settings(max_examples=5, **QUICK)
@given(data=st.data())
def test_many_payloads_give_the_rows_of_each(signal, data):
    payloads = [each.SerializeToString() for each in data.draw(st.lists(requests(signal), max_size=3))]
    table = TABLE_OF[signal]
    together = decode(signal, payloads, RECEIVED).tables[table]
    alone = [row for each in payloads for row in decode(signal, [each], RECEIVED).tables[table].to_pylist()]
    assert sorted(map(repr, together.to_pylist())) == sorted(map(repr, alone))


def test_no_module_of_the_package_has_the_name_of_a_function():
    from workbench.formats import otlp

    modules = {path.stem for path in Path(otlp.__file__).parent.glob("*.py")}
    assert not modules & set(otlp.__all__)  # `from workbench.formats.otlp import decode` would give the module
