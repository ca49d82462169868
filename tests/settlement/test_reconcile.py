"""Reconciling real journals, event logs and ledgers: all agree, and every planted fault is found and named."""

import asyncio
import re
import shutil
from functools import partial
from pathlib import Path

import pytest

from exchange.core import commands
from exchange.core.records import EVENT
from exchange.core.types import EventKind
from exchange.events import EventReader
from settlement import config
from settlement.reconcile import Report, reconcile
from tests.exchange.running import ALICE, BASE, BOB, CASH, Running, trading
from tests.settlement.exchanges import CONFIG, activity, event_file, flip, journal_file, read, split, write
from tests.settlement.posting import contents, fetch, forge, post_all

FIRST_TRADE_CHANGED = (
    "UPDATE ledger.trades SET price_ticks = price_ticks + 1 WHERE seq = (SELECT min(seq) FROM ledger.trades)"
)


def _report(exchange_dir: Path, dsn: str, published: bytes | None = None) -> Report:
    return asyncio.run(reconcile(exchange_dir, dsn, CONFIG, published))


def _copy(exchange_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exchange_dir, tmp_path / "data"))


def test_an_undamaged_exchange_agrees_with_itself(exchange_dir: Path, settled: str) -> None:
    report = _report(exchange_dir, settled)
    assert report.difference is None
    assert report.ok
    rows = {name: len(found) for name, found in asyncio.run(contents(settled)).items()}
    assert {table: report.counts[table] for table in rows} == rows
    assert report.counts["events"] == len(read(exchange_dir))
    assert report.counts["trades"] == 50
    number, digest = report.ledger_head.split(":")
    last = "SELECT last_seq, hash FROM ledger.batches ORDER BY batch DESC LIMIT 1"
    assert asyncio.run(fetch(settled, last)) == [(int(number), bytes.fromhex(digest))]


@pytest.mark.parametrize("limit", ["COMPARED_EVENTS_MAX", "COMPARED_BATCHES_MAX", "COMPARED_BALANCE_BYTES_MAX"])
def test_it_does_not_matter_how_much_is_compared_at_once(
    limit: str, exchange_dir: Path, settled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _report(exchange_dir, settled)
    monkeypatch.setattr(config, limit, 1)
    assert _report(exchange_dir, settled) == whole


def test_an_empty_ledger_is_only_behind(exchange_dir: Path, dsn: str) -> None:
    report = _report(exchange_dir, dsn)
    assert report.difference is None
    assert report.counts["batches"] == 0
    assert report.counts["balances"] > 0


def test_a_ledger_that_is_behind_is_no_difference(exchange_dir: Path, dsn: str) -> None:
    asyncio.run(post_all(dsn, read(exchange_dir)[:101], size=25))
    assert _report(exchange_dir, dsn).difference is None


def test_a_running_exchange_can_be_reconciled(exchange_dir: Path, dsn: str, tmp_path: Path) -> None:
    mine = _copy(exchange_dir, tmp_path)
    asyncio.run(post_all(dsn, read(mine), size=50))

    async def look(running: Running) -> Report:
        await running.submit(trading(20))
        return await reconcile(mine, dsn, CONFIG)

    report = Running(mine, CONFIG).run(look)
    assert report.difference is None
    assert report.counts["events"] == len(read(mine))


def test_other_batches_make_the_same_chain_in_another_database(exchange_dir: Path, settled: str, dsn: str) -> None:
    asyncio.run(post_all(dsn, read(exchange_dir), size=23))
    assert _report(exchange_dir, dsn).ledger_head == _report(exchange_dir, settled).ledger_head


@pytest.mark.parametrize("command", [0, 1, 40, 41, 77, 113])
def test_it_can_stop_at_a_command(command: int, exchange_dir: Path, settled: str) -> None:
    report = asyncio.run(reconcile(exchange_dir, settled, CONFIG, at_command=command))
    assert report.difference is None
    events = read(exchange_dir)
    assert report.counts["events"] == int((events["sequence"] <= command).sum())
    position = int(report.ledger_head.split(":")[0])
    assert position <= report.counts["events"] < position + 50


def test_a_command_that_was_never_given_is_a_difference(exchange_dir: Path, settled: str) -> None:
    report = asyncio.run(reconcile(exchange_dir, settled, CONFIG, at_command=10**6))
    assert "before command 1000000" in str(report.difference)


def test_a_fault_behind_the_stated_command_is_not_looked_for(exchange_dir: Path, damaged: str) -> None:
    asyncio.run(forge(damaged, "UPDATE ledger.trades SET price_ticks = price_ticks + 1 WHERE seq > 150"))
    assert asyncio.run(reconcile(exchange_dir, damaged, CONFIG, at_command=60)).difference is None
    assert "price_ticks is" in str(_report(exchange_dir, damaged).difference)


def test_a_fault_in_a_batch_that_goes_beyond_the_stated_command_is_found(exchange_dir: Path, damaged: str) -> None:
    asyncio.run(
        forge(
            damaged,
            FIRST_TRADE_CHANGED,
        )
    )
    events = read(exchange_dir)
    first = int(events["sequence"][events["kind"] == EventKind.TRADED][0])
    assert "price_ticks is" in str(asyncio.run(reconcile(exchange_dir, damaged, CONFIG, at_command=first)).difference)


def test_a_shard_that_was_never_opened_is_a_difference(exchange_dir: Path, settled: str) -> None:
    assert asyncio.run(reconcile(exchange_dir, settled, CONFIG, shard=3)).difference == "the ledger has no shard 3"


def test_it_says_how_far_it_is(exchange_dir: Path, settled: str) -> None:
    said: list[tuple[str, int, int]] = []
    asyncio.run(reconcile(exchange_dir, settled, CONFIG, progress=lambda *step: said.append(step)))
    assert said[-1] == ("events", len(read(exchange_dir)), len(read(exchange_dir)))


# faults in the ledger

FORGERIES = {
    "a changed amount": (
        "UPDATE ledger.movements SET amount = amount - 1, fee = fee + 1 WHERE movement_id = {movement}",
        r"^movement {movement} \(event {seq}, cash, of a trade, accounts \d and \d, asset 1\): amount is",
    ),
    "a changed amount with everything that follows from it": (
        """
        UPDATE ledger.movements SET contra_amount = contra_amount + 1, fee = fee - 1 WHERE movement_id = {movement};
        UPDATE ledger.balance_log SET balance = balance + 1 WHERE account = 2 AND asset = 1;
        UPDATE ledger.balance_log SET balance = balance - 1 WHERE account = 0 AND asset = 1
        """,
        r"^movement {movement} .*contra_amount is",
    ),
    "a missing movement": (
        "DELETE FROM ledger.movements WHERE movement_id = {movement}",
        r"^movement {movement} .* is missing in the ledger",
    ),
    "a removed trade": (
        "DELETE FROM ledger.trades WHERE seq = {seq}; DELETE FROM ledger.movements WHERE movement_id >> 1 = {seq}",
        r"^the trade of event {seq} is missing in the ledger",
    ),
    "an invented trade": (
        """
        INSERT INTO ledger.trades SELECT seq - 1, time_ns, trade_id, instrument, price_ticks, quantity_lots, buyer,
            seller, buyer_order_id, seller_order_id, buyer_fee, seller_fee, taker_side
        FROM ledger.trades WHERE seq = {seq}
        """,
        r"^the trade of event \d+ is in the ledger, but nothing happened",
    ),
    "a changed price": (
        "UPDATE ledger.trades SET price_ticks = price_ticks + 1 WHERE seq = {seq}",
        r"^the trade of event {seq}: price_ticks is \d+ in the ledger, but the events make it \d+",
    ),
    "a changed usage id": (
        "UPDATE ledger.entries SET reference = gen_random_uuid() WHERE kind = 14",
        r"^the journal entry of event \d+: reference is",
    ),
    "swapped accounts": (
        "UPDATE ledger.trades SET buyer = seller, seller = buyer WHERE seq = {seq}",
        r"^the trade of event {seq}: buyer is [12] in the ledger, but the events make it [12]",
    ),
    "swapped accounts of a movement": (
        "UPDATE ledger.movements SET account = contra_account, contra_account = account WHERE movement_id = {movement}",
        r"^movement {movement} .* account is",
    ),
    "a removed entry": (
        "DELETE FROM ledger.entries WHERE kind = 12",
        r"^the journal entry of event \d+ is missing in the ledger",
    ),
    "a changed balance": (
        "UPDATE ledger.balance_log SET balance = balance + 1 WHERE batch = 3 AND account = 1 AND asset = 1",
        r"^the balance of account 1 in asset 1 behind batch 3: balance is",
    ),
    "a removed balance": (
        "DELETE FROM ledger.balance_log WHERE batch = 3 AND account = 1 AND asset = 1",
        r"^the balance of account 1 in asset 1 behind batch 3 is missing",
    ),
    "a wrong hash": (
        "UPDATE ledger.batches SET hash = sha256(hash) WHERE batch = 3",
        r"^batch 3: its hash is stored as [0-9a-f]{{64}}, but its rows and events make [0-9a-f]{{64}}",
    ),
    "a wrong hash of the one before": (
        "UPDATE ledger.batches SET previous_hash = sha256(previous_hash) WHERE batch = 3",
        r"^batch 3: its previous_hash is stored",
    ),
    "a wrong count": (
        "UPDATE ledger.batches SET trade_count = trade_count + 1 WHERE batch = 3",
        r"^batch 3: its trade_count is stored as \d+",
    ),
    "a removed batch": (
        "DELETE FROM ledger.batches WHERE batch = 2",
        r"^batch 2, beginning with event 51, is missing: the next one there is batch 3, beginning with event 101",
    ),
    "a changed tick value": (
        "UPDATE ledger.instruments SET tick_value = tick_value + 1",
        r"^instrument 1: tick_value is 11 in the ledger, but the events make it 10",
    ),
    "a removed account": ("DELETE FROM ledger.accounts WHERE account = 2", r"^account 2 is missing in the ledger"),
    "a movement outside all batches": (
        "INSERT INTO ledger.movements VALUES (2000000, 1, 1, 2, 5, -5, 0)",
        r"^a movement of event 1000000 is in the ledger, but in no batch",
    ),
    "a trade outside all batches": (
        "INSERT INTO ledger.trades VALUES (4000000, 1, 1, 1, 1, 1, 1, 2, 1, 2, 0, 0, 0)",
        r"^a trade of event 4000000 is in the ledger, but in no batch",
    ),
    "a balance outside all batches": (
        "INSERT INTO ledger.balance_log VALUES (1, 1, 999, 998, 5)",
        r"^a balance of batch 999 is in the ledger, but in no batch",
    ),
    "a cursor that was moved": (
        "UPDATE ledger.settle_cursor SET last_seq = last_seq + 3",
        r"^the ledger's cursor is at event \d+, its last batch ends at \d+",
    ),
    "a cursor with another hash": (
        "UPDATE ledger.settle_cursor SET hash = sha256(hash)",
        r"^the ledger's cursor: its hash is [0-9a-f]{{64}}, but the last batch makes it [0-9a-f]{{64}}",
    ),
    "a cursor with another batch": (
        "UPDATE ledger.settle_cursor SET batch = batch - 1",
        r"^the ledger's cursor: its batch is \d+, but the last batch makes it \d+",
    ),
    "a cursor that has sealed less": (
        "UPDATE ledger.settle_cursor SET sealed_seq = sealed_seq - 1",
        r"^the ledger's cursor: its sealed_seq is \d+, but the last batch makes it \d+",
    ),
}


@pytest.mark.parametrize("fault", FORGERIES)
def test_a_fault_in_the_ledger_is_found_and_named(fault: str, exchange_dir: Path, damaged: str) -> None:
    statement, words = FORGERIES[fault]
    seq = int(str(asyncio.run(fetch(damaged, "SELECT seq FROM ledger.trades ORDER BY seq OFFSET 20 LIMIT 1"))[0][0]))
    places = {"seq": seq, "movement": seq * 2}
    asyncio.run(forge(damaged, statement.format(**places)))
    report = _report(exchange_dir, damaged)
    assert not report.ok
    assert report.difference is not None
    assert re.match(words.format(**places), report.difference), report.difference


def test_a_cut_end_of_the_ledger_is_found_by_its_published_head(exchange_dir: Path, damaged: str) -> None:
    head = bytes.fromhex(_report(exchange_dir, damaged).ledger_head.split(":")[1])
    last, first_seq = asyncio.run(fetch(damaged, "SELECT batch, first_seq FROM ledger.batches ORDER BY batch DESC"))[0]
    asyncio.run(
        forge(
            damaged,
            f"DELETE FROM ledger.trades WHERE seq >= {first_seq}",
            f"DELETE FROM ledger.entries WHERE seq >= {first_seq}",
            f"DELETE FROM ledger.movements WHERE movement_id >= {first_seq} * 2",
            f"DELETE FROM ledger.balance_log WHERE batch = {last}",
            f"DELETE FROM ledger.batches WHERE batch = {last}",
            f"UPDATE ledger.settle_cursor SET last_seq = b.last_seq, sealed_seq = b.last_seq, batch = b.batch,"
            f" hash = b.hash FROM ledger.batches b WHERE b.batch = {last} - 1",
        )
    )
    assert _report(exchange_dir, damaged).ok, "by itself it looks like a ledger that is behind"
    assert _report(exchange_dir, damaged, head).difference is not None
    assert "published hash" in str(_report(exchange_dir, damaged, head).difference)


def test_a_published_head_that_is_there_is_no_difference(exchange_dir: Path, settled: str) -> None:
    for (digest,) in asyncio.run(fetch(settled, "SELECT hash FROM ledger.batches")):
        assert isinstance(digest, bytes)
        assert _report(exchange_dir, settled, digest).ok


def test_a_published_head_is_looked_for_up_to_a_command_too(exchange_dir: Path, settled: str) -> None:
    hashes = asyncio.run(fetch(settled, "SELECT hash FROM ledger.batches ORDER BY batch"))
    first, last = hashes[0][0], hashes[-1][0]
    for digest, is_found in ((first, True), (last, False), (bytes(32), False)):
        assert isinstance(digest, bytes)
        report = asyncio.run(reconcile(exchange_dir, settled, CONFIG, digest, at_command=60))
        assert report.ok is is_found
        assert is_found or "has the published hash: it is of a later one" in str(report.difference)


# faults in the journal and the event log


def test_a_changed_byte_of_the_journal_is_found(exchange_dir: Path, settled: str, tmp_path: Path) -> None:
    mine = _copy(exchange_dir, tmp_path)
    flip(journal_file(mine), 700)
    assert "is corrupt at offset" in str(_report(mine, settled).difference)


def test_a_changed_event_is_found(exchange_dir: Path, settled: str, tmp_path: Path) -> None:
    mine = _copy(exchange_dir, tmp_path)
    flip(event_file(mine), 112 * 40 + 24)
    assert str(_report(mine, settled).difference).startswith("event 41: account is ")


def test_a_cut_event_log_is_found(exchange_dir: Path, settled: str, tmp_path: Path) -> None:
    mine = _copy(exchange_dir, tmp_path)
    event_file(mine).write_bytes(event_file(mine).read_bytes()[: 112 * 60])
    assert "the event log only 60: the event log's end is missing" in str(_report(mine, settled).difference)


def test_a_hole_in_the_event_log_is_found(
    exchange_dir: Path, settled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("settlement.replay.EventReader", partial(EventReader, segment_events=64))
    mine = _copy(exchange_dir, tmp_path)
    files = split(mine, 64)
    assert _report(mine, settled).ok
    files[1].write_bytes(files[1].read_bytes()[: EVENT.itemsize * 20])
    assert "event 85 is missing in the event log, which goes on behind it" in str(_report(mine, settled).difference)


def test_a_ledger_ahead_of_the_journal_is_found(exchange_dir: Path, dsn: str, tmp_path: Path) -> None:
    mine = _copy(exchange_dir, tmp_path)
    longer = write(mine, [commands.deposit(ALICE, CASH, 5), commands.withdraw(BOB, CASH, 5)])
    asyncio.run(post_all(dsn, longer, size=50))
    assert _report(mine, dsn).ok
    assert "the journal makes only" in str(_report(exchange_dir, dsn).difference)


def test_another_exchange_is_found(exchange_dir: Path, settled: str, tmp_path: Path) -> None:
    write(tmp_path, [*activity()[:-3], commands.redeem(ALICE, BASE, 1, bytes(16))])
    assert not _report(tmp_path, settled).ok
