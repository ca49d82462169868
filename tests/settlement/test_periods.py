"""Shards side by side, periods made ahead, and what it takes to close one."""

import asyncio

import asyncpg
import numpy as np
import pytest

from settlement.connect import POSTER_ROLE
from settlement.periods import close_period, open_shard
from settlement.poster import Poster
from settlement.records import shard_base
from tests.settlement.builders import Events, history
from tests.settlement.posting import execute, fetch, forge


def test_periods_are_made_ahead_and_batches_stay_within_one(dsn: str) -> None:
    asyncio.run(open_shard(dsn, 1, 50))
    events = history(100)
    asyncio.run(_post_shard(dsn, events, 1))
    rows = asyncio.run(fetch(dsn, "SELECT period, first_seq, last_seq FROM ledger.periods WHERE shard = 1 ORDER BY 1"))
    base = shard_base(1)
    assert rows == [
        (period, base + period * 50 + 1, base + period * 50 + 50) for period in range(len(events) // 50 + 3)
    ]
    bounds = asyncio.run(fetch(dsn, f"SELECT first_seq - {base} - 1, last_seq - {base} - 1 FROM ledger.batches"))
    assert all(int(str(first)) // 50 == int(str(last)) // 50 for first, last in bounds)
    counts = asyncio.run(
        fetch(dsn, "SELECT count(*) FROM ledger.trades_1_0 UNION ALL SELECT count(*) FROM ledger.trades")
    )
    assert 0 < int(str(counts[0][0])) < int(str(counts[1][0])) == 100


async def _post_shard(dsn: str, events: np.ndarray, shard: int) -> None:
    stop = asyncio.Event()
    stop.set()
    await Poster(dsn, Events(events), 17, shard=shard).run(stop)


def test_shards_are_posted_side_by_side(dsn: str) -> None:
    asyncio.run(open_shard(dsn, 7, 1000))
    ours, theirs = history(60), history(90, seed=2)

    async def both() -> None:
        await asyncio.gather(_post_shard(dsn, ours, 0), _post_shard(dsn, theirs, 7))

    asyncio.run(both())
    cursors = asyncio.run(fetch(dsn, "SELECT shard, last_seq FROM ledger.settle_cursor ORDER BY 1"))
    assert cursors == [(0, len(ours)), (7, shard_base(7) + len(theirs))]
    totals = asyncio.run(fetch(dsn, "SELECT DISTINCT total FROM ledger.trial_balance"))
    assert totals == [(0,)]


def test_a_shard_that_was_never_opened_is_not_posted_to(dsn: str) -> None:
    with pytest.raises(LookupError, match="no shard 5"):
        asyncio.run(_post_shard(dsn, history(20), 5))


@pytest.fixture
def full(dsn: str) -> str:
    """Return a ledger whose shard 1 has two complete periods."""
    asyncio.run(open_shard(dsn, 1, 50))
    asyncio.run(_post_shard(dsn, history(100), 1))
    return dsn


def test_a_closed_period_is_indexed_sealed_and_shut(full: str) -> None:
    head = asyncio.run(close_period(full, 1, shard=1))
    ends = f"SELECT encode(hash, 'hex') FROM ledger.batches WHERE last_seq = {shard_base(1) + 100}"
    assert asyncio.run(fetch(full, ends)) == [(head,)]
    indexes = "SELECT indexdef FROM pg_indexes WHERE tablename = 'movements_1_1' ORDER BY 1"
    found = [str(row[0]) for row in asyncio.run(fetch(full, indexes))]
    assert [definition.partition("USING ")[2] for definition in found] == [
        "btree (account, asset, movement_id)",
        "btree (contra_account, asset, movement_id)",
        "brin (movement_id) WITH (pages_per_range='16')",
        "btree (movement_id)",
    ]
    insert = ["INSERT INTO ledger.movements_1_1 SELECT * FROM ledger.movements_1_1"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        asyncio.run(execute(full, *insert, role=POSTER_ROLE))
    with pytest.raises(asyncpg.UniqueViolationError):
        asyncio.run(close_period(full, 1, shard=1))


@pytest.mark.parametrize("period", [2, 9])
def test_a_period_that_is_not_complete_stays_open(period: int, full: str) -> None:
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="is not complete"):
        asyncio.run(close_period(full, period, shard=1))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("UPDATE ledger.movements_1_1 SET amount = amount + 1, fee = fee - 1 WHERE fee > 0", "is not what trade"),
        ("DELETE FROM ledger.movements_1_1 WHERE movement_id & 1 = 1", "is not what trade"),
        ("UPDATE ledger.trades_1_1 SET buyer_fee = buyer_fee + 1", "is not what trade"),
        (
            """
            ALTER TABLE ledger.movements DROP CONSTRAINT sums_to_zero;
            UPDATE ledger.movements_1_0 SET amount = amount + 1 WHERE contra_account = -1
            """,
            "does not sum to zero",
        ),
        ("DELETE FROM ledger.entries WHERE seq & 255 = 14", "is of no trade or entry"),
        ("INSERT INTO ledger.movements SELECT * FROM ledger.movements_1_1 LIMIT 1", "could not create unique index"),
        ("UPDATE ledger.batches SET previous_hash = sha256(hash) WHERE batch & 255 = 3", "does not follow"),
    ],
)
def test_a_damaged_period_does_not_close(damage: str, words: str, full: str) -> None:
    asyncio.run(forge(full, damage))
    period = 0 if any(name in damage for name in ("movements_1_0", "batches", "entries")) else 1
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=words):
        asyncio.run(close_period(full, period, shard=1))
    assert asyncio.run(fetch(full, "SELECT count(*) FROM ledger.closings")) == [(0,)]
