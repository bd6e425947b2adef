"""`workbench demo`: the main job end to end. Receiver, shop, lake, service map checked against the truth, two reports."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.lake.errors import LakeError, MissingExtra

STEPS = 4


def demo(
    output: Annotated[Path, typer.Option("--output", help="Directory for lake, reports and truth.")] = Path("demo"),
    duration: Annotated[str, typer.Option("--duration", help="How long the shop runs.")] = "90s",
    rate: Annotated[float, typer.Option("--rate", help="Requests per second.")] = 15.0,
) -> None:
    """Run an instrumented shop with faults, collect what it sends, and make reports of it.

    Ends with the paths of the reports: HTML files that open without a network.
    """
    import importlib.util

    from workbench.installed import folder

    if importlib.util.find_spec("flask") is None:
        raise MissingExtra("the shop's packages are missing", "workbench demo", "pip install 'telemetry-workbench[shop]'")
    run_directory = output / time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    run_directory.mkdir(parents=True)
    lake, truth_file = run_directory / "lake", run_directory / "truth.json"

    _say(1, f"a receiver for OTLP, lake in {lake}")
    receiver, endpoint = _start_receiver(lake)
    try:
        _say(2, f"the shop for {duration}: six services, {rate:g} requests a second, with faults")
        shop = [sys.executable, str(folder("datasets") / "shop" / "shop.py"), "--endpoint", endpoint]
        shop += ["--duration", duration, "--rate", str(rate), "--faults", "default", "--truth", str(truth_file)]
        subprocess.run(shop, check=True)
    except subprocess.CalledProcessError as error:
        raise LakeError("the shop failed", "workbench demo", "its own words are above") from error
    finally:
        receiver.send_signal(signal.SIGTERM)  # drains: what was acknowledged is in the tables when it ends
        status = receiver.wait(60)
    if status:
        raise LakeError(f"the receiver ended with status {status}", str(lake), "its own words are above")

    _say(3, "the service map, against the calls that the shop knows it made")
    _compare(lake, json.loads(truth_file.read_text()))

    _say(4, "two notebooks run headless")
    reports = [_report(name, lake, run_directory) for name in ("service_map", "service_health")]
    print("reports:")
    for path in reports:
        print(f"  {path.absolute()}")
    print(f"look further: workbench lab --lake {lake}   or   workbench services --lake {lake}")


def _say(step: int, text: str) -> None:
    print(f"[{step}/{STEPS}] {text}", file=sys.stderr, flush=True)


def _start_receiver(lake: Path) -> tuple["subprocess.Popen[bytes]", str]:
    """A receiver process on a free port; its HTTP endpoint once it answers."""
    with tempfile.TemporaryDirectory() as directory:
        ready = Path(directory) / "ready.json"
        arguments = ["-m", "collectors.otlp", "--lake", str(lake), "--ready-file", str(ready)]
        arguments += ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
        receiver = subprocess.Popen([sys.executable, *arguments], env=os.environ)
        for _ in range(300):
            if ready.exists():
                return receiver, f"http://{json.loads(ready.read_text())['http']}"
            if receiver.poll() is not None:
                break
            time.sleep(0.1)
        receiver.kill()
        raise LakeError("the receiver did not start within 30 s", str(lake), "workbench doctor tells what is missing")


def _compare(lake: Path, truth: dict[str, Any]) -> None:
    """Print which of the shop's true edges the service map shows.

    Raises:
        LakeError: an edge is missing or invented.
    """
    import workbench as wb

    topology = wb.service_map(wb.open(lake).whole())
    found = set(topology.edges.select("source", "target").rows())
    true = {(edge["source"], edge["target"]) for edge in truth["edges"]}
    print(f"      {len(true & found)} of {len(true)} true edges are on the map", file=sys.stderr)
    if true != found:
        missing, invented = sorted(true - found), sorted(found - true)
        raise LakeError(f"missing: {missing}, invented: {invented}", str(lake), "compare with truth.json beside it")


def _report(name: str, lake: Path, directory: Path) -> Path:
    from workbench.cli.progress import bar
    from workbench.reports import run

    with bar(name) as progress:
        parameters = {"lake": str(lake.absolute()), "last": ""}
        ended = run(name, parameters, output=directory / "reports", name=name, progress=progress)
    if ended.failure:
        raise LakeError(f"{name}: {ended.failure.error}: {ended.failure.message}", str(ended.html), "open the report")
    return ended.html
