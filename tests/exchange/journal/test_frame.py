"""The frame: what is written comes back, and no damaged byte passes for a record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.journal import frame
from exchange.journal.frame import GENESIS, End, Head, RecordKind


def chain(*payloads: bytes, durable: int = 0) -> tuple[bytes, Head]:
    """Return a claim and one record a payload, and the head behind them."""
    data, head = frame.encode(GENESIS, RecordKind.CLAIM, b"", 0)
    for payload in payloads:
        part, head = frame.encode(head, RecordKind.COMMANDS, payload, durable)
        data += part
    return data, head


def positions(data: bytes) -> list[int]:
    """Return the positions of the records that follow each other from the start of `data`."""
    head, offset, found = GENESIS, 0, []
    while (record := frame.decode(data, offset)) is not None and frame.follows(head, record):
        found.append(record.position)
        head = record.head
        offset += frame.size(len(record.payload))
    return found


@given(st.sampled_from(list(RecordKind)), st.binary(max_size=300), st.integers(0, 2**40), st.booleans())
def test_a_record_comes_back_as_it_was_written(kind, payload, durable, more) -> None:
    head = Head(41, 3, 8, bytes(range(32)))
    data, behind = frame.encode(head, kind, payload, durable, has_more=more)
    record = frame.decode(b"12345678" + data, 8)
    claim = kind is RecordKind.CLAIM
    assert record == (42, 4 if claim else 3, 0 if claim else 9, durable, kind, more, head.hash, behind.hash, payload)
    assert record.head == behind
    assert len(data) == frame.size(len(payload))
    assert len(data) % frame.ALIGNMENT == 0
    assert frame.follows(head, record)


def test_every_flipped_bit_is_noticed() -> None:
    data, _ = frame.encode(GENESIS, RecordKind.CLAIM, b"thirteen byte", 0)
    for offset in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[offset] ^= 1 << bit
            assert frame.decode(bytes(damaged), 0) is None


def test_a_record_cut_short_is_none() -> None:
    data, _ = chain(b"abc")
    assert [frame.decode(data[:length], 0) for length in range(frame.HEADER.size)] == [None] * frame.HEADER.size


def test_only_the_right_record_follows() -> None:
    head = Head(7, 2, 5, b"h" * 32)
    record = frame.decode(frame.encode(head, RecordKind.COMMANDS, b"", 7)[0], 0)
    assert frame.follows(head, record)
    assert not frame.follows(head._replace(position=8), record)
    assert not frame.follows(head._replace(epoch=3), record)
    assert not frame.follows(head._replace(epoch_index=4), record)
    assert not frame.follows(head._replace(hash=b"g" * 32), record)


def test_a_claim_follows_only_with_the_next_epoch() -> None:
    head = Head(7, 2, 5, b"h" * 32)
    claim = frame.decode(frame.encode(head, RecordKind.CLAIM, b"", 7)[0], 0)
    assert (claim.epoch, claim.epoch_index) == (3, 0)
    assert frame.follows(head, claim)
    assert not frame.follows(head, claim._replace(epoch=2))
    assert not frame.follows(head, claim._replace(epoch_index=6))


def test_zeros_behind_the_last_record_are_a_clean_end() -> None:
    data, head = chain(b"abc", b"de")
    assert frame.judge(data + bytes(4096), len(data), head.position) is End.CLEAN
    assert frame.judge(data, len(data), head.position) is End.CLEAN


def test_the_remains_of_the_last_write_are_torn() -> None:
    data, head = chain(b"abc")
    part, _ = frame.encode(head, RecordKind.COMMANDS, b"sixteen nonzeros", head.position)
    for length in range(1, len(part)):
        segment = data + part[:length] + bytes(4096)
        assert positions(segment) == [1, 2]
        assert frame.judge(segment, len(data), head.position) is End.TORN


def test_a_whole_record_of_the_same_write_behind_a_damaged_one_is_torn() -> None:
    data, head = chain(b"abc")
    first, middle = frame.encode(head, RecordKind.DOCUMENT, b"first", head.position)
    second, _ = frame.encode(middle, RecordKind.COMMANDS, b"second", head.position)
    segment = data + bytes(len(first)) + second + bytes(4096)
    assert frame.judge(segment, len(data), head.position) is End.TORN


def test_a_record_that_knew_the_damaged_one_to_be_durable_proves_corruption() -> None:
    data, head = chain(b"abc")
    first, middle = frame.encode(head, RecordKind.DOCUMENT, b"first", head.position)
    second, _ = frame.encode(middle, RecordKind.COMMANDS, b"second", middle.position)
    for offset in range(len(first)):
        damaged = bytearray(first)
        damaged[offset] ^= 0x10
        segment = data + damaged + second + bytes(4096)
        assert frame.judge(segment, len(data), head.position) is End.CORRUPT


@pytest.mark.parametrize("position", [1, 2, 9])
def test_a_whole_record_that_does_not_follow_is_corruption(position) -> None:
    data, head = chain(b"abc")
    stray, _ = frame.encode(Head(position, 1, 1, b"x" * 32), RecordKind.COMMANDS, b"stray", position)
    assert frame.judge(data + stray, len(data), head.position) is End.CORRUPT


def test_the_name_of_a_record_inside_a_payload_fools_nobody() -> None:
    data, head = chain(b"abc")
    part, _ = frame.encode(head, RecordKind.DOCUMENT, frame.MAGIC * 40, head.position)
    segment = data + part[:-8] + bytes(4096)
    assert frame.judge(segment, len(data), head.position) is End.TORN
