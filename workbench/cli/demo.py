"""`workbench demo`: receiver, shop, lake, service map checked against the truth, two reports."""

import contextlib
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.lake.errors import BadParameter, LakeError, MissingExtra

STEPS = 4
REPORTS = ("service_map", "service_health")
SHOP_NEEDS = ("aiohttp", "flask", "opentelemetry.sdk", "opentelemetry.instrumentation", "psycopg", "redis", "requests")
START_SECONDS, DRAIN_SECONDS = 60, 150


def demo(
    output: Annotated[Path, typer.Option("--output", help="Directory for lake, reports and truth.")] = Path("demo"),
    duration: Annotated[str, typer.Option("--duration", help="How long the shop runs.")] = "90s",
    rate: Annotated[float, typer.Option("--rate", help="Requests per second.")] = 15.0,
    faults: Annotated[str, typer.Option("--faults", help="default, none, a schedule or a file.")] = "default",
) -> None:
    """Run an instrumented shop with faults, collect what it sends, and make reports of it.

    Takes about a minute longer than the shop runs. Ends with the paths of the reports: HTML files that open without a
    network.
    """
    from workbench.lake.times import duration_ns

    seconds = duration_ns(duration, "--duration") / 1e9
    if seconds < 1 or not 0 < rate < math.inf:  # nan is neither
        raise BadParameter("too short or too few", "workbench demo", "--duration 10s or more, --rate above 0")
    _check_packages()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended from outside, it tidies up as after Ctrl-C
    directory = _new_directory(output)
    lake, truth_file = directory / "lake", directory / "truth.json"

    _say(1, f"a receiver for OTLP, lake in {lake}")
    with _receiver(lake, directory / "receiver.log") as (receiver, endpoint):
        _say(2, f"the shop for {seconds:g} s: six services, {rate:g} requests a second, faults: {faults}")
        options = ["--endpoint", endpoint, "--duration", f"{seconds:g}s", "--rate", f"{rate:g}"]
        _run_shop([*options, "--faults", faults, "--truth", str(truth_file)], seconds, directory / "shop.log", receiver)

    _say(3, "the service map, against the calls that the shop knows it made")
    _compare(lake, json.loads(truth_file.read_text()))

    _say(4, "two notebooks run headless")
    reports = [_report(name, lake, directory / "reports") for name in REPORTS]
    print("reports (they open without a network):")
    for path in reports:
        print(f"  {path.absolute()}")
    print(f"which fault was on where and when: {truth_file.absolute()}")
    print(f"look further: workbench lab --lake {lake}   or   workbench services --lake {lake}")


def _say(step: int, text: str) -> None:
    print(f"[{step}/{STEPS}] {text}", file=sys.stderr, flush=True)


def _check_packages() -> None:
    missing = []
    for name in SHOP_NEEDS:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:  # the package around it is missing
            found = None
        missing += [] if found else [name]
    if missing:
        remedy = "pip install 'telemetry-workbench[shop]', in a checkout: pip install '.[shop]'"
        raise MissingExtra(f"the shop's packages are missing: {', '.join(missing)}", "workbench demo", remedy)


def _new_directory(output: Path) -> Path:
    """A directory named by the time, never one that was there."""
    name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    try:
        for number in range(1, 100):
            directory = output / (name if number == 1 else f"{name}-{number}")
            with contextlib.suppress(FileExistsError):
                directory.mkdir(parents=True)
                return directory
    except OSError as error:
        raise LakeError(f"no directory can be made: {error}", str(output), "give another one: --output DIR") from error
    raise LakeError("a hundred demos within one second", str(output), "give another directory: --output DIR")


@contextlib.contextmanager
def _receiver(lake: Path, log: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """A receiver process on free ports and its HTTP endpoint; drained at the end: what was acknowledged is in the lake.

    Raises:
        LakeError: it did not start, or did not end well.
    """
    ready = log.with_name("receiver.ready")
    command = [sys.executable, "-m", "collectors.otlp", "--lake", str(lake), "--ready-file", str(ready)]
    with log.open("wb") as words:
        receiver = subprocess.Popen(
            [*command, "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"], stdout=words, stderr=words
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not ready.exists() and receiver.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        if not ready.exists():
            raise LakeError(
                f"the receiver did not start:\n{_end_of(log)}", str(lake), "workbench doctor says what is missing"
            )
        yield receiver, f"http://{json.loads(ready.read_text())['http']}"
        receiver.send_signal(signal.SIGTERM)
        try:
            status = receiver.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise LakeError(f"the receiver did not end:\n{_end_of(log)}", str(lake), "is the disk full?") from error
        if status:
            raise LakeError(f"the receiver ended with status {status}:\n{_end_of(log)}", str(lake), f"more in {log}")
    finally:
        _end(receiver)
        ready.unlink(missing_ok=True)


def _run_shop(options: list[str], seconds: float, log: Path, receiver: "subprocess.Popen[bytes]") -> None:
    """Run the shop to its end, with a progress bar; what it says is passed on and kept.

    Raises:
        LakeError: shop or receiver ended badly.
    """
    from workbench.cli.progress import bar
    from workbench.installed import folder

    command = [sys.executable, str(folder("datasets") / "shop" / "shop.py"), *options]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}  # an installed shop lies where nobody should write
    shop = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    opened = threading.Event()
    reader = threading.Thread(target=_pass_on, args=(shop, log, opened), daemon=True)
    try:
        with bar("shop, seconds") as progress:
            reader.start()
            begin = 0.0
            while shop.poll() is None:
                if receiver.poll() is not None:
                    raise LakeError(
                        "the receiver ended in the middle", str(log), f"see {log.with_name('receiver.log')}"
                    )
                if opened.is_set():
                    begin = begin or time.monotonic()
                    progress(int(min(seconds, time.monotonic() - begin)), int(seconds))
                time.sleep(0.2)
            reader.join(5)
    finally:
        _end(shop)
    if shop.returncode:
        raise LakeError(f"the shop ended with status {shop.returncode}", str(log), "its own words are above")


def _pass_on(shop: "subprocess.Popen[str]", log: Path, opened: threading.Event) -> None:
    """Lines of the shop, to the terminal (above the progress bar) and into a file."""
    with log.open("w") as words:
        for line in shop.stderr or ():
            words.write(line)
            print(f"      {line}", end="", file=sys.stderr, flush=True)
            if line.startswith("shop: open"):
                opened.set()


def _end(process: "subprocess.Popen[Any]") -> None:
    """End a process that still runs: politely first, so that it ends its own children."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(45)
    if process.poll() is None:
        process.kill()
        process.wait()


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:])


def _compare(lake: Path, truth: dict[str, Any]) -> None:
    """Say which of the shop's true edges and calls the service map shows.

    Raises:
        LakeError: an edge is missing or invented.
    """
    import polars as pl

    import workbench as wb

    edges = wb.service_map(wb.open(lake).whole()).edges.group_by("source", "target").agg(pl.col("calls").sum())
    found = {(source, target): calls for source, target, calls in edges.rows()}
    true = {(edge["source"], edge["target"]): edge["calls"] for edge in truth["edges"]}
    shared = true.keys() & found.keys()
    calls = sum(min(true[edge], found[edge]) for edge in shared)
    print(
        f"      {len(shared)} of {len(true)} true edges are on the map, with {calls:,} of {sum(true.values()):,} calls",
        file=sys.stderr,
    )
    if true.keys() != found.keys():
        missing, invented = sorted(true.keys() - found.keys()), sorted(found.keys() - true.keys())
        raise LakeError(f"missing: {missing}, invented: {invented}", str(lake), "compare with truth.json beside it")


def _report(name: str, lake: Path, output: Path) -> Path:
    from workbench.cli.progress import bar
    from workbench.reports import run

    with bar(name) as progress:
        parameters = {"lake": str(lake.absolute()), "last": ""}
        ended = run(name, parameters, output=output, name=name, progress=progress)
    if ended.failure:
        raise LakeError(f"{name}: {ended.failure.error}: {ended.failure.message}", str(ended.html), "open the report")
    return ended.html
