"""A receiver of its own process on an empty lake, as the benchmarks use it."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from benchmarks import machine

TABLES = {"traces": "spans", "logs": "logs", "metrics": "metric_points"}
START_SECONDS, DRAIN_SECONDS = 60, 600


@dataclass
class Receiver:
    """A running receiver."""

    process: subprocess.Popen[bytes]
    lake: Path
    http: str
    grpc: str

    def rows(self, signal_name: str) -> int:
        """Rows in the lake, told by its log."""
        try:
            table = DeltaTable(f"{self.lake}/{TABLES[signal_name]}")
        except TableNotFoundError:
            return 0
        return sum(table.get_add_actions(flatten=True).column("num_records").to_pylist())

    def drained(self, signal_name: str, rows: int) -> float:
        """Wait until the lake holds so many rows; the moment (monotonic).

        Raises:
            RuntimeError: it does not, or holds more.
        """
        end = time.monotonic() + DRAIN_SECONDS
        while (found := self.rows(signal_name)) < rows:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{found} rows of {rows} came into the lake")
            time.sleep(0.1)
        if found > rows:
            raise RuntimeError(f"{rows} rows were acknowledged and {found} are in the lake")
        return time.monotonic()

    def roles(self) -> list[tuple[int, str]]:
        """All our processes: id and role (`receiver`, `worker`, `checker`, `maintenance`)."""
        found = [(self.process.pid, "receiver")]
        for pid in machine.family(self.process.pid)[1:]:
            try:
                command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            except OSError:
                continue  # ended meanwhile
            module = next((word for word in command if word.startswith("collectors.otlp.")), "other")
            found.append((pid, module.rpartition(".")[2]))
        return found

    def cpu(self) -> dict[str, float]:
        """CPU seconds by role of all our processes but compaction."""
        return {role: machine.cpu_seconds(pid) for pid, role in self.roles() if role != "maintenance"}

    def load(self, files: list[Path], signal_name: str, *, over: str = "http", **options: Any) -> dict[str, Any]:
        """Run the client to its end and give what it tells."""
        with self.loading(files, signal_name, over=over, **options) as client:
            told, _ = client.communicate()
        if client.returncode:
            raise RuntimeError(f"the client ended with status {client.returncode}")
        found: dict[str, Any] = json.loads(told)
        return found

    def loading(
        self, files: list[Path], signal_name: str, *, over: str = "http", **options: Any
    ) -> subprocess.Popen[bytes]:
        """Start the client."""
        command = [sys.executable, "-m", "benchmarks.load", f"--{over}", getattr(self, over), "--signal", signal_name]
        command += [f"--{name}={value}" for name, value in options.items()]
        return subprocess.Popen([*command, *map(str, files)], stdout=subprocess.PIPE)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory outside the repository that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="workbench-benchmark-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def receiver(folder: Path, *, maintain_every: str = "", metrics_every: str = "") -> Iterator[Receiver]:
    """A receiver on the empty lake `<folder>/lake`; stopped afterwards."""
    lake, ready = folder / "lake", folder / "ready.json"
    command = [sys.executable, "-m", "collectors.otlp", "--lake", str(lake), "--http", "127.0.0.1:0"]
    command += ["--grpc", "127.0.0.1:0", "--ready-file", str(ready), "--maintain-every", maintain_every]
    with (folder / "receiver.log").open("wb") as log:
        process = subprocess.Popen([*command, "--metrics-every", metrics_every], stderr=log)
    try:
        end = time.monotonic() + START_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the receiver did not start: {(folder / 'receiver.log').read_text()[-2000:]}")
            time.sleep(0.05)
        yield Receiver(process, lake, **json.loads(ready.read_text()))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
