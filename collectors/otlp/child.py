"""Child processes of the receiver: started beside it, never outliving it."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
LOG_FORMAT = "%(asctime)s %(name)s %(levelname)s %(message)s"


async def started(module: str, *arguments: str, pipes: bool = False) -> asyncio.subprocess.Process:
    """A Python process that runs `module`. Await it from the main thread: the child ends with the thread."""
    # -P: the current directory is the user's, a folder of his must not shadow a package of ours.
    command = [sys.executable, "-P", "-m", module, *arguments]
    stdin, stdout = (subprocess.PIPE, subprocess.PIPE) if pipes else (subprocess.DEVNULL, None)
    # A session of its own: Ctrl-C reaches the receiver, which tells the others when to end.
    return await asyncio.create_subprocess_exec(*command, stdin=stdin, stdout=stdout, start_new_session=True)


def begin() -> int:
    """Logging as in the receiver, and SIGTERM when it ends, however it ends; the receiver's process id."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it ended before the call
        sys.exit(1)
    return parent
