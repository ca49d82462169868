"""The operator's desk, products: assets, instruments, fees, bands, trading states."""

import msgspec

from api.errors import RequestError
from api.terms import InstrumentAnswer, instrument_answer
from api.v1.datasets import kind_of, refuse_opening
from api.v1.desk import Action, Caller, Desk, register, submit
from api.v1.problems import OTHER_TERMS, UNKNOWN_ACCOUNT, UNKNOWN_ASSET, price_ticks, refused_document
from api.v1.reference import find_instrument
from api.v1.schemas import (
    AssetAnswer,
    AssetsAnswer,
    BandRequest,
    FeesRequest,
    HaltAnswer,
    HaltRequest,
    NewAsset,
    NewInstrument,
    Nothing,
    TradingStateRequest,
)
from exchange.core import commands
from exchange.core.types import AssetKind, SelfTradePrevention, TradingState
from exchange.registry.checks import refuse
from exchange.registry.documents import AssetNamed, InstrumentNamed, Scope
from exchange.registry.entries import Asset, Entries, Instrument, Tables
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.units import NumberRefusal, parse_units

LOT_DECIMALS = {AssetKind.ALLOWANCE: 6, AssetKind.LICENCE: 0}  # a lot is 10**decimals units


async def create_asset(desk: Desk, caller: Caller, request: NewAsset) -> AssetAnswer:
    """Create a cash asset. A repeat with the same terms answers the same."""
    asset = Asset(0, request.name, AssetKind.CASH, request.decimals, 0, request.description)
    async with desk.registrations:
        return _asset(await _ensure_asset(desk, asset))


async def list_assets(desk: Desk, caller: Caller, request: Nothing) -> AssetsAnswer:
    """Return all assets: cash, allowances, licences."""
    return AssetsAnswer(assets=[_asset(asset) for asset in desk.exchange.registry.assets if asset.is_created])


async def create_instrument(desk: Desk, caller: Caller, request: NewInstrument) -> InstrumentAnswer:
    """List an instrument: its asset, terms, fees, band and state. A repeat with the same terms answers the same."""
    registry = desk.exchange.registry
    quote = registry.asset(request.quote)
    if quote is None:
        raise RequestError(UNKNOWN_ASSET)
    if registry.account_at(request.issuer) is None:
        raise RequestError(UNKNOWN_ACCOUNT)
    base = _base(request)
    await refuse_opening(desk, registry.instrument(request.symbol), base.kind, TradingState[request.state])
    terms = _terms(request, base, quote)
    _check_terms(terms, base, quote)
    async with desk.registrations:
        known = registry.instrument(request.symbol)
        if known is None:
            base = await _ensure_asset(desk, base)
            await register(desk, _numbered(terms, registry.next_instrument, base.index, quote.index))
        elif not _is_same(known, terms, quote):
            raise RequestError(OTHER_TERMS)
    return instrument_answer(desk.exchange.registry, find_instrument(desk, request.symbol))


async def set_trading_state(desk: Desk, caller: Caller, request: TradingStateRequest) -> InstrumentAnswer:
    """Open, close, halt or suspend an instrument."""
    instrument = find_instrument(desk, request.symbol)
    await refuse_opening(desk, instrument, kind_of(desk, instrument), TradingState[request.state])
    await submit(desk, commands.set_trading_state(instrument.index, TradingState[request.state]))
    return instrument_answer(desk.exchange.registry, instrument)


async def halt(desk: Desk, caller: Caller, request: HaltRequest) -> HaltAnswer:
    """Halt all that trades or collects orders: orders rest, can be cancelled, nothing trades until set CONTINUOUS."""
    if request.symbols:
        named = [find_instrument(desk, symbol) for symbol in dict.fromkeys(request.symbols)]
    else:
        named = list(desk.exchange.registry.instruments)
    trading = [found.index for found in named if found.trading_state in _HALTABLE]
    step = desk.exchange.config.submission_commands_max
    for start in range(0, len(trading), step):
        part = trading[start : start + step]
        await submit(desk, b"".join([commands.set_trading_state(index, TradingState.HALTED) for index in part]))
    return HaltAnswer(halted=len(trading))


async def set_fees(desk: Desk, caller: Caller, request: FeesRequest) -> InstrumentAnswer:
    """Change the fee rates of orders accepted from now on; orders that rest keep theirs."""
    instrument = find_instrument(desk, request.symbol)
    await submit(desk, commands.set_fees(instrument.index, request.maker_bps, request.taker_bps, request.tier))
    return instrument_answer(desk.exchange.registry, instrument)


async def set_price_band(desk: Desk, caller: Caller, request: BandRequest) -> InstrumentAnswer:
    """Change the lowest and highest price of orders accepted from now on; orders that rest outside stay."""
    instrument = find_instrument(desk, request.symbol)
    low, high = (
        price_ticks(name, text, instrument.price_step, instrument.price_decimals)
        for name, text in (("price_low", request.price_low), ("price_high", request.price_high))
    )
    await submit(desk, commands.set_price_band(instrument.index, low, high))
    return instrument_answer(desk.exchange.registry, instrument)


async def _ensure_asset(desk: Desk, wanted: Asset) -> Asset:
    """Return the asset of this name, created if need be; refuse one with other terms."""
    registry = desk.exchange.registry
    known = registry.asset(wanted.name)
    if known is None:
        document = AssetNamed(
            registry.next_asset,
            wanted.name,
            wanted.kind,
            wanted.decimals,
            wanted.issuer_account,
            wanted.description,
        )
        await register(desk, document)
        known = registry.asset(wanted.name)
        assert known is not None
    elif (known.kind, known.decimals, known.issuer_account) != (wanted.kind, wanted.decimals, wanted.issuer_account):
        raise RequestError(OTHER_TERMS)
    return known


def _base(request: NewInstrument) -> Asset:
    kind = AssetKind[request.kind]
    decimals = LOT_DECIMALS[kind] if request.decimals is None else request.decimals
    return Asset(0, request.symbol, kind, decimals, request.issuer, request.description)


def _terms(request: NewInstrument, base: Asset, quote: Asset) -> InstrumentNamed:
    """Return the listing with indices still to be given."""
    price_decimals = len(request.tick_size.partition(".")[2].rstrip("0"))
    tick_value = parse_units(request.tick_size, quote.decimals)
    if isinstance(tick_value, NumberRefusal) or not tick_value:
        raise RequestError(refused_document(DocumentRefusal.BAD_DECIMALS))
    step = tick_value // 10 ** (quote.decimals - price_decimals)
    low = 1 if request.price_low is None else price_ticks("price_low", request.price_low, step, price_decimals)
    return InstrumentNamed(
        index=1,
        symbol=request.symbol,
        base=1,
        quote=2,
        tick_value=tick_value,
        lot_units=10**base.decimals,
        price_decimals=price_decimals,
        quantity_decimals=0,
        quantity_min=request.quantity_min,
        quantity_max=request.quantity_max,
        band_low_ticks=low,
        band_high_ticks=price_ticks("price_high", request.price_high, step, price_decimals),
        maker_bps=request.maker_bps,
        taker_bps=request.taker_bps,
        self_trade_prevention=SelfTradePrevention[request.self_trade_prevention],
        description=request.description,
        state=TradingState[request.state],
    )


def _check_terms(terms: InstrumentNamed, base: Asset, quote: Asset) -> None:
    """Refuse bad terms before the asset is created, so that nothing is left half done."""
    reason = refuse(Tables(Entries([], [], [base, quote], [], [])), terms)
    if reason is not None:
        raise RequestError(refused_document(reason))


def _numbered(terms: InstrumentNamed, index: int, base: int, quote: int) -> InstrumentNamed:
    return msgspec.structs.replace(terms, index=index, base=base, quote=quote)


def _is_same(known: Instrument, terms: InstrumentNamed, quote: Asset) -> bool:
    """Tell whether an instrument was listed with these terms; fees, band and state may have changed since."""
    return (
        known.quote_asset == quote.name
        and known.tick_value == terms.tick_value
        and known.lot_units == terms.lot_units
        and known.quantity_min == terms.quantity_min
        and known.quantity_max == terms.quantity_max
        and known.self_trade_prevention == terms.self_trade_prevention
    )


def _asset(asset: Asset) -> AssetAnswer:
    return AssetAnswer(
        asset=asset.name,
        kind=asset.kind.name,
        decimals=asset.decimals,
        issuer=asset.issuer_account,
        description=asset.description,
    )


_HALTABLE = frozenset((
    TradingState.CONTINUOUS,
    TradingState.PRE_OPEN,
    TradingState.CALL_OPEN,
    TradingState.CALL_NO_CANCEL,
    TradingState.VOLATILITY,
    TradingState.CALL_CLOSE,
))  # fmt: skip
_OPERATE = (Scope.OPERATE,)
ACTIONS = (
    Action("POST", "/v1/assets", create_asset, NewAsset, AssetAnswer, _OPERATE),
    Action("GET", "/v1/assets", list_assets, Nothing, AssetsAnswer, weight=10),
    Action("POST", "/v1/instruments", create_instrument, NewInstrument, InstrumentAnswer, _OPERATE),
    Action("PUT", "/v1/trading-state", set_trading_state, TradingStateRequest, InstrumentAnswer, _OPERATE),
    Action("POST", "/v1/halt", halt, HaltRequest, HaltAnswer, _OPERATE),
    Action("PUT", "/v1/fees", set_fees, FeesRequest, InstrumentAnswer, _OPERATE),
    Action("PUT", "/v1/price-band", set_price_band, BandRequest, InstrumentAnswer, _OPERATE),
)
