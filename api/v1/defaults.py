"""An issuer that does not deliver: holders are paid from the collateral of the series."""

from pydantic import BaseModel, Field

from api.errors import STATUS_UNKNOWN, RequestError, rejection
from api.v1.desk import Action, Caller, Desk, ask, register, submit
from api.v1.problems import (
    NO_INDEX,
    NOT_AN_ALLOWANCE,
    OTHER_TERMS,
    payments_open,
    payments_refused,
    refused_document,
)
from api.v1.purses import CASH, overrun_price
from api.v1.schemas import REQUEST, AssetName
from exchange.core import commands
from exchange.core.types import BPS, EXCHANGE_ACCOUNT, CommandKind, TradingState
from exchange.expiry import Holder, holders, standing
from exchange.payments import pay
from exchange.registry.documents import Scope
from exchange.registry.entries import Asset
from exchange.registry.payouts import PaymentKind, PaymentPlan, PaymentsPlanned
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.series import SeriesNamed
from exchange.registry.units import format_units
from exchange.sequencer import Stopped
from exchange.usage.compensation import Payment, payments

PLANNED_AT_ONCE = 4_000  # holders, in one document
_STOPPED = (TradingState.GATE_CLOSED, TradingState.EXPIRED)


class DefaultRequest(BaseModel):
    """DEFAULT: the series ends, its units are burned. BREACH: a share was not delivered, units stay good."""

    model_config = REQUEST
    symbol: AssetName
    kind: PaymentKind
    share_bps: int = Field(BPS, ge=1, le=BPS, description="Share not delivered; of a default all.")
    id: str = Field(
        min_length=1, max_length=64, description="Pays each holder once; sent again it tells what was paid."
    )


class DefaultAnswer(BaseModel):
    """What was paid to how many, and the units that were burned."""

    symbol: str
    holders: int
    paid: str
    collateral: str
    burned: str


async def settle_default(desk: Desk, caller: Caller, request: DefaultRequest) -> DefaultAnswer:
    """Pay the holders of a series min(collateral, 110 % of the index) in proportion to their units.

    Who is paid what is written down first: should it be cut short, the same request, or the next start, pays the others
    what was planned. The same request again is answered with what was paid.
    """
    registry = desk.exchange.registry
    asset, cash = registry.asset(request.symbol), registry.asset(CASH)
    series = None if asset is None else registry.allowances.series.get(asset.index)
    if asset is None or cash is None:
        raise RequestError(NOT_AN_ALLOWANCE)
    if series is None:
        raise RequestError(refused_document(DocumentRefusal.UNKNOWN_SERIES))
    share_bps = BPS if request.kind is PaymentKind.DEFAULT else request.share_bps
    async with desk.registrations, desk.metering:
        plan = registry.allowances.payments.find(asset.index, request.kind, request.id)
        if plan is None:
            plan = await _planned(desk, asset, series, request, share_bps)
        elif plan.share_bps != share_bps:
            raise RequestError(OTHER_TERMS)
        await _carry_out(desk, plan)
        _, held = await ask(desk, lambda engine: standing(engine, series, cash.index))
    return DefaultAnswer(
        symbol=asset.name,
        holders=plan.holders,
        paid=format_units(plan.paid, cash.decimals),
        collateral=format_units(held, cash.decimals),
        burned=format_units(plan.burned, asset.decimals),
    )


async def _stop_trading(desk: Desk, asset: Asset) -> None:
    instrument = desk.exchange.registry.instrument(asset.name)
    if instrument is not None and instrument.trading_state not in _STOPPED:
        await submit(desk, commands.set_trading_state(instrument.index, TradingState.GATE_CLOSED))
    while instrument is not None:
        (cleared, *_) = reversed(await submit(desk, commands.clear_book(instrument.index)))
        if not cleared.leaves_lots:
            return


async def _planned(
    desk: Desk, asset: Asset, series: SeriesNamed, request: DefaultRequest, share_bps: int
) -> PaymentPlan:
    """Write down who is paid what; an approval goes with the last part, from which on it is going to be done."""
    plans = desk.exchange.registry.allowances.payments
    still = next((one for one in plans.whole() if one.asset == asset.index), None)
    if still is not None:
        raise RequestError(payments_open(still.kind, still.id))
    price = overrun_price(desk.exchange, asset.index)
    if not price:
        raise RequestError(NO_INDEX)
    ends = request.kind is PaymentKind.DEFAULT
    if ends:
        await _stop_trading(desk._replace(acting=None), asset)  # not yet what is to be approved
    owed, own = await _owed(desk, series, share_bps, price)
    rows = [(one.account, one.amount, one.units if ends else 0) for one in owed]
    rows += [(one.account, 0, one.units) for one in own if ends]
    starts = range(0, max(1, len(rows)), PLANNED_AT_ONCE)
    for part, start in enumerate(starts):
        is_last, some = start == starts[-1], tuple(rows[start : start + PLANNED_AT_ONCE])
        document = PaymentsPlanned(asset.index, request.kind, request.id, share_bps, len(owed), part, is_last, some)
        await register(desk if is_last else desk._replace(acting=None), document)
    plan = plans.find(asset.index, request.kind, request.id)
    assert plan is not None
    return plan


async def _owed(desk: Desk, series: SeriesNamed, share_bps: int, price: int) -> tuple[list[Payment], list[Holder]]:
    """Return who gets what, and what stands with those who get nothing: the issuer and the collateral's own account."""
    cash = desk.exchange.registry.asset(CASH)
    assert cash is not None
    everybody = await ask(desk, lambda engine: holders(engine, series.asset, with_held=True))
    _, held = await ask(desk, lambda engine: standing(engine, series, cash.index))
    unpaid = (series.issuer, series.collateral_account)
    others = [one for one in everybody if one.account not in {*unpaid, EXCHANGE_ACCOUNT}]
    own = [one for one in everybody if one.account in unpaid]
    return payments(others, share_bps, price, series.lot_units, held), own


async def _carry_out(desk: Desk, plan: PaymentPlan) -> None:
    """Do what is left of a plan; refuse if somebody could not be paid."""
    try:
        reason = await pay(desk.exchange.registry, desk.exchange.submit, plan)
    except Stopped:
        raise RequestError(STATUS_UNKNOWN) from None
    if reason:
        why = rejection(reason, CommandKind.TRANSFER).message
        raise RequestError(payments_refused(len(plan.owed), plan.holders, why))


ACTIONS = (Action("POST", "/v1/defaults", settle_default, DefaultRequest, DefaultAnswer, (Scope.OPERATE,)),)
