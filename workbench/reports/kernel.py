"""How a notebook is executed: papermill's engine with a kernel of our own interpreter, a deadline and a watch.

What differs from papermill's engine, and why:

* The kernel is this very interpreter. A kernel spec `python3` in the user's home may name any other.
* Messages go over Unix sockets in a private directory: no open ports, no race for them between parallel runs.
* The limit is for the whole run: each cell gets what is left. papermill's is per cell and may hit a slow import.
* Widget state is kept after a failure too, so that pictures drawn before it are in the report.
* What the kernel's process writes to its own standard error (a crash in C code, for example) is kept for the record of
  the run and does not run into the terminal.
"""

import logging
import math
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

ENGINE = "workbench"
LONGEST_SOCKET_PATH = 90  # the system allows 108 bytes; the kernel's id and a number come behind the directory
START_SECONDS = 60
LAST_WORDS = 4000  # bytes
_log = logging.getLogger("workbench.reports")
_log.addHandler(logging.NullHandler())  # nbclient reports as errors what the caller gets as the run's failure


class Watch:
    """What the runner sees of a run: the notebook as it fills, the cell at work, the time left."""

    def __init__(self, timeout_seconds: float, progress: Callable[[int, int], None] | None) -> None:
        self.deadline = time.monotonic() + timeout_seconds
        self.progress = progress
        self.notebook: Any = None
        self.cell_index: int | None = None
        self.done = 0
        self.last_words = self.end = ""  # of the kernel's process: what it wrote, how it ended

    def seconds_left(self, _cell: Any = None) -> int:
        """Whole seconds to the deadline, at least one: nbclient takes 0 for no limit."""
        return max(1, math.ceil(self.deadline - time.monotonic()))

    def cell_starts(self, cell: Any, cell_index: int) -> None:
        """nbclient calls this before each code cell."""
        from nbclient.exceptions import CellTimeoutError

        if cell.cell_type != "code":
            return
        self.cell_index = cell_index
        if time.monotonic() > self.deadline:  # no cell was too long, all together were
            raise CellTimeoutError("the time limit of the run has passed")
        self._tell()

    def cell_ended(self, cell: Any, cell_index: int, execute_reply: Any) -> None:  # noqa: ARG002 - named in the call
        """nbclient calls this after each code cell, failed or not."""
        self.done = cell_index + 1
        self._tell()

    def _tell(self) -> None:
        if self.progress:
            self.progress(self.done, len(self.notebook.cells))


class _Kernel(AsyncKernelManager):
    """A kernel of this interpreter, reached over Unix sockets that only this user can open."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._directory = tempfile.mkdtemp(prefix="workbench-")
        self.connection_file = str(Path(self._directory) / "kernel.json")
        self._messages = Path(self._directory) / "messages"
        self.last_words = self.end = ""
        if len(self._directory) <= LONGEST_SOCKET_PATH:
            self.transport = "ipc"
            self.ip = str(Path(self._directory) / "socket")

    @property
    def kernel_spec(self) -> KernelSpec:
        """Not looked up: see the module's text."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="Python 3", language="python")

    async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
        with self._messages.open("wb") as messages:
            await super()._async_launch_kernel(kernel_cmd, stdout=messages, stderr=messages, **options)

    async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]
        """Remove the sockets' directory with the rest, once what it tells of the process is kept."""
        process = getattr(self.provisioner, "process", None)
        if process is not None and process.poll() is not None:
            self.end = _ended(process.returncode)
        await super().cleanup_resources(restart=restart)
        if not restart:
            if self._messages.exists():
                self.last_words = self._messages.read_bytes()[-LAST_WORDS:].decode(errors="replace").strip()
            shutil.rmtree(self._directory, ignore_errors=True)


def _ended(status: int) -> str:
    """How a process ended, in words."""
    if status >= 0:
        return f"it left with status {status}"
    name = signal.Signals(-status).name
    hints = {"SIGKILL": " (out of memory?)", "SIGSEGV": ": a crash in C code", "SIGABRT": ": a crash in C code"}
    return f"{name} ended it{hints.get(name, '')}"


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    kernel: _Kernel | None = None  # nbclient forgets its own when it cleans up

    def create_kernel_manager(self) -> _Kernel:
        self.kernel = super().create_kernel_manager()
        return self.kernel

    def papermill_execute_cells(self) -> None:
        try:
            super().papermill_execute_cells()
        except BaseException:
            self.shutdown_kernel = "immediate"  # it hangs or is dead: asking politely takes five seconds more
            raise
        finally:
            self.set_widgets_metadata()


class _Engine(NBClientEngine):  # type: ignore[misc]
    @classmethod
    def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, *, watch: Watch, **_options: Any) -> None:
        watch.notebook = nb_man.nb
        client = _Client(
            nb_man,
            kernel_manager_class=_Kernel,
            kernel_name=kernel_name,
            log=_log,
            startup_timeout=min(START_SECONDS, watch.seconds_left()),
            timeout_func=watch.seconds_left,
            shell_timeout_interval=1,  # how often deadline and death are looked for, in seconds
            on_cell_start=watch.cell_starts,
            on_cell_executed=watch.cell_ended,
        )
        try:
            client.execute()
        finally:
            if client.kernel:
                watch.last_words, watch.end = client.kernel.last_words, client.kernel.end


def execute(notebook: Any, parameters: dict[str, Any], watch: Watch) -> None:
    """Run all cells; `watch.notebook` is the executed notebook, also when this raises.

    Raises:
        PapermillExecutionError: a cell raised.
        nbclient's DeadKernelError, CellTimeoutError; RuntimeError: the kernel died, hung, or did not start.
    """
    import papermill

    papermill_engines.register(ENGINE, _Engine)
    papermill_log = logging.getLogger("papermill")
    # It warns of parameters that its own reader of the cell does not see; ours has checked them.
    level = papermill_log.level
    papermill_log.setLevel(logging.ERROR)
    try:
        papermill.execute_notebook(
            notebook,
            None,
            parameters=parameters,
            engine_name=ENGINE,
            progress_bar=False,
            kernel_name="python3",
            language="python",  # a notebook made by a program may not name one
            watch=watch,
        )
    finally:
        papermill_log.setLevel(level)
