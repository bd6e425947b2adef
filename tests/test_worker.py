"""Sealed segments become rows, each exactly once, whatever happened before."""

import os
import time

import pytest

from collectors.otlp import report, segments
from collectors.otlp.attempts import Attempts
from collectors.otlp.segments import Record
from collectors.otlp.worker import Worker
from tests.otlp_clients import payload
from tests.receiver_process import services_in
from workbench.formats.otlp import decode

BAD = b"\xff\xff"


@pytest.fixture
def directory(tmp_path):
    directory, lock = segments.claimed(tmp_path / "_wal")
    segments.prepare(directory)
    yield directory
    os.close(lock)


def seal(directory, number, *payloads, signal="traces"):
    found = [Record(signal, time.time_ns(), each) for each in payloads]
    data = b"".join(segments.header(record) + record.payload for record in found)
    segments.segment_path(directory, number, ".wal").write_bytes(data)


def quarantine(directory):
    return {path.name: path.read_text() for path in directory.glob("quarantine/*.txt")}


def test_a_segment_becomes_rows_and_its_bytes_are_dropped(tmp_path, directory):
    worker = Worker(str(tmp_path / "lake"), directory, 1)
    assert not worker.drain()
    seal(directory, 1, payload("traces", "a"), payload("traces", "b"))
    seal(directory, 2, payload("traces", "a"))
    assert (worker.drain(), worker.drain(), worker.drain()) == (True, True, False)
    assert services_in(tmp_path / "lake") == {"a": 2, "b": 1}
    assert (segments.sealed(directory), segments.last_sequence(directory)) == ([], 2)


def test_a_segment_that_is_there_already_is_dropped_and_not_doubled(tmp_path, directory):
    seal(directory, 1, payload("traces", "a"))
    before = segments.segment_path(directory, 1, ".wal").read_bytes()
    Worker(str(tmp_path / "lake"), directory, 1).drain()
    # As if it had died between the commit and the drop.
    segments.segment_path(directory, 1, ".done").unlink()
    segments.segment_path(directory, 1, ".wal").write_bytes(before)
    assert Worker(str(tmp_path / "lake"), directory, 1).drain()
    assert services_in(tmp_path / "lake") == {"a": 1}


def test_a_payload_that_makes_no_rows_is_put_aside_with_its_reason_and_costs_only_itself(tmp_path, directory):
    seal(directory, 1, payload("traces", "a"), BAD, payload("traces", "b"))
    worker = Worker(str(tmp_path / "lake"), directory, 1)
    worker.drain()
    assert (services_in(tmp_path / "lake"), worker.quarantined) == ({"a": 1, "b": 1}, 1)
    assert [*quarantine(directory)] == ["0000000000000001-1-traces.otlp.txt"]
    assert (directory / "quarantine" / "0000000000000001-1-traces.otlp").read_bytes() == BAD


def test_damaged_bytes_are_put_aside_and_what_is_before_them_becomes_rows(tmp_path, directory):
    seal(directory, 1, payload("traces", "a"))
    with segments.segment_path(directory, 1, ".wal").open("ab") as segment:
        segment.write(b"damaged")
    Worker(str(tmp_path / "lake"), directory, 1).drain()
    assert services_in(tmp_path / "lake") == {"a": 1}
    assert (directory / "quarantine" / "0000000000000001-damaged.bytes").read_bytes() == b"damaged"


def test_a_deleted_log_gets_a_new_identity_and_its_numbers_begin_again(tmp_path, directory):
    worker = Worker(str(tmp_path / "lake"), directory, 1)
    seal(directory, 1, payload("traces", "before"))
    worker.drain()
    (directory / segments.IDENTITY).unlink()
    segments.prepare(directory)
    seal(directory, 1, payload("traces", "after"))
    worker.drain()
    assert services_in(tmp_path / "lake") == {"before": 1, "after": 1}


def test_the_report_has_the_counts_and_goes_on_in_the_next_worker_of_the_same_receiver(tmp_path, directory):
    seal(directory, 1, payload("traces", "a"))
    Worker(str(tmp_path / "lake"), directory, 1).drain()
    assert report.read(directory, 1)["rows"] == {"spans": 1}
    seal(directory, 2, payload("traces", "a"), BAD)
    Worker(str(tmp_path / "lake"), directory, 1).drain()
    found = report.read(directory, 1)
    assert (found["rows"], found["quarantined"], found["error"]) == ({"spans": 2}, 1, [])
    assert report.read(directory, 2) == report.empty(2)  # of another receiver


def test_a_lake_that_takes_nothing_is_reported_and_the_segment_waits(tmp_path, directory):
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "spans").write_text("in the way")
    seal(directory, 1, payload("traces", "a"))
    worker = Worker(str(tmp_path / "lake"), directory, 1)
    with pytest.raises(Exception, match="spans") as error:
        worker.drain()
    worker.failed(error.value)
    assert "spans" in str(report.read(directory, 1)["error"])
    (tmp_path / "lake" / "spans").unlink()
    assert worker.drain()
    assert (services_in(tmp_path / "lake"), report.read(directory, 1)["error"]) == ({"a": 1}, [])


def die(directory, first, end):
    """A process that notes which payloads it decodes and does not survive them."""
    Attempts(directory, 1).note("traces", range(first, end))


def test_chance_deaths_change_nothing(tmp_path, directory):
    seal(directory, 1, payload("traces", "a"), payload("traces", "b"))
    for run in ((0, 2), (0, 1), (1, 2)):
        die(directory, *run)
    Worker(str(tmp_path / "lake"), directory, 1).drain()
    assert (services_in(tmp_path / "lake"), quarantine(directory)) == ({"a": 1, "b": 1}, {})


def test_a_payload_that_takes_the_process_with_it_again_and_again_is_put_aside(tmp_path, directory):
    seal(directory, 1, payload("traces", "a"), payload("traces", "killer"), payload("traces", "b"))
    for run in ((0, 3), (1, 2), (1, 2)):
        die(directory, *run)
    Worker(str(tmp_path / "lake"), directory, 1).drain()
    assert services_in(tmp_path / "lake") == {"a": 1, "b": 1}
    assert quarantine(directory) == {"0000000000000001-1-traces.otlp.txt": "the decoding process died of it"}


def test_a_deadly_payload_is_found_after_a_few_deaths_among_very_many(directory):
    deadly, count, deaths = 654_321, 1_000_000, 0
    while True:
        attempts = Attempts(directory, 1)
        run = next(each for each in attempts.runs("traces", count) if deadly in each)
        if attempts.given_up("traces", run):
            break
        attempts.note("traces", run)
        deaths += 1
    assert deaths == 6
    assert [position for run in attempts.runs("traces", count) for position in run] == list(range(count))
    assert len(list(attempts.runs("traces", count))) < 300
    assert [*Attempts(directory, 2).runs("traces", count)] == [range(count)]  # another segment begins afresh


def test_payloads_that_fail_together_are_tried_in_halves(tmp_path, directory, monkeypatch):
    def fails_on_bad(signal, payloads, received, *, packed):
        if any(b"bad" in each for each in payloads):
            raise RuntimeError("no rows of this")
        return decode(signal, payloads, received, packed=packed)

    monkeypatch.setattr("collectors.otlp.worker.decode", fails_on_bad)
    seal(directory, 1, *(payload("traces", name) for name in ("a", "b", "bad", "d", "e")))
    Worker(str(tmp_path / "lake"), directory, 1).drain()
    assert services_in(tmp_path / "lake") == {"a": 1, "b": 1, "d": 1, "e": 1}
    assert quarantine(directory) == {"0000000000000001-2-traces.otlp.txt": "RuntimeError: no rows of this"}
