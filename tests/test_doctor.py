"""`workbench doctor`: what works on this machine, what is missing, and the remedy."""

import json
import socket
import sys

import pytest

from workbench.cli import doctor


def findings(done) -> dict[str, dict[str, str]]:
    return {row["feature"]: row for row in json.loads(done.out)}


def test_on_a_machine_that_runs_these_tests_the_main_job_can_run(command, tmp_path):
    done = command("doctor", "--lake", tmp_path / "lake", "--format", "json")
    found = findings(done)
    assert (done.status, done.err) == (0, "")
    assert {found[name]["state"] for name in ("Python", "lake and analyses", "receiver", "notebooks and reports")} == {
        "ok"
    }
    assert found["Python"]["found"] == ".".join(map(str, sys.version_info[:3]))
    assert set(found["lake"]) == {"feature", "state", "found", "remedy"}


def test_whatever_is_not_ok_has_a_remedy_and_what_is_ok_needs_none(command, tmp_path):
    rows = findings(command("doctor", "--lake", tmp_path, "--format", "json")).values()
    assert {row["state"] for row in rows} <= {"ok", "missing", "failed"}
    assert all(row["remedy"] for row in rows if row["state"] != "ok")


def test_a_lake_that_is_not_there_yet_is_no_failure_and_is_not_made(command, tmp_path):
    done = command("doctor", "--lake", tmp_path / "a" / "b", "--format", "json")
    assert "is not there yet" in findings(done)["lake"]["found"]
    assert not (tmp_path / "a").exists()


def test_a_place_that_cannot_be_written_is_a_failure(command, tmp_path, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    done = command("doctor", "--lake", tmp_path, "--format", "json")
    assert done.status == 1
    assert findings(done)["lake"]["state"] == "failed"


def test_a_file_is_no_place_for_a_lake(command, tmp_path):
    (tmp_path / "file").touch()
    done = command("doctor", "--lake", tmp_path / "file", "--format", "json")
    assert (done.status, findings(done)["lake"]["state"]) == (1, "failed")


def test_a_taken_port_is_told_with_the_way_around(command, tmp_path):
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            other.bind(("127.0.0.1", 4318))
            other.listen()
        except OSError:
            pass  # somebody else holds it, which serves as well
        row = findings(command("doctor", "--lake", tmp_path, "--format", "json"))["OTLP/HTTP port"]
    assert (row["state"], row["found"]) == ("missing", "127.0.0.1:4318 is taken")
    assert "4318" in row["remedy"]


@pytest.mark.parametrize("module", ["no_such_module", "no_such_package.module"])
def test_a_missing_module_is_seen(module):
    assert not doctor._there(module)
    assert doctor._there("json.decoder")


def test_a_missing_package_fails_the_main_job_and_names_the_install_command(command, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_there", lambda module: module != "duckdb")
    done = command("doctor", "--lake", tmp_path, "--format", "json")
    row = findings(done)["lake and analyses"]
    assert done.status == 1
    assert (row["state"], row["found"], row["remedy"]) == (
        "failed",
        "without duckdb",
        "pip install telemetry-workbench",
    )


def test_it_speaks_even_without_the_library_that_tables_are_made_of(command, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "_there", lambda module: module != "polars")
    done = command("doctor", "--lake", tmp_path)
    assert done.status == 1
    assert "lake and analyses  failed  without polars  pip install telemetry-workbench" in done.out


def test_the_table_is_for_people(command, tmp_path):
    out = command("doctor", "--lake", tmp_path).out
    assert out.split()[:4] == ["feature", "state", "found", "remedy"]
