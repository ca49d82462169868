"""The chain of hashes: what goes into a value, and where blocks begin."""

from hashlib import sha256

import numpy as np
import pytest

from settlement import chain, copyformat
from settlement.config import BLOCK_EVENTS
from settlement.records import CHAINED, MOVEMENT, TABLES, TRADE

EVENT = (5, 3, 1000)


def _copies(first: int = 1) -> dict[str, bytes]:
    movements, trades = np.zeros(2, MOVEMENT), np.zeros(1, TRADE)
    movements["movement_id"], trades["seq"] = (first * 2, first * 2 + 1), first
    return {"movements": copyformat.encode(movements), "trades": copyformat.encode(trades)}


def _numbers(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in numbers)


def test_a_value_is_made_of_the_block_the_event_and_each_tables_rows() -> None:
    copies = _copies()
    tables = [sha256(copies[table][19:-2] if table in copies else b"").digest() for table in CHAINED]
    expected = sha256(bytes(32) + _numbers(*EVENT) + b"".join(tables)).digest()
    assert chain.after(chain.genesis(), EVENT, copies).hash == expected


def test_it_does_not_matter_where_the_rows_are_cut() -> None:
    one, two = _copies(1), _copies(2)
    both = {table: copyformat.join([one[table], two[table]]) for table in one}
    halfway = chain.after(chain.genesis(), (4, 2, 900), one)
    assert chain.after(halfway, EVENT, two).hash == chain.after(chain.genesis(), EVENT, both).hash


def test_any_change_changes_the_value() -> None:
    copies = _copies()
    values = [chain.after(chain.genesis(), EVENT, copies).hash]
    values += [chain.after(chain.genesis(), event, copies).hash for event in ((6, 3, 1000), (5, 4, 1000), (5, 3, 1001))]
    values.append(chain.after(chain.begin(b"\1" * 32), EVENT, copies).hash)
    values += [chain.after(chain.genesis(), EVENT, {**copies, table: _copies(2)[table]}).hash for table in copies]
    values.append(chain.after(chain.genesis(), EVENT, {}).hash)
    assert len(set(values)) == len(values)


def test_a_point_is_not_changed_by_going_on_from_it() -> None:
    point = chain.after(chain.genesis(), EVENT, _copies())
    first, second = (chain.after(point, (6, 3, 1001), _copies(2)).hash for _ in range(2))
    assert first == second


def test_a_block_begins_with_the_last_value_of_the_one_before() -> None:
    last = chain.after(chain.genesis(), (BLOCK_EVENTS, 9, 9), _copies())
    assert last.block_hash == last.hash
    following = chain.after(last, (BLOCK_EVENTS + 1, 9, 9), {})
    empty = [sha256(b"").digest() for _ in CHAINED]
    assert following.hash == sha256(last.hash + _numbers(BLOCK_EVENTS + 1, 9, 9) + b"".join(empty)).digest()
    assert following.block_hash == last.hash


def test_balances_are_not_part_of_it_for_they_tell_of_batches() -> None:
    assert set(TABLES) - set(CHAINED) == {"balance_log"}


@pytest.mark.parametrize(
    ("seq", "start", "left"),
    [
        (0, 0, BLOCK_EVENTS),
        (1, 0, BLOCK_EVENTS - 1),
        (BLOCK_EVENTS, BLOCK_EVENTS, BLOCK_EVENTS),
        (2**48 + 7, 2**48, 65_529),
    ],
)
def test_blocks_are_found_from_event_numbers(seq: int, start: int, left: int) -> None:
    assert (chain.block_start(seq), chain.events_left(seq)) == (start, left)
