"""`workbench import`: any file of OTLP, compressed or not, whole or not at all, and never twice."""

import contextlib
import gzip
import json
import random
import time
import tracemalloc

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from collectors.files.importer import import_files
from tests.otlp_literals import requests
from tests.test_otlp_profiles import small
from workbench.cli.app import app
from workbench.formats.otlp import protobuf_to_json
from workbench.formats.otlp.requests import REQUESTS
from workbench.formats.otlp.signals import signal_of
from workbench.lake import BadParameter, Lake, UnknownName
from workbench.lake.expire import expire

START = 1_790_000_000_000_000_000
TABLE = {"traces": "spans", "logs": "logs", "metrics": "metric_points", "profiles": "profile_samples"}
FIELD = {"traces": "spans", "logs": "log_records", "metrics": "metrics", "profiles": "profiles"}


def request(signal, count=1, first=0, start=START, service="shop"):
    """A request with `count` spans, records or points, numbered from `first`."""
    if signal == "profiles":
        made = small()
        made.resource_profiles[0].resource.attributes.add(key="service.name").value.string_value = service
        return made.SerializeToString()
    made = REQUESTS[signal]()
    stem = {"traces": "spans", "logs": "logs", "metrics": "metrics"}[signal]
    group = getattr(made, f"resource_{stem}").add()
    if service:
        group.resource.attributes.add(key="service.name").value.string_value = service
    scope = getattr(group, f"scope_{stem}").add()
    for number in range(first, first + count):
        if signal == "traces":
            ids = {"trace_id": number.to_bytes(16, "big"), "span_id": number.to_bytes(8, "big")}
            scope.spans.add(name=f"call {number}", start_time_unix_nano=start, end_time_unix_nano=start + 5, **ids)
        elif signal == "logs":
            scope.log_records.add(time_unix_nano=start, severity_number=9).body.string_value = f"line {number}"
        else:
            metric = scope.metrics.add(name="requests", unit="1")
            metric.gauge.data_points.add(time_unix_nano=start, as_int=number)
    return made.SerializeToString()


def framed(*payloads):
    return b"".join(len(each).to_bytes(4, "big") + each for each in payloads)


def rows(lake, table="spans"):
    return Lake(lake).whole().sql(f"select count(*) as n from {table}")["n"][0]


@pytest.fixture
def lake(tmp_path):
    return tmp_path / "lake"


def bring(lake, *paths, **options):
    return list(import_files(paths, lake, **options))


def file_of(folder, name, content):
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("signal", list(TABLE))
def test_every_encoding_of_every_signal_is_told_by_its_content(lake, tmp_path, signal):
    payload = request(signal)
    text = protobuf_to_json(signal, payload)
    contents = {
        "one message": payload,
        "framed": framed(payload, payload),
        "framed and each compressed": framed(zstd.compress(payload), zstd.compress(payload)),
        "framed JSON, each compressed": framed(zstd.compress(text.encode())),
        "gzip": gzip.compress(framed(payload)),
        "zstd": zstd.compress(payload),
        "JSON lines": f"{text}\n\n{text}\n".encode(),
        "one document": json.dumps(json.loads(text), indent=2).encode(),
        "JSON with a byte order mark, gzip": gzip.compress(b"\xef\xbb\xbf" + text.encode()),
    }
    expected = {"framed": 2, "framed and each compressed": 2, "JSON lines": 2}
    files = [file_of(tmp_path, name, content) for name, content in contents.items()]
    done = bring(lake, *files)
    assert [each.state for each in done] == ["imported"] * len(files)
    each_has = 6 if signal == "profiles" else 1
    assert {each.path.rpartition("/")[2]: each.rows[TABLE[signal]] for each in done} == {
        name: each_has * expected.get(name, 1) for name in contents
    }


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_request_is_never_taken_for_one_of_another_signal(data):
    signal = data.draw(st.sampled_from(["traces", "logs", "metrics"]))
    made = data.draw(requests(signal))
    for group in made.ListFields()[0][1] if made.ListFields() else []:
        for scope in getattr(group, f"scope_{'spans' if signal == 'traces' else signal}"):
            for leaf in getattr(scope, FIELD[signal]):
                if signal == "traces":
                    leaf.start_time_unix_nano = START
                elif signal == "logs":
                    leaf.observed_time_unix_nano = START
    assert signal_of(made.SerializeToString()) in (signal, None)


def test_what_a_message_leaves_open_the_name_of_the_file_decides():
    made = REQUESTS["logs"]()
    made.resource_logs.add().scope_logs.add().log_records.add(severity_text="bare")
    assert signal_of(made.SerializeToString(), "logs.otlp") == "logs"


def test_messages_that_do_not_tell_their_signal_belong_to_the_file(lake, tmp_path):
    empty = REQUESTS["logs"]()
    empty.resource_logs.add()
    path = file_of(tmp_path, "x", framed(empty.SerializeToString(), request("logs", 2)))
    assert bring(lake, path)[0].rows == {"logs": 2}


def test_the_same_file_twice_adds_nothing_under_any_name(lake, tmp_path):
    first = file_of(tmp_path, "first", framed(request("traces", 3)))
    second = file_of(tmp_path, "second", first.read_bytes())
    assert [each.state for each in bring(lake, first, second)] == ["imported", "present"]
    assert [each.state for each in bring(lake, first)] == ["present"]
    assert rows(lake) == 3


def test_an_import_that_broke_off_goes_on_where_it_was(lake, tmp_path, monkeypatch):
    from workbench.formats.otlp import messages

    monkeypatch.setattr(messages, "BATCH_BYTES", 100)  # every message is a batch
    path = file_of(tmp_path, "file", framed(*(request("traces", 1, first) for first in range(4))))
    broken = import_files([path], lake, progress=stop_after(len(path.read_bytes()) * 3 // 2))
    with pytest.raises(KeyboardInterrupt):
        list(broken)
    assert 0 < rows(lake) < 4
    assert bring(lake, path)[0].state == "imported"
    assert rows(lake) == 4
    assert Lake(lake).whole().sql("select count(distinct name) as n from spans")["n"][0] == 4


def stop_after(limit):
    def progress(done, _total):
        if done > limit:
            raise KeyboardInterrupt

    return progress


GOOD, BAD = request("traces", 2), b"\x0a\xff\xff\xff"


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (framed(GOOD) + framed(GOOD)[:-1], len(GOOD) + 8, "ends inside a message, 1 bytes are missing"),
        (framed(GOOD) + b"\x00\x00", len(GOOD) + 6, "ends inside the length of a message"),
        (framed(GOOD, BAD, GOOD), len(GOOD) + 4, "not an OTLP traces request"),
        (framed(GOOD) + b"\xff" * 9, len(GOOD) + 4, "no length of a message"),
        (framed(zstd.compress(GOOD)[:-3]), 0, "a message is damaged"),
        (f"{protobuf_to_json('traces', GOOD)}\n{{oh\n".encode(), len(protobuf_to_json("traces", GOOD)) + 1, "line 2"),
        (b'{"resourceSpans": [{"scopeSpans": 3}]}', 0, "in scopeSpans: 3 is no array"),
        (b'{"resourceSpans": [', 0, "not JSON"),
        (b'{"resourceProfiles": [{"scopeProfiles": [{"profiles": [{"samples": [{}]}]}]}]}', 0, "without a dictionary"),
    ],
)
def test_a_damaged_file_is_refused_whole_and_the_place_is_named(lake, tmp_path, content, where, what):
    (done,) = bring(lake, file_of(tmp_path, "broken.json", content))
    assert done.state == "failed"
    assert what in done.error.what
    assert done.error.where.endswith(f"byte {where}")
    assert rows(lake) == 0


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_cut_off_stream_is_refused_whole(lake, tmp_path, pack):
    noise = random.Random(1)
    payloads = [request("traces", 50, noise.getrandbits(60)) for _ in range(20)]
    content = pack(framed(*payloads))
    (done,) = bring(lake, file_of(tmp_path, "cut", content[: len(content) * 2 // 3]))
    assert (done.state, rows(lake)) == ("failed", 0)
    assert "the file ends" in done.error.what or "stream is damaged" in done.error.what
    assert "content" in done.error.where


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=60),
    st.sampled_from([b"", b"\x0a", b"\x00\x00\x00\x08\x0a", b"{", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"]),
)
def test_random_bytes_are_refused_and_nothing_else_happens(tmp_path, content, start):
    from workbench.formats.registry import detected
    from workbench.formats.source import Source
    from workbench.lake import BadInput

    source = Source(file_of(tmp_path, "noise", start + content))
    with contextlib.suppress(BadInput):  # anything else is a crash
        detected(source).check(source)


def test_what_unpacks_to_more_than_a_message_may_hold_is_refused_and_memory_stays_bounded(lake, tmp_path, monkeypatch):
    from workbench.formats import source
    from workbench.formats.otlp import protobuf_files

    for module in (source, protobuf_files):
        monkeypatch.setattr(module, "LONGEST", 1 << 20)
    spaces = b'{"resourceSpans": [' + b" " * (64 << 20)
    contents = [gzip.compress(spaces), gzip.compress(spaces[:50] + b"\n" + spaces), framed(zstd.compress(spaces))]
    files = [file_of(tmp_path, f"{number}", content) for number, content in enumerate(contents)]
    tracemalloc.start()
    done = bring(lake, *files)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [each.state for each in done] == ["failed"] * 3
    assert all("more than 1,048,576 bytes" in each.error.what for each in done)
    assert peak < 16 << 20


def test_one_bad_file_does_not_hinder_the_others(lake, tmp_path):
    bad, good = file_of(tmp_path, "a", framed(GOOD)[:-2]), file_of(tmp_path, "b", framed(GOOD))
    assert [each.state for each in bring(lake, bad, good)] == ["failed", "imported"]
    assert rows(lake) == 2


def test_a_directory_gives_its_files_and_skips_what_is_no_telemetry(lake, tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    file_of(tmp_path / "in", "README.md", b"# notes")
    file_of(tmp_path / "in", "nothing", b"")
    file_of(tmp_path / "in" / "deep", "logs.json", protobuf_to_json("logs", request("logs")).encode())
    file_of(tmp_path / "in", "traces.otlp", request("traces"))
    found = bring(lake, tmp_path / "in")
    assert [each.error.what for each in found if each.error] == ["no known format of telemetry"]
    done = {each.path.rpartition("/")[2]: each.state for each in found}
    assert done == {"README.md": "skipped", "nothing": "empty", "logs.json": "imported", "traces.otlp": "imported"}


def test_a_file_that_was_named_and_is_no_telemetry_is_an_error(lake, tmp_path):
    (done,) = bring(lake, file_of(tmp_path, "README.md", b"# notes"))
    assert (done.state, done.error.what) == ("failed", "no known format of telemetry")


def test_a_service_name_is_given_to_resources_that_have_none(lake, tmp_path):
    path = file_of(tmp_path, "x", framed(request("traces", 1, 1, service=""), request("traces", 1, 2, service="own")))
    bring(lake, path, service="given")
    found = (
        Lake(lake).whole().sql("select service_name, resource_attributes['service.name'] as s from spans order by 1")
    )
    assert found.rows() == [("given", "given"), ("own", "own")]


def test_old_spans_that_are_imported_today_survive_retention(lake, tmp_path):
    last_year = time.time_ns() - 400 * 86_400 * 10**9
    bring(lake, file_of(tmp_path, "old", request("traces", 3, start=last_year)))
    expire(lake, retention="15d")
    assert rows(lake) == 3


@pytest.mark.parametrize("depth", [45, 60, 200])
def test_values_nested_too_deep_for_protobuf_are_kept_as_bytes_and_counted(lake, tmp_path, depth):
    value = {"stringValue": "core"}
    for _ in range(depth):
        value = {"arrayValue": {"values": [value]}}
    line = json.loads(protobuf_to_json("logs", request("logs")))
    line["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"] = [{"key": "deep", "value": value}]
    (done,) = bring(lake, file_of(tmp_path, "deep.json", json.dumps(line).encode()))
    assert done.state == "imported"
    assert done.repaired == ({} if depth == 45 else {"undecodable_value": 1})


def test_wrong_use_is_told_before_anything_is_imported(lake, tmp_path):
    good = file_of(tmp_path, "good", request("traces"))
    with pytest.raises(BadParameter, match="no such file"):
        bring(lake, good, tmp_path / "absent")
    with pytest.raises(UnknownName, match="otlq"):
        bring(lake, good, input_format="otlq")
    assert not lake.exists()


def test_the_command_prints_what_became_of_each_file(lake, tmp_path):
    good, bad = file_of(tmp_path, "good", request("traces", 2)), file_of(tmp_path, "bad", framed(GOOD)[:-2])
    run = CliRunner().invoke(app, ["import", str(good), "--lake", str(lake), "--format", "json"])
    assert run.exit_code == 0
    assert json.loads(run.stdout) == [
        {"file": str(good), "format": "otlp", "state": "imported", "rows": 2, "repaired": 0}
    ]
    run = CliRunner().invoke(app, ["import", str(bad), "--lake", str(lake), "--format", "json"])
    assert (run.exit_code, json.loads(run.stdout)[0]["state"]) == (1, "failed")
    assert "2 bytes are missing" in run.stderr
    assert f"{bad}, byte 4" in run.stderr


def test_a_file_name_that_is_no_text_is_spelled_out(lake, tmp_path):
    path = file_of(tmp_path, "odd\udcff", request("traces"))
    run = CliRunner().invoke(app, ["import", str(path), "--lake", str(lake), "--format", "json"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)[0]["file"].endswith("odd\\udcff")
