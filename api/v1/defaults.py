"""An issuer that does not deliver: holders are paid from the collateral of the series."""

from typing import Literal

from pydantic import BaseModel, Field

from api.errors import STATUS_UNKNOWN, RequestError
from api.v1.desk import Action, Caller, Desk, ask, register, submit
from api.v1.problems import NO_INDEX, NOT_AN_ALLOWANCE, refused_document
from api.v1.purses import CASH, overrun_price
from api.v1.schemas import REQUEST, AssetName
from exchange.core import commands
from exchange.core.types import BPS, EXCHANGE_ACCOUNT, TradingState
from exchange.expiry import holders, standing
from exchange.payments import PAID_AT_ONCE, pay_out, payment
from exchange.registry.documents import Scope
from exchange.registry.entries import Asset
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.series import PaymentPlan, PaymentsPlanned, SeriesNamed, payments_key
from exchange.registry.units import format_units
from exchange.sequencer import Stopped
from exchange.usage.compensation import Payment, payments

PLANNED_AT_ONCE = 5_000  # holders, in one document
_STOPPED = (TradingState.GATE_CLOSED, TradingState.EXPIRED)


class DefaultRequest(BaseModel):
    """DEFAULT: the series ends, its units are burned. BREACH: a share was not delivered, units stay good."""

    model_config = REQUEST
    symbol: AssetName
    kind: Literal["DEFAULT", "BREACH"]
    share_bps: int = Field(BPS, ge=1, le=BPS, description="Share not delivered; of a default all.")
    id: str = Field(min_length=1, max_length=64, description="Pays each holder once within 72 hours.")


class DefaultAnswer(BaseModel):
    """What was paid to how many, and the units that were burned."""

    symbol: str
    holders: int
    paid: str
    collateral: str
    burned: str


async def settle_default(desk: Desk, caller: Caller, request: DefaultRequest) -> DefaultAnswer:
    """Pay the holders of a series min(collateral, 110 % of the index) in proportion to their units.

    A breach of more holders than are paid at once is planned first: should it be cut short, the same request, or the
    next start, pays the others what was planned.
    """
    registry = desk.exchange.registry
    asset, cash = registry.asset(request.symbol), registry.asset(CASH)
    series = None if asset is None else registry.allowances.series.get(asset.index)
    if asset is None or cash is None:
        raise RequestError(NOT_AN_ALLOWANCE)
    if series is None:
        raise RequestError(refused_document(DocumentRefusal.UNKNOWN_SERIES))
    ends = request.kind == "DEFAULT"
    known = None if ends else registry.allowances.payments.get(payments_key(asset.index, request.id))
    if known is not None and known.is_whole:
        async with desk.registrations, desk.metering:
            return await _resumed(desk, asset, series, known)
    price = overrun_price(desk.exchange, asset.index)
    if not price:
        raise RequestError(NO_INDEX)
    async with desk.registrations, desk.metering:
        if ends:
            await _stop_trading(desk._replace(acting=None), asset)  # not yet what is to be approved
        owed, held, burned = await _owed(desk, series, BPS if ends else request.share_bps, price)
        if not ends and len(owed) > PAID_AT_ONCE:
            return await _resumed(desk, asset, series, await _planned(desk, series, request.id, owed))
        made = [_payment(series, one, cash.index, request.id, ends=ends) for one in owed]
        if ends and burned:
            made.append(commands.expire_units(series.issuer, series.asset, burned))
        await _submit_all(desk, made)
    paid = sum(one.amount for one in owed)
    units = sum(one.units for one in owed) + burned if ends else 0
    return DefaultAnswer(
        symbol=asset.name,
        holders=len(owed),
        paid=format_units(paid, cash.decimals),
        collateral=format_units(held - paid, cash.decimals),
        burned=format_units(units, asset.decimals),
    )


async def _stop_trading(desk: Desk, asset: Asset) -> None:
    instrument = desk.exchange.registry.instrument(asset.name)
    if instrument is not None and instrument.trading_state not in _STOPPED:
        await submit(desk, commands.set_trading_state(instrument.index, TradingState.GATE_CLOSED))
    while instrument is not None:
        (cleared, *_) = reversed(await submit(desk, commands.clear_book(instrument.index)))
        if not cleared.leaves_lots:
            return


async def _owed(desk: Desk, series: SeriesNamed, share_bps: int, price: int) -> tuple[list[Payment], int, int]:
    """Return who gets what, the collateral, and what the issuer has left of its own series."""
    cash = desk.exchange.registry.asset(CASH)
    assert cash is not None
    everybody = await ask(desk, lambda engine: holders(engine, series.asset, with_held=True))
    _, held = await ask(desk, lambda engine: standing(engine, series, cash.index))
    own = sum(one.units for one in everybody if one.account == series.issuer)
    others = [one for one in everybody if one.account not in {series.issuer, EXCHANGE_ACCOUNT}]
    return payments(others, share_bps, price, series.lot_units, held), held, own


def _payment(series: SeriesNamed, owed: Payment, cash: int, name: str, *, ends: bool) -> bytes:
    """Return the commands that pay a holder, and burn its units if the series ends."""
    made = b""
    if owed.amount:
        made = payment(series.collateral_account, owed.account, series.asset, cash, owed.amount, name)
    return made + commands.expire_units(owed.account, series.asset, owed.units) if ends else made


async def _planned(desk: Desk, series: SeriesNamed, name: str, owed: list[Payment]) -> PaymentPlan:
    """Write down who is paid what; an approval goes with the last part, from which on it is going to be done."""
    rows = [(one.account, one.amount) for one in owed]
    starts = range(0, len(rows), PLANNED_AT_ONCE)
    for part, start in enumerate(starts):
        is_last = start == starts[-1]
        document = PaymentsPlanned(series.asset, name, part, is_last, tuple(rows[start : start + PLANNED_AT_ONCE]))
        await register(desk if is_last else desk._replace(acting=None), document)
    return desk.exchange.registry.allowances.payments[payments_key(series.asset, name)]


async def _resumed(desk: Desk, asset: Asset, series: SeriesNamed, plan: PaymentPlan) -> DefaultAnswer:
    """Pay what is left of a plan, and say what all of it comes to."""
    try:
        await pay_out(desk.exchange.registry, desk.exchange.submit)
    except Stopped:
        raise RequestError(STATUS_UNKNOWN) from None
    cash = desk.exchange.registry.asset(CASH)
    assert cash is not None
    _, held = await ask(desk, lambda engine: standing(engine, series, cash.index))
    return DefaultAnswer(
        symbol=asset.name,
        holders=plan.holders,
        paid=format_units(plan.paid, cash.decimals),
        collateral=format_units(held, cash.decimals),
        burned=format_units(0, asset.decimals),
    )


async def _submit_all(desk: Desk, made: list[bytes]) -> None:
    """Submit everything, at once if it is no more than one submission may hold; an approval goes with the last."""
    steps = range(0, len(made), PAID_AT_ONCE)
    for start in steps:
        part = b"".join(made[start : start + PAID_AT_ONCE])
        if part:
            await submit(desk if start == steps[-1] else desk._replace(acting=None), part)


ACTIONS = (Action("POST", "/v1/defaults", settle_default, DefaultRequest, DefaultAnswer, (Scope.OPERATE,)),)
