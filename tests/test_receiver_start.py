"""What a receiver says when it cannot start, and what `workbench collect otlp` tells when it does."""

import json
import os
import signal
import subprocess
import sys

import pytest

from collectors.otlp.options import Options, address_of
from tests.otlp_clients import payload, post
from tests.receiver_process import failed_start, receiver, services_in, wait_until
from workbench.lake.errors import BadParameter

WORKBENCH = [sys.executable, "-c", "from workbench.cli import main; main()"]


def test_a_port_that_is_taken_is_named_with_the_remedy(tmp_path):
    with receiver(tmp_path / "lake", "--metrics-every", "never") as running:
        for side, address in (("http", running.http), ("grpc", running.grpc)):
            status, said = failed_start(tmp_path / "other", f"--{side}", address)
            assert status == 1
            assert "cannot listen" in said
            assert address in said
            assert f"give another --{side} HOST:PORT" in said
        assert post(running.http, "traces", payload("traces", "a")).status == 200  # the first one is not disturbed


def test_a_lake_that_cannot_be_made_or_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    status, said = failed_start(tmp_path / "file" / "lake")
    assert status == 1
    assert "the lake cannot be made" in said
    assert str(tmp_path / "file" / "lake") in said
    assert "give --lake a directory that you may write to" in said


def test_a_log_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    status, said = failed_start(tmp_path / "lake", "--wal", tmp_path / "file" / "wal")
    assert status == 1
    assert "no write-ahead log here" in said
    (tmp_path / "lake" / "_wal" / "0" / "0000000000000001.open").mkdir(parents=True)
    status, said = failed_start(tmp_path / "lake")
    assert status == 1
    assert "the write-ahead log cannot be opened" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"http": "4318"}, "'4318' is no address"),
        ({"grpc": "127.0.0.1:99999"}, "no address"),
        ({"http": ":4318"}, "no address"),
        ({"retention": "two weeks"}, "not a duration"),
        ({"maintain_every": "often"}, "not a duration"),
        ({"metrics_every": "?"}, "not a duration"),
        ({"max_request_bytes": 0}, "below one byte"),
        ({"max_request_bytes": (128 << 20) + 1}, "at most 134217728"),
        ({"body_seconds": float("nan")}, "no time for a body"),
        ({"lake": "s3://bucket/lake"}, "give --wal DIR"),
        ({"lake": "ftp://x"}, "no place for a lake"),
    ],
)
def test_an_option_that_cannot_be_used_is_told_before_anything_starts(wrong, said):
    with pytest.raises(BadParameter, match=said):
        Options(**{"lake": "lake", **wrong}).checked()


def test_a_certificate_needs_its_key(tmp_path):
    with pytest.raises(BadParameter, match="--tls-key"):
        Options(lake="lake", tls_certificate=tmp_path / "a.pem").checked()


def test_addresses_are_taken_apart_and_put_together():
    assert [str(address_of(text)) for text in ("127.0.0.1:0", "[::1]:4318", "host:1")] == [
        "127.0.0.1:0",
        "[::1]:4318",
        "host:1",
    ]
    assert [address_of(text).loopback for text in ("127.0.0.1:0", "[::1]:1", "localhost:1")] == [True] * 3
    assert [address_of(text).loopback for text in ("0.0.0.0:0", "[::]:1", "host:1")] == [False] * 3


def test_a_token_is_no_text_of_its_options():
    assert "s3cret" not in repr(Options(lake="lake", token="s3cret"))


def test_workbench_collect_otlp_says_where_it_listens_and_how_to_send_and_drains_on_ctrl_c(tmp_path):
    ready, said = tmp_path / "ready", tmp_path / "said"
    command = [*WORKBENCH, "collect", "otlp", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--lake", "lake"]
    command += ["--ready-file", str(ready), "--metrics-every", "never"]
    with said.open("w") as stderr:
        running = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=stderr, start_new_session=True)
    try:
        wait_until(lambda: ready.exists() or running.poll() is not None, 60)
        assert ready.exists(), said.read_text()
        http, grpc = (json.loads(ready.read_text())[side] for side in ("http", "grpc"))
        assert post(http, "traces", payload("traces", "a")).status == 200
        os.killpg(running.pid, signal.SIGINT)  # what a terminal does
        output, _ = running.communicate(timeout=60)
        assert (running.returncode, output) == (0, b""), said.read_text()
    finally:
        running.kill()
        running.wait()
    for text in (
        f"http://{http}",
        grpc,
        str(tmp_path / "lake"),
        f"OTEL_EXPORTER_OTLP_ENDPOINT=http://{http}",
        "/healthz",
    ):
        assert text in said.read_text()
    assert services_in(tmp_path / "lake") == {"a": 1}
    assert "Traceback" not in said.read_text()


def test_workbench_collect_otlp_ends_with_2_on_wrong_use(tmp_path):
    done = subprocess.run(
        [*WORKBENCH, "collect", "otlp", "--http", "nowhere"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'nowhere' is no address" in done.stderr
