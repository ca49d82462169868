"""Every command is found in journals of all shapes, and none that is not there."""

import random
from pathlib import Path

import pytest

from exchange.core.commands import deposit
from exchange.journal.file import FileJournal, segment_path, segments
from exchange.journal.frame import MAGIC, RecordKind
from exchange.journal.lookup import Lookup

SEGMENT_BYTES = 1 << 16


def numbered(sequence: int) -> bytes:
    return sequence.to_bytes(8, "little") + deposit(1, 1, sequence)[8:]


def write(journal: FileJournal, sequence: int, sizes: list[int], disturb: random.Random) -> int:
    """Append commands in groups, with what else stands in journals between them; return the next number."""
    for size in sizes:
        group = [(RecordKind.COMMANDS, b"".join(numbered(sequence + place) for place in range(size)))]
        if disturb.random() < 0.2:
            group.append((RecordKind.DOCUMENT, MAGIC * disturb.randrange(1, 400)))
        if disturb.random() < 0.1:
            group.insert(0, (RecordKind.STATE_HASH, bytes(48)))
        journal.append(group)
        sequence += size
    return sequence


@pytest.mark.parametrize(
    "sizes",
    [
        [1] * 900,
        [1] * 300 + [300] * 4 + [1] * 100,  # an uneven pace
        [400] * 8,  # few records in a segment
        [random.Random(7).choice((1, 2, 3, 50)) for _ in range(300)],
    ],
)
def test_every_command_is_found(tmp_path, sizes) -> None:
    journal = FileJournal.open(tmp_path, SEGMENT_BYTES)
    journal.claim()
    end = write(journal, 1, sizes, random.Random(3))
    assert journal.position > len(sizes)
    assert len(list(tmp_path.glob("*.journal"))) > 1
    wanted = {1, 2, end - 1, *random.Random(5).sample(range(1, end), 200)}
    for sequence in wanted:
        assert journal.command(sequence) == numbered(sequence)
    assert [journal.command(sequence) for sequence in (-1, 0, end, end + 10**6)] == [None] * 4
    end = write(journal, end, [1, 2], random.Random(3))  # what is appended later is found, too
    assert journal.command(end - 1) == numbered(end - 1)
    journal.close()


def test_what_was_trimmed_is_not_there(tmp_path) -> None:
    journal = FileJournal.open(tmp_path, SEGMENT_BYTES)
    journal.claim()
    assert journal.command(1) is None
    end = write(journal, 1, [1] * 900, random.Random(3))
    assert journal.command(1) == numbered(1)
    journal.trim(journal.position - 10)
    assert journal.command(1) is None
    assert journal.command(end - 1) == numbered(end - 1)
    journal.close()


def write_documents(journal: FileJournal, folder: Path, more: int) -> None:
    """Append documents alone, until there are so many segments more."""
    wanted = len(segments(folder)) + more
    while len(segments(folder)) < wanted:
        journal.append([(RecordKind.DOCUMENT, b"x" * 20_000)])


def test_segments_without_a_command_are_passed_over(tmp_path) -> None:
    journal = FileJournal.open(tmp_path, SEGMENT_BYTES)
    journal.claim()
    write_documents(journal, tmp_path, 1)  # ahead of the first command
    assert journal.command(1) is None
    end = write(journal, 1, [1] * 300, random.Random(3))
    for more in (1, 3):  # the next one begins with a document; and some hold nothing else
        write_documents(journal, tmp_path, more)
        assert [journal.command(sequence) for sequence in (1, end - 1)] == [numbered(1), numbered(end - 1)]
        assert journal.command(end) is None
        end = write(journal, end, [1] * 300, random.Random(3))
        for sequence in range(1, end):
            assert journal.command(sequence) == numbered(sequence)
    journal.close()


def test_commands_are_found_while_the_next_segment_is_empty(tmp_path) -> None:
    journal = FileJournal.open(tmp_path, SEGMENT_BYTES)
    journal.claim()
    end = write(journal, 1, [1] * 20, random.Random(3))
    segment_path(tmp_path, journal.position + 1).write_bytes(bytes(SEGMENT_BYTES))  # its first write is under way
    lookup = Lookup(lambda first: segment_path(tmp_path, first))
    found = [lookup.command(segments(tmp_path), sequence) for sequence in range(1, end)]
    assert found == [numbered(sequence) for sequence in range(1, end)]
    lookup.close()
    journal.close()


def test_commands_are_looked_up_while_segments_are_trimmed(tmp_path, monkeypatch) -> None:
    journal = FileJournal.open(tmp_path, SEGMENT_BYTES)
    journal.claim()
    end = write(journal, 1, [1] * 900, random.Random(3))
    firsts = segments(tmp_path)
    found = []
    unlink = Path.unlink

    def unlink_and_look(path: Path) -> None:
        unlink(path)
        found.extend([journal.command(1), journal.command(end - 1)])

    monkeypatch.setattr(Path, "unlink", unlink_and_look)
    journal.trim(journal.position - 10)
    assert found == [None, numbered(end - 1)] * (len(firsts) - len(segments(tmp_path)))
    lookup = Lookup(lambda first: segment_path(tmp_path, first))  # of one who knew the segments before
    assert [lookup.command(firsts, sequence) for sequence in (1, end - 1)] == [None, numbered(end - 1)]
    journal.close()
    lookup.close()
