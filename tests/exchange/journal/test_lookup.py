"""Every command is found in journals of all shapes, and none that is not there."""

import random

import pytest

from exchange.core.commands import deposit
from exchange.journal.file import FileJournal
from exchange.journal.frame import MAGIC, RecordKind

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
