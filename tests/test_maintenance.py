"""Compaction, retention, clean-up: the lake gets smaller and faster, and no row is lost, doubled or kept for ever."""

import fcntl
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from tests.literals import T0, spans
from workbench.lake import BadParameter, Lake, LakeBusy, LakeError, UnknownName, Writer
from workbench.lake import compact as compaction
from workbench.lake.compact import GROUP_ROWS, SMALL_BYTES, compact, groups
from workbench.lake.delta import StoredTable
from workbench.lake.expire import expire
from workbench.lake.pins import pin, unpin
from workbench.lake.schema import SPANS

FRESH = multiprocessing.get_context("spawn")
DAY = 86_400 * 10**9
NOW = T0 + 30 * DAY
TREE = """
    web       GET /cart    0..90ms  server  http.route=/cart
      cart    load         5..85ms
        db    select      10..20ms  client error
"""


@pytest.fixture
def lake(tmp_path: Path, empty_lake: Path) -> Path:
    return Path(shutil.copytree(empty_lake, tmp_path / "lake"))


def fill(lake: Path, *batches: dict[str, list[object]], table: str = "spans") -> None:
    writer = Writer(lake)
    for columns in batches:
        sequence = writer.committed(table, "fill") + 1
        writer.append({table: pa.table(columns)}, app_id="fill", sequence=sequence)


def at(*times: int, received: int | None = None) -> dict[str, list[object]]:
    received = times[0] if received is None else received
    return {"start_time_unix_nano": list(times), "received_time_unix_nano": [received] * len(times)}


def rows(lake: Path, table: str = "spans") -> list[str]:
    """Every row as text, in an order of its own: equal lists are equal multisets."""
    return sorted(map(str, Lake(lake).whole().arrow(f"select * from {table}").to_pylist()))


def live(lake: Path, table: str = "spans") -> list[str]:
    return [Path(uri).name for uri in DeltaTable(str(lake / table)).file_uris()]


def on_disk(lake: Path, table: str = "spans") -> list[Path]:
    return sorted((lake / table).glob("day=*/*.parquet"))


# ---- compaction


def test_rows_are_the_same_before_and_after_and_lie_in_one_file(lake_of):
    lake = lake_of(*[spans(TREE, first_trace=number) for number in range(1, 6)])
    before = rows(lake)
    plan = compact(lake)
    assert plan.select("table", "day", "files", "rows").rows() == [("spans", "2026-01-01", 5, len(before))]
    merged = [file for file in on_disk(lake) if file.name not in live(lake)]
    assert plan["bytes"][0] == sum(file.stat().st_size for file in merged)
    assert rows(lake) == before
    assert len(live(lake)) == 1
    assert compact(lake).is_empty(), "and there is nothing left to do"


def test_compacted_rows_are_sorted_by_five_minutes_then_trace_then_time(lake):
    minute = 60 * 10**9
    batch = [(T0 + 6 * minute, "a"), (T0, "b"), (T0 + minute, "a"), (T0 + 4 * minute, "b"), (T0 + 2 * minute, "a")]
    for moment, trace in batch:
        fill(lake, {"start_time_unix_nano": [moment], "trace_id": [trace]})
    compact(lake)
    (file,) = [file for file in on_disk(lake) if file.name in live(lake)]
    found = pq.ParquetFile(file).read(["start_time_unix_nano", "trace_id"]).to_pylist()
    assert [((row["start_time_unix_nano"] - T0) // minute, row["trace_id"]) for row in found] == [
        (1, "a"), (2, "a"), (0, "b"), (4, "b"), (6, "a"),
    ]  # fmt: skip


def test_days_and_tables_are_not_mixed(lake):
    fill(lake, at(T0), at(T0), at(T0 + DAY), at(T0 + DAY))
    fill(lake, {"time_unix_nano": [T0]}, {"time_unix_nano": [T0]}, table="logs")
    plan = compact(lake).select("table", "day", "files")
    assert plan.rows() == [("logs", "2026-01-01", 2), ("spans", "2026-01-01", 2), ("spans", "2026-01-02", 2)]


def test_a_dry_run_tells_what_the_act_then_does(lake):
    fill(lake, at(T0), at(T0), at(T0 + DAY))
    steps = []
    told = compact(lake, dry_run=True, progress=lambda *step: steps.append(step))
    assert len(live(lake)) == 3
    assert steps == []
    assert compact(lake, progress=lambda *step: steps.append(step)).equals(told)
    assert steps == [(2, 2)]
    assert len(live(lake)) == 2


def test_fewer_files_than_asked_for_are_left_alone(lake):
    fill(lake, at(T0), at(T0))
    assert compact(lake, fewest=3).is_empty()
    assert compact(lake, fewest=2).height == 1


def test_a_run_ends_after_so_many_groups_and_the_next_one_does_the_rest(lake):
    fill(lake, at(T0), at(T0), at(T0 + DAY), at(T0 + DAY))
    assert compact(lake, most_groups=1, dry_run=True).height == 1
    assert [compact(lake, most_groups=1).height for _ in range(3)] == [1, 1, 0]


def test_groups_that_cannot_be_merged_do_not_use_up_the_run_of_the_others(lake):
    fill(lake, at(T0), at(T0), at(T0 + DAY), at(T0 + DAY))
    on_disk(lake)[0].write_bytes(b"damaged")
    with pytest.raises(LakeError, match="cannot merge"):
        compact(lake, most_groups=1)
    assert compact(lake, dry_run=True)["day"].to_list() == ["2026-01-01"]


def test_groups_are_bounded_in_rows_and_bytes_and_large_files_are_left_alone():
    def files(*sizes: tuple[int, int]) -> list[dict[str, object]]:
        return [
            {
                "path": f"{n:03}",
                "partition.day": "2026-01-01",
                "modification_time": n,
                "num_records": r,
                "size_bytes": b,
            }
            for n, (r, b) in enumerate(sizes)
        ]

    def paths(*sizes: tuple[int, int]) -> list[list[str]]:
        return [[row["path"] for row in group] for group in groups(files(*sizes), 2)]

    third = GROUP_ROWS // 3
    assert paths((third, 1), (third, 1), (third, 1), (third, 1), (third, 1)) == [["000", "001", "002"], ["003", "004"]]
    assert paths(*[(1, SMALL_BYTES - 1)] * 6) == [["000", "001", "002", "003"], ["004", "005"]]
    assert paths((GROUP_ROWS, 1), (1, SMALL_BYTES), (1, 1)) == []
    assert paths((400, 1), (99, 1)) == [], "a large file is not rewritten for the sake of a few rows"
    assert paths((400, 1), (50, 1), (50, 1)) == [["000", "001", "002"]]
    assert paths((400, 1), (50, 1), (20, 1)) == [["001", "002"]]
    full_and_begun = groups(files(*[(third, 1)] * 5), 8)
    assert [len(group) for group in full_and_begun] == [3], "only the group that others may join waits for more files"


def test_two_maintenance_runs_at_once_are_refused(lake):
    fill(lake, at(T0), at(T0))
    with (lake / "_maintenance.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for act in (compact, expire):
            with pytest.raises(LakeBusy, match="another process"):
                act(lake)
    assert compact(lake).height == 1


def _append(lake: str, batches: int) -> None:
    writer = Writer(lake)
    for sequence in range(batches):
        writer.append({"spans": pa.table(at(T0 + sequence))}, app_id="beside", sequence=sequence)


def _read(lake: str, seconds: float, low: int) -> None:
    until = time.time() + seconds
    while time.time() < until:
        window = Lake(lake).whole()
        found = window.sql("select count(*) as n, count(distinct start_time_unix_nano) as d from spans")
        assert found["n"][0] == found["d"][0] >= low, "a row was missing or twice"


@pytest.mark.slow
def test_compaction_goes_on_beside_a_writer_and_a_reader(lake):
    fill(lake, *[at(T0 + 10**6 + number) for number in range(20)])
    writer = FRESH.Process(target=_append, args=(str(lake), 30))
    reader = FRESH.Process(target=_read, args=(str(lake), 4, 20))
    for each in (writer, reader):
        each.start()
    merged = 0
    while writer.is_alive() or reader.is_alive():
        merged += compact(lake)["files"].sum()
        time.sleep(0.1)
    for each in (writer, reader):
        each.join()
    compact(lake)
    assert (writer.exitcode, reader.exitcode) == (0, 0)
    assert merged >= 40
    found = Lake(lake).whole().sql("select count(*) as n, count(distinct start_time_unix_nano) as d from spans")
    assert found.row(0) == (50, 50)


@pytest.mark.parametrize("where", ["parquet.added", "replace"])
def test_a_compaction_that_is_cut_off_leaves_the_lake_as_it_was(lake, monkeypatch, where):
    fill(lake, at(T0), at(T0 + 1))
    before, files = rows(lake), live(lake)

    def cut_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        if where == "replace":
            cut.setattr(StoredTable, "replace", cut_off)
        else:
            cut.setattr(compaction.parquet, "added", cut_off)
        with pytest.raises(KeyboardInterrupt):
            compact(lake)
    assert live(lake) == files
    assert rows(lake) == before
    compact(lake)
    assert rows(lake) == before
    assert len(live(lake)) == 1


def test_a_damaged_file_costs_the_merging_of_its_own_group_and_old_rows_go_all_the_same(lake):
    for table in ("logs", "metric_points"):
        fill(
            lake, *[{"time_unix_nano": [T0 - 400 * DAY], "received_time_unix_nano": [T0 - 400 * DAY]}] * 8, table=table
        )
    fill(lake, *[at(time.time_ns())] * 8)
    on_disk(lake, "logs")[0].write_bytes(b"damaged")
    command = [sys.executable, "-m", "collectors.otlp.maintenance", str(os.getpid()), str(lake), "15d"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "cannot merge files" in done.stderr
    assert "maintain verify" in done.stderr
    assert [len(live(lake, table)) for table in ("spans", "logs", "metric_points")] == [1, 0, 0]


def test_memory_is_capped_and_a_cap_that_is_too_low_leaves_the_lake_as_it_was(lake):
    text = ["x" * 1000 + str(number) for number in range(20_000)]
    for part in range(2):
        fill(lake, {"start_time_unix_nano": [T0 + part] * 20_000, "name": text})
    with pytest.raises(LakeError, match="memory"):
        compact(lake, memory_limit="1MB")
    assert len(live(lake)) == 2
    assert compact(lake, memory_limit="300MB")["rows"].to_list() == [40_000]
    assert not (lake / "_tmp").exists()


def test_frames_and_nodes_keep_one_row_a_day_the_newest_arrival(lake):
    batches = [{"time_unix_nano": [T0 + n], "node_id": [7], "received_time_unix_nano": [T0 + n]} for n in range(3)]
    fill(
        lake, *batches, {"time_unix_nano": [T0], "node_id": [8], "received_time_unix_nano": [T0]}, table="profile_nodes"
    )
    compact(lake)
    found = Lake(lake).whole().sql("select node_id, received_time_unix_nano as r from profile_nodes order by 1")
    assert found.rows() == [(7, T0 + 2), (8, T0)]


def test_typed_maps_and_nested_columns_come_out_of_compaction_unharmed(lake):
    nested = pa.table(
        {
            "start_time_unix_nano": [T0],
            "attributes": pa.array([[("b", "1"), ("a", None), ("", "ä")]], SPANS.schema.field("attributes").type),
            "attribute_types": ["ins"],
            "events": pa.array([[{"name": "e", "attributes": [("k", "v")]}]], SPANS.schema.field("events").type),
        }
    )
    for sequence in range(2):
        Writer(lake).append({"spans": nested}, app_id="x", sequence=sequence)
    before = rows(lake)
    compact(lake)
    assert rows(lake) == before
    assert Lake(lake).whole().arrow("select attributes from spans")["attributes"][0].as_py() == [
        ("b", "1"),
        ("a", None),
        ("", "ä"),
    ]


# ---- retention


def test_rows_go_when_event_and_arrival_are_older_than_the_retention(lake):
    fill(lake, at(NOW - 16 * DAY), at(NOW - 14 * DAY))
    plan = expire(lake, retention="15d", now_ns=NOW)
    assert plan.select("table", "day", "files", "rows").rows() == [("spans", "2026-01-15", 1, 1)]
    assert Lake(lake).whole().sql("select start_time_unix_nano as t from spans")["t"].to_list() == [NOW - 14 * DAY]


def test_old_spans_imported_today_survive_until_they_have_been_here_as_long(lake):
    fill(lake, at(NOW - 400 * DAY, received=NOW))
    assert expire(lake, now_ns=NOW + 14 * DAY).is_empty()
    assert expire(lake, now_ns=NOW + 16 * DAY)["rows"].to_list() == [1]


def test_a_clock_in_the_future_keeps_no_row_for_ever(lake):
    fill(lake, at(2**62, received=NOW), at(NOW + 3600 * 10**9, received=NOW))
    assert expire(lake, now_ns=NOW + 15 * DAY).is_empty()
    assert expire(lake, now_ns=NOW + 17 * DAY)["rows"].sum() == 2


def test_a_table_may_have_a_retention_of_its_own(lake):
    fill(lake, at(NOW - 5 * DAY))
    fill(lake, {"time_unix_nano": [NOW - 5 * DAY], "received_time_unix_nano": [NOW - 5 * DAY]}, table="logs")
    assert expire(lake, by_table={"logs": "3d"}, now_ns=NOW)["table"].to_list() == ["logs"]
    with pytest.raises(UnknownName, match="logs"):
        expire(lake, by_table={"log": "3d"}, now_ns=NOW)
    with pytest.raises(BadParameter, match="duration"):
        expire(lake, retention="soon")


def test_a_dry_run_of_expire_changes_nothing_and_the_act_does_the_same_plan(lake):
    fill(lake, at(NOW - 16 * DAY))
    told = expire(lake, now_ns=NOW, dry_run=True)
    assert (told["rows"].to_list(), len(live(lake))) == ([1], 1)
    assert expire(lake, now_ns=NOW).equals(told)
    assert live(lake) == []


def test_files_stay_for_running_readers_and_go_after_them(lake):
    fill(lake, at(T0), at(T0 + 1))
    window = Lake(lake).whole()
    compact(lake)
    expire(lake, retention="100000d")
    assert len(on_disk(lake)) == 3, "two that a reader may hold, and the merged one"
    assert window.sql("select count(*) as n from spans")["n"][0] == 2
    expire(lake, retention="100000d", readers_hours=0)
    assert [file.name for file in on_disk(lake)] == live(lake)


def test_a_pinned_version_reads_unchanged_until_the_pin_is_over_or_let_go(lake):
    fill(lake, at(T0), at(T0 + 1))
    versions = Lake(lake).whole().versions
    pin(lake, "report/1", versions, until_ns=NOW)
    compact(lake)
    for _ in range(2):
        expire(lake, retention="100000d", readers_hours=0, now_ns=NOW - 1)
    assert len(DeltaTable(str(lake / "spans"), version=versions["spans"]).to_pyarrow_dataset().to_table()) == 2
    assert len(on_disk(lake)) == 3
    expire(lake, retention="100000d", readers_hours=0, now_ns=NOW)
    assert len(on_disk(lake)) == 1
    assert list((lake / "_pins").iterdir()) == []
    pin(lake, "report/1", Lake(lake).whole().versions, until_ns=NOW)
    unpin(lake, "report/1")
    unpin(lake, "never pinned")
    assert list((lake / "_pins").iterdir()) == []


def test_a_pin_that_cannot_be_read_stops_the_clean_up_and_one_of_a_lost_version_does_not(lake):
    fill(lake, at(T0), at(T0 + 1))
    pin(lake, "lost", {"spans": 999}, until_ns=NOW)
    compact(lake)
    expire(lake, retention="100000d", readers_hours=0, now_ns=T0)
    assert len(on_disk(lake)) == 1
    (lake / "_pins/broken.json").write_text("{")
    with pytest.raises(LakeError, match="not a pin"):
        expire(lake, now_ns=T0)


def test_what_a_killed_writer_left_goes_after_a_day_and_not_before(lake):
    fill(lake, at(T0))
    day = on_disk(lake)[0].parent
    old, new, entry = day / "old.parquet", day / "new.parquet", lake / "spans/_delta_log/00000000000000000002.json#1"
    for file in (old, new, entry):
        file.write_bytes(b"half")
    for file in (old, entry):
        os.utime(file, (time.time() - 90_000,) * 2)
    expire(lake, retention="100000d")
    assert [file.exists() for file in (old, new, entry)] == [False, True, False]
    assert len(rows(lake)) == 1


def _age(lake: Path, newest: int) -> None:
    """As if the log up to version `newest` was written three days ago."""
    for file in (lake / "spans/_delta_log").iterdir():
        if file.name[:20].isdigit() and int(file.name[:20]) <= newest:
            os.utime(file, (time.time() - 3 * 86_400,) * 2)


def entries(lake: Path) -> list[int]:
    return sorted(int(file.stem) for file in (lake / "spans/_delta_log").glob("*.json"))


def test_old_log_entries_go_once_a_checkpoint_has_what_they_say(lake):
    fill(lake, *[at(T0 + number) for number in range(6)])
    _age(lake, 4)
    expire(lake, retention="100000d")
    assert entries(lake)[:6] == [0, 1, 2, 3, 4, 5], "no checkpoint, no clean-up"
    DeltaTable(str(lake / "spans"), version=3).create_checkpoint()
    _age(lake, 4)
    before = rows(lake)
    expire(lake, retention="100000d")
    assert entries(lake)[0] == 3
    assert rows(lake) == before
    assert Writer(lake).committed("spans", "fill") == 5


def test_a_pin_keeps_the_log_entries_that_its_version_is_read_from(lake):
    fill(lake, *[at(T0 + number) for number in range(6)])
    DeltaTable(str(lake / "spans"), version=3).create_checkpoint()
    _age(lake, 4)
    pin(lake, "report", {"spans": 2}, until_ns=NOW)
    expire(lake, retention="100000d", now_ns=T0)
    assert entries(lake)[0] == 0
    assert len(DeltaTable(str(lake / "spans"), version=2).file_uris()) == 2
    expire(lake, retention="100000d", now_ns=NOW)
    assert entries(lake)[0] == 3


def test_a_writer_that_was_idle_while_the_log_was_cleaned_up_goes_on(lake):
    idle = Writer(lake)
    idle.append({"spans": pa.table(at(T0))}, app_id="idle", sequence=1)
    idle_reader = Lake(lake)
    idle_reader.whole()
    fill(lake, *[at(T0 + number) for number in range(6)])
    DeltaTable(str(lake / "spans"), version=5).create_checkpoint()
    _age(lake, 5)
    expire(lake, retention="100000d")
    assert entries(lake)[0] == 5
    assert idle.append({"spans": pa.table(at(T0))}, app_id="idle", sequence=1) == {"spans": 0}
    assert idle.append({"spans": pa.table(at(T0))}, app_id="idle", sequence=2) == {"spans": 1}
    assert idle_reader.whole().sql("select count(*) as n from spans")["n"][0] == 8


def test_a_quiet_lake_gets_no_commits_from_maintenance(lake):
    fill(lake, at(T0))
    compact(lake)
    expire(lake, retention="100000d")
    version = DeltaTable(str(lake / "spans")).version()
    for _ in range(3):
        compact(lake)
        expire(lake, retention="100000d")
    assert DeltaTable(str(lake / "spans")).version() == version


@pytest.mark.parametrize("act", [compact, expire])
def test_maintenance_needs_a_lake_in_a_directory(tmp_path, act):
    with pytest.raises(LakeError, match="no lake here"):
        act(tmp_path / "missing")
    with pytest.raises(LakeError, match="directory"):
        act("s3://bucket/lake")


def test_a_pin_is_a_file_that_says_who_holds_what_until_when(lake):
    pin(lake, "a/b c", {"spans": 0}, until_ns=5)
    (file,) = (lake / "_pins").iterdir()
    assert json.loads(file.read_text()) == {"holder": "a/b c", "versions": {"spans": 0}, "until_unix_nano": 5}
