"""The event log: contiguous numbers, readers that see whole events only, cuts that leave no trace."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from exchange.core.records import EVENT
from exchange.core.types import EventKind
from exchange.events import EVENT_BYTES, USE_MIN, Event, EventLog, EventReader, Events, rows, segment_path

SEGMENT = 10


def events(first: int, count: int) -> np.ndarray:
    """Return events whose fields tell their number."""
    made = np.zeros(count, EVENT)
    made["sequence"] = np.arange(first, first + count)
    made["amount"] = -made["sequence"]
    made["kind"] = made["sequence"] % 200 + 1
    return made


@pytest.fixture
def log(tmp_path):
    opened = EventLog.open(tmp_path / "events", SEGMENT)
    yield opened
    opened.close()


def numbers(found: np.ndarray) -> list[int]:
    return found["sequence"].tolist()


def test_rows_are_the_events_field_for_field() -> None:
    made = np.zeros(3, EVENT)
    for place, name in enumerate(EVENT.names):
        made[name] = [place, 2 * place, 255 if EVENT[name].itemsize == 1 else 2**31 + place]
    made["fee"][0] = -(2**63)
    assert rows(made) == made.tolist()
    assert rows(made)[0] == Event(*made[0].tolist())
    assert type(rows(made)[0]) is Event


def test_rows_of_nothing_are_none() -> None:
    assert rows(np.empty(0, EVENT)) == []


def test_a_new_log_is_empty(log) -> None:
    assert log.count == 0
    assert len(log.read(0, 100)) == 0


@pytest.mark.parametrize("size", [1, 3, SEGMENT, SEGMENT + 1, 3 * SEGMENT])
def test_events_come_back_under_their_numbers_whatever_the_sizes_of_the_appends(log, size) -> None:
    for first in range(1, 3 * SEGMENT + 1, size):
        log.append(events(first, min(size, 3 * SEGMENT + 1 - first)))
    assert log.count == 3 * SEGMENT
    for after in range(3 * SEGMENT + 1):
        assert numbers(log.read(after, 7)) == list(range(after + 1, min(after + 8, 3 * SEGMENT + 1)))
    assert np.array_equal(log.read(0, 100), events(1, 3 * SEGMENT))


def test_an_event_stands_at_a_place_that_follows_from_its_number(log, tmp_path) -> None:
    log.append(events(1, 25))
    data = segment_path(tmp_path / "events", 1, SEGMENT).read_bytes()
    assert segment_path(tmp_path / "events", 1, SEGMENT).name == "00000000000000000011.events"
    assert data == events(11, 10).tobytes()


def test_a_log_opened_again_goes_on_behind_its_last_event(log, tmp_path) -> None:
    log.append(events(1, 15))
    log.close()
    again = EventLog.open(tmp_path / "events", SEGMENT)
    again.append(events(16, 10))
    assert again.count == 25
    assert numbers(again.read(0, 100)) == list(range(1, 26))
    again.close()


def test_the_part_of_an_event_at_the_end_does_not_count_and_is_written_over(log, tmp_path) -> None:
    log.append(events(1, 3))
    log.close()
    path = segment_path(tmp_path / "events", 0, SEGMENT)
    os.truncate(path, 3 * EVENT_BYTES - 1)
    again = EventLog.open(tmp_path / "events", SEGMENT)
    assert again.count == 2
    again.append(events(30, 1))
    assert numbers(again.read(0, 9)) == [1, 2, 30]
    again.close()


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 20, 24, 25])
def test_a_cut_drops_what_is_behind_it(log, tmp_path, count) -> None:
    log.append(events(1, 25))
    log.cut(count)
    reader = EventReader(tmp_path / "events", SEGMENT)
    assert (log.count, reader.count) == (count, count)
    assert numbers(log.read(0, 100)) == numbers(reader.read(0, 100)) == list(range(1, count + 1))
    log.append(events(count + 1, 12))
    assert numbers(log.read(0, 100)) == list(range(1, count + 13))
    reader.close()


def test_a_cut_at_the_end_drops_the_part_of_an_event(log, tmp_path) -> None:
    log.append(events(1, 3))
    path = segment_path(tmp_path / "events", 0, SEGMENT)
    with path.open("ab") as file:
        file.write(b"torn")
    log.cut(3)
    assert path.stat().st_size == 3 * EVENT_BYTES


def test_writing_over_events_keeps_the_count(log) -> None:
    log.append(events(1, 12))
    log.write(8, events(109, 4))
    assert log.count == 12
    assert numbers(log.read(8, 9)) == [109, 110, 111, 112]


def test_a_gap_cannot_be_written(log) -> None:
    with pytest.raises(AssertionError):
        log.write(1, events(2, 1))


def test_sync_closes_the_files_that_are_full(log) -> None:
    log.append(events(1, 25))
    log.sync()
    assert sorted(log._files) == [2]
    log.append(events(26, 1))
    assert numbers(log.read(23, 9)) == [24, 25, 26]


def test_a_reader_of_no_directory_finds_nothing(tmp_path) -> None:
    reader = EventReader(tmp_path / "nowhere", SEGMENT)
    assert reader.count == 0
    assert len(reader.read(0, 5)) == 0


def test_a_reader_in_another_process_follows_a_growing_log(log, tmp_path) -> None:
    script = (
        "import sys; from pathlib import Path; from exchange.events import EventReader\n"
        f"reader = EventReader(Path(sys.argv[1]), {SEGMENT})\n"
        "cursor = 0\n"
        "while cursor < 95:\n"
        "    found = reader.read(cursor, 7)\n"
        "    assert found['sequence'].tolist() == list(range(cursor + 1, cursor + 1 + len(found)))\n"
        "    assert reader.count >= cursor + len(found)\n"
        "    cursor += len(found)\n"
        "print(cursor)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "events")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
        for first in range(1, 95, 5):
            log.append(events(first, 5))
        assert child.communicate(timeout=60)[0].strip() == b"95"


def test_a_full_disk_is_an_error(log) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * EVENT_BYTES + 50, hard))
        with pytest.raises(OSError, match="File too large"):
            log.append(events(1, 5))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert log.count == 0


def test_the_events_of_a_command_are_found_by_its_sequence_and_by_their_first(tmp_path: Path) -> None:
    log = EventLog.open(tmp_path, segment_events=8)
    counts = [1, 3, 70, 1, 64, 2]
    events = np.zeros(sum(counts), EVENT)
    events["sequence"] = np.repeat(np.arange(10, 10 + len(counts)), counts)
    log.append(events)

    first = 1
    for sequence, count in enumerate(counts, 10):
        assert log.first_of(sequence) == first
        assert [event.sequence for event in log.of_command(first)] == [sequence] * count
        first += count
    assert log.first_of(99) == first
    log.close()


def test_events_are_rows_for_those_who_read_rows() -> None:
    array = np.zeros(200, EVENT)
    array["sequence"] = np.arange(200)
    array["kind"][::50], array["instrument"][::20] = 5, 7
    events = Events(array)
    expected = rows(array)
    assert (len(events), events[3], events[-1], events[5:9]) == (200, expected[3], expected[-1], expected[5:9])
    assert events.kinds == {0, 5}
    assert list(events.chosen(frozenset((5,)))) == [(place, expected[place]) for place in range(0, 200, 50)]
    assert list(events.chosen(frozenset((6,)))) == []
    assert events.about({7, 9}) == expected[::20]
    assert list(events) == expected
    assert list(events.chosen(frozenset((5,)))) == [(place, expected[place]) for place in range(0, 200, 50)]
    assert Events.of(events) is events
    assert (Events.of(expected).array == array).all()


def test_runs_of_redemptions_stand_alone() -> None:
    array = np.zeros(3 * USE_MIN, EVENT)
    array["kind"] = EventKind.TRANSFERRED
    array["sequence"] = np.arange(len(array))
    assert [span.array.tolist() for span in Events(array).spans()] == [array.tolist()]
    array["kind"][5 : 5 + USE_MIN] = EventKind.REDEEMED
    array["kind"][-9:] = EventKind.REDEEMED  # too few
    spans = list(Events(array).spans())
    assert [(span.is_use, len(span)) for span in spans] == [(False, 5), (True, USE_MIN), (False, 2 * USE_MIN - 5)]
    assert np.concatenate([span.array for span in spans])["sequence"].tolist() == list(range(len(array)))
    array["kind"] = EventKind.REDEEMED
    (span,) = Events(array).spans()
    assert span.is_use
    few = Events(array[: USE_MIN - 1])
    assert (next(few.spans()), few.is_use) == (few, False)
