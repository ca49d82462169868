"""One's own account: balances from the engine, fills from the order history, statements from the ledger."""

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, ask
from api.v1.problems import NO_LEDGER, UNKNOWN_ASSET, UNKNOWN_SYMBOL, statement_refused
from api.v1.schemas import (
    BalanceAnswer,
    BalancesAnswer,
    BalancesRequest,
    FillAnswer,
    FillsAnswer,
    FillsRequest,
    StatementAnswer,
    StatementLine,
    StatementRequest,
)
from exchange.core.engine import Engine
from exchange.marketdata.orders import FillView
from exchange.registry.documents import Scope
from exchange.registry.entries import Asset, Instrument
from exchange.registry.registry import Registry
from exchange.registry.units import format_steps, format_units
from settlement.connect import PASSING_ERRORS
from settlement.statements import Line, StatementError, statement_between

MILLISECOND_NS = 1_000_000


async def balances(desk: Desk, caller: Caller, request: BalancesRequest) -> BalancesAnswer:
    """Return what an account owns, asset by asset, as the engine has it now: an order accepted before counts."""
    account = caller.seen(request.account)

    def read(engine: Engine) -> tuple[int, list[tuple[int, int, int]]]:
        return engine.command_sequence, engine.balances(account)

    sequence, rows = await ask(desk, read)
    found = [_balance(_asset_at(desk.exchange.registry, asset), free, held) for asset, free, held in rows]
    return BalancesAnswer(account=account, sequence=sequence, balances=found)


async def fills(desk: Desk, caller: Caller, request: FillsRequest) -> FillsAnswer:
    """Return an account's fills with exact fees; `event` is the number under which the ledger has each."""
    account = caller.seen(request.account)
    registry = desk.exchange.registry
    instrument = registry.instrument(request.symbol) if request.symbol else None
    if request.symbol and instrument is None:
        raise RequestError(UNKNOWN_SYMBOL)
    found = desk.exchange.orders.fills(
        account,
        instrument.index if instrument is not None else 0,
        from_id=request.from_id,
        start_ms=request.start,
        end_ms=request.end,
        limit=request.limit,
    )
    return FillsAnswer(account=account, fills=[_fill(registry, fill) for fill in found])


async def statement(desk: Desk, caller: Caller, request: StatementRequest) -> StatementAnswer:
    """Return opening balance, every posting, closing balance of one asset, from the ledger. They add up."""
    account = caller.seen(request.account)
    asset = desk.exchange.registry.asset(request.asset)
    if asset is None:
        raise RequestError(UNKNOWN_ASSET)
    if desk.ledger is None:
        raise RequestError(NO_LEDGER)
    end_ns = caller.call.now_ns + 1 if request.end is None else request.end * MILLISECOND_NS
    start_ns = min(request.start * MILLISECOND_NS, end_ns)
    try:
        found = await statement_between(desk.ledger, account, asset.index, start_ns, end_ns)
    except StatementError as error:
        raise RequestError(statement_refused(str(error))) from None
    except PASSING_ERRORS:
        raise RequestError(NO_LEDGER) from None
    return StatementAnswer(
        account=account,
        asset=asset.name,
        after=found.after_seq,
        upto=found.upto_seq,
        opening=format_units(found.opening, asset.decimals),
        entries=[_line(desk.exchange.registry, asset, line) for line in found.lines],
        closing=format_units(found.closing, asset.decimals),
    )


def _balance(asset: Asset, available: int, held: int) -> BalanceAnswer:
    return BalanceAnswer(
        asset=asset.name,
        available=format_units(available, asset.decimals),
        held=format_units(held, asset.decimals),
        total=format_units(available + held, asset.decimals),
    )


def _fill(registry: Registry, fill: FillView) -> FillAnswer:
    instrument = _instrument_at(registry, fill.instrument)
    quote = _asset_at(registry, instrument.quote)
    return FillAnswer(
        event=fill.event_number,
        trade_id=fill.trade_id,
        order_id=fill.order_id,
        symbol=instrument.symbol,
        side="BUY" if fill.is_buyer else "SELL",
        role="MAKER" if fill.is_maker else "TAKER",
        price=_price(instrument, fill.price_ticks),
        quantity=_quantity(instrument, fill.quantity_lots),
        amount=format_units(fill.amount, quote.decimals),
        fee=format_units(fill.fee, quote.decimals),
        fee_asset=quote.name,
        time=fill.time_ns // MILLISECOND_NS,
    )


def _line(registry: Registry, asset: Asset, line: Line) -> StatementLine:
    row = StatementLine(
        event=line.entry_id,
        time=line.time_ns // MILLISECOND_NS,
        kind=line.kind,
        amount=format_units(line.amount, asset.decimals),
        balance=format_units(line.balance, asset.decimals),
    )
    if not line.instrument:
        return row
    instrument = _instrument_at(registry, line.instrument)
    return row.model_copy(
        update={
            "symbol": instrument.symbol,
            "price": _price(instrument, line.price_ticks),
            "quantity": _quantity(instrument, line.quantity_lots),
        }
    )


def _price(instrument: Instrument, ticks: int) -> str:
    return format_steps(ticks, instrument.price_step, instrument.price_decimals)


def _quantity(instrument: Instrument, lots: int) -> str:
    return format_steps(lots, instrument.quantity_step, instrument.quantity_decimals)


def _asset_at(registry: Registry, index: int) -> Asset:
    asset = registry.asset_at(index)
    assert asset is not None
    return asset


def _instrument_at(registry: Registry, index: int) -> Instrument:
    instrument = registry.instrument_at(index)
    assert instrument is not None
    return instrument


_READ = (Scope.READ, Scope.OPERATE, Scope.AUDIT)
ACTIONS = (
    Action("GET", "/v1/balances", balances, BalancesRequest, BalancesAnswer, _READ, weight=5),
    Action("GET", "/v1/fills", fills, FillsRequest, FillsAnswer, _READ, weight=10),
    Action("GET", "/v1/statement", statement, StatementRequest, StatementAnswer, _READ, weight=20),
)
