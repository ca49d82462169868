"""The one contract of every journal, run against each."""

import pytest

from exchange.journal import frame
from exchange.journal.contract import Journal, JournalFailedError, JournalTrimmedError
from exchange.journal.file import FileJournal
from exchange.journal.frame import RecordKind
from exchange.journal.memory import MemoryJournal

SEGMENT_BYTES = 1024


@pytest.fixture(params=["file", "memory"])
def open_journal(request, tmp_path):
    """Return a function that opens the same journal again and again."""
    records = []
    opened = []

    def open_again() -> Journal:
        for journal in opened:
            journal.close()
        file = request.param == "file"
        opened.append(FileJournal.open(tmp_path / "journal", SEGMENT_BYTES) if file else MemoryJournal(records))
        return opened[-1]

    yield open_again
    for journal in opened:
        journal.close()


def filled(open_journal, count: int) -> Journal:
    """Return a claimed journal of one claim and `count` records of 100 bytes."""
    journal = open_journal()
    journal.claim()
    for number in range(count):
        journal.append([(RecordKind.COMMANDS, bytes([number + 1]) * 100)])
    return journal


def test_a_new_journal_is_empty(open_journal) -> None:
    journal = open_journal()
    assert (journal.position, journal.head_hash, journal.first_position) == (0, bytes(32), 1)
    assert list(journal.replay(0)) == list(journal.tail(0)) == []


def test_what_was_appended_comes_back_in_order(open_journal) -> None:
    journal = open_journal()
    assert journal.claim() == 1
    assert journal.append([(RecordKind.DOCUMENT, b"one"), (RecordKind.COMMANDS, b"two")]) == 3
    assert journal.append([(RecordKind.STATE_HASH, b"three")]) == 4
    found = [
        (record.position, record.epoch, record.epoch_index, record.kind, record.payload) for record in journal.replay(0)
    ]
    assert found == [
        (1, 1, 0, RecordKind.CLAIM, b""),
        (2, 1, 1, RecordKind.DOCUMENT, b"one"),
        (3, 1, 2, RecordKind.COMMANDS, b"two"),
        (4, 1, 3, RecordKind.STATE_HASH, b"three"),
    ]


def test_every_record_knows_what_was_durable_before_its_group(open_journal) -> None:
    journal = open_journal()
    journal.claim()
    journal.append([(RecordKind.DOCUMENT, b"one"), (RecordKind.COMMANDS, b"two")])
    journal.append([(RecordKind.COMMANDS, b"three")])
    assert [record.durable for record in journal.replay(0)] == [0, 1, 1, 3]


def test_records_form_one_chain_over_reopenings(open_journal) -> None:
    for _ in range(3):
        filled(open_journal, 9)
    records = list(open_journal().replay(0))
    assert len(records) == 30
    head = frame.GENESIS
    for record in records:
        assert frame.follows(head, record)
        head = record.head
    assert [record.epoch for record in records] == [1] * 10 + [2] * 10 + [3] * 10


def test_a_journal_opened_again_ends_where_it_ended(open_journal) -> None:
    journal = filled(open_journal, 12)
    position, head_hash = journal.position, journal.head_hash
    again = open_journal()
    assert (again.position, again.head_hash) == (position, head_hash) == (13, list(again.replay(0))[-1].hash)


@pytest.mark.parametrize("after", range(0, 22, 3))
def test_a_replay_begins_anywhere(open_journal, after) -> None:
    journal = filled(open_journal, 20)
    assert [record.position for record in journal.replay(after)] == list(range(after + 1, 22))
    assert [record.position for record in journal.tail(after)] == list(range(after + 1, 22))


def test_a_replay_ends_where_the_journal_ended_when_it_began(open_journal) -> None:
    journal = filled(open_journal, 20)
    replay = journal.replay(0)
    assert next(replay).position == 1
    journal.append([(RecordKind.COMMANDS, b"later")])
    assert [record.position for record in replay] == list(range(2, 22))


def test_a_tail_sees_what_was_appended_since(open_journal) -> None:
    journal = filled(open_journal, 3)
    assert list(journal.tail(4)) == []
    journal.append([(RecordKind.COMMANDS, b"later")])
    assert [record.payload for record in journal.tail(4)] == [b"later"]


def test_a_command_is_found_by_its_number_whatever_record_it_is_in(open_journal) -> None:
    journal = open_journal()
    journal.claim()
    made = [number.to_bytes(8, "little") + bytes([number]) * 120 for number in range(1, 14)]
    for begin, end in ((0, 1), (1, 5), (5, 6), (6, 9), (9, 13)):
        journal.append([(RecordKind.DOCUMENT, b"{}"), (RecordKind.COMMANDS, b"".join(made[begin:end]))])
    assert [journal.command(number) for number in range(15)] == [None, *made, None]
    assert [open_journal().command(number) for number in range(15)] == [None, *made, None]


def test_an_append_needs_a_claim(open_journal) -> None:
    with pytest.raises(JournalFailedError):
        open_journal().append([(RecordKind.COMMANDS, b"early")])
    filled(open_journal, 1)
    with pytest.raises(JournalFailedError):
        open_journal().append([(RecordKind.COMMANDS, b"early")])


def test_a_closed_journal_takes_no_more(open_journal) -> None:
    journal = filled(open_journal, 1)
    journal.close()
    with pytest.raises(JournalFailedError):
        journal.append([(RecordKind.COMMANDS, b"late")])


def test_trimming_keeps_what_lies_behind(open_journal) -> None:
    journal = filled(open_journal, 20)
    journal.trim(12)
    first = journal.first_position
    assert 1 < first <= 13
    assert [record.position for record in journal.replay(12)] == list(range(13, 22))
    with pytest.raises(JournalTrimmedError, match=f"begins at {first}"):
        list(journal.replay(first - 2))
    again = open_journal()
    assert (again.first_position, again.position) == (first, 21)
    assert [record.position for record in again.replay(first - 1)] == list(range(first, 22))


def test_trimming_never_takes_the_last_record(open_journal) -> None:
    journal = filled(open_journal, 20)
    journal.trim(10**9)
    assert journal.append([(RecordKind.COMMANDS, b"more")]) == 22
    assert [record.position for record in open_journal().replay(20)] == [21, 22]


def test_trimming_nothing_changes_nothing(open_journal) -> None:
    journal = filled(open_journal, 20)
    journal.trim(0)
    assert journal.first_position == 1
    assert len(list(journal.replay(0))) == 21
