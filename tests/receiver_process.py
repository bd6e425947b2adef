"""A real receiver process for tests: started on free ports, drained and ended by the test that started it."""

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from workbench.lake import Lake

START_SECONDS = 60
DRAIN_SECONDS = 60


class ReceiverProcess:
    """`http` and `grpc` are addresses HOST:PORT; `log` is the file with what it said."""

    def __init__(self, lake: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.lake = lake
        lake.parent.mkdir(parents=True, exist_ok=True)
        name = f"{lake.name}-{time.time_ns()}"
        self.log, ready = lake.with_name(f"{name}.log"), lake.with_name(f"{name}.ready")
        command = [sys.executable, "-m", "collectors.otlp", "--lake", str(lake), "--ready-file", str(ready)]
        command += ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", *options]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
        try:
            wait_until(lambda: ready.exists() or self.process.poll() is not None, START_SECONDS)
            assert ready.exists(), f"the receiver did not start:\n{self.log.read_text()}"
        except BaseException:
            self.kill()
            raise
        addresses = json.loads(ready.read_text())
        self.http, self.grpc = addresses["http"], addresses["grpc"]

    def healthz(self) -> tuple[int, dict[str, Any]]:
        """Status and facts of /healthz."""
        try:
            with urllib.request.urlopen(f"http://{self.http}/healthz", timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def peak_bytes(self) -> int:
        """The most memory that the receiving process has ever had."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = [each for each in text.splitlines() if each.startswith("VmHWM")]
        return int(line.split()[1]) * 1024

    def stop(self, *, status: int = 0) -> None:
        """Drain and end; what was acknowledged is in the lake when this returns."""
        self.process.send_signal(signal.SIGTERM)
        ended = self.process.wait(DRAIN_SECONDS)
        assert ended == status, f"the receiver ended with status {ended}:\n{self.log.read_text()}"

    def kill(self) -> None:
        """End it if it is still there."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DRAIN_SECONDS)


@contextlib.contextmanager
def receiver(lake: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[ReceiverProcess]:
    """A receiver for one lake; drained at the end of the block unless the test stopped it."""
    running = ReceiverProcess(lake, *options, environment=environment)
    try:
        yield running
        if running.process.poll() is None:
            running.stop()
    finally:
        running.kill()


def failed_start(lake: Path, *options: object) -> tuple[int, str]:
    """A receiver that is expected to end by itself: its exit status and what it said."""
    command = [sys.executable, "-m", "collectors.otlp", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    command += ["--lake", str(lake), *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_SECONDS, check=False)
    return done.returncode, done.stderr


def services_in(lake: Path) -> dict[str, int]:
    """How many spans of each service are in a lake; none while it has no tables."""
    if not (lake / "findings" / "_delta_log" / f"{0:020}.json").exists():  # the last table that is made
        return {}
    return dict(Lake(lake).whole().sql("select service_name, count(*) from spans group by 1 order by 1").rows())


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true value of `condition`, which is asked again and again.

    Raises:
        AssertionError: it did not become true in time.
    """
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"not true within {seconds} s"
        time.sleep(0.05)
    return found
