"""`workbench export`: a window of the lake as a file that imports back equal."""

import gzip
import json
import os

import pytest
from backports import zstd
from hypothesis import HealthCheck, Phase, given, settings
from typer.testing import CliRunner

from collectors.files.exporter import export
from collectors.files.importer import import_files
from tests.otlp_literals import leaves_of, requests
from tests.otlp_profile_literals import said
from tests.test_import import START, framed, request
from tests.test_otlp_profiles import small
from workbench.cli.app import app
from workbench.formats.otlp import json_to_protobuf
from workbench.formats.otlp.requests import REQUESTS
from workbench.lake import BadParameter, Lake, UnknownName, Writer

QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # to shrink through lakes on disk would take minutes
SIGNALS = ["traces", "logs", "metrics", "profiles"]


def stored(lake, *payloads):
    path = lake.parent / "in.otlp"
    path.write_bytes(framed(*payloads))
    (done,) = import_files([path], lake)
    assert done.state == "imported"
    return Lake(lake).whole()


def messages(signal, content):
    """The requests of an exported file."""
    found, at = [], 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        found.append(REQUESTS[signal].FromString(content[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def leaves(signal, requests_):
    of = said if signal == "profiles" else leaves_of
    return sorted((leaf for each in requests_ for leaf in of(each)), key=repr)


@pytest.mark.parametrize("signal", SIGNALS)
def test_what_is_exported_is_what_came_in_and_imports_back(tmp_path, signal):
    payload = request(signal) if signal == "profiles" else request(signal, 1200)
    window = stored(tmp_path / "lake", payload)
    export(window, signal, tmp_path / "out.otlp")
    original = leaves(signal, [REQUESTS[signal].FromString(payload)])
    assert leaves(signal, messages(signal, (tmp_path / "out.otlp").read_bytes())) == original
    list(import_files([tmp_path / "out.otlp"], tmp_path / "again"))
    export(Lake(tmp_path / "again").whole(), signal, tmp_path / "second.otlp")
    assert leaves(signal, messages(signal, (tmp_path / "second.otlp").read_bytes())) == original


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_any_request_survives_import_and_export(tmp_path_factory, signal):
    @settings(
        max_examples=2,
        deadline=None,
        phases=QUICK,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(requests(signal).filter(leaves_of))
    def survives(made):
        folder = tmp_path_factory.mktemp("export")
        file = folder / f"{signal}.otlp"
        file.write_bytes(made.SerializeToString())
        list(import_files([file], folder / "lake"))
        export(Lake(folder / "lake").whole(), signal, folder / "out")
        assert leaves(signal, messages(signal, (folder / "out").read_bytes())) == leaves(signal, [made])

    survives()


@pytest.mark.parametrize("signal", SIGNALS)
def test_json_has_one_request_a_line_and_imports_back(tmp_path, signal):
    window = stored(tmp_path / "lake", request(signal))
    export(window, signal, tmp_path / "out.json", output_format="otlp-json")
    lines = (tmp_path / "out.json").read_bytes().splitlines()
    found = [REQUESTS[signal].FromString(json_to_protobuf(signal, line)) for line in lines]
    assert leaves(signal, found) == leaves(signal, [REQUESTS[signal].FromString(request(signal))])
    (done,) = import_files([tmp_path / "out.json"], tmp_path / "again")
    assert done.format == "otlp-json"
    assert done.state == "imported"


def test_the_suffix_compresses(tmp_path):
    window = stored(tmp_path / "lake", request("logs", 3))
    for name in ("plain", "a.gz", "b.zst"):
        assert export(window, "logs", tmp_path / name) == 3
    plain = (tmp_path / "plain").read_bytes()
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == plain
    assert zstd.decompress((tmp_path / "b.zst").read_bytes()) == plain


def test_only_the_window_is_exported(tmp_path):
    stored(tmp_path / "lake", request("traces", 2), request("traces", 3, 10, start=START + 10**9))
    window = Lake(tmp_path / "lake").window(START + 1, START + 2 * 10**9)
    assert export(window, "traces", tmp_path / "out") == 3
    (message,) = messages("traces", (tmp_path / "out").read_bytes())
    names = [span.name for span in message.resource_spans[0].scope_spans[0].spans]
    assert names == ["call 10", "call 11", "call 12"]


def test_a_profile_is_exported_with_its_samples_behind_the_end_of_the_window(tmp_path):
    stored(tmp_path / "lake", request("profiles"))
    window = Lake(tmp_path / "lake").window(START, START + 1)
    assert export(window, "profiles", tmp_path / "out") == 3
    assert leaves("profiles", messages("profiles", (tmp_path / "out").read_bytes())) == leaves(
        "profiles", [REQUESTS["profiles"].FromString(request("profiles"))]
    )


def test_a_profile_that_was_sent_twice_is_two_with_their_own_samples(tmp_path):
    stored(tmp_path / "lake", small().SerializeToString())
    other = tmp_path / "other"
    other.write_bytes(small().SerializeToString())
    list(import_files([other], tmp_path / "lake"))
    export(Lake(tmp_path / "lake").whole(), "profiles", tmp_path / "out")
    found = messages("profiles", (tmp_path / "out").read_bytes())
    assert leaves("profiles", found) == sorted(said(small()) * 2, key=repr)


def test_an_empty_window_gives_an_empty_file(tmp_path):
    Writer(tmp_path / "lake")
    for signal in SIGNALS:
        assert export(Lake(tmp_path / "lake").whole(), signal, tmp_path / signal) == 0
        assert (tmp_path / signal).read_bytes() == b""


def test_a_failed_export_leaves_what_was_there(tmp_path):
    window = stored(tmp_path / "lake", request("traces", 1200))
    output = tmp_path / "out"
    output.write_bytes(b"before")

    def stop(done, total):
        assert total == 1200
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(window, "traces", output, progress=stop)
    assert output.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.otlp", "lake", "out"]


def test_wrong_use_names_what_is_possible(tmp_path):
    window = stored(tmp_path / "lake", request("traces"))
    with pytest.raises(UnknownName, match="did you mean traces"):
        export(window, "trace", tmp_path / "out")
    with pytest.raises(UnknownName, match="otlp-json"):
        export(window, "traces", tmp_path / "out", output_format="otlp-jsn")
    with pytest.raises(BadParameter, match="no such directory"):
        export(window, "traces", tmp_path / "absent" / "out")


def test_only_a_file_is_written_over_and_a_link_stays_one(tmp_path):
    window = stored(tmp_path / "lake", request("traces"))
    os.mkfifo(tmp_path / "pipe")  # a device for those who may not make one
    for place in (tmp_path / "pipe", tmp_path):
        with pytest.raises(BadParameter, match="not a file"):
            export(window, "traces", place)
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    assert export(window, "traces", tmp_path / "link") == 1
    assert (tmp_path / "link").is_symlink()
    assert messages("traces", (tmp_path / "target").read_bytes())


def test_the_command_writes_the_file_and_says_how_much(tmp_path):
    stored(tmp_path / "lake", request("metrics", 4))
    output = tmp_path / "metrics.json.gz"
    options = ["--lake", str(tmp_path / "lake"), "--output", str(output), "--output-format", "otlp-json"]
    run = CliRunner().invoke(app, ["export", "metrics", *options, "--from", "2020-01-01"])
    assert run.exit_code == 0, run.output
    assert "4 rows of metrics" in run.stderr
    (line,) = gzip.decompress(output.read_bytes()).splitlines()
    assert len(json.loads(line)["resourceMetrics"]) == 1
