"""`workbench doctor`: what works on this machine, what is missing, and the remedy."""

import importlib.util
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from workbench.cli.options import DEFAULT_LAKE, Format, FormatOption, LakeOption
from workbench.cli.output import show

Finding = tuple[str, str, str, str]  # feature, state (ok, missing, failed), what was found, remedy
APT = "sudo scripts/system-packages (or apt-get install {})"


def doctor(lake: LakeOption = DEFAULT_LAKE, form: FormatOption = Format.table) -> None:
    """What works on this machine, what is missing, and the remedy. Exit status 1 when the main job cannot run."""
    rows = [*_python(), *_lake(lake), *_ports(), *_programs()]
    if _there("polars"):
        import polars as pl

        schema = dict.fromkeys(("feature", "state", "found", "remedy"), pl.String)
        show(pl.DataFrame(rows, schema=schema, orient="row"), form)
    else:  # tables are made of it, and its absence must not silence the one who tells
        print("\n".join("  ".join(filter(None, row)) for row in rows))
    if any(state == "failed" for _, state, _, _ in rows):
        raise typer.Exit(1)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = (3, 11) <= sys.version_info < (3, 14)
    yield "Python", "ok" if good else "failed", version, "" if good else "use Python 3.11, 3.12 or 3.13"
    for feature, packages, remedy in (
        ("lake and analyses", ("deltalake", "duckdb", "polars", "pyarrow"), "pip install telemetry-workbench"),
        ("receiver", ("aiohttp", "grpc", "isal", "ptars"), "pip install telemetry-workbench"),
        (
            "notebooks and reports",
            ("anywidget", "jupyterlab", "papermill", "plotly"),
            "pip install telemetry-workbench",
        ),
        ("demo shop", ("flask", "opentelemetry.sdk", "psycopg", "redis"), "pip install 'telemetry-workbench[shop]'"),
    ):
        absent = [name for name in packages if not _there(name)]
        if absent:
            yield feature, "missing" if "shop" in feature else "failed", f"without {', '.join(absent)}", remedy
        else:
            yield feature, "ok", ", ".join(packages), ""


def _there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the parent of a dotted name is absent
        return False


def _lake(lake: str) -> Iterator[Finding]:
    if "://" in lake:
        yield "lake", "ok", f"{lake} (an object store, not tried)", ""
        return
    path = Path(lake)
    place = path if path.exists() else next(parent for parent in path.absolute().parents if parent.exists())
    free = shutil.disk_usage(place).free / 1e9
    if not place.is_dir():
        yield "lake", "failed", f"{place} is no directory", "give another --lake, or set WORKBENCH_LAKE"
    elif not os.access(place, os.W_OK):
        yield "lake", "failed", f"{place} cannot be written", "give another --lake, or set WORKBENCH_LAKE"
    elif path.exists():
        yield "lake", "ok", f"{path}, {free:.0f} GB free", ""
    else:
        yield "lake", "ok", f"{path} is not there yet, {free:.0f} GB free", "workbench collect otlp, or workbench demo"


def _ports() -> Iterator[Finding]:
    for port, name in ((4317, "OTLP/gRPC port"), (4318, "OTLP/HTTP port")):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                remedy = f"if it is not our receiver: workbench collect otlp with another port than {port}"
                yield name, "missing", f"127.0.0.1:{port} is taken", remedy
            else:
                yield name, "ok", f"127.0.0.1:{port} is free", ""


def _programs() -> Iterator[Finding]:
    for feature, names, package in (
        ("browser tests and screenshots", ("chromium", "chromium-browser", "google-chrome"), "chromium"),
        ("demo shop on Redis", ("redis-server",), "redis-server"),
        ("demo shop on PostgreSQL", ("postgres",), "postgresql"),
    ):
        found = next((path for name in names if (path := shutil.which(name))), None)
        if found is None and package == "postgresql":
            found = next((str(path) for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")), None)
        yield feature, "ok" if found else "missing", found or "not found", "" if found else APT.format(package)
