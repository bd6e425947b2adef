"""The write-ahead log: what is acknowledged can be read back, what is not leaves no trace, no number is used twice."""

import contextlib
import os
import resource
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.otlp import segments
from collectors.otlp.segments import Record
from collectors.otlp.wal import WalRefused, WriteAheadLog
from tests.receiver_process import wait_until
from workbench.lake.errors import LakeError

FIRST, SECOND, THIRD = (Record(signal, 7, b"payload of " + signal.encode()) for signal in ("traces", "logs", "metrics"))


@contextlib.contextmanager
def log_in(root: Path, *, budget_bytes: int = 1 << 30, segment_bytes: int = 1 << 20) -> Iterator[WriteAheadLog]:
    directory, lock = segments.claimed(root)
    wal = WriteAheadLog(directory, lock, budget_bytes=budget_bytes, segment_bytes=segment_bytes)
    try:
        yield wal
    finally:
        wal.close()
        with contextlib.suppress(OSError):  # a deleted log has let go of it
            os.close(lock)


def kept(directory: Path) -> list[Record]:
    return [record for _, path in segments.sealed(directory) for record in segments.records(path)[0]]


def numbers(directory: Path) -> list[int]:
    return [number for number, _ in segments.sealed(directory)]


def test_what_is_acknowledged_can_be_read_back_in_order(tmp_path):
    with log_in(tmp_path) as wal:
        for record in (FIRST, SECOND, THIRD):
            wal.append(record).result(10)
        (open_segment,) = wal.directory.glob("*.open")
        assert segments.records(open_segment) == ([FIRST, SECOND, THIRD], 0)
    assert kept(wal.directory) == [FIRST, SECOND, THIRD]


def test_a_segment_is_sealed_when_it_is_a_second_old_and_when_it_is_full(tmp_path):
    with log_in(tmp_path) as wal:
        wal.append(FIRST).result(10)
        wait_until(lambda: numbers(wal.directory) == [1])
    with log_in(tmp_path, segment_bytes=10) as wal:  # the first one still waits: only size seals now
        wal.append(SECOND).result(10)
        wait_until(lambda: numbers(wal.directory) == [1, 2])


def test_what_waited_for_a_slow_disk_is_spread_over_segments(tmp_path, monkeypatch):
    disk_is_well, sync = threading.Event(), os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (disk_is_well.wait(60), sync(file)))
    with log_in(tmp_path, segment_bytes=10_000) as wal:
        done = [wal.append(Record("logs", number, b"x" * 3000)) for number in range(20)]
        disk_is_well.set()
        for each in done:
            each.result(10)
    found = [segments.records(path)[0] for _, path in segments.sealed(wal.directory)]
    assert [record.received_unix_nano for each in found for record in each] == [*range(20)]
    assert max(map(len, found)) < 8  # never as much as two segments


def test_many_threads_append_at_once_and_nothing_is_lost(tmp_path):
    def send(thread: int) -> None:
        for number in range(50):
            wal.append(Record("logs", thread * 1000 + number, b"x" * number)).result(10)

    with log_in(tmp_path, segment_bytes=2000) as wal:
        threads = [threading.Thread(target=send, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = [(record.received_unix_nano, len(record.payload)) for record in kept(wal.directory)]
    assert sorted(found) == [(thread * 1000 + number, number) for thread in range(8) for number in range(50)]


RECORDS = st.lists(
    st.builds(Record, st.sampled_from([*segments.SIGNAL_CODES]), st.integers(0, 2**64 - 1), st.binary(max_size=40)),
    max_size=5,
)


@given(found=RECORDS, cut=st.integers(0, 300))
def test_a_segment_cut_anywhere_gives_whole_records_from_its_beginning(found, cut):
    whole = b"".join(segments.header(record) + record.payload for record in found)
    with tempfile.TemporaryDirectory() as directory:
        segment = Path(directory) / "segment"
        segment.write_bytes(whole[:cut])
        read, damaged = segments.records(segment)
    assert read == found[: len(read)]
    assert sum(segments.HEADER.size + len(record.payload) for record in read) + damaged == len(whole[:cut])
    assert read == found or cut < len(whole)


@given(found=RECORDS.filter(bool), data=st.data())
def test_a_changed_byte_is_noticed(found, data):
    whole = bytearray(b"".join(segments.header(record) + record.payload for record in found))
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as directory:
        segment = Path(directory) / "segment"
        segment.write_bytes(whole)
        read, damaged = segments.records(segment)
    assert read == found[: len(read)]
    assert damaged > 0


def test_a_torn_end_is_cut_off_and_what_was_acknowledged_before_it_stays(tmp_path):
    directory, lock = segments.claimed(tmp_path)
    segments.prepare(directory)
    torn = (segments.header(SECOND) + SECOND.payload)[:-1]
    (directory / "0000000000000001.open").write_bytes(segments.header(FIRST) + FIRST.payload + torn)
    os.close(lock)
    with log_in(tmp_path) as wal:
        assert kept(wal.directory) == [FIRST]
        assert segments.records(segments.sealed(directory)[0][1])[1] == 0


def test_a_number_is_never_used_twice(tmp_path):
    seen = []
    for _ in range(3):
        with log_in(tmp_path) as wal:
            wal.append(FIRST).result(10)
        ((number, _),) = segments.sealed(wal.directory)
        seen.append(number)
        segments.committed(wal.directory, number)  # the directory holds no data any more
        with log_in(tmp_path):
            pass  # nor does this start
    assert seen == [1, 2, 3]
    assert [path.name for path in wal.directory.glob("*.done")] == ["0000000000000003.done"]


def test_the_application_id_is_random_and_stays_with_its_directory(tmp_path):
    ids = []
    for root in (tmp_path / "a", tmp_path / "a", tmp_path / "b"):
        with log_in(root) as wal:
            ids.append(segments.application_id(wal.directory))
    assert ids[0] == ids[1] != ids[2]


def test_files_of_others_in_the_directory_do_no_harm(tmp_path):
    with log_in(tmp_path) as wal:
        (wal.directory / "notes.wal").write_text("mine")
        (wal.directory / "old.done").write_text("mine")
        wal.append(FIRST).result(10)
    with log_in(tmp_path):
        assert kept(wal.directory) == [FIRST]


def test_a_deleted_directory_is_told_and_the_log_goes_on_under_a_new_application_id(tmp_path):
    with log_in(tmp_path) as wal:
        before = segments.application_id(wal.directory)
        wal.append(FIRST).result(10)
        shutil.rmtree(wal.directory)
        wal.append(SECOND).result(10)
        assert (wal.deletions, wal.refusal()) == (1, "")
        assert segments.application_id(wal.directory) != before
    assert kept(wal.directory) == [SECOND]


def test_a_deleted_segment_is_told_and_its_number_is_not_used_again(tmp_path):
    with log_in(tmp_path) as wal:
        wal.append(FIRST).result(10)
        (wal.directory / "0000000000000001.open").unlink()
        wal.append(SECOND).result(10)
        assert wal.deletions == 1
    assert (numbers(wal.directory), kept(wal.directory)) == ([2], [SECOND])


def test_a_write_that_fails_half_way_is_taken_back_and_the_next_one_succeeds(tmp_path):
    with log_in(tmp_path) as wal:
        wal.append(FIRST).result(10)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # the kernel writes 4096 bytes and then refuses
        try:
            with pytest.raises(WalRefused, match="File too large"):
                wal.append(Record("logs", 7, b"x" * 10_000)).result(10)
            assert "File too large" in wal.trouble()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        wal.append(SECOND).result(10)
        assert wal.trouble() == ""
    assert [segments.records(path) for _, path in segments.sealed(wal.directory)] == [([FIRST, SECOND], 0)]


@contextlib.contextmanager
def no_file_handle_left() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_without_a_file_handle_left_the_log_refuses_and_goes_on_when_there_is_one(tmp_path):
    with log_in(tmp_path) as wal:
        wal.append(FIRST).result(10)
        with no_file_handle_left():
            wait_until(lambda: "Too many open files" in wal.refusal())
            time.sleep(1.5)  # it would be sealed now, if it could be seen whether another one waits
        wal.append(SECOND).result(10)
        wait_until(lambda: numbers(wal.directory) == [1])
        with no_file_handle_left(), pytest.raises(WalRefused, match="Too many open files"):
            wal.append(FIRST).result(10)
        wal.append(THIRD).result(10)
    assert kept(wal.directory) == [FIRST, SECOND, THIRD]


def test_nothing_is_written_to_a_segment_that_was_sealed_when_its_directory_could_not_be_synced(tmp_path):
    with log_in(tmp_path, segment_bytes=50) as wal:
        wal.append(FIRST).result(10)
        with no_file_handle_left():
            wal.append(SECOND).result(10)  # over 50 bytes: renamed, and no handle for the fsync
            time.sleep(0.3)
        assert kept(wal.directory) == [FIRST, SECOND]
        segments.committed(wal.directory, 1)  # the worker has emptied it
        wal.append(THIRD).result(10)
    assert kept(wal.directory) == [THIRD]


def test_a_caller_that_goes_away_does_not_stop_the_others(tmp_path):
    with log_in(tmp_path) as wal:
        for _ in range(20):
            assert not wal.append(FIRST).cancel()
        wal.append(SECOND).result(10)
    assert kept(wal.directory) == [FIRST] * 20 + [SECOND]


def test_over_its_budget_the_log_says_so_until_rows_are_committed(tmp_path):
    with log_in(tmp_path, budget_bytes=100) as wal:
        wal.append(Record("logs", 7, b"x" * 200)).result(10)
        wait_until(lambda: "over its budget of 100" in wal.refusal())
        assert wal.pending_bytes() > 200
        wait_until(lambda: numbers(wal.directory) == [1])
        segments.committed(wal.directory, 1)
        wait_until(lambda: wal.refusal() == "")
        assert wal.pending_bytes() == 0


def test_the_age_of_the_oldest_waiting_segment_is_known(tmp_path):
    with log_in(tmp_path, segment_bytes=1) as wal:
        assert wal.oldest_seconds() == 0
        wal.append(FIRST).result(10)
        wait_until(lambda: numbers(wal.directory) == [1])
        hour_ago = time.time() - 3600
        os.utime(wal.directory / "0000000000000001.wal", (hour_ago, hour_ago))
        assert 3599 < wal.oldest_seconds() < 3700


def test_each_receiver_takes_a_directory_of_its_own_and_a_free_one_is_taken_again(tmp_path):
    first, first_lock = segments.claimed(tmp_path)
    second, second_lock = segments.claimed(tmp_path)
    os.close(first_lock)
    third, third_lock = segments.claimed(tmp_path)
    assert (first.name, second.name, third.name) == ("0", "1", "0")
    os.close(second_lock)
    os.close(third_lock)


def test_what_a_receiver_left_that_is_gone_is_found_and_what_belongs_to_a_running_one_is_not(tmp_path):
    own, _ = segments.claimed(tmp_path)
    with log_in(tmp_path) as other:
        other.append(FIRST).result(10)
        assert [*segments.orphans(tmp_path, own)] == []
    ((directory, lock),) = segments.orphans(tmp_path, own)
    assert directory == other.directory
    assert segments.hold(directory) is None  # ours now
    segments.committed(directory, 1)
    os.close(lock)
    assert [*segments.orphans(tmp_path, own)] == []


def test_the_names_of_new_directories_are_on_the_disk_up_to_what_the_lake_is_in(tmp_path, monkeypatch):
    synced, sync = [], segments.fsync_path
    monkeypatch.setattr(segments, "fsync_path", lambda path: (sync(path), synced.append(path)))
    with log_in(tmp_path / "lake" / "_wal"):
        assert {tmp_path, tmp_path / "lake", tmp_path / "lake" / "_wal"} <= {*synced}


def test_what_is_not_worked_on_yet_is_left_to_others(tmp_path):
    own, _ = segments.claimed(tmp_path)
    for name in ("1", "2"):
        segments.prepare(tmp_path / name)
        segments.segment_path(tmp_path / name, 1, ".wal").write_bytes(b"rows")
    found = segments.orphans(tmp_path, own)
    assert next(found)[0].name == "1"
    assert segments.hold(tmp_path / "2") is not None


def test_a_place_that_cannot_be_written_is_an_error_with_a_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match=r"no write-ahead log here.*\n.*file.*\n.*--wal DIR"):
        segments.claimed(tmp_path / "file" / "_wal")
