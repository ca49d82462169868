"""The frame of a journal record: bytes in, records out, no file in sight.

A record is an 80-byte header, a payload and zeros up to a multiple of 8. Its checksum covers everything behind
it, and it names the hash of the record before, so that nothing in the middle can change or vanish unnoticed.
"""

from collections.abc import Iterator
from enum import IntEnum
from hashlib import sha256
from struct import Struct
from typing import NamedTuple

from crc32c import crc32c

MAGIC = b"TBJ1"
HASH_BYTES = 32
ALIGNMENT = 8
# magic, crc32c, position, epoch, index in epoch, durable position when written, payload length, kind, whether the next
# record is of the same write, previous hash
HEADER = Struct("<4sIQQQQIBB2x32s")
CHECKED_FROM = 8  # the checksum covers all bytes of a record from here on
_HEADER_PACK = HEADER.pack
_HEADER_UNPACK = HEADER.unpack_from
_new = tuple.__new__  # a third of the time of a NamedTuple's own constructor
_CHECKSUM_PACK = Struct("<4sI").pack


class RecordKind(IntEnum):
    """What a record holds."""

    CLAIM = 1  # a writer takes over: a new epoch begins
    COMMANDS = 2  # one or more commands, stamped
    HEARTBEAT = 3  # the writer is alive
    STATE_HASH = 4  # the engine's state at this point, for the replay to compare
    DOCUMENT = 5  # one document of the registry


KINDS = {int(kind): kind for kind in RecordKind}


class Head(NamedTuple):
    """The end of a journal: what the next record must follow."""

    position: int
    epoch: int
    epoch_index: int
    hash: bytes


GENESIS = Head(0, 0, 0, bytes(HASH_BYTES))


class Record(NamedTuple):
    """One whole record; `durable` is the last position known to be on disk when it was written.

    Records of one write stand or fall together: all but the last have `has_more`.
    """

    position: int
    epoch: int
    epoch_index: int
    durable: int
    kind: RecordKind
    has_more: bool
    previous: bytes
    hash: bytes
    payload: bytes

    @property
    def head(self) -> Head:
        """Return the head of a journal that ends with this record."""
        return Head(self.position, self.epoch, self.epoch_index, self.hash)


class End(IntEnum):
    """What stands where the next record should begin."""

    CLEAN = 0  # nothing but zeros
    TORN = 1  # the remains of a write that was never acknowledged
    CORRUPT = 2  # something acknowledged was damaged: a record behind it knew it to be durable


def size(payload_length: int) -> int:
    """Return the bytes that a record with such a payload takes."""
    return HEADER.size + payload_length + -payload_length % ALIGNMENT


def encode(head: Head, kind: RecordKind, payload: bytes, durable: int, *, has_more: bool = False) -> tuple[bytes, Head]:
    """Return the bytes of the record that follows `head`, and the head behind it."""
    epoch, index = (head.epoch + 1, 0) if kind is RecordKind.CLAIM else (head.epoch, head.epoch_index + 1)
    position = head.position + 1
    padding = bytes(-len(payload) % ALIGNMENT)
    header = _HEADER_PACK(MAGIC, 0, position, epoch, index, durable, len(payload), kind, has_more, head.hash)
    checksum = crc32c(padding, crc32c(payload, crc32c(header[CHECKED_FROM:])))
    data = b"".join((_CHECKSUM_PACK(MAGIC, checksum), header[CHECKED_FROM:], payload, padding))
    return data, Head(position, epoch, index, sha256(data).digest())


def decode(data: bytes | memoryview, offset: int) -> Record | None:
    """Return the record at `offset`, or None where no whole, undamaged record stands; fastest on a memoryview."""
    begin = offset + HEADER.size
    if begin > len(data):
        return None
    magic, checksum, position, epoch, epoch_index, durable, length, number, more, before = _HEADER_UNPACK(data, offset)
    end = begin + length + -length % ALIGNMENT
    kind = KINDS.get(number)
    if magic != MAGIC or end > len(data) or kind is None:
        return None
    if crc32c(data[offset + CHECKED_FROM : end]) != checksum:
        return None
    digest = sha256(data[offset:end]).digest()
    payload = bytes(data[begin : begin + length])
    return _new(Record, (position, epoch, epoch_index, durable, kind, more == 1, before, digest, payload))


def follows(head: Head | Record, record: Record) -> bool:
    """Tell whether a record may stand behind `head`: next position, right epoch and index, right hash."""
    if record.previous != head.hash or record.position != head.position + 1:
        return False
    if record.kind is RecordKind.CLAIM:
        return record.epoch == head.epoch + 1 and record.epoch_index == 0
    return record.epoch == head.epoch and record.epoch_index == head.epoch_index + 1


def judge(data: bytes, offset: int, position: int) -> End:
    """Say what stands at `offset`, where no record follows the one at `position`.

    A write that was cut short leaves damaged records, perhaps with whole ones behind them, for a disk may
    keep later sectors of a write and lose earlier ones. None of those can have known the missing record to be
    durable, and none can stand whole at the very place without following: either means lost history.
    """
    if data.startswith(bytes(len(data) - offset), offset):
        return End.CLEAN
    for record in _records_from(data, offset):
        if record.durable > position or record.position <= position + 1:
            return End.CORRUPT
    return End.TORN


def _records_from(data: bytes, offset: int) -> Iterator[Record]:
    """Yield every whole record that begins at or behind `offset`, whatever lies between."""
    found = data.find(MAGIC, offset)
    while found >= 0:
        record = decode(data, found) if found % ALIGNMENT == 0 else None
        if record is not None:
            yield record
        found = data.find(MAGIC, found + 1 if record is None else found + size(len(record.payload)))
