"""What the ledger says: balances now and at any past event, fills with their entries, trial balance, tape; in pages.

The answers of the engine (/v1/balances, /v1/fills) are of this moment; these are of what is posted, up to an event.
"""

from collections.abc import Awaitable
from typing import Literal, TypeVar

from pydantic import BaseModel, Field

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk
from api.v1.problems import NO_LEDGER, UNKNOWN_SYMBOL
from api.v1.schemas import REQUEST, ROWS_MAX, AccountNumber
from exchange.registry.documents import Scope
from exchange.registry.registry import Registry
from exchange.registry.units import format_steps, format_units
from settlement.connect import PASSING_ERRORS
from settlement.ledger import Balance, Fill, Ledger, Posting, TapeTrade, TrialBalance

T = TypeVar("T")
MILLISECOND_NS = 1_000_000
EventNumber = Field(
    None, ge=0, lt=1 << 48, description="Number of an event in the event log; the last posted one else."
)


class LedgerBalancesRequest(BaseModel):
    """An account, behind an event."""

    model_config = REQUEST
    account: AccountNumber | None = None
    event: int | None = EventNumber


class LedgerBalance(BaseModel):
    """What an account holds of an asset, held part included."""

    asset: str
    balance: str


class LedgerBalancesAnswer(BaseModel):
    """Balances behind an event."""

    account: int
    event: int
    balances: list[LedgerBalance]


class LedgerFillsRequest(BaseModel):
    """A page of fills, newest first: those before an entry, or the last ones."""

    model_config = REQUEST
    account: AccountNumber | None = None
    symbol: str = ""
    before: int | None = Field(None, ge=1, lt=1 << 48, description="Entry: `next` of the page before.")
    limit: int = Field(500, ge=1, le=ROWS_MAX, description="Trades; one with oneself has two fills.")


class LedgerFill(BaseModel):
    """One side of a trade, and the journal entry under which it is posted."""

    entry: int
    trade_id: int
    order_id: int
    symbol: str
    side: Literal["BUY", "SELL"]
    role: Literal["MAKER", "TAKER"]
    price: str
    quantity: str
    fee: str
    time: int


class LedgerFillsAnswer(BaseModel):
    """Fills by falling entry; `next` asks for the page behind, null where this is the last."""

    account: int
    fills: list[LedgerFill]
    next: int | None


class LedgerTrialRow(BaseModel):
    """Where the units of one asset are; the total is zero."""

    asset: str
    participants: str
    exchange: str
    outside: str
    issuance: str
    total: str


class LedgerTrialRequest(BaseModel):
    """A page of assets behind an event, oldest first."""

    model_config = REQUEST
    event: int | None = EventNumber
    after: int = Field(0, ge=0, lt=1 << 31, description="Number of an asset: `next` of the page before.")
    limit: int = Field(500, ge=1, le=ROWS_MAX)


class LedgerTrialAnswer(BaseModel):
    """A page of the trial balance behind an event."""

    event: int
    assets: list[LedgerTrialRow]
    next: int | None


class LedgerTapeRequest(BaseModel):
    """A page of trades, oldest first: those behind an entry."""

    model_config = REQUEST
    symbol: str = ""
    after: int = Field(0, ge=0, lt=1 << 48, description="Entry: `next` of the page before.")
    limit: int = Field(500, ge=1, le=ROWS_MAX)


class LedgerTrade(BaseModel):
    """A trade without its parties; `busted` is the entry that undid it."""

    entry: int
    trade_id: int
    symbol: str
    price: str
    quantity: str
    taker: Literal["BUY", "SELL"]
    time: int
    busted: int | None


class LedgerTapeAnswer(BaseModel):
    """Trades by rising entry; `next` asks for the page behind, null where there is no more yet."""

    trades: list[LedgerTrade]
    next: int | None


class LedgerEntryRequest(BaseModel):
    """A journal entry, numbered by its event."""

    model_config = REQUEST
    entry: int = Field(ge=1, lt=1 << 48)


class LedgerPosting(BaseModel):
    """One signed line."""

    account: int
    asset: str
    amount: str


class LedgerEntryAnswer(BaseModel):
    """All postings of an entry: per asset they sum to zero. None where the event moved nothing."""

    entry: int
    postings: list[LedgerPosting]


async def balances(desk: Desk, caller: Caller, request: LedgerBalancesRequest) -> LedgerBalancesAnswer:
    """Return what an account had behind an event, held part included: now if no event is named."""
    account, ledger = caller.seen(request.account), _ledger(desk)
    event = await _reached(ledger, request.event)
    found = await _asked(ledger.balances_at(account, event))
    rows = [_balance(desk.exchange.registry, row) for row in found]
    return LedgerBalancesAnswer(account=account, event=event, balances=rows)


async def fills(desk: Desk, caller: Caller, request: LedgerFillsRequest) -> LedgerFillsAnswer:
    """Return an account's whole past of fills, page by page: each with the number of its journal entry."""
    account, registry = caller.seen(request.account), desk.exchange.registry
    instrument = _instrument(registry, request.symbol)
    found = await _asked(_ledger(desk).fills(account, instrument, request.before, request.limit))
    rows = [_fill(registry, row) for row in found]
    is_full = len({row.entry for row in rows}) == request.limit
    return LedgerFillsAnswer(account=account, fills=rows, next=rows[-1].entry if is_full else None)


async def trial_balance(desk: Desk, caller: Caller, request: LedgerTrialRequest) -> LedgerTrialAnswer:
    """Return where all units of every asset were behind an event, page by page: every total is zero."""
    ledger = _ledger(desk)
    event = await _reached(ledger, request.event)
    found = await _asked(ledger.trial_balance_at(event, request.after, request.limit))
    rows = [_trial(desk.exchange.registry, row) for row in found]
    return LedgerTrialAnswer(event=event, assets=rows, next=found[-1].asset if len(found) == request.limit else None)


async def tape(desk: Desk, caller: Caller, request: LedgerTapeRequest) -> LedgerTapeAnswer:
    """Return every trade ever made, page by page, as everybody may see it: with what was undone later."""
    registry = desk.exchange.registry
    instrument = _instrument(registry, request.symbol)
    found = await _asked(_ledger(desk).tape(request.after, instrument, request.limit))
    rows = [_trade(registry, row) for row in found]
    return LedgerTapeAnswer(trades=rows, next=rows[-1].entry if len(rows) == request.limit else None)


async def entry(desk: Desk, caller: Caller, request: LedgerEntryRequest) -> LedgerEntryAnswer:
    """Return the postings of one journal entry."""
    found = await _asked(_ledger(desk).entry(request.entry))
    rows = [_posting(desk.exchange.registry, row) for row in found]
    return LedgerEntryAnswer(entry=request.entry, postings=rows)


def _ledger(desk: Desk) -> Ledger:
    if desk.ledger is None:
        raise RequestError(NO_LEDGER)
    return desk.ledger


async def _asked(question: Awaitable[T]) -> T:
    """Return what the ledger answers, or refuse while it is away."""
    try:
        return await question
    except PASSING_ERRORS:
        raise RequestError(NO_LEDGER) from None


async def _reached(ledger: Ledger, event: int | None) -> int:
    """Return the event asked for, or the last one that is posted where that is earlier."""
    posted = (await _asked(ledger.status())).last_seq
    return posted if event is None else min(event, posted)


def _instrument(registry: Registry, symbol: str) -> int:
    if not symbol:
        return 0
    instrument = registry.instrument(symbol)
    if instrument is None:
        raise RequestError(UNKNOWN_SYMBOL)
    return instrument.index


def _units(registry: Registry, asset: int, amount: int) -> str:
    known = registry.asset_at(asset)
    assert known is not None
    return format_units(amount, known.decimals)


def _name(registry: Registry, asset: int) -> str:
    known = registry.asset_at(asset)
    assert known is not None
    return known.name


def _balance(registry: Registry, row: Balance) -> LedgerBalance:
    return LedgerBalance(asset=_name(registry, row.asset), balance=_units(registry, row.asset, row.balance))


def _posting(registry: Registry, row: Posting) -> LedgerPosting:
    amount = _units(registry, row.asset, row.amount)
    return LedgerPosting(account=row.account, asset=_name(registry, row.asset), amount=amount)


def _trial(registry: Registry, row: TrialBalance) -> LedgerTrialRow:
    amounts = {name: _units(registry, row.asset, value) for name, value in row._asdict().items() if name != "asset"}
    return LedgerTrialRow(asset=_name(registry, row.asset), **amounts)


def _fill(registry: Registry, row: Fill) -> LedgerFill:
    instrument = registry.instrument_at(row.instrument)
    assert instrument is not None
    return LedgerFill(
        entry=row.entry_id,
        trade_id=row.trade_id,
        order_id=row.order_id,
        symbol=instrument.symbol,
        side="BUY" if row.is_buyer else "SELL",
        role="MAKER" if row.is_maker else "TAKER",
        price=format_steps(row.price_ticks, instrument.price_step, instrument.price_decimals),
        quantity=format_steps(row.quantity_lots, instrument.quantity_step, instrument.quantity_decimals),
        fee=_units(registry, instrument.quote, row.fee),
        time=row.time_ns // MILLISECOND_NS,
    )


def _trade(registry: Registry, row: TapeTrade) -> LedgerTrade:
    instrument = registry.instrument_at(row.instrument)
    assert instrument is not None
    return LedgerTrade(
        entry=row.entry_id,
        trade_id=row.trade_id,
        symbol=instrument.symbol,
        price=format_steps(row.price_ticks, instrument.price_step, instrument.price_decimals),
        quantity=format_steps(row.quantity_lots, instrument.quantity_step, instrument.quantity_decimals),
        taker="BUY" if row.is_taker_buyer else "SELL",
        time=row.time_ns // MILLISECOND_NS,
        busted=row.busted_id or None,
    )


_OWN = (Scope.READ, Scope.OPERATE, Scope.AUDIT)
_ALL = (Scope.OPERATE, Scope.AUDIT)
ACTIONS = (
    Action("GET", "/v1/ledger/balances", balances, LedgerBalancesRequest, LedgerBalancesAnswer, _OWN, weight=20),
    Action("GET", "/v1/ledger/fills", fills, LedgerFillsRequest, LedgerFillsAnswer, _OWN, weight=20),
    Action("GET", "/v1/ledger/trial-balance", trial_balance, LedgerTrialRequest, LedgerTrialAnswer, _ALL, weight=50),
    Action("GET", "/v1/ledger/tape", tape, LedgerTapeRequest, LedgerTapeAnswer, weight=20),
    Action("GET", "/v1/ledger/entry", entry, LedgerEntryRequest, LedgerEntryAnswer, _ALL, weight=5),
)
