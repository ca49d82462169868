"""Fees by tier: what each tier of accounts pays on an instrument, and an account's own tier."""

from typing import Annotated

from pydantic import BaseModel, Field

from api.errors import RequestError, rejection
from api.v1.desk import Action, Caller, Desk, register, submit
from api.v1.participants import account_answer
from api.v1.problems import UNKNOWN_ACCOUNT
from api.v1.reference import find_instrument
from api.v1.schemas import REQUEST, AccountAnswer, AccountNumber, Rate, SymbolName
from exchange.core import commands
from exchange.core.types import FEE_TIERS, CommandKind, RejectReason
from exchange.registry.documents import Scope
from exchange.registry.people import AccountTierSet


class AccountTierRequest(BaseModel):
    """A fee tier of an account's own, such as a broker's client's; null: its participant's again."""

    model_config = REQUEST
    account: AccountNumber
    tier: Annotated[int, Field(ge=0, lt=FEE_TIERS)] | None


class ScheduleRequest(BaseModel):
    """Rates of orders accepted from now on, in basis points: maker's and taker's, of tier 0, of tier 1, and so on.

    Tiers behind the last pay what the last pays. A rebate of any tier is at most what a taker of any tier pays.
    """

    model_config = REQUEST
    symbol: SymbolName
    rates: tuple[tuple[Rate, Rate], ...] = Field(min_length=1, max_length=FEE_TIERS, examples=[[[-1, 5], [-2, 4]]])


class ScheduleQuery(BaseModel):
    """An instrument."""

    model_config = REQUEST
    symbol: SymbolName


class TierRates(BaseModel):
    """What accounts of a tier pay, in basis points."""

    tier: int
    maker_bps: int
    taker_bps: int


class ScheduleAnswer(BaseModel):
    """What every tier pays on an instrument."""

    symbol: str
    rates: list[TierRates]


async def set_account_tier(desk: Desk, caller: Caller, request: AccountTierRequest) -> AccountAnswer:
    """Give an account a fee tier of its own, for orders accepted from now on."""
    registry = desk.exchange.registry
    async with desk.registrations:
        account = registry.account_at(request.account)
        participant = None if account is None else registry.participant(account.participant)
        if account is None or participant is None:
            raise RequestError(UNKNOWN_ACCOUNT)
        tier = participant.tier if request.tier is None else request.tier
        made = commands.set_account_tier(account.index, tier)
        await register(desk, AccountTierSet(account.index, request.tier), made)
    return account_answer(account)


async def set_fee_schedule(desk: Desk, caller: Caller, request: ScheduleRequest) -> ScheduleAnswer:
    """Set what every tier pays on an instrument."""
    index = find_instrument(desk, request.symbol).index
    if min(maker for maker, _ in request.rates) < -min(taker for _, taker in request.rates):
        raise RequestError(rejection(RejectReason.INVALID_PARAMETER, CommandKind.SET_FEES))  # before a tier has changed
    made = [commands.set_fees(index, maker, taker, tier) for tier, (maker, taker) in enumerate(request.rates)]
    await submit(desk, b"".join(made))
    return _answer(desk, request.symbol)


async def show_fee_schedule(desk: Desk, caller: Caller, request: ScheduleQuery) -> ScheduleAnswer:
    """Return what every tier pays on an instrument; an account's tier is in GET /v1/participants."""
    return _answer(desk, request.symbol)


def _answer(desk: Desk, symbol: str) -> ScheduleAnswer:
    instrument = find_instrument(desk, symbol)
    rates = [(tier, *instrument.rates(tier)) for tier in range(FEE_TIERS)]
    return ScheduleAnswer(
        symbol=instrument.symbol,
        rates=[TierRates(tier=tier, maker_bps=maker, taker_bps=taker) for tier, maker, taker in rates],
    )


_OPERATE = (Scope.OPERATE,)
ACTIONS = (
    Action("PUT", "/v1/account-tier", set_account_tier, AccountTierRequest, AccountAnswer, _OPERATE),
    Action("PUT", "/v1/fee-schedule", set_fee_schedule, ScheduleRequest, ScheduleAnswer, _OPERATE),
    Action("GET", "/v1/fee-schedule", show_fee_schedule, ScheduleQuery, ScheduleAnswer),
)
