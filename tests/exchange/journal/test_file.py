"""The journal on disk: torn tails are cut, damage is refused by name, a killed writer loses nothing acknowledged."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exchange.journal import frame
from exchange.journal.contract import JournalCorruptError, JournalFailedError, JournalLockedError
from exchange.journal.file import LOCK, SPARE, FileJournal, segment_path, segments, tail
from exchange.journal.frame import RecordKind

SEGMENT_BYTES = 2048
ROOT = Path(__file__).parents[3]


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "journal"


def write(directory: Path, *groups: list[bytes], segment_bytes: int = SEGMENT_BYTES) -> None:
    """Claim the journal, append one group of records after the other, and close it."""
    journal = FileJournal.open(directory, segment_bytes)
    journal.claim()
    for group in groups:
        journal.append([(RecordKind.COMMANDS, payload) for payload in group])
    journal.close()


def read(directory: Path, segment_bytes: int = SEGMENT_BYTES) -> list[bytes]:
    """Open, replay and close the journal; return the payloads that are no claims."""
    journal = FileJournal.open(directory, segment_bytes)
    try:
        return [record.payload for record in journal.replay(0) if record.kind is not RecordKind.CLAIM]
    finally:
        journal.close()


def payloads(count: int) -> list[list[bytes]]:
    return [[bytes([number + 1]) * 40] for number in range(count)]


def refusal(directory: Path) -> JournalCorruptError:
    with pytest.raises(JournalCorruptError) as caught:
        read(directory)
    return caught.value


RECORD = frame.size(40)
CLAIM = frame.size(0)


def test_segments_are_full_of_zeros_before_they_are_written(directory) -> None:
    write(directory, *payloads(1))
    data = segment_path(directory, 1).read_bytes()
    assert len(data) == SEGMENT_BYTES
    assert data[CLAIM + RECORD :] == bytes(SEGMENT_BYTES - CLAIM - RECORD)


def test_segments_are_named_by_their_first_position_and_never_split_a_group(directory) -> None:
    write(directory, *[[b"x" * 400, b"y" * 400]] * 5)
    assert segments(directory) == [1, 6, 10]
    assert len(read(directory)) == 10


def test_a_group_too_large_for_a_segment_is_refused_and_harmless(directory) -> None:
    journal = FileJournal.open(directory, SEGMENT_BYTES)
    journal.claim()
    with pytest.raises(ValueError, match="does not fit"):
        journal.append([(RecordKind.COMMANDS, bytes(SEGMENT_BYTES))])
    assert journal.append([(RecordKind.COMMANDS, b"fits")]) == 2
    journal.close()


def test_opening_changes_nothing(directory) -> None:
    write(directory, *payloads(3))
    with segment_path(directory, 1).open("r+b") as file:
        file.seek(CLAIM + 3 * RECORD)
        file.write(b"torn")
    before = segment_path(directory, 1).read_bytes()
    assert len(read(directory)) == 3
    assert segment_path(directory, 1).read_bytes() == before


def test_a_tail_torn_at_any_byte_is_cut(directory) -> None:
    write(directory, *payloads(4))
    path = segment_path(directory, 1)
    data = path.read_bytes()
    last = CLAIM + 3 * RECORD
    behind = last + CLAIM + frame.size(4)
    for kept in range(RECORD):
        path.write_bytes(data[: last + kept] + bytes(len(data) - last - kept))
        write(directory, [b"next"])
        assert read(directory) == [*(bytes([number]) * 40 for number in (1, 2, 3)), b"next"]
        assert path.read_bytes()[behind:] == bytes(SEGMENT_BYTES - behind)


@pytest.mark.parametrize("length", [0, 1, CLAIM, CLAIM + RECORD + 5])
def test_a_segment_cut_short_is_a_torn_tail_and_filled_again(directory, length) -> None:
    write(directory, *payloads(2))
    os.truncate(segment_path(directory, 1), length)
    write(directory, [b"next"])
    kept = max(0, length - CLAIM) // RECORD
    assert read(directory) == [*(payload for [payload] in payloads(kept)), b"next"]
    assert segment_path(directory, 1).stat().st_size == SEGMENT_BYTES


def test_a_group_of_which_only_the_end_reached_the_disk_is_cut_whole(directory) -> None:
    write(directory, *payloads(1), [b"a" * 40, b"b" * 40, b"c" * 40])
    with segment_path(directory, 1).open("r+b") as file:
        file.seek(CLAIM + RECORD)
        file.write(bytes(RECORD))
    write(directory, [b"next"])
    assert read(directory) == [b"\1" * 40, b"next"]


@pytest.mark.parametrize("whole", range(4))
def test_a_group_of_which_the_beginning_reached_the_disk_is_cut_whole(directory, whole) -> None:
    write(directory, *payloads(1), [b"a" * 40, b"b" * 40, b"c" * 40])
    path = segment_path(directory, 1)
    data = path.read_bytes()
    path.write_bytes(data[: CLAIM + (1 + whole) * RECORD].ljust(SEGMENT_BYTES, b"\0"))
    group = [b"a" * 40, b"b" * 40, b"c" * 40] if whole == 3 else []
    assert read(directory) == [b"\1" * 40, *group]
    assert [record.payload for record in tail(directory, 1)] == [b"\1" * 40, *group]
    write(directory, [b"next"])
    assert read(directory) == [b"\1" * 40, *group, b"next"]


def test_a_group_cut_short_that_began_a_segment_is_cut_too(directory) -> None:
    write(directory, *[[b"x" * 400, b"y" * 400]] * 2)
    path = segment_path(directory, segments(directory)[-1])
    path.write_bytes(path.read_bytes()[: frame.size(400)].ljust(SEGMENT_BYTES, b"\0"))
    before = read(directory)
    assert len(before) % 2 == 0
    write(directory, [b"next"])
    assert read(directory) == [*before, b"next"]


def test_a_flipped_byte_anywhere_in_the_middle_is_refused_with_its_place(directory) -> None:
    write(directory, *payloads(4))
    path = segment_path(directory, 1)
    data = path.read_bytes()
    for offset in range(CLAIM + 3 * RECORD):
        path.write_bytes(data[:offset] + bytes([data[offset] ^ 0xFF]) + data[offset + 1 :])
        position = 1 if offset < CLAIM else 2 + (offset - CLAIM) // RECORD
        begin = 0 if offset < CLAIM else CLAIM + (position - 2) * RECORD
        error = refusal(directory)
        assert (error.segment, error.offset, error.position) == (path.name, begin, position)
        assert f"segment {path.name} is corrupt at offset {begin}, position {position}" in str(error)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_flipped_byte_in_an_earlier_segment_is_refused_by_the_replay(directory, place) -> None:
    write(directory, *payloads(60))
    first = segments(directory)[place]
    path = segment_path(directory, first)
    data = bytearray(path.read_bytes())
    data[5 * RECORD] ^= 1
    path.write_bytes(data)
    assert refusal(directory).segment == path.name


def test_the_last_record_of_an_earlier_segment_is_no_torn_tail(directory) -> None:
    write(directory, *payloads(20))
    first, second = segments(directory)[:2]
    path = segment_path(directory, first)
    data = bytearray(path.read_bytes())
    data[len(data.rstrip(b"\0")) - 1] ^= 1
    path.write_bytes(data)
    error = refusal(directory)
    assert (error.segment, error.position) == (path.name, second - 1)
    assert "a segment behind it" in error.reason


def test_records_wiped_from_the_end_of_an_earlier_segment_are_missed(directory) -> None:
    write(directory, *payloads(20))
    path = segment_path(directory, 1)
    data = path.read_bytes()
    path.write_bytes(data[: CLAIM + 2 * RECORD] + bytes(len(data) - CLAIM - 2 * RECORD))
    error = refusal(directory)
    assert (error.segment, error.offset, error.position) == (path.name, CLAIM + 2 * RECORD, 4)
    assert "the next begins with position" in error.reason


def test_a_missing_segment_is_missed(directory) -> None:
    write(directory, *payloads(60))
    firsts = segments(directory)
    segment_path(directory, firsts[1]).unlink()
    error = refusal(directory)
    assert (error.segment, error.position) == (segment_path(directory, firsts[0]).name, firsts[1])


def test_a_segment_of_another_history_is_refused(directory, tmp_path) -> None:
    write(directory, *payloads(20))
    write(tmp_path / "other", [b"other" * 8], *payloads(19))
    second = segments(directory)[1]
    assert segments(tmp_path / "other")[1] == second
    segment_path(tmp_path / "other", second).rename(segment_path(directory, second))
    error = refusal(directory)
    assert (error.segment, error.offset, error.position) == (segment_path(directory, second).name, 0, second)
    assert "no record that follows" in error.reason


def test_a_record_of_another_history_inside_a_segment_is_refused(directory, tmp_path) -> None:
    write(directory, *payloads(3))
    write(tmp_path / "other", [b"other" * 8], *payloads(2))
    path, other = segment_path(directory, 1), segment_path(tmp_path / "other", 1)
    middle = CLAIM + RECORD
    path.write_bytes(path.read_bytes()[:middle] + other.read_bytes()[middle:])
    assert (refusal(directory).offset, refusal(directory).position) == (middle, 3)


def test_a_journal_whose_records_are_all_gone_is_refused(directory) -> None:
    write(directory, *payloads(60))
    for first in segments(directory)[:-1]:
        segment_path(directory, first).unlink()
    path = segment_path(directory, segments(directory)[0])
    path.write_bytes(bytes(SEGMENT_BYTES))
    assert refusal(directory).reason == "no record is left"


def test_a_change_between_opening_and_replay_is_refused(directory) -> None:
    write(directory, *payloads(3))
    journal = FileJournal.open(directory, SEGMENT_BYTES)
    os.truncate(segment_path(directory, 1), CLAIM + RECORD)
    with pytest.raises(JournalCorruptError, match="changed since"):
        list(journal.replay(0))
    journal.close()


def test_an_empty_last_segment_is_where_the_next_record_goes(directory) -> None:
    write(directory, *payloads(4))
    segment_path(directory, 6).write_bytes(bytes(SEGMENT_BYTES))
    write(directory, [b"next"])
    assert read(directory)[-1] == b"next"
    assert segments(directory) == [1, 6]
    assert segment_path(directory, 6).read_bytes()[:4] == frame.MAGIC


def test_a_torn_first_record_of_the_last_segment_is_cut(directory) -> None:
    write(directory, *payloads(4))
    segment_path(directory, 6).write_bytes(b"torn".ljust(SEGMENT_BYTES, b"\0"))
    write(directory, [b"next"])
    assert len(read(directory)) == 5


def test_segments_of_another_size_are_written_to_their_end(directory) -> None:
    write(directory, *payloads(4), segment_bytes=SEGMENT_BYTES)
    write(directory, *payloads(30), segment_bytes=2 * SEGMENT_BYTES)
    write(directory, *payloads(4), segment_bytes=512)
    assert len(read(directory)) == 38


def test_a_spare_left_by_a_crash_is_not_trusted(directory) -> None:
    write(directory, *payloads(4))
    (directory / SPARE).write_bytes(b"half a spare")
    write(directory, *payloads(40))
    assert len(read(directory)) == 44


def test_a_second_process_is_locked_out(directory) -> None:
    script = (
        "import sys; from pathlib import Path; from exchange.journal.contract import JournalLockedError\n"
        "from exchange.journal.file import FileJournal\n"
        "try:\n    FileJournal.open(Path(sys.argv[1]), 2048)\n"
        "except JournalLockedError as error:\n    print(error)\n"
    )
    journal = FileJournal.open(directory, SEGMENT_BYTES)
    other = subprocess.run(
        [sys.executable, "-c", script, str(directory)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "another process has the journal" in other.stdout
    journal.close()
    FileJournal.open(directory, SEGMENT_BYTES).close()


def test_a_journal_cannot_be_opened_twice_and_a_refusal_leaves_no_lock(directory) -> None:
    write(directory, *payloads(2))
    journal = FileJournal.open(directory, SEGMENT_BYTES)
    with pytest.raises(JournalLockedError):
        FileJournal.open(directory, SEGMENT_BYTES)
    journal.close()
    with segment_path(directory, 1).open("r+b") as file:
        file.write(b"!")
    for _ in range(2):
        assert refusal(directory).position == 1
    assert (directory / LOCK).exists()


def append_for_ever(journal: FileJournal, acknowledged: list[int]) -> None:
    while True:
        acknowledged.append(journal.append([(RecordKind.COMMANDS, b"x" * 500)]))


def test_a_full_disk_refuses_and_keeps_what_was_acknowledged(directory) -> None:
    journal = FileJournal.open(directory, 1 << 16)
    journal.claim()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    acknowledged = []
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 14, hard))  # part of a second segment, as on a full disk
        with pytest.raises(OSError, match="File too large"):
            append_for_ever(journal, acknowledged)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(JournalFailedError):
        journal.append([(RecordKind.COMMANDS, b"more")])
    journal.close()
    assert not (directory / SPARE).exists()
    assert len(acknowledged) <= len(read(directory, 1 << 16)) <= len(acknowledged) + 1
    write(directory, [b"room again"], segment_bytes=1 << 16)
    assert read(directory, 1 << 16)[-1] == b"room again"


def test_a_tail_in_a_directory_needs_no_lock_and_stops_before_what_is_not_whole(directory) -> None:
    write(directory, *payloads(30))
    journal = FileJournal.open(directory, SEGMENT_BYTES)
    path = segment_path(directory, segments(directory)[-1])
    data = path.read_bytes()
    path.write_bytes(data[: len(data.rstrip(b"\0")) - 1] + bytes(len(data)))
    assert [record.position for record in tail(directory, 4)] == list(range(5, 31))
    journal.close()


def test_a_tail_stops_before_a_record_that_does_not_follow(directory, tmp_path) -> None:
    write(directory, *payloads(3))
    write(tmp_path / "other", [b"other" * 8], *payloads(2))
    path, other = segment_path(directory, 1), segment_path(tmp_path / "other", 1)
    middle = CLAIM + RECORD
    path.write_bytes(path.read_bytes()[:middle] + other.read_bytes()[middle:])
    assert [record.position for record in tail(directory, 0)] == [1, 2]


def test_of_a_directory_that_is_not_there_the_tail_is_empty(tmp_path) -> None:
    assert list(tail(tmp_path / "nowhere", 0)) == []


WRITER = """
import sys
from pathlib import Path
from exchange.journal.file import FileJournal
from exchange.journal.frame import RecordKind

journal = FileJournal.open(Path(sys.argv[1]), 1 << 14)
known = sum(record.kind is RecordKind.COMMANDS for record in journal.replay(0))
journal.claim()
while True:
    group = [(RecordKind.COMMANDS, (known + n).to_bytes(8, "little") * (known % 50 + 1)) for n in range(known % 4 + 1)]
    journal.append(group)
    known += len(group)
    print(known, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_acknowledged(directory) -> None:
    draw = random.Random(7)
    acknowledged = 0
    for _ in range(8):
        command = [sys.executable, "-c", WRITER, str(directory)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as child:
            first = child.stdout.readline()
            time.sleep(draw.uniform(0, 0.1))
            child.send_signal(signal.SIGKILL)
            lines = [first, *child.stdout.readlines()]
        acknowledged = max(int(line) for line in lines if line.endswith(b"\n"))
        found = [int.from_bytes(payload[:8], "little") for payload in read(directory, 1 << 14)]
        assert found == list(range(len(found)))
        assert acknowledged <= len(found) <= acknowledged + 4
    assert len(segments(directory)) > 2
