"""Every batch is in the lake exactly once, whatever happens between its first and last table."""

import datetime
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from tests.literals import T0
from workbench.lake import Lake, LakeError, UnknownName, Writer, delta
from workbench.lake.delta import StoredTable
from workbench.lake.expire import expire
from workbench.lake.recovery import recover
from workbench.lake.schema import SPANS, TABLES, conform
from workbench.lake.verify import verify

FRESH = multiprocessing.get_context("spawn")


@pytest.fixture
def lake(tmp_path: Path, empty_lake: Path) -> Path:
    return Path(shutil.copytree(empty_lake, tmp_path / "lake"))


def spans(*names: str, at: int = T0) -> pa.Table:
    return pa.table(
        {"start_time_unix_nano": [at] * len(names), "name": list(names), "trace_id": ["a" * 32] * len(names)}
    )


def logs(*bodies: str) -> pa.Table:
    return pa.table({"time_unix_nano": [T0] * len(bodies), "body": list(bodies)})


def names(lake: Path) -> list[str]:
    return sorted(Lake(lake).whole().sql("select name from spans")["name"].to_list())


def parquet_files(lake: Path) -> list[Path]:
    return sorted(lake.glob("spans/day=*/*"))


def test_a_batch_is_written_once_however_often_it_is_sent(lake):
    writer = Writer(lake)
    assert writer.append({"spans": spans("a", "b")}, app_id="x", sequence=1) == {"spans": 2}
    assert writer.append({"spans": spans("a", "b")}, app_id="x", sequence=1) == {"spans": 0}
    assert Writer(lake).append({"spans": spans("a", "b")}, app_id="x", sequence=1) == {"spans": 0}
    assert names(lake) == ["a", "b"]
    assert (Writer(lake).committed("spans", "x"), Writer(lake).committed("logs", "x")) == (1, -1)


def test_two_collectors_with_ids_of_their_own_may_use_the_same_sequence(lake):
    for app_id in ("x", "y"):
        assert Writer(lake).append({"spans": spans(app_id)}, app_id=app_id, sequence=1) == {"spans": 1}
    assert names(lake) == ["x", "y"]


def test_a_batch_that_reached_some_tables_is_completed_by_the_same_call(lake):
    Writer(lake).append({"logs": logs("one")}, app_id="x", sequence=7)  # a crash came before the commit of the spans
    both = {"spans": spans("a"), "logs": logs("one")}
    assert Writer(lake).append(both, app_id="x", sequence=7) == {"logs": 0, "spans": 1}
    window = Lake(lake).whole()
    assert window.sql("select (select count(*) from spans) as spans, (select count(*) from logs) as logs").row(0) == (
        1,
        1,
    )


def test_a_twin_with_the_same_id_writes_nothing_and_leaves_no_file(lake):
    first, twin = Writer(lake), Writer(lake)
    assert first.append({"spans": spans("a")}, app_id="x", sequence=1) == {"spans": 1}
    assert twin.append({"spans": spans("a")}, app_id="x", sequence=1) == {"spans": 0}, (
        "its view is older than the commit"
    )
    assert names(lake) == ["a"]
    assert len(parquet_files(lake)) == 1


def test_what_is_referred_to_is_committed_first(lake, monkeypatch):
    order = []
    append = StoredTable.append
    monkeypatch.setattr(
        StoredTable, "append", lambda self, *rest: (order.append(self.table.name), append(self, *rest))[1]
    )
    row = pa.table({"time_unix_nano": [T0]})
    Writer(lake).append(
        dict.fromkeys(["profile_samples", "profile_nodes", "profile_frames"], row), app_id="x", sequence=1
    )
    assert order == ["profile_frames", "profile_nodes", "profile_samples"]


def test_files_and_their_directories_are_on_the_disk_before_the_log_names_them(lake, tmp_path):
    strace = shutil.which("strace")
    if not strace or subprocess.run([strace, "-o", "/dev/null", "true"], check=False, capture_output=True).returncode:
        pytest.skip("no strace that may trace: apt-get install strace")
    program = (
        "import pyarrow as pa\nfrom workbench.lake import Writer\n"
        f"rows = pa.table({{'start_time_unix_nano': [{T0}]}})\n"
        f"Writer({str(lake)!r}).append({{'spans': rows}}, app_id='x', sequence=1)"
    )
    trace = tmp_path / "trace"
    calls = "trace=fsync,link,linkat,rename,renameat2"
    subprocess.run([strace, "-f", "-y", "-e", calls, "-o", trace, sys.executable, "-c", program], check=True)
    lines = trace.read_text().splitlines()

    def position(*words: str) -> int:
        found = [number for number, line in enumerate(lines) if all(word in line for word in words)]
        assert found, f"no {words}"
        return found[0]

    data = position("fsync", "spans/day=2026-01-01/", ".parquet")
    day = position("fsync", "spans/day=2026-01-01>")
    table = position("fsync", "lake/spans>")
    named = position("link", "00000000000000000001.json")
    entry = position("fsync", "_delta_log/00000000000000000001.json")
    folder = max(number for number, line in enumerate(lines) if "fsync" in line and "spans/_delta_log>" in line)
    assert max(data, day, table) < named < entry < folder


def test_what_a_killed_process_committed_is_on_the_disk_before_its_replay_is_told_so(lake, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as between_link_and_fsync:
        between_link_and_fsync.setattr(StoredTable, "_fsync_log", killed)
        with pytest.raises(KeyboardInterrupt):
            Writer(lake).append({"spans": spans("a")}, app_id="x", sequence=1)
    synced, sync = [], delta.fsync_path
    monkeypatch.setattr(delta, "fsync_path", lambda path: (sync(path), synced.append(path)))
    assert Writer(lake).append({"spans": spans("a")}, app_id="x", sequence=1) == {"spans": 0}
    entries = lake / "spans/_delta_log"
    assert synced[-2:] == [entries / f"{1:020d}.json", entries]


def _write_batches(lake: str, app_id: str, batches: int) -> None:
    writer = Writer(lake)
    for sequence in range(batches):
        writer.append({"spans": spans(f"{app_id}{sequence}")}, app_id=app_id, sequence=sequence)


def test_two_processes_write_at_once_and_every_row_is_there_once(lake):
    twins = [FRESH.Process(target=_write_batches, args=(str(lake), app_id, 25)) for app_id in ("x", "y")]
    for each in twins:
        each.start()
    for each in twins:
        each.join(60)
    assert [each.exitcode for each in twins] == [0, 0]
    assert names(lake) == sorted(f"{app_id}{number}" for app_id in "xy" for number in range(25))


def test_threads_may_share_a_writer(lake):
    writer = Writer(lake)
    threads = [
        threading.Thread(target=writer.append, args=({"spans": spans(name)},), kwargs={"app_id": name, "sequence": 1})
        for name in "abcdef"
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert names(lake) == list("abcdef")


def test_two_processes_that_make_the_same_lake_at_once_both_succeed(tmp_path):
    twins = [FRESH.Process(target=_write_batches, args=(str(tmp_path / "new"), app_id, 1)) for app_id in ("x", "y")]
    for each in twins:
        each.start()
    for each in twins:
        each.join(60)
    assert [each.exitcode for each in twins] == [0, 0]
    assert names(tmp_path / "new") == ["x0", "y0"]


def test_a_checkpoint_knows_everything_that_the_log_before_it_knew(lake, monkeypatch):
    monkeypatch.setattr(delta, "CHECKPOINT_EVERY", 5)
    writer = Writer(lake)
    for sequence in range(5):
        writer.append({"spans": spans(f"{sequence}", at=T0 + sequence)}, app_id="x", sequence=sequence)
    entries = lake / "spans/_delta_log"
    assert json.loads((entries / "_last_checkpoint").read_text())["version"] == 5
    for number in range(5):
        (entries / f"{number:020d}.json").unlink()  # as the clean-up would
    assert Writer(lake).committed("spans", "x") == 4, "exactly once survives the clean-up"
    assert len(Lake(lake).window(T0 + 2, T0 + 4).files("spans")) == 2, "and so do the bounds of the files"


def test_a_checkpoint_is_made_also_when_another_writer_took_the_round_number(lake, monkeypatch):
    monkeypatch.setattr(delta, "CHECKPOINT_EVERY", 4)
    first, second = Writer(lake), Writer(lake)
    for sequence in range(3):
        first.append({"spans": spans("x")}, app_id="x", sequence=sequence)
    monkeypatch.setattr(StoredTable, "checkpoint", lambda self: asked.append(self.delta.version()))
    asked: list[int] = []
    stored = StoredTable(str(lake), SPANS, create=False)
    stored._commit([])  # maintenance: version 4, without a checkpoint
    second.append({"spans": spans("y")}, app_id="y", sequence=1)
    assert asked == [5]


@pytest.mark.parametrize("torn", [b"", b'{"add":{"pa', b'{"commitInfo":{}}\n{"add', bytes(300)])
def test_a_log_entry_torn_by_a_power_cut_is_dropped_and_its_batch_written_again(lake, torn):
    writer = Writer(lake)
    for sequence in (1, 2):
        writer.append({"spans": spans(f"{sequence}")}, app_id="x", sequence=sequence)
    newest = lake / "spans/_delta_log" / f"{2:020d}.json"
    newest.write_bytes(torn)
    again = Writer(lake)
    assert again.committed("spans", "x") == 1
    assert again.append({"spans": spans("2")}, app_id="x", sequence=2) == {"spans": 1}
    assert names(lake) == ["1", "2"]


def test_an_entry_of_another_program_is_whole_whatever_characters_its_names_have(lake):
    foreign = conform(spans("a"), SPANS).drop_columns("service_name")
    foreign = foreign.append_column("service_name", pa.array(["li\u2028ne \x85 é"]))
    foreign = foreign.append_column("day", pa.array([datetime.date(2026, 1, 1)]))
    write_deltalake(str(lake / "spans"), foreign, mode="append")
    assert recover(lake / "spans") == []
    assert verify(lake)["ok"].all()
    expire(lake, retention="10000w")
    assert names(lake) == ["a"]


def test_an_entry_in_the_middle_of_the_log_is_never_dropped(lake):
    writer = Writer(lake)
    for sequence in (1, 2):
        writer.append({"spans": spans(f"{sequence}")}, app_id="x", sequence=sequence)
    broken = lake / "spans/_delta_log" / f"{1:020d}.json"
    broken.write_bytes(b"{")
    assert recover(lake / "spans") == []
    assert broken.exists()
    with pytest.raises(LakeError, match="does not open"):
        Lake(lake).whole()


@pytest.mark.parametrize("left", [0, 10, 2000])
def test_a_torn_checkpoint_is_dropped_since_the_log_still_has_everything(lake, left):
    writer = Writer(lake)
    writer.append({"spans": spans("a")}, app_id="x", sequence=1)
    stored = StoredTable(str(lake), SPANS, create=False)
    assert stored.checkpoint()
    (checkpoint,) = (lake / "spans/_delta_log").glob("*.checkpoint.parquet")
    os.truncate(checkpoint, left)
    assert recover(lake / "spans") == [checkpoint.name]
    assert names(lake) == ["a"]
    assert Writer(lake).committed("spans", "x") == 1


def test_a_torn_pointer_to_the_checkpoint_does_no_harm(lake):
    Writer(lake).append({"spans": spans("a")}, app_id="x", sequence=1)
    StoredTable(str(lake), SPANS, create=False).checkpoint()
    (lake / "spans/_delta_log/_last_checkpoint").write_bytes(b"")
    assert Writer(lake).committed("spans", "x") == 1
    assert names(lake) == ["a"]


def test_temporary_log_entries_of_a_killed_writer_do_no_harm(lake):
    (lake / "spans/_delta_log" / f"{1:020d}.json#1").write_bytes(b"{")
    assert Writer(lake).append({"spans": spans("a")}, app_id="x", sequence=1) == {"spans": 1}
    assert names(lake) == ["a"]


def test_rows_lie_in_the_directory_of_their_day_and_absurd_times_in_that_of_their_arrival(lake):
    midnight = T0 - 1
    times = [T0, midnight, 0, 2**63 - 1, T0 + 5]
    Writer(lake).append(
        {"spans": pa.table({"start_time_unix_nano": times, "name": ["new", "old", "1970", "far", "new"]})},
        app_id="x",
        sequence=1,
    )
    by_day = {file.parent.name: sorted(pq.ParquetFile(file).read()["name"].to_pylist()) for file in parquet_files(lake)}
    assert by_day.pop("day=2025-12-31") == ["old"]
    assert by_day.pop("day=2026-01-01") == ["new", "new"]
    ((today, absurd),) = by_day.items()
    assert absurd == ["1970", "far"]
    assert today > "day=2026-01-01"
    assert names(lake) == ["1970", "far", "new", "new", "old"]


def test_a_batch_over_many_days_makes_a_file_each_and_keeps_its_rows(lake):
    times = [T0 - day * 86_400 * 10**9 for day in range(40)] * 2
    Writer(lake).append({"spans": pa.table({"start_time_unix_nano": times})}, app_id="x", sequence=1)
    assert len(parquet_files(lake)) == 40
    found = Lake(lake).whole().sql("select start_time_unix_nano as t, day from spans order by t")
    assert found["t"].to_list() == sorted(times)
    assert [str(day) for day in found["day"].to_list()[-2:]] == ["2026-01-01"] * 2


def test_an_empty_table_makes_no_commit(lake):
    assert Writer(lake).append({"spans": SPANS.schema.empty_table()}, app_id="x", sequence=1) == {}
    assert DeltaTable(str(lake / "spans")).version() == 0


def test_an_unknown_table_is_refused_before_anything_is_written(lake):
    with pytest.raises(UnknownName, match="spans"):
        Writer(lake).append({"spans": spans("a"), "span": spans("a")}, app_id="x", sequence=1)
    assert names(lake) == []


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (pa.table({"start_time_unix_nano": [T0], "nmae": ["a"]}), "no column .'nmae'"),
        (pa.table({"name": ["a"]}), "start_time_unix_nano"),
        (pa.table({"start_time_unix_nano": pa.array([T0, None], pa.int64())}), "never NULL"),
    ],
)
def test_rows_that_do_not_fit_their_table_are_refused_before_anything_is_written(lake, rows, what):
    with pytest.raises(ValueError, match=what):
        Writer(lake).append({"logs": logs("x"), "spans": rows}, app_id="x", sequence=1)
    assert Lake(lake).whole().sql("select count(*) as n from logs")["n"][0] == 0


def test_every_table_of_the_schema_takes_a_row_and_gives_it_back(lake):
    rows = {name: pa.table({table.time: [T0]}) for name, table in TABLES.items()}
    assert Writer(lake).append(rows, app_id="x", sequence=1) == dict.fromkeys(TABLES, 1)
    window = Lake(lake).whole()
    for name, table in TABLES.items():
        found = window.arrow(f"select * exclude day from {name}")
        assert found.schema.names == table.schema.names
        assert found[table.time].to_pylist() == [T0]
    protocol = DeltaTable(str(lake / "spans")).protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 2), "every engine reads that"
