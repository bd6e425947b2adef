"""Child processes of the receiver: started beside it, never outliving it."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
MORE_TO_DO = 3  # exit status of a maintenance run that wants another one after it
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
# Batches of the same size come and go: memory that is kept, in huge pages, saves the decoding process a sixth of its
# CPU time, which were page faults. Read by glibc and Arrow at their start; what the user has set wins.
MEMORY = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"
    ":glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=536870912",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
LOG_FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"


async def started(module: str, *arguments: str, pipes: bool = False) -> asyncio.subprocess.Process:
    """A Python process that runs `module`. Await it from the main thread: the child ends with the thread.

    One that is talked to through pipes gives its memory back after each answer.
    """
    # -P: the current directory is the user's, a folder of his must not shadow a package of ours.
    command = [sys.executable, "-P", "-m", module, str(os.getpid()), *arguments]
    stdin, stdout = (subprocess.PIPE, subprocess.PIPE) if pipes else (subprocess.DEVNULL, None)
    environment = {**os.environ} if pipes else {**MEMORY, **os.environ}
    # A session of its own: Ctrl-C reaches the receiver, which tells the others when to end.
    return await asyncio.create_subprocess_exec(
        *command, stdin=stdin, stdout=stdout, env=environment, start_new_session=True
    )


def keep_memory() -> None:
    """Keep what is freed, for the next request: bodies are so large that glibc would give each back to the kernel."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc only
    if mallopt is not None and "GLIBC_TUNABLES" not in os.environ:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 64 << 20)


def begin() -> int:
    """Logging as in the receiver, and SIGTERM when it ends, however it ends; the receiver's process id.

    The id is the first argument, which is taken away: a receiver that was killed meanwhile is nobody's parent.
    """
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    parent = int(sys.argv.pop(1))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the call
        sys.exit(1)
    return parent
