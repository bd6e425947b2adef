"""Programs that the shop starts and surely ends.

Each is asked to end by a signal and killed if it does not; and the kernel kills them all should the shop itself be
killed (PR_SET_PDEATHSIG), when there is nobody left to ask.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


class ShopError(Exception):
    """The shop cannot run; the text says what, where and what to do."""


def _follow(parent: int) -> Callable[[], None]:
    """To be run in the child: it does not outlive its parent."""

    def follow() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # already gone
            os.kill(os.getpid(), signal.SIGKILL)

    return follow


@dataclass
class Child:
    """One program, and the signal that ends it politely."""

    name: str
    process: subprocess.Popen
    politely: signal.Signals


class Children:
    """All programs of one shop. Start them from the main thread: the kernel watches the thread that starts."""

    def __init__(self) -> None:
        self.children: list[Child] = []

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, error: type | None, *_) -> None:
        self.end(patience=5 if error else 15)

    def start(self, name: str, command: list[str], *, politely: signal.Signals = signal.SIGTERM, **options) -> Child:
        """Start a program in a session of its own, so that Ctrl-C reaches the shop alone."""
        follow = _follow(os.getpid())
        options |= {"stdin": subprocess.DEVNULL, "start_new_session": True}
        process = subprocess.Popen(command, preexec_fn=follow, **options)  # noqa: PLW1509 (no other thread runs yet)
        child = Child(name, process, politely)
        self.children.append(child)
        return child

    def check(self) -> None:
        """Raise if one has ended that should be running.

        Raises:
            ShopError: says which.
        """
        for child in self.children:
            if (status := child.process.poll()) is not None:
                raise ShopError(f"{child.name} ended by itself with status {status}; its own words are above")

    def end(self, names: set[str] | None = None, *, patience: float = 15.0) -> list[str]:
        """End these programs, or all; gives the names of those that had to be killed or failed."""
        ending = [child for child in reversed(self.children) if names is None or child.name in names]
        for child in ending:
            if child.process.poll() is None:
                child.process.send_signal(child.politely)
        until = time.monotonic() + patience
        failed = []
        for child in ending:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, until - time.monotonic()))
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait()
            if child.process.returncode:
                failed.append(child.name)
            self.children.remove(child)
        return failed
