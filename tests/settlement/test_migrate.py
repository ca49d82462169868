"""Migrations, and what the schema refuses: every change, imbalance, gap and replay, whoever asks."""

import asyncio
import re
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np
import pytest

from exchange.core.types import EventKind
from settlement import copyformat, posting
from settlement.batch import Batch
from settlement.connect import AUDITOR_ROLE, OWNER_ROLE, POSTER_ROLE, READER_ROLE, connect
from settlement.entries import ENTRY_KINDS
from settlement.migrate import MigrationError, migrate, migrations
from settlement.posting import SupersededError
from settlement.records import COLUMNS, TABLES
from tests.settlement.builders import CASH, CASH_AT_START, event, history, stream, trades
from tests.settlement.conftest import TEMPLATE, recreate
from tests.settlement.posting import contents, fetch, next_batch, post_all

CHANGEABLE = {
    "assets": "kind",
    "accounts": "account_group",
    "instruments": "tick_value",
    "trades": "price_ticks",
    "entries": "kind",
    "movements": "amount",
    "balance_log": "balance",
    "batches": "hash",
}
FIRST = history(20)
MORE = stream(FIRST, trades(10, seed=2))
BATCH_COLUMNS = (
    "batch, first_seq, last_seq, command_sequence, last_time_ns, trade_count, entry_count, previous_hash, hash, epoch"
)


def test_an_empty_database_gets_all_migrations_once(empty_dsn: str) -> None:
    assert asyncio.run(migrate(empty_dsn)) == len(migrations())
    assert asyncio.run(migrate(empty_dsn)) == 0
    assert asyncio.run(fetch(empty_dsn, "SELECT version, name FROM schema_version ORDER BY 1")) == [
        (migration.version, migration.name) for migration in migrations()
    ]


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.version for migration in migrations()] == list(range(1, len(migrations()) + 1))


def _folder(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, sql in files.items():
        (folder / f"{name[1:]}.sql").write_text(sql)
    return folder


def test_a_changed_migration_is_refused(empty_dsn: str, tmp_path: Path) -> None:
    asyncio.run(migrate(empty_dsn, _folder(tmp_path / "one", _0001_a="CREATE TABLE a (x int)")))
    changed = _folder(tmp_path / "two", _0001_a="CREATE TABLE a (x bigint)", _0002_b="CREATE TABLE b (x int)")
    with pytest.raises(MigrationError):
        asyncio.run(migrate(empty_dsn, changed))
    assert asyncio.run(fetch(empty_dsn, "SELECT to_regclass('b')")) == [(None,)]


def test_a_database_of_a_later_version_is_refused(empty_dsn: str, tmp_path: Path) -> None:
    both = _folder(tmp_path / "both", _0001_a="CREATE TABLE a (x int)", _0002_b="CREATE TABLE b (x int)")
    asyncio.run(migrate(empty_dsn, both))
    with pytest.raises(MigrationError):
        asyncio.run(migrate(empty_dsn, _folder(tmp_path / "old", _0001_a="CREATE TABLE a (x int)")))


def test_a_failing_migration_leaves_nothing(empty_dsn: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "bad", _0001_a="CREATE TABLE a (x int)", _0002_b="CREATE TABLE a (x int)")
    with pytest.raises(asyncpg.DuplicateTableError):
        asyncio.run(migrate(empty_dsn, folder))
    assert asyncio.run(fetch(empty_dsn, "SELECT to_regclass('a'), to_regclass('schema_version')")) == [(None, None)]


def test_two_migrations_at_once_wait_for_each_other(empty_dsn: str) -> None:
    async def both() -> list[int]:
        return await asyncio.gather(migrate(empty_dsn), migrate(empty_dsn))

    assert sorted(asyncio.run(both())) == [0, len(migrations())]


# change


@pytest.fixture(scope="module")
def posted(server_dsn: str, template_dsn: str) -> str:
    """Return a ledger of two batches that no test changes: all they try is refused."""
    dsn = asyncio.run(recreate(server_dsn, "ledger_rules", TEMPLATE))
    asyncio.run(post_all(dsn, FIRST, size=30))
    return dsn


async def _attempt(dsn: str, statements: list[str], role: str | None) -> list[Exception | None]:
    """Return what became of each statement, on one connection."""
    connection = await (connect(dsn, role) if role else asyncpg.connect(dsn))
    found: list[Exception | None] = []
    for statement in statements:
        try:
            await connection.execute(statement)
            found.append(None)
        except asyncpg.PostgresError as error:
            found.append(error)
    await connection.close()
    return found


def _refused(dsn: str, statements: list[str], error: type[Exception], match: str = "", role: str | None = None) -> None:
    """See that every statement is refused so, and that nothing has changed."""
    before = asyncio.run(contents(dsn))
    outcomes = asyncio.run(_attempt(dsn, statements, role))
    wrong = [
        (statement, outcome)
        for statement, outcome in zip(statements, outcomes, strict=True)
        if not isinstance(outcome, error) or not re.search(match, str(outcome))
    ]
    assert wrong == []
    assert asyncio.run(contents(dsn)) == before


def test_nobody_changes_a_row_not_even_the_owner(posted: str) -> None:
    statements = [
        statement
        for table, column in CHANGEABLE.items()
        for statement in (
            f"UPDATE ledger.{table} SET {column} = {column}",
            f"DELETE FROM ledger.{table}",
            f"DELETE FROM ledger.{table} WHERE false",
            f"TRUNCATE ledger.{table} CASCADE",
        )
    ]
    _refused(posted, statements, asyncpg.IntegrityConstraintViolationError, "append-only")


def test_nobody_removes_the_cursor_or_turns_it_back(posted: str) -> None:
    refusal = asyncpg.IntegrityConstraintViolationError
    gone = ["DELETE FROM ledger.settle_cursor", "TRUNCATE ledger.settle_cursor"]
    _refused(posted, gone, refusal, "append-only")
    back = [
        f"UPDATE ledger.settle_cursor SET {change}"
        for change in (
            "last_seq = last_seq - 1",
            "epoch = -1",
            "batch = batch - 1",
            "sealed_seq = 0",
            "period_events = 9",
        )
    ]
    _refused(posted, back, refusal, "never goes back")
    ahead = [
        "last_seq = last_seq + 1",
        "sealed_seq = sealed_seq + 1",
        "last_seq = last_seq + 1, sealed_seq = sealed_seq + 1",
    ]
    _refused(posted, [f"UPDATE ledger.settle_cursor SET {change}" for change in ahead], refusal, "no batch ends there")
    _refused(posted, ["SELECT ledger.open_shard(0, 5)"], asyncpg.UniqueViolationError)
    _refused(
        posted, ["SELECT ledger.open_shard(4096, 5)", "SELECT ledger.open_shard(1, 0)"], asyncpg.CheckViolationError
    )


LEAVES = ("trades_0_0", "movements_0_0")


@pytest.mark.parametrize("role", [POSTER_ROLE, READER_ROLE, AUDITOR_ROLE])
def test_roles_have_no_right_to_change(role: str, posted: str) -> None:
    tables = (*CHANGEABLE, *LEAVES, "settle_cursor", "kinds", "periods", "closings")
    statements = [
        statement
        for table in tables
        for statement in (
            f"DELETE FROM ledger.{table}",
            f"TRUNCATE ledger.{table}",
            f"DROP TABLE ledger.{table}",
            f"ALTER TABLE ledger.{table} DISABLE TRIGGER ALL",
            f"ALTER TABLE ledger.{table} OWNER TO {role}",
            f"CREATE TRIGGER mine BEFORE INSERT ON ledger.{table} EXECUTE FUNCTION ledger.refuse_change()",
        )
    ]
    statements += [f"UPDATE ledger.{table} SET {column} = {column}" for table, column in CHANGEABLE.items()]
    statements += [
        f"UPDATE ledger.settle_cursor SET {column} = 0" for column in ("shard", "last_seq", "epoch", "batch")
    ]
    statements += [
        "UPDATE ledger.movements_0_0 SET amount = 0",
        "ALTER TABLE ledger.movements DETACH PARTITION ledger.movements_0_0",
        "CREATE TABLE ledger.mine (x int)",
        "DROP SCHEMA ledger CASCADE",
        "SELECT ledger.open_shard(5, 10)",
        "SELECT ledger.close_period(0, 0)",
        "SELECT ledger.guard('kinds', '')",
        "SELECT ledger.create_partition('trades', 'check_trades', 'mine', 1, 2)",
        "SELECT ledger.summarize(0, 0, 1)",
        "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DROP FUNCTION ledger.check_movements() CASCADE",
        "SET session_replication_role = replica",
        "SELECT pg_read_file('postgresql.conf')",
        "COPY ledger.kinds TO '/tmp/kinds'",
        "CREATE ROLE mine",
    ]
    _refused(posted, statements, asyncpg.InsufficientPrivilegeError, role=role)


@pytest.mark.parametrize("role", [READER_ROLE, AUDITOR_ROLE])
def test_who_reads_only_reads(role: str, posted: str) -> None:
    statements = [f"INSERT INTO ledger.{table} SELECT {COLUMNS[table]} FROM ledger.{table}" for table in TABLES]
    statements += [f"INSERT INTO ledger.{leaf} SELECT * FROM ledger.{leaf}" for leaf in LEAVES]
    statements += [
        "INSERT INTO ledger.batches SELECT * FROM ledger.batches",
        "SELECT ledger.claim(0)",
        "SELECT ledger.advance(0, 0, 1, 0)",
        "SELECT ledger.create_periods(0, 9)",
        "SELECT ledger.post('{}', '', '', '{}', '{}', '{}')",
    ]
    _refused(posted, statements, asyncpg.InsufficientPrivilegeError, role=role)


def test_the_poster_adds_nothing_but_rows_of_batches(posted: str) -> None:
    statements = [
        "INSERT INTO ledger.kinds VALUES (99, 'mine', 2, '')",
        "INSERT INTO ledger.periods VALUES (0, 99, 1, 2)",
        "INSERT INTO ledger.closings VALUES (0, 0, 1, '', 0, 0)",
        "INSERT INTO ledger.settle_cursor SELECT * FROM ledger.settle_cursor",
        "SELECT ledger.first_fault(1, 2)",
        "SELECT * FROM public.schema_version",
    ]
    _refused(posted, statements, asyncpg.InsufficientPrivilegeError, role=POSTER_ROLE)


def test_the_owner_is_bound_by_the_rules(posted: str) -> None:
    refusal = asyncpg.IntegrityConstraintViolationError
    tables = (*CHANGEABLE, *LEAVES, "kinds", "periods", "closings")
    changes = [f"DELETE FROM ledger.{table}" for table in tables] + [
        f"TRUNCATE ledger.{table} CASCADE" for table in tables
    ]
    _refused(posted, changes, refusal, "append-only", role=OWNER_ROLE)
    _refused(posted, ["SET session_replication_role = replica"], asyncpg.InsufficientPrivilegeError, role=OWNER_ROLE)


def test_auditors_see_how_the_ledger_was_made_and_readers_do_not(posted: str) -> None:
    versions = ["SELECT * FROM public.schema_version", "SELECT ledger.first_fault(1, 10)"]
    assert asyncio.run(_attempt(posted, versions, AUDITOR_ROLE)) == [None, None]
    _refused(posted, versions, asyncpg.InsufficientPrivilegeError, role=READER_ROLE)


# rows outside a batch


@pytest.mark.parametrize("role", [None, POSTER_ROLE])
def test_rows_outside_a_batch_are_refused(role: str | None, posted: str) -> None:
    last = len(FIRST)
    statements = [
        f"INSERT INTO ledger.trades VALUES ({last + 1}, 1, 1, 1, 1, 1, 1, 2, 1, 2, 0, 0, 0)",
        "INSERT INTO ledger.trades VALUES (1, 1, 1, 1, 1, 1, 1, 2, 1, 2, 0, 0, 0)",
        f"INSERT INTO ledger.entries VALUES ({last + 1}, 1, 11, 0, 0, 0, gen_random_uuid())",
        f"INSERT INTO ledger.movements VALUES ({2 * last + 2}, 1, 1, -1, 5, -5, 0)",
        "INSERT INTO ledger.movements VALUES (4, 1, 1, -1, 5, -5, 0)",
        "INSERT INTO ledger.balance_log VALUES (1, 1, 3, 2, 5)",
        f"INSERT INTO ledger.assets VALUES (99, 1, 0, {last + 1})",
        f"INSERT INTO ledger.accounts VALUES (99, 1, {last + 1})",
        f"INSERT INTO ledger.instruments VALUES (99, 2, 1, 1, 1, {last + 1})",
        _seal(last + 1, last + 5),
    ]
    refusal = asyncpg.IntegrityConstraintViolationError
    _refused(posted, statements, refusal, "outside the open range|does not follow|movements make it", role)


def _seal(first_seq: int, last_seq: int) -> str:
    return (
        f"INSERT INTO ledger.batches ({BATCH_COLUMNS}) SELECT batch + 1, {first_seq}, {last_seq}, 1, 1, 0, 0, hash,"
        " sha256(hash), 0 FROM ledger.batches WHERE batch = 2"
    )


def test_a_row_that_does_not_sum_to_zero_is_refused_even_with_all_triggers_off(posted: str) -> None:
    change = "SET session_replication_role = replica; UPDATE ledger.movements SET amount = amount + 1"
    _refused(posted, [change], asyncpg.CheckViolationError, "sums_to_zero")


# faults within a batch


def _rows(batch: Batch, table: str, change: str) -> Batch:
    """Return the batch with one table's rows changed in a named way."""
    rows = batch.tables[table].copy()
    if change == "amount":
        rows["amount"][3] += 1
    elif change == "two amounts":
        rows["amount"][2] += 1
        rows["amount"][4] -= 1
    elif change == "both sides":
        row = int(np.flatnonzero(rows["account"] != rows["contra_account"])[0])
        rows["amount"][row] += 1
        rows["contra_amount"][row] -= 1
    elif change == "fee of units":
        rows["contra_amount"][3] -= 1
        rows["fee"][3] += 1
    elif change == "instead":
        rows["movement_id"][4] = rows["movement_id"][2]
    elif change == "balance":
        rows["balance"][2] += 1
    elif change == "previous batch":
        rows["previous_batch"][2] -= 1
    elif change == "no such batch":
        rows["previous_batch"][2] += 7
    elif change == "batch":
        rows["batch"] += 1
    elif change == "lost":
        rows = rows[1:]
    elif change == "lost entry":
        rows = rows[2:]
    elif change == "twice":
        rows = np.concatenate((rows, rows[:1]))
    elif change == "stranger":
        rows = np.concatenate((rows, rows[:1]))
        rows["account"][-1] = 40
        rows["previous_batch"][-1] = 0
    elif change == "elsewhere":
        rows[rows.dtype.names[0]][-1] += 2**40 if table == "movements" else 1  # type: ignore[index]
    elif change == "none":
        return batch._replace(copies={name: data for name, data in batch.copies.items() if name != table})
    return batch._replace(copies={**batch.copies, table: copyformat.encode(rows)})


async def _post(dsn: str, batch: Batch, epoch: int = 0) -> None:
    connection = await connect(dsn, POSTER_ROLE)
    try:
        if not await posting._post_copies(connection, batch, epoch):
            raise SupersededError
    finally:
        await connection.close()


def test_the_good_batch_is_taken(dsn: str) -> None:
    asyncio.run(post_all(dsn, FIRST, size=30))
    asyncio.run(_post(dsn, asyncio.run(next_batch(dsn, MORE))))
    assert asyncio.run(fetch(dsn, "SELECT max(batch), max(last_seq) FROM ledger.batches")) == [(3, len(MORE))]


@pytest.mark.parametrize(
    ("table", "change", "match"),
    [
        ("movements", "amount", "sums_to_zero"),
        ("movements", "two amounts", "sums_to_zero"),
        ("movements", "both sides", "is logged, but the movements make it"),
        ("movements", "fee of units", "fees_of_trades"),
        ("movements", "lost", "have 19 movements, 10 of units, not 20 and 10"),
        ("movements", "lost entry", "have 18 movements, 9 of units, not 20 and 10"),
        ("movements", "twice", "is there twice"),
        ("movements", "instead", "is there twice"),
        ("movements", "elsewhere", "violates partition constraint"),
        ("movements", "none", "is logged, but the movements make it"),
        ("balance_log", "balance", "the movements make it"),
        ("balance_log", "previous batch", "one_successor"),
        ("balance_log", "no such batch", "the movements make it"),
        ("balance_log", "batch", "the movements make it"),
        ("balance_log", "lost", "the movements make it"),
        ("balance_log", "twice", "one_successor"),
        ("balance_log", "stranger", "account 40"),
        ("balance_log", "none", "have 20 movements, not 20, and 0 balances logged"),
        ("trades", "lost", "have 20 movements, 10 of units, not 18 and 9"),
        ("trades", "twice", "trades_0_0_pkey"),
        ("trades", "elsewhere", "outside the open range"),
        ("trades", "none", "have 20 movements, 10 of units, not 0 and 0"),
    ],
)
def test_a_fault_in_a_batch_refuses_all_of_it(table: str, change: str, match: str, posted: str) -> None:
    before = asyncio.run(contents(posted))
    batch = asyncio.run(next_batch(posted, MORE))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=match):
        asyncio.run(_post(posted, _rows(batch, table, change)))
    assert asyncio.run(contents(posted)) == before


def test_a_balance_names_the_batch_that_touched_it_last(dsn: str) -> None:
    asyncio.run(post_all(dsn, FIRST))
    batch = asyncio.run(next_batch(dsn, MORE))
    rows = batch.tables["balance_log"].copy()
    rows["previous_batch"] = 0  # every balance is right, only nothing says where it comes from
    forgetful = batch._replace(copies={**batch.copies, "balance_log": copyformat.encode(rows)})
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="one_successor"):
        asyncio.run(_post(dsn, forgetful))
    asyncio.run(_post(dsn, batch))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"batch": 4}, "does not follow"),
        ({"batch": 2}, "does not follow"),
        ({"previous_hash": bytes(32)}, "does not follow"),
        ({"hash": b"short"}, "hash_check"),
        ({"trade_count": 9}, "says 9 trades"),
        ({"entry_count": 1}, "1 entries, but there are 10 and 0"),
    ],
)
def test_a_seal_that_does_not_fit_is_refused(changes: dict[str, Any], match: str, posted: str) -> None:
    batch = asyncio.run(next_batch(posted, MORE))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=match):
        asyncio.run(_post(posted, batch._replace(**changes)))


def test_a_gap_is_refused(posted: str) -> None:
    last = len(FIRST)
    jump = f"SELECT ledger.advance(0, {last}, {last + 5}, 0); {_seal(last + 2, last + 5)}"
    _refused(posted, [jump], asyncpg.IntegrityConstraintViolationError, "does not follow", POSTER_ROLE)


def test_two_steps_are_not_one_batch(posted: str) -> None:
    last = len(FIRST)
    steps = f"SELECT ledger.advance(0, {last}, {last + 2}, 0); SELECT ledger.advance(0, {last + 2}, {last + 5}, 0)"
    _refused(posted, [steps], asyncpg.IntegrityConstraintViolationError, "no batch ends there", POSTER_ROLE)


def test_a_participant_never_goes_below_zero(posted: str) -> None:
    overdrawn = stream(FIRST, event(EventKind.WITHDRAWN, account=4, asset=CASH, amount=2 * CASH_AT_START))
    batch = asyncio.run(next_batch(posted, overdrawn))
    with pytest.raises(asyncpg.CheckViolationError, match="no_negative_balance"):
        asyncio.run(_post(posted, batch))


def test_sums_beyond_an_int8_are_refused(posted: str) -> None:
    deposits = [event(EventKind.DEPOSITED, account=0, asset=CASH, amount=2**62) for _ in range(2)]
    batch = asyncio.run(next_batch(posted, stream(FIRST, *deposits)))
    with pytest.raises(asyncpg.NumericValueOutOfRangeError):
        asyncio.run(_post(posted, batch))


def test_the_largest_balance_is_taken(dsn: str) -> None:
    deposit = event(EventKind.DEPOSITED, account=1, asset=CASH, amount=2**62)
    asyncio.run(post_all(dsn, stream(deposit)))
    assert asyncio.run(fetch(dsn, "SELECT account, balance FROM ledger.balances")) == [(1, 2**62), (-1, -(2**62))]


def test_the_chart_in_the_database_is_the_one_of_the_code(posted: str) -> None:
    rows = asyncio.run(fetch(posted, "SELECT kind, name, movements FROM ledger.kinds ORDER BY 1"))
    kinds = sorted((EventKind.TRADED, *ENTRY_KINDS))
    twos = {EventKind.TRADED, EventKind.TRADE_BUSTED}
    assert rows == [(kind, EventKind(kind).name.lower(), 2 if kind in twos else 1) for kind in kinds]


def test_a_trade_is_undone_once(dsn: str) -> None:
    asyncio.run(post_all(dsn, FIRST))
    busts = FIRST[FIRST["kind"] == EventKind.TRADE_BUSTED]
    batch = asyncio.run(next_batch(dsn, stream(FIRST, busts)))
    with pytest.raises(asyncpg.UniqueViolationError, match="busts"):
        asyncio.run(_post(dsn, batch))
