"""The register in Postgres: what is appended and found, and what the database refuses."""

import asyncio

import asyncpg
import pytest

from exchange.registry.dataset import Act, Move, State
from settlement import config
from settlement.connect import REGISTRAR_ROLE, connect
from settlement.register import Change, Register, Search, Signer, StaleError, hash_of
from tests.settlement.conftest import recreate
from tests.settlement.posting import forge
from tests.settlement.registers import OPERATOR, VENDOR, drafted, entry, with_register

TABLES = (
    "history",
    "signers",
    "series",
    "clearances",
    "steps",
    "legs",
    "entitlements",
    "revocations",
    "reads",
)
KEPT = ("head", "datasets", "escrows", "meters", "cursor")


@pytest.fixture(scope="module")
def filled(server_dsn: str, template_dsn: str) -> str:
    """Return a register of three entries, one of them submitted and changed."""
    dsn = asyncio.run(recreate(server_dsn, "register_filled", "ledger_template"))

    async def fill(register: Register) -> None:
        numbers = [await register.next_number() for _ in range(3)]
        assert numbers == [1, 2, 3]
        await register.append(drafted(1))
        await register.append(drafted(2, title="Medical images 新闻语料库", scenarios=("EV",), keywords=("health",)))
        await register.append(drafted(3, title="Novels 语料库", origin="SZDEX:77"))
        await register.append(Change(1, 1, Move.SUBMIT, State.SUBMITTED, VENDOR, VENDOR, 20, entry(), "please"))
        await register.append(
            Change(1, 4, Move.RETURN, State.DRAFT, VENDOR, OPERATOR, 30, entry(title="Chronicle of the web"))
        )

    with_register(dsn, fill)
    return dsn


def test_an_entry_stands_as_its_last_move_left_it(filled: str) -> None:
    found = with_register(filled, lambda register: register.dataset(1))
    assert (found.number, found.last, found.state, found.holder) == (1, 5, State.DRAFT, VENDOR)
    assert (found.since_ns, found.time_ns, found.note) == (30, 30, "")
    assert found.entry == entry(title="Chronicle of the web")
    assert with_register(filled, lambda register: register.dataset(9)) is None


@pytest.mark.parametrize(
    ("search", "numbers"),
    [
        (Search(), [1, 2, 3]),
        (Search(after=1, limit=1), [2]),
        (Search("web"), [1, 3]),
        (Search("chronicle"), [1]),
        (Search('"common crawl"'), []),
        (Search("health -web"), [2]),
        (Search("0000000003"), [3]),
        (Search("images or novels"), [2, 3]),
        (Search(scenario="EV"), [2]),
        (Search(states=(State.LISTED,)), []),
        (Search("it's (an & odd : text"), []),
        (Search("新闻"), [2]),
        (Search("语料库 -新闻"), [3]),
        (Search('"闻新"'), []),
    ],
)
def test_entries_are_found_by_words_state_and_scenario(filled: str, search: Search, numbers: list[int]) -> None:
    found = with_register(filled, lambda register: register.search(search))
    assert [dataset.number for dataset in found] == numbers


def test_the_history_is_chained_and_says_who_did_what(filled: str) -> None:
    rows = with_register(filled, lambda register: register.history(1))
    assert [(row.row, row.act, row.move, row.state, row.account, row.previous) for row in rows] == [
        (1, Act.FIRST_REGISTRATION, Move.DRAFT, State.DRAFT, VENDOR, 0),
        (4, Act.FIRST_REGISTRATION, Move.SUBMIT, State.SUBMITTED, VENDOR, 1),
        (5, Act.FIRST_REGISTRATION, Move.RETURN, State.DRAFT, OPERATOR, 4),
    ]
    assert all(hash_of(row) == row.hash for row in rows)
    assert rows[1].hash == rows[2].previous_hash
    assert [row.row for row in with_register(filled, lambda register: register.history(1, after=4))] == [5]
    assert with_register(filled, lambda register: register.first_fault()) == (5, "")


def test_the_newer_of_two_changes_of_one_state_is_refused(filled: str) -> None:
    late = Change(1, 4, Move.SUBMIT, State.SUBMITTED, VENDOR, VENDOR, 40, entry())
    with pytest.raises(StaleError):
        with_register(filled, lambda register: register.append(late))
    with pytest.raises(StaleError):
        with_register(filled, lambda register: register.append(drafted(8, origin="SZDEX:77")))
    assert with_register(filled, lambda register: register.first_fault()) == (5, "")


def test_signers_are_known_by_their_latest_key(dsn: str) -> None:
    async def act(register: Register) -> list[Signer]:
        for key in (b"1" * 32, b"2" * 32):
            await register.add_signer(Signer("lab", "evaluator", key), 1)
        await register.add_signer(Signer("szdex", "venue", b"3" * 32), 1)
        return await register.signers()

    assert with_register(dsn, act) == [Signer("lab", "evaluator", b"2" * 32), Signer("szdex", "venue", b"3" * 32)]


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (
            "UPDATE register.history SET document = replace(document, 'Novels', 'Poems') WHERE entry = 3",
            (2, "row 3 has"),
        ),
        ("DELETE FROM register.history WHERE entry = 2", (1, "row 2 is missing")),
        ("DELETE FROM register.history WHERE entry = 5", (4, "the history ends at row 4")),
        ("UPDATE register.history SET previous_hash = hash WHERE entry = 4", (3, "row 4 does not follow")),
    ],
)
def test_a_planted_change_is_found(server_dsn: str, filled: str, damage: str, fault: tuple[int, str]) -> None:
    dsn = asyncio.run(recreate(server_dsn, "register_damaged", "register_filled"))
    asyncio.run(forge(dsn, damage))
    rows, said = with_register(dsn, lambda register: register.first_fault())
    assert (rows, said[: len(fault[1])]) == fault


@pytest.mark.parametrize("role", [None, REGISTRAR_ROLE])
@pytest.mark.parametrize(
    "statement", ["UPDATE register.{} SET {} = {}", "DELETE FROM register.{}", "TRUNCATE register.{} CASCADE"]
)
def test_histories_never_change(filled: str, role: str | None, statement: str) -> None:
    """Not by the registrar, who has no right to, nor by the owner of the server, whom the triggers stop."""

    async def attempt() -> list[str]:
        connection = await (connect(filled, role) if role else asyncpg.connect(filled))
        passed = []
        for table in TABLES if "UPDATE" in statement else TABLES + KEPT:
            column = await connection.fetchval(
                "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum = 1", f"register.{table}"
            )
            try:
                await connection.execute(statement.format(table, column, column))
            except asyncpg.PostgresError:
                continue
            passed.append(table)
        await connection.close()
        return passed

    assert asyncio.run(attempt()) == []


def test_the_registrar_may_not_write_what_is_only_derived(filled: str) -> None:
    async def attempt(statement: str) -> None:
        connection = await connect(filled, REGISTRAR_ROLE)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    for statement in (
        "UPDATE register.datasets SET state = 'listed'",
        "UPDATE register.escrows SET state = 'released'",
        "UPDATE register.meters SET used = 0",
        "UPDATE register.head SET entry = 0",
        "DELETE FROM ledger.entries",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            asyncio.run(attempt(statement))


def test_a_page_has_a_limit(filled: str) -> None:
    asked: list[object] = []

    class Pool:
        async def fetch(self, _query: str, *arguments: object) -> list[object]:
            asked.append(arguments[-1])
            return []

    register = Register(Pool())
    asyncio.run(register.search(Search(limit=10**6)))
    asyncio.run(register.history(1, limit=10**6))
    assert asked == [config.REGISTER_ROWS_MAX] * 2
