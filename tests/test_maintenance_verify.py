"""`verify` finds what is missing, damaged, wrong or left over, and the commands say so by their exit status."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.literals import T0
from workbench.lake import LakeError, Writer
from workbench.lake.verify import verify


@pytest.fixture
def lake(tmp_path: Path, empty_lake: Path) -> Path:
    lake = Path(shutil.copytree(empty_lake, tmp_path / "lake"))
    for sequence in (1, 2):
        rows = pa.table({"start_time_unix_nano": [T0 + sequence], "received_time_unix_nano": [T0], "name": ["a"]})
        Writer(lake).append({"spans": rows}, app_id="x", sequence=sequence)
    return lake


def file_of(lake: Path) -> Path:
    return min((lake / "spans").glob("day=*/*.parquet"))


def found(lake: Path) -> dict[str, object]:
    return verify(lake).row(by_predicate=pl.col("table") == "spans", named=True)


def test_a_whole_lake_is_ok_in_every_table(lake):
    result = verify(lake)
    assert result["ok"].all()
    assert result.height == 9
    row = found(lake)
    assert (row["version"], row["files"], row["rows"], row["rows_in_files"]) == (2, 2, 2, 2)
    assert row["bytes"] == sum(file.stat().st_size for file in (lake / "spans").glob("day=*/*"))
    assert row["detail"] == ""


def test_a_missing_file_is_found(lake):
    file_of(lake).unlink()
    row = found(lake)
    assert (row["ok"], row["missing_files"], row["rows"], row["rows_in_files"]) == (False, 1, 2, 1)
    assert "missing day=2026-01-01/" in row["detail"]


@pytest.mark.parametrize("left", [0, 3, 500])
def test_a_truncated_file_is_found(lake, left):
    os.truncate(file_of(lake), left)
    assert (found(lake)["ok"], found(lake)["damaged_files"]) == (False, 1)


def test_a_file_of_another_size_than_the_log_says_is_found(lake):
    file = file_of(lake)
    pq.write_table(pq.ParquetFile(file).read(), file, compression="none")
    assert (found(lake)["ok"], found(lake)["damaged_files"]) == (False, 1)
    assert "bytes, the log says" in found(lake)["detail"]


@pytest.mark.parametrize(("key", "word"), [("numRecords", None), ("minValues", "min"), ("maxValues", "max")])
def test_statistics_that_would_hide_rows_are_found(lake, key, word):
    entry = lake / "spans/_delta_log" / f"{1:020d}.json"
    actions = [json.loads(line) for line in entry.read_text().splitlines()]
    for action in actions:
        if "add" in action:
            statistics = json.loads(action["add"]["stats"])
            if word is None:
                statistics[key] += 1
            else:
                statistics[key]["start_time_unix_nano"] += 1
            action["add"]["stats"] = json.dumps(statistics)
    entry.write_text("\n".join(json.dumps(action) for action in actions))
    row = found(lake)
    assert (row["ok"], row["wrong_statistics"], row["missing_files"] + row["damaged_files"]) == (False, 1, 0)


def test_a_file_that_no_version_names_is_left_over_and_does_no_harm(lake):
    shutil.copy(file_of(lake), file_of(lake).with_name("orphan.parquet"))
    assert (found(lake)["ok"], found(lake)["orphan_files"]) == (True, 1)


def test_a_table_that_does_not_open_is_told_and_the_others_are_checked(lake):
    (lake / "logs/_delta_log" / f"{0:020d}.json").write_text("{")
    shutil.rmtree(lake / "findings/_delta_log")
    result = {row["table"]: row for row in verify(lake).to_dicts()}
    assert [name for name, row in result.items() if not row["ok"]] == ["logs", "findings"]
    assert "does not open" in result["logs"]["detail"]


def test_verify_changes_nothing_and_tells_how_far_it_is(lake):
    before = sorted((str(file), file.stat().st_mtime_ns) for file in lake.rglob("*"))
    steps = []
    verify(lake, progress=lambda *step: steps.append(step))
    assert steps == [(number, 9) for number in range(1, 10)]
    assert sorted((str(file), file.stat().st_mtime_ns) for file in lake.rglob("*")) == before


def test_what_is_no_lake_cannot_be_verified(tmp_path):
    with pytest.raises(LakeError, match="no lake here"):
        verify(tmp_path / "missing")
    with pytest.raises(LakeError, match="no tables"):
        verify(tmp_path)


def workbench(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys\nfrom workbench.cli import main\nsys.argv[0] = 'workbench'\nmain()"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def test_the_commands_do_and_print_the_same_as_the_library(lake):
    told = workbench("maintain", "compact", "--lake", str(lake), "--dry-run", "--format", "json")
    assert (told.returncode, told.stderr) == (0, "")
    done = workbench("maintain", "compact", "--lake", str(lake), "--format", "json")
    assert json.loads(done.stdout) == json.loads(told.stdout)
    assert [(row["table"], row["files"], row["rows"]) for row in json.loads(done.stdout)] == [("spans", 2, 2)]
    whole = workbench("maintain", "verify", "--lake", str(lake), "--format", "json")
    assert whole.returncode == 0
    assert all(row["ok"] for row in json.loads(whole.stdout))
    later = workbench("maintain", "expire", "--lake", str(lake), "--retention", "10000d", "--table", "spans=1d")
    assert later.returncode == 0
    assert "dropped" in later.stdout
    assert time.time() * 10**9 > T0 + 2 * 86_400 * 10**9, "this machine's clock is in the past"
    assert found(lake)["rows"] == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["expire", "--retention", "soon"], 2, "not a duration"),
        (["expire", "--table", "logs"], 2, "--table logs=3d"),
        (["expire", "--table", "log=3d"], 2, "did you mean logs"),
        (["compact", "--fewest", "2"], 2, "No such option"),
        (["verify", "--lake", "/nowhere/at/all"], 1, "no lake here"),
    ],
)
def test_the_exit_status_tells_wrong_use_from_work_that_failed(lake, arguments, status, said):
    act, *rest = arguments
    done = workbench("maintain", act, "--lake", str(lake), *rest)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr


def test_verify_fails_when_rows_are_in_danger(lake):
    file_of(lake).unlink()
    done = workbench("maintain", "verify", "--lake", str(lake))
    assert done.returncode == 1
    assert "missing day=2026-01-01" in done.stdout
