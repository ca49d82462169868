"""What the operator does with a market: auctions, mode, guards, limits, rules, clearing books, the kill switch."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.errors import RequestError
from api.v1.datasets import kind_of, refuse_opening
from api.v1.desk import Action, Caller, Desk, submit
from api.v1.problems import UNKNOWN_SYMBOL
from api.v1.schemas import REQUEST, AccountNumber, SymbolName
from exchange.core import commands
from exchange.core.types import (
    BPS,
    COUNT_MAX,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    TURNAROUND_DAYS_MAX,
    ClearScope,
    EventKind,
    Side,
    TradingMode,
    TradingState,
)
from exchange.events import Event
from exchange.registry.documents import Scope
from exchange.registry.entries import Instrument

MILLISECOND_NS = 1_000_000
Count = Annotated[int, Field(ge=0, le=COUNT_MAX, description="0: no limit.")]
Notional = Annotated[int, Field(ge=0, le=NOTIONAL_MAX, description="In the smallest units of the quote; 0: no limit.")]
Share = Annotated[int, Field(ge=0, le=BPS, description="Basis points; 0: none.")]
Ticks = Annotated[int, Field(ge=0, le=PRICE_TICKS_MAX, description="In ticks; 0: as it is.")]


class IndicationRequest(BaseModel):
    """The instrument whose auction is asked about."""

    model_config = REQUEST
    symbol: SymbolName


class UncrossRequest(BaseModel):
    """The instrument to auction, and its state afterwards."""

    model_config = REQUEST
    symbol: SymbolName
    afterwards: Literal["CLOSED", "CONTINUOUS", "HALTED", "PRE_OPEN", "CALL_OPEN", "GATE_CLOSED"] = "CONTINUOUS"


class AuctionAnswer(BaseModel):
    """What an auction makes, or made: price 0 is none; `state` is UNCROSSING while it has to be asked for again."""

    symbol: str
    price_ticks: int
    quantity_lots: int
    surplus_lots: int
    state: str


class ModeRequest(BaseModel):
    """How a closed instrument without orders is to trade."""

    model_config = REQUEST
    symbol: SymbolName
    mode: Literal["CONTINUOUS", "CALL", "LIST"]


class GuardsRequest(BaseModel):
    """How far from the reference and from the last trade a price may be before trading is interrupted."""

    model_config = REQUEST
    symbol: SymbolName
    static_bps: Share
    dynamic_bps: Share
    reference_ticks: Ticks = 0


class InstrumentLimitsRequest(BaseModel):
    """Limits on each account at one instrument."""

    model_config = REQUEST
    symbol: SymbolName
    open_orders_max: Count = 0
    notional_max: Notional = 0
    position_bps: Share = 0


class AccountLimitsRequest(BaseModel):
    """Limits on one account."""

    model_config = REQUEST
    account: AccountNumber
    open_orders_max: Count = 0
    order_rate_max: Count = 0
    message_rate_max: Count = 0
    notional_max: Notional = 0


class VenueRulesRequest(BaseModel):
    """A regulator's rules for one instrument."""

    model_config = REQUEST
    symbol: SymbolName
    anonymous: bool = False
    turnaround_days: int = Field(0, ge=0, le=TURNAROUND_DAYS_MAX)
    holders_max: Count = 0


class ClearBookRequest(BaseModel):
    """The orders of an instrument that are to end: all, or those whose day or time is over."""

    model_config = REQUEST
    symbol: SymbolName
    side: Literal["BUY", "SELL", "BOTH"] = "BOTH"
    scope: Literal["ALL", "DAY"] = "ALL"


class KillSwitchRequest(BaseModel):
    """The account to suspend."""

    model_config = REQUEST
    account: AccountNumber


class EndedAnswer(BaseModel):
    """How many orders ended, and how many of those meant are still open: ask again while there are any."""

    ended: int
    still_open: int


class DoneAnswer(BaseModel):
    """The command that did it, and when."""

    sequence: int
    time: int


async def indicate(desk: Desk, caller: Caller, request: IndicationRequest) -> AuctionAnswer:
    """Say what an auction would make now; refused unless the instrument collects orders."""
    instrument = _find(desk, request.symbol)
    event = (await submit(desk, commands.indicate(instrument.index)))[0]
    return AuctionAnswer(
        symbol=instrument.symbol,
        price_ticks=event.price_ticks,
        quantity_lots=event.quantity_lots,
        surplus_lots=event.leaves_lots,
        state=instrument.trading_state.name,
    )


async def uncross(desk: Desk, caller: Caller, request: UncrossRequest) -> AuctionAnswer:
    """Trade what a call collected at one price, and go on in the state asked for."""
    instrument = _find(desk, request.symbol)
    await refuse_opening(desk, instrument, kind_of(desk, instrument), TradingState[request.afterwards])
    price = lots = 0
    while True:  # an auction too large for one command goes on with the next
        events = await submit(desk, commands.uncross(instrument.index, TradingState[request.afterwards]))
        event = next(event for event in events if event.kind == EventKind.AUCTION_UNCROSSED)
        price, lots = event.price_ticks, lots + event.quantity_lots
        if event.state != TradingState.UNCROSSING:
            state = TradingState(event.state).name
            break
    return AuctionAnswer(symbol=instrument.symbol, price_ticks=price, quantity_lots=lots, surplus_lots=0, state=state)


async def set_mode(desk: Desk, caller: Caller, request: ModeRequest) -> DoneAnswer:
    """Choose continuous trading, call auctions alone, or posted offers."""
    return _done(await submit(desk, commands.set_mode(_find(desk, request.symbol).index, TradingMode[request.mode])))


async def set_guards(desk: Desk, caller: Caller, request: GuardsRequest) -> DoneAnswer:
    """Guard trading against jumps of the price."""
    index = _find(desk, request.symbol).index
    made = commands.set_guards(index, request.static_bps, request.dynamic_bps, request.reference_ticks)
    return _done(await submit(desk, made))


async def set_instrument_limits(desk: Desk, caller: Caller, request: InstrumentLimitsRequest) -> DoneAnswer:
    """Limit what each account may have and order of one instrument."""
    limits = request.model_dump(exclude={"symbol"})
    return _done(await submit(desk, commands.set_instrument_limits(_find(desk, request.symbol).index, **limits)))


async def set_account_limits(desk: Desk, caller: Caller, request: AccountLimitsRequest) -> DoneAnswer:
    """Limit what an account may order, and how often."""
    limits = request.model_dump(exclude={"account"})
    return _done(await submit(desk, commands.set_account_limits(request.account, **limits)))


async def set_venue_rules(desk: Desk, caller: Caller, request: VenueRulesRequest) -> DoneAnswer:
    """Set anonymity, turnaround and the number of holders of an instrument without open orders."""
    rules = request.model_dump(exclude={"symbol"})
    return _done(await submit(desk, commands.set_venue_rules(_find(desk, request.symbol).index, **rules)))


async def clear_book(desk: Desk, caller: Caller, request: ClearBookRequest) -> EndedAnswer:
    """End the orders of an instrument, whoever's they are."""
    index = _find(desk, request.symbol).index
    events = await submit(desk, commands.clear_book(index, Side[request.side], ClearScope[request.scope]))
    return _ended(next(event for event in events if event.kind == EventKind.BOOK_CLEARED))


async def kill(desk: Desk, caller: Caller, request: KillSwitchRequest) -> EndedAnswer:
    """Suspend an account and end its open orders."""
    events = await submit(desk, commands.kill_switch(request.account))
    return _ended(next(event for event in events if event.kind == EventKind.MASS_CANCELED))


def _find(desk: Desk, symbol: str) -> Instrument:
    instrument = desk.exchange.registry.instrument(symbol)
    if instrument is None:
        raise RequestError(UNKNOWN_SYMBOL)
    return instrument


def _done(events: list[Event]) -> DoneAnswer:
    return DoneAnswer(sequence=events[0].sequence, time=events[0].time_ns // MILLISECOND_NS)


def _ended(event: Event) -> EndedAnswer:
    return EndedAnswer(ended=event.quantity_lots, still_open=event.leaves_lots)


_OPERATE = (Scope.OPERATE,)
ACTIONS = (
    Action("POST", "/v1/indication", indicate, IndicationRequest, AuctionAnswer, _OPERATE, is_question=True),
    Action("POST", "/v1/uncross", uncross, UncrossRequest, AuctionAnswer, _OPERATE),
    Action("PUT", "/v1/trading-mode", set_mode, ModeRequest, DoneAnswer, _OPERATE),
    Action("PUT", "/v1/guards", set_guards, GuardsRequest, DoneAnswer, _OPERATE),
    Action("PUT", "/v1/instrument-limits", set_instrument_limits, InstrumentLimitsRequest, DoneAnswer, _OPERATE),
    Action("PUT", "/v1/account-limits", set_account_limits, AccountLimitsRequest, DoneAnswer, _OPERATE),
    Action("PUT", "/v1/venue-rules", set_venue_rules, VenueRulesRequest, DoneAnswer, _OPERATE),
    Action("POST", "/v1/clear-book", clear_book, ClearBookRequest, EndedAnswer, _OPERATE),
    Action("POST", "/v1/kill-switch", kill, KillSwitchRequest, EndedAnswer, _OPERATE),
)
