"""Fixtures that many tests share."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest
from hypothesis import settings

from tests.literals import T0
from workbench.cli import main
from workbench.lake import Lake, Window, Writer

# Deadlines would assert durations. On a CI machine the examples are the same each time: what a change is judged by must
# not depend on chance; everywhere else chance goes on looking.
settings.register_profile("workbench", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("workbench")

pytest_plugins = ["tests.browser"]

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Recorded telemetry with known answers; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("WORKBENCH_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data in {folder}: set WORKBENCH_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake without rows, made once: copying it is ten times as fast as making another. Nobody writes here."""
    lake = tmp_path_factory.mktemp("empty") / "lake"
    Writer(lake)
    return lake


@pytest.fixture
def lake_of(tmp_path: Path, empty_lake: Path) -> Callable[..., Path]:
    """Writes a real lake, one commit per table of spans; `lake_of(spans(...), logs=rows)` gives its directory."""

    def write(*spans: pa.Table, **tables: pa.Table) -> Path:
        lake = tmp_path / f"lake-{len(list(tmp_path.glob('lake-*')))}"
        shutil.copytree(empty_lake, lake)
        writer = Writer(lake)
        for sequence, rows in enumerate(spans):
            writer.append({"spans": rows}, app_id="test", sequence=sequence)
        writer.append(tables, app_id="test-tables", sequence=0)
        return lake

    return write


@pytest.fixture
def window_of(lake_of: Callable[..., Path]) -> Callable[..., Window]:
    """A window of a real lake: `window_of(spans(...))`, all of it unless `start` and `end` (after T0, ns) say less."""

    def opened(*spans: pa.Table, start: int | None = None, end: int | None = None, **tables: pa.Table) -> Window:
        lake = Lake(lake_of(*spans, **tables))
        return lake.window(None if start is None else T0 + start, None if end is None else T0 + end)

    return opened


class Done(NamedTuple):
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """Runs the real `workbench ...` in this process, where a process of its own would cost a second."""

    def run(*words: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        return Done(status, *capsys.readouterr())

    return run
