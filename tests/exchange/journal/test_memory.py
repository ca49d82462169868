"""What only the journal in memory has: a list that several journals share."""

from exchange.journal.frame import RecordKind
from exchange.journal.memory import MemoryJournal


def test_a_second_journal_on_the_list_finds_the_records_and_tails_them() -> None:
    records = []
    writer = MemoryJournal(records)
    writer.claim()
    reader = MemoryJournal(records)
    writer.append([(RecordKind.COMMANDS, b"one")])
    assert [record.payload for record in reader.tail(1)] == [b"one"]
    assert list(reader.replay(1)) == []
    assert reader.position == 1


def test_records_are_whole_frames() -> None:
    records = []
    MemoryJournal(records).claim()
    assert records[0].hash == MemoryJournal(records).head_hash
    assert records[0].head.position == 1
