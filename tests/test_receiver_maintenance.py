"""The receiver's maintenance works in runs that end, and says when another one should follow."""

import sys
import time

import pyarrow as pa
import pytest

from collectors.otlp import child, maintenance
from workbench.lake import Writer
from workbench.lake.compact import compact

DAY_NS = 86_400 * 10**9


def ended(lake, monkeypatch):
    """The exit status of one run."""
    monkeypatch.setattr(sys, "argv", ["maintenance", str(lake), "15d"])
    monkeypatch.setattr(child, "begin", lambda: None)  # what ties it to a receiver
    monkeypatch.setattr(maintenance, "MOST_GROUPS", 1)
    with pytest.raises(SystemExit) as end:
        maintenance.main()
    return end.value.code


def test_a_run_that_leaves_something_asks_for_another_one(tmp_path, monkeypatch):
    writer, now = Writer(tmp_path / "lake"), time.time_ns()
    for sequence in range(2 * maintenance.FEWEST):
        times = [now - (sequence % 2) * DAY_NS]
        rows = pa.table({"start_time_unix_nano": times, "received_time_unix_nano": times})
        writer.append({"spans": rows}, app_id="test", sequence=sequence)
    assert [ended(tmp_path / "lake", monkeypatch) for _ in range(3)] == [child.MORE_TO_DO, child.MORE_TO_DO, 0]
    assert compact(tmp_path / "lake", dry_run=True).is_empty()
