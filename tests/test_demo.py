"""`workbench demo`, as a newcomer runs it: it ends with reports, or with what is wrong; it never leaves a process."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import workbench as wb
from tests.receiver_process import wait_until

PROGRAM = "import sys; from workbench.cli import main; sys.argv[0] = 'workbench'; main()"


def command(*options: str, before: str = "") -> list[str]:
    return [sys.executable, "-c", before + PROGRAM, "demo", *options]


def demo(*options: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*options, before=before), check=False, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_it_ends_with_the_paths_of_two_reports_whose_map_shows_the_true_edges(tmp_path):
    ended = demo("--output", str(tmp_path), "--duration", "10s", "--rate", "20", "--faults", "none")
    assert ended.returncode == 0, ended.stderr
    (directory,) = tmp_path.iterdir()
    truth = json.loads((directory / "truth.json").read_text())
    edges = len(truth["edges"])
    calls = sum(each["calls"] for each in truth["edges"])
    assert f"{edges} of {edges} true edges are on the map, with {calls:,} of {calls:,} calls" in ended.stderr
    reports = [Path(line.strip()) for line in ended.stdout.splitlines() if line.endswith(".html")]
    assert [path.name for path in reports] == ["service_map.html", "service_health.html"]
    for path in reports:
        assert path.is_absolute()
        text = path.read_text()
        assert text.lower().startswith("<!doctype html>")
        assert all(service in text for service in ("storefront", "checkout", "recommendations"))
    assert len(wb.services(wb.open(directory / "lake").whole())) == 6


@pytest.mark.slow
def test_sigterm_ends_receiver_shop_and_all_their_children(tmp_path):
    words = tmp_path / "words"
    with words.open("wb") as output:
        begun = psutil.Popen(command("--output", str(tmp_path / "demo")), stderr=output)
    try:
        wait_until(lambda: "shop: open" in words.read_text() or begun.poll() is not None, 60)
        children = begun.children(recursive=True)
        assert len(children) >= 8
        begun.send_signal(signal.SIGTERM)
        assert begun.wait(60) == 130
        assert psutil.wait_procs(children, timeout=10)[1] == []
    finally:
        if begun.poll() is None:
            begun.kill()
            begun.wait()


@pytest.mark.slow
def test_a_shop_that_fails_ends_the_demo_with_its_words(tmp_path):
    ended = demo("--output", str(tmp_path), "--faults", "latency:storefront:1s-2s")
    assert ended.returncode == 1
    assert "there is no fault latency:storefront" in ended.stderr
    assert "the shop ended with status 1" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_missing_packages_are_named_with_the_command_that_brings_them(tmp_path):
    ended = demo("--output", str(tmp_path), before="import sys; sys.modules['flask'] = sys.modules['redis'] = None; ")
    assert ended.returncode == 1
    assert "packages are missing: flask, redis" in ended.stderr
    assert "pip install" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options", [["--duration", "soon"], ["--duration", "10ms"], ["--rate", "0"], ["--rate", "nan"]]
)
def test_options_that_make_no_sense_are_wrong_use(tmp_path, options):
    ended = demo("--output", str(tmp_path), *options)
    assert ended.returncode == 2
    assert "remedy:" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    ended = demo("--output", str(tmp_path / "file"))
    assert ended.returncode == 1
    assert "no directory can be made" in ended.stderr
