"""Whatever ends the shop, nothing of it stays: no process, no file. And what it sent until then is whole."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

import workbench as wb
from tests.conftest import ROOT
from tests.receiver_process import receiver, wait_until

SHOP = ROOT / "datasets" / "shop" / "shop.py"
WITHOUT_STORES = ["--without", "redis-server", "--without", "postgres"]
NOBODY = "http://127.0.0.1:9"
pytestmark = pytest.mark.slow


@pytest.fixture
def sink(monkeypatch) -> Iterator[str]:
    """The endpoint of something that takes all telemetry and does nothing with it: the recorder."""
    monkeypatch.syspath_prepend(str(SHOP.parent))
    from record import Recorder

    with Recorder() as recorder:
        thread = threading.Thread(target=recorder.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{recorder.server_port}"
        recorder.shutdown()
        thread.join()


class Shop:
    """A running shop with a temporary directory of its own."""

    def __init__(self, directory: Path, *options: str, endpoint: str) -> None:
        self.words = directory / "words"
        self.temporary = Path(tempfile.mkdtemp())  # not in `directory`, which is closed to PostgreSQL's user
        self.temporary.chmod(0o755)
        command = [sys.executable, str(SHOP), "--endpoint", endpoint, *options]
        environment = os.environ | {"TMPDIR": str(self.temporary)}
        with self.words.open("wb") as words:
            self.process = psutil.Popen(command, stderr=words, env=environment)
        self.children: list[psutil.Process] = []

    def opened(self) -> list[psutil.Process]:
        """Wait until it is open; its processes."""
        wait_until(lambda: "shop: open at" in self.words.read_text() or self.process.poll() is not None, 60)
        self.children = self.process.children(recursive=True)
        return self.children

    def left(self) -> list[str]:
        """Processes and files that are still there."""
        _, alive = psutil.wait_procs(self.children, timeout=20)
        return [str(each) for each in alive] + [str(path) for path in self.temporary.iterdir()]


@contextmanager
def shop(directory: Path, *options: str, endpoint: str) -> Iterator[Shop]:
    running = Shop(directory, *options, endpoint=endpoint)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()
        shutil.rmtree(running.temporary)


def test_sigterm_ends_it_early_with_lake_and_truth_agreeing_and_sqlite_standing_in(tmp_path):
    truth_file = tmp_path / "truth.json"
    options = ["--duration", "100s", "--rate", "20", "--faults", "none", "--truth", str(truth_file), *WITHOUT_STORES]
    with receiver(tmp_path / "lake") as running:
        options += ["--protocol", "grpc"]
        with shop(tmp_path, *options, endpoint=f"http://{running.grpc}") as begun:
            names = {Path(child.cmdline()[-1]).name for child in begun.opened()}
            assert names == {
                *("storefront.py", "checkout.py", "inventory.py"),
                *("payments.py", "recommendations.py", "mailer.py"),
            }
            wait_until(lambda: any((tmp_path / "lake" / "spans").rglob("*.parquet")), 60)
            wait_until(lambda: next(begun.temporary.glob("shop-*/spool.mbox"), None), 60)
            begun.process.terminate()
            assert begun.process.wait(40) == 128 + signal.SIGTERM
            assert begun.left() == []
    assert "stock and stream: SQLite stands in; ledger: SQLite stands in" in begun.words.read_text()
    truth = json.loads(truth_file.read_text())
    assert all(each["answer"].isdigit() for each in truth["requests"]), "everybody was answered"
    true = {(each["source"], each["target"]): each["calls"] for each in truth["edges"]}
    edges = wb.service_map(wb.open(tmp_path / "lake").whole()).edges
    assert dict(zip(edges.select("source", "target").rows(), edges["calls"], strict=True)) == true
    assert {("inventory", "database:sqlite"), ("queue:sqlite/order-confirmations", "mailer")} <= true.keys()


def test_a_service_that_dies_ends_the_shop_with_its_name(tmp_path, sink):
    with shop(tmp_path, "--duration", "100s", *WITHOUT_STORES, endpoint=sink) as begun:
        (victim,) = [child for child in begun.opened() if child.cmdline()[-1].endswith("payments.py")]
        victim.kill()
        assert begun.process.wait(60) == 1
        assert begun.left() == []
    assert "payments ended by itself with status -9" in begun.words.read_text()


def test_no_process_outlives_a_shop_that_is_killed(tmp_path, sink):
    with shop(tmp_path, "--duration", "100s", endpoint=sink) as begun:
        programs = {child.name() for child in begun.opened()}
        assert len(begun.children) >= 6
        if shutil.which("redis-server"):
            assert "redis-server" in programs
        begun.process.kill()
        begun.process.wait(20)
        assert [each for each in begun.left() if "Process" in each] == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--duration", "soon"], "'soon' is no duration"),
        (["--faults", "latency:payment:1s-2s"], "there is latency:payments"),
        (["--rate", "0"], "must be above 0"),
        (["--rate", "nan"], "must be above 0"),
        (["--truth", "/no/such/directory/truth.json"], "there is no such directory"),
        ([], "start one: workbench collect otlp"),
    ],
)
def test_wrong_options_are_told_before_anything_starts(tmp_path, options, words):
    command = [sys.executable, str(SHOP), "--endpoint", NOBODY, *options]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert words in ended.stderr


def test_help_tells_every_option():
    ended = subprocess.run(
        [sys.executable, str(SHOP), "--help"], check=False, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0
    options = ("endpoint", "protocol", "duration", "rate", "seed", "faults", "truth", "metrics-every", "without")
    documented = (ROOT / "docs" / "shop.md").read_text()
    for option in options:
        assert f"--{option}" in ended.stdout
        assert f"--{option}" in documented
