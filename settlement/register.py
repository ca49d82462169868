"""The dataset register in Postgres: what was done to each entry, chained; how each stands; whose signatures count."""

from hashlib import sha256
from typing import NamedTuple, Self

import asyncpg
import msgspec

from exchange.registry.dataset import Act, Move, State, rule_of
from exchange.registry.entry import Entry, decode, encode
from settlement import config
from settlement.connect import REGISTRAR_ROLE, settings

FIRST_HASH = bytes(32)
_FIELDS = "entry, dataset, previous, act, move, state, holder, account, time_ns, document, previous_hash, hash"
_DATASET = "dataset, entry, state, holder, since_ns, time_ns, document"


class StaleError(Exception):
    """Somebody else changed it first: look again."""


class Dataset(NamedTuple):
    """An entry as it stands; `last` numbers its latest row of the history."""

    number: int
    last: int
    state: State
    holder: int
    since_ns: int
    time_ns: int
    entry: Entry
    note: str


class Moved(NamedTuple):
    """One row of the history."""

    row: int
    number: int
    previous: int
    act: Act
    move: Move
    state: State
    holder: int
    account: int
    time_ns: int
    document: str
    previous_hash: bytes
    hash: bytes


class Change(NamedTuple):
    """A move to be written down: the state, holder and entry after it, and who made it when and why."""

    number: int
    previous: int  # the entry's latest row that the change was decided on; 0 for a new one
    move: Move
    state: State
    holder: int
    account: int
    time_ns: int
    entry: Entry
    note: str = ""


class Signer(NamedTuple):
    """Whose signatures count, of quality vectors or of certificates."""

    name: str
    kind: str
    public_key: bytes


class Search(NamedTuple):
    """What is looked for: words, a state, a scenario; entries behind a number, published ones alone."""

    words: str = ""
    states: tuple[State, ...] = ()
    scenario: str = ""
    after: int = 0
    limit: int = config.REGISTER_ROWS_MAX
    is_public: bool = False


class Register:
    """The register over a small pool of connections, which may append and never change."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Take over a pool whose connections act as the registrar."""
        self.pool = pool

    @classmethod
    async def open(cls, dsn: str) -> Self:
        """Connect to a migrated database."""
        return cls(
            await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=config.REGISTER_CONNECTIONS_MAX,
                server_settings=settings(REGISTRAR_ROLE),
                timeout=config.CONNECT_SECONDS_MAX,
                command_timeout=config.STATEMENT_SECONDS_MAX,
            )
        )

    async def close(self) -> None:
        """Give up the connections."""
        await self.pool.close()

    async def next_number(self) -> int:
        """Return a registration number that nobody had before."""
        number: int = await self.pool.fetchval("SELECT nextval('register.numbers')")
        return number

    async def append(self, change: Change) -> None:
        """Write a move down. Raises StaleError if the entry moved meanwhile, or its origin is there already."""
        document = '{"entry":' + encode(change.entry) + ',"note":' + msgspec.json.encode(change.note).decode() + "}"
        try:
            await self.pool.execute(
                "INSERT INTO register.history (dataset, previous, act, move, state, holder, account, time_ns, document)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                change.number,
                change.previous,
                str(rule_of(change.move).act),
                str(change.move),
                str(change.state),
                change.holder,
                change.account,
                change.time_ns,
                document,
            )
        except asyncpg.IntegrityConstraintViolationError as error:
            raise StaleError(str(error)) from error

    async def dataset(self, number: int) -> Dataset | None:
        """Return an entry as it stands."""
        row = await self.pool.fetchrow(f"SELECT {_DATASET} FROM register.datasets WHERE dataset = $1", number)  # noqa: S608
        return None if row is None else _dataset(row)

    async def was_published(self, number: int) -> bool:
        """Tell whether an entry ever came to its publicity."""
        found: bool = await self.pool.fetchval(
            "SELECT EXISTS (SELECT FROM register.history WHERE dataset = $1 AND move = 'publish')", number
        )
        return found

    async def search(self, search: Search) -> list[Dataset]:
        """Return a page of entries by rising number."""
        rows = await self.pool.fetch(
            f"SELECT {_DATASET} FROM register.datasets d WHERE dataset > $1"  # noqa: S608 - names of columns
            " AND ($2 = '' OR search @@ websearch_to_tsquery('simple', register.asked($2))) AND state = ANY($3)"
            " AND ($4 = '' OR $4 = ANY(scenarios)) AND (NOT $5 OR state <> 'revoked' OR EXISTS"
            " (SELECT FROM register.history h WHERE h.dataset = d.dataset AND h.move = 'publish'))"
            " ORDER BY dataset LIMIT $6",
            search.after,
            search.words,
            [str(state) for state in search.states or State],
            search.scenario,
            search.is_public,
            min(search.limit, config.REGISTER_ROWS_MAX),
        )
        return [_dataset(row) for row in rows]

    async def history(self, number: int, after: int = 0, limit: int = config.REGISTER_ROWS_MAX) -> list[Moved]:
        """Return a page of what was done to an entry, oldest first."""
        rows = await self.pool.fetch(
            f"SELECT {_FIELDS} FROM register.history WHERE dataset = $1 AND entry > $2 ORDER BY entry LIMIT $3",  # noqa: S608
            number,
            after,
            min(limit, config.REGISTER_ROWS_MAX),
        )
        return [_moved(row) for row in rows]

    async def first_fault(self) -> tuple[int, str]:
        """Check the whole chain; return how many rows hold and what is wrong with the next, empty if all hold."""
        head, row_count = FIRST_HASH, 0
        while True:
            rows = await self.pool.fetch(
                f"SELECT {_FIELDS} FROM register.history WHERE entry > $1 ORDER BY entry LIMIT $2",  # noqa: S608
                row_count,
                config.CHAIN_ROWS,
            )
            for moved in map(_moved, rows):
                fault = _fault(moved, row_count + 1, head)
                if fault:
                    return row_count, fault
                head, row_count = moved.hash, moved.row
            if not rows:
                break
        end = await self.pool.fetchrow("SELECT entry, hash FROM register.head")
        is_end = end is not None and (end["entry"], end["hash"]) == (row_count, head)
        return row_count, "" if is_end else f"the history ends at row {row_count}, not where its head says"

    async def add_signer(self, signer: Signer, time_ns: int) -> None:
        """Let a signature count from now on; a later key of a name takes the place of an earlier one."""
        await self.pool.execute(
            "INSERT INTO register.signers (name, kind, public_key, time_ns) VALUES ($1, $2, $3, $4)", *signer, time_ns
        )

    async def signers(self) -> list[Signer]:
        """Return whose signatures count now."""
        rows = await self.pool.fetch(
            "SELECT DISTINCT ON (kind, name) name, kind, public_key FROM register.signers"
            " ORDER BY kind, name, signer DESC"
        )
        return [Signer(*row) for row in rows]


def hash_of(moved: Moved) -> bytes:
    """Return the hash that a row of the history must have."""
    said = (
        moved.row,
        moved.number,
        moved.previous,
        str(moved.act),
        str(moved.move),
        str(moved.state),
        moved.holder,
        moved.account,
        moved.time_ns,
        moved.document,
    )
    return sha256(moved.previous_hash + "\n".join(map(str, said)).encode()).digest()


def _fault(moved: Moved, row: int, head: bytes) -> str:
    if moved.row != row:
        return f"row {row} is missing"
    if moved.previous_hash != head:
        return f"row {row} does not follow the one before it"
    return "" if hash_of(moved) == moved.hash else f"row {row} has another hash than its text"


def _dataset(row: asyncpg.Record) -> Dataset:
    number, last, state, holder, since_ns, time_ns, document = row
    said = msgspec.json.decode(document, type=dict[str, msgspec.Raw])
    return Dataset(
        number,
        last,
        State(state),
        holder,
        since_ns,
        time_ns,
        decode(bytes(said["entry"])),
        msgspec.json.decode(said["note"], type=str),
    )


def _moved(row: asyncpg.Record) -> Moved:
    found = Moved(*row)
    return found._replace(act=Act(found.act), move=Move(found.move), state=State(found.state))
