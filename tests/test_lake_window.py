"""A window holds what starts in [from, to), to the nanosecond, on the versions it pinned; and nothing can reach out."""

import shutil
import threading
import warnings
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from tests.literals import T0
from workbench.lake import BadParameter, EmptyWindow, Lake, LakeError, UnknownName, Writer, engine
from workbench.lake.compact import compact
from workbench.lake.expire import expire

MINUTE = 60 * 10**9
DAY = 24 * 60 * MINUTE


@pytest.fixture
def lake(tmp_path: Path, empty_lake: Path) -> Path:
    return Path(shutil.copytree(empty_lake, tmp_path / "lake"))


def fill(lake: Path, *batches: list[int], table: str = "spans", **columns: list[object]) -> None:
    """One commit per list of times; a span's name is its time."""
    writer = Writer(lake)
    column = "start_time_unix_nano" if table == "spans" else "time_unix_nano"
    for times in batches:
        rows = pa.table({column: pa.array(times, pa.int64()), **(columns or {"name": [str(t) for t in times]})})
        writer.append({table: rows}, app_id=f"fill{table}", sequence=writer.committed(table, f"fill{table}") + 1)


def times(window, view: str = "spans") -> list[int]:
    return window.sql(f"select start_time_unix_nano as t from {view} order by t")["t"].to_list()


def test_the_start_is_in_and_the_end_is_not_to_the_nanosecond(lake):
    fill(lake, [T0 - 1, T0, T0 + 1, T0 + 99, T0 + 100, T0 + 101])
    assert times(Lake(lake).window(T0, T0 + 100)) == [T0, T0 + 1, T0 + 99]
    assert times(Lake(lake).window(T0 + 99, T0 + 100)) == [T0 + 99]
    assert Lake(lake).window(T0, T0 + 100).scan("spans").select(pl.len()).collect().item() == 3


def test_a_row_in_the_last_nanoseconds_of_a_file_is_found(lake):
    last = T0 + 999_999_999  # cut to milliseconds, as the log does with timestamps, it would lie outside
    fill(lake, [T0, last], [T0 + 10**10])
    assert times(Lake(lake).window(last, last + 1)) == [last]
    assert times(Lake(lake).window(last - 1, last)) == []


def test_a_batch_over_midnight_is_cut_like_any_other(lake):
    midnight = T0 + DAY
    fill(lake, [midnight - 1, midnight, midnight + 1])
    assert times(Lake(lake).window(midnight - 1, midnight + 1)) == [midnight - 1, midnight]
    assert len(Lake(lake).window(midnight, midnight + 9).files("spans")) == 1


def test_broken_clocks_are_found_where_they_say_and_only_there(lake):
    fill(lake, [0, T0, 2**63 - 1], [T0 + 1])
    assert times(Lake(lake).window(T0, T0 + 10)) == [T0, T0 + 1]
    assert times(Lake(lake).window(None, "2000-01-01")) == [0]
    assert times(Lake(lake).window("2200-01-01", None)) == [2**63 - 1]
    assert times(Lake(lake).whole()) == [0, T0, T0 + 1, 2**63 - 1]
    assert Lake(lake).whole().extent("spans") == (T0, T0 + 1), "broken clocks do not stretch it"


def test_files_of_other_times_are_not_opened(lake):
    fill(lake, *[[T0 + hour * 60 * MINUTE] for hour in range(12)])
    window = Lake(lake).window(T0 + 180 * MINUTE, T0 + 270 * MINUTE)
    chosen = window.files("spans")
    assert [len(chosen), len(window.files("spans", margin_ns=30 * MINUTE + 1))] == [2, 3]
    for file in (lake / "spans").glob("day=*/*.parquet"):
        if str(file) not in chosen:
            file.write_bytes(b"not read")
    assert len(times(window)) == 2


def test_a_pinned_window_does_not_see_what_comes_later(lake):
    fill(lake, [T0], [T0 + 1])
    window = Lake(lake).whole()
    fill(lake, [T0 + 2])
    assert compact(lake)["files"].to_list() == [3]
    expire(lake, retention="100000d")
    assert times(window) == [T0, T0 + 1], "first asked after all this"
    assert times(Lake(lake).whole()) == [T0, T0 + 1, T0 + 2]
    assert window.versions["spans"] == 2


def test_a_lake_that_is_kept_open_sees_new_rows_and_new_tables(lake):
    shutil.rmtree(lake / "logs")
    opened = Lake(lake)
    assert "logs" not in opened.whole().versions
    assert opened.whole().sql("select * from logs").height == 0, "a table that is not there yet is empty"
    fill(lake, [T0])
    fill(lake, [T0], table="logs", body=["x"])
    assert opened.whole().sql("select (select count(*) from spans) + (select count(*) from logs) as n")["n"][0] == 2


def test_whole_traces_reach_beyond_the_edge_by_the_margin(lake):
    at = [T0 - 16 * MINUTE, T0 - 14 * MINUTE, T0, T0 + 5 * MINUTE, T0 + 40 * MINUTE]
    fill(lake, at, trace_id=["a" * 32] * 4 + ["b" * 32])
    window = Lake(lake).window(T0, T0 + MINUTE)
    assert times(window) == [T0]
    assert times(window.traces(["a" * 32])) == at[1:4]
    assert times(window.traces("A" * 32)) == at[1:4], "one id, and the case of its letters does not matter"
    assert times(window.traces([])) == []
    assert times(window, "spans_around") == at[1:4]
    assert times(window.traces([f"{number:032x}" for number in range(300)] + ["a" * 32])) == at[1:4], "many ids"
    assert window.traces(["a" * 32]).scan("spans").collect().height == 3


def test_files_without_the_chosen_traces_are_not_opened(lake):
    fill(lake, [T0], trace_id=["a" * 32])
    fill(lake, [T0], trace_id=["f" * 32])
    assert len(Lake(lake).whole().traces(["f" * 32]).files("spans")) == 1


def test_frames_and_nodes_count_for_their_whole_day(lake):
    noon = T0 + DAY // 2
    fill(lake, [noon - 3 * 60 * MINUTE, noon + DAY], table="profile_nodes", node_id=[7, 8])
    window = Lake(lake).window(noon, noon + MINUTE)
    assert window.sql("select node_id from profile_nodes")["node_id"].to_list() == [7]
    assert window.scan("profile_nodes").collect()["node_id"].to_list() == [7]


def test_an_empty_window_says_where_the_data_is(lake):
    fill(lake, [T0], [T0 + 3600 * 10**9])
    with pytest.warns(EmptyWindow, match=r"2026-01-01T00:00:00Z to 2026-01-01T01:00:00Z") as said:
        assert times(Lake(lake).last("1h", until="2026-03-01")) == []
    assert said[0].filename == __file__, "the line that asked"
    with pytest.warns(EmptyWindow) as said:
        Lake(lake).window("2020-01-01", "2020-01-02")
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Lake(lake).last("1h", until=T0 + 1)


def test_an_empty_lake_is_no_reason_to_warn(lake):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        window = Lake(lake).last("1h")
    assert window.sql("select * from spans").columns[:2] == ["start_time", "start_time_unix_nano"]
    assert window.extent("spans") is None


def test_last_counts_back_from_now_or_from_a_given_time(lake):
    fill(lake, [T0 - 3601 * 10**9, T0 - 3600 * 10**9, T0 - 1, T0])
    window = Lake(lake).last("1h", until="2026-01-01T00:00:00Z")
    assert times(window) == [T0 - 3600 * 10**9, T0 - 1]
    assert window.seconds == 3600
    assert (window.provenance()["from"], window.provenance()["to"]) == ("2025-12-31T23:00:00Z", "2026-01-01T00:00:00Z")
    assert window._repr_mimebundle_()["text/plain"].endswith("2025-12-31T23:00:00Z to 2026-01-01T00:00:00Z")


def test_an_open_window_speaks_of_the_time_that_its_data_covers(lake):
    fill(lake, [T0, T0 + 10**9])
    assert Lake(lake).whole().bounds() == (T0, T0 + 10**9 + 1)
    assert Lake(lake).window(None, T0 + 5).bounds() == (T0, T0 + 5)


def test_a_window_that_ends_before_it_starts_is_refused(lake):
    with pytest.raises(BadParameter, match="before it starts"):
        Lake(lake).window("2026-01-02", "2026-01-01")


def test_threads_share_one_window(lake):
    fill(lake, list(range(T0, T0 + 50)))
    window = Lake(lake).whole()
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(len(times(window)))) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [50] * 8


def test_parameters_are_values_and_never_text_of_the_query(lake):
    fill(lake, [T0])
    hostile = "x' or '1'='1"
    window = Lake(lake).whole()
    assert window.sql("select * from spans where name = $name", name=hostile).height == 0
    assert window.sql("select $n + 1 as n, $names as names", n=1, names=["a"]).row(0) == (2, ["a"])


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("select nmae from spans", "name"),  # the engine offers the near one
        ("select * from span", "spans"),
        ("selec 1", "syntax error"),
        ("select $missing", "missing"),
    ],
)
def test_a_query_that_is_wrong_is_refused_in_the_words_of_the_engine(lake, query, what):
    with pytest.raises(BadParameter, match="refused") as refused:
        Lake(lake).whole().sql(query)
    assert what in str(refused.value)
    assert str(lake) in refused.value.where


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('{outside}')",
        "select * from '{outside}'",
        "select * from read_text('{outside}')",
        "select * from glob('/*')",
        "select * from read_parquet('{lake}/logs/day=2026-01-01/*.parquet')",
        "copy spans to '{outside}'",
        "attach '{outside}' as other",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "create table more as select 1",
        "drop view spans",
        "export database '{outside}'",
        "pragma database_list",
        "select 1; drop view spans",
        "select * from frame",
        "",
    ],
)
def test_a_query_reads_the_window_and_nothing_else(lake, tmp_path, query):
    fill(lake, [T0])
    outside = tmp_path / "outside.csv"
    outside.write_text("a\n1\n")
    frame = pl.DataFrame({"a": [1]})
    window = Lake(lake).whole()
    with pytest.raises(BadParameter):
        window.sql(query.format(outside=outside, lake=lake))
    assert outside.read_text() == "a\n1\n"
    assert times(window) == [T0]
    assert frame.height == 1


@pytest.mark.parametrize(
    "query",
    [
        "describe spans",
        "summarize select duration_ns from spans",
        "explain select * from spans",
        "from spans select count(*)",
        "with a as (select 1 as x) select * from a",
        "values (1)",
        "pivot spans on name using count(*)",
    ],
)
def test_everything_that_only_reads_is_taken(lake, query):
    fill(lake, [T0])
    assert Lake(lake).whole().sql(query).height >= 1


def test_a_sort_that_does_not_fit_memory_spills_into_a_folder_of_its_own(lake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    window = Lake(lake).whole()
    spill = Path(window._engine()._spill.name)
    assert spill.is_dir()
    del window
    assert not spill.exists()
    assert not (tmp_path / ".tmp").exists()


def test_every_statement_can_be_seen(lake, monkeypatch):
    seen = []
    monkeypatch.setattr(engine, "on_statement", lambda query, parameters: seen.append((query, parameters)))
    Lake(lake).whole().sql("select $a as a", a=1)
    assert seen == [("select $a as a", {"a": 1})]


def test_files_that_vanished_under_a_window_are_named_with_the_remedy(lake):
    fill(lake, [T0])
    window = Lake(lake).whole()
    times(window)
    for file in (lake / "spans").glob("day=*/*.parquet"):
        file.unlink()
    with pytest.raises(LakeError, match="open the window again"):
        window.sql("select count(distinct name) from spans")


def test_a_damaged_file_is_named_and_not_taken_for_a_wrong_query(lake):
    fill(lake, [T0])
    (file,) = (lake / "spans").glob("day=*/*.parquet")
    file.write_bytes(b"PAR1 and then nothing that is Parquet, at some length")
    with pytest.raises(LakeError, match=file.name):
        Lake(lake).whole().sql("select * from spans")


def test_what_is_no_lake_is_refused(tmp_path):
    with pytest.raises(LakeError, match="no lake here"):
        Lake(tmp_path / "missing")
    with pytest.raises(LakeError, match="no tables"):
        Lake(tmp_path).whole()
    with pytest.raises(BadParameter, match="no place for a lake"):
        Lake("ftp://host/lake")
    with pytest.raises(BadParameter, match="%20 in the path"):
        Writer(tmp_path / "my%20lake")  # the store would make "my lake"
    assert [*tmp_path.iterdir()] == []


def test_a_table_that_nobody_declared_is_unknown(lake):
    with pytest.raises(UnknownName, match="spans"):
        Lake(lake).whole().scan("span")
    with pytest.raises(UnknownName, match="spans"):
        Lake(lake).whole().files("span")


def test_file_uris_and_quotes_and_patterns_in_paths_are_paths(tmp_path, empty_lake):
    odd = Path(shutil.copytree(empty_lake, tmp_path / "it's {a} lake [1]* ?"))
    fill(odd, [T0], [T0 + 1])
    assert times(Lake(f"file://{odd}").whole()) == [T0, T0 + 1]
    assert Lake(odd).whole().scan("spans").select(pl.len()).collect().item() == 2
    assert compact(odd)["rows"].to_list() == [2]
    assert times(Lake(odd).whole()) == [T0, T0 + 1]
