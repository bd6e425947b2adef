"""A disk that is full or read-only: the error says so, and what was written before is whole."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.literals import T0
from tests.small_disk import small_disk as mounted
from workbench.lake import Lake, LakeError, Writer
from workbench.lake.compact import compact
from workbench.lake.expire import expire
from workbench.lake.verify import verify


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB of our own."""
    with mounted(tmp_path / "disk", 3) as place:
        yield place


def batch(rows: int) -> pa.Table:
    """Rows that do not compress."""
    noise = np.random.default_rng(rows).bytes(rows * 500).hex()
    names = [noise[start : start + 1000] for start in range(0, rows * 1000, 1000)]
    return pa.table({"start_time_unix_nano": [T0] * rows, "name": names})


def count(lake: Path) -> int:
    return int(Lake(lake).whole().sql("select count(*) as n from spans")["n"][0])


def parquet_files(lake: Path) -> list[Path]:
    return sorted(lake.glob("spans/day=*/*"))


def test_a_full_disk_costs_the_batch_that_does_not_fit_and_nothing_else(small_disk):
    lake = small_disk / "lake"
    writer = Writer(lake)
    full = None
    for sequence in range(20):
        try:
            writer.append({"spans": batch(400)}, app_id="x", sequence=sequence)
        except LakeError as error:
            full = error
            break
    written = count(lake)
    assert full is not None
    assert 0 < written < 8000
    assert "make room" in full.remedy
    assert full.what.startswith("cannot append")
    again = written // 400
    for _ in range(3):
        with pytest.raises(LakeError):
            writer.append({"spans": batch(400)}, app_id="x", sequence=again)
    assert count(lake) == written
    assert len(parquet_files(lake)) == again, "a batch that failed leaves no half file, however often it is tried"
    assert verify(lake)["ok"].all()
    with pytest.raises(LakeError, match="cannot"):
        compact(lake)
    assert count(lake) == written
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert writer.append({"spans": batch(400)}, app_id="x", sequence=again) == {"spans": 400}
    compact(lake)
    assert count(lake) == written + 400
    assert verify(lake)["ok"].all()


def test_a_disk_too_full_for_the_log_entry_forgets_the_file(small_disk):
    lake = small_disk / "lake"
    writer = Writer(lake)
    assert writer.append({"spans": batch(1)}, app_id="x", sequence=1) == {"spans": 1}
    entries = lake / "spans/_delta_log"
    (entries / f"{2:020d}.json").mkdir()  # stands for an entry that cannot be written: the name is taken
    with pytest.raises(LakeError):
        writer.append({"spans": batch(1)}, app_id="x", sequence=2)
    assert len(parquet_files(lake)) == 1
    (entries / f"{2:020d}.json").rmdir()
    assert writer.append({"spans": batch(1)}, app_id="x", sequence=2) == {"spans": 1}
    assert count(lake) == 2


def test_a_read_only_lake_can_be_read_and_says_why_it_cannot_be_written(small_disk):
    lake = small_disk / "lake"
    writer = Writer(lake)
    writer.append({"spans": batch(2)}, app_id="x", sequence=1)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert count(lake) == 2
    assert verify(lake)["ok"].all()
    with pytest.raises(LakeError, match="Read-only"):
        writer.append({"spans": batch(2)}, app_id="x", sequence=2)
    with pytest.raises(LakeError, match="Read-only"):
        Writer(lake).append({"spans": batch(2)}, app_id="x", sequence=2)
    with pytest.raises(LakeError, match="Read-only"):
        Writer(small_disk / "another")
    for act in (compact, expire):
        with pytest.raises(LakeError, match="Read-only"):
            act(lake)
    assert count(lake) == 2


def test_a_lake_where_a_file_is_in_the_way_is_refused(tmp_path):
    (tmp_path / "lake").write_text("a file")
    with pytest.raises(LakeError, match="cannot write"):
        Writer(tmp_path / "lake")


def test_a_directory_that_vanished_is_an_error_and_no_new_lake(tmp_path, empty_lake):
    lake = Path(shutil.copytree(empty_lake, tmp_path / "lake"))
    writer = Writer(lake)
    shutil.rmtree(lake)
    with pytest.raises(LakeError, match="cannot be read"):
        writer.append({"spans": batch(1)}, app_id="x", sequence=1)
    assert not lake.exists()
    assert not DeltaTable.is_deltatable(str(lake / "spans"))
