"""Records that were reported by mistake: what they burned and paid goes back to the key, once.

Units of a series that is over meanwhile would be over too: what the terms let roll over comes back in the series that
followed, the rest does not. Cash comes back whatever became of the units. New units are covered like any others.
"""

from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, ask, register, submit
from api.v1.problems import ALREADY_REVERSED, GATE_CLOSED, NO_MEANS, NOT_APPLIED
from api.v1.purses import CASH
from api.v1.schemas import REQUEST
from api.v1.series import cover, uncovered
from exchange.core import commands
from exchange.core.types import BPS, EventKind, TransferPurpose
from exchange.events import Event, rows
from exchange.registry.documents import Scope
from exchange.registry.series import UnitsRolledOver
from exchange.usage.ids import PARTS_MAX, usage_words

IDS_MAX = 1_000


class ReversalRequest(BaseModel):
    """Ids of records to take back; a right record in place of a wrong one comes under a new id."""

    model_config = REQUEST
    ids: tuple[str, ...] = Field(min_length=1, max_length=IDS_MAX)
    reason: str = Field("", max_length=200)


class ReversalResult(BaseModel):
    """What went back for one record: tokens, and cash units that had paid for overrun."""

    id: str
    status: Literal["REVERSED", "REFUSED"]
    tokens: int = 0
    expired: int = Field(0, description="Tokens that would have expired since, and do not come back.")
    cost: int = 0
    code: int = 0
    msg: str = ""


class ReversalAnswer(BaseModel):
    """What became of each id."""

    results: list[ReversalResult]


async def reverse(desk: Desk, caller: Caller, request: ReversalRequest) -> ReversalAnswer:
    """Take records back: units are issued anew and returned to the key, cash is returned by the issuer.

    Units of a series that is over since come back as far as its terms let them roll over, in the series that followed.
    """
    async with desk.metering:
        return ReversalAnswer(results=[await _reverse(desk, caller.account, name) for name in request.ids])


class _Part(NamedTuple):
    """What one part of a record burned or paid, and what of it comes back in which asset, out of which series."""

    event: Event
    asset: int
    amount: int
    ended: int  # asset of the last series that is over on the way there, 0 for none


async def _reverse(desk: Desk, issuer: int, name: str) -> ReversalResult:
    first, second = usage_words(issuer, [name])[0].tolist()
    numbers = desk.exchange.usage.events_of(first, second)
    applied = [rows(desk.exchange.events.read(number - 1, 1))[0] for number in numbers]
    events = [event for event in applied if event.state != TransferPurpose.CORRECTION]
    try:
        _refuse_unless(applied, events)
        parts = [_part(desk, event) for event in events]
        await _give_back(desk, issuer, [part for part in parts if part.amount])
    except RequestError as error:
        problem = error.problem
        return ReversalResult(id=name, status="REFUSED", code=problem.code, msg=problem.message)
    units = [part for part in parts if part.event.kind == EventKind.REDEEMED]
    tokens = sum(part.amount for part in units)
    return ReversalResult(
        id=name,
        status="REVERSED",
        tokens=tokens,
        expired=sum(part.event.amount for part in units) - tokens,
        cost=sum(part.amount for part in parts if part.event.kind == EventKind.TRANSFERRED),
    )


def _refuse_unless(applied: list[Event], events: list[Event]) -> None:
    """Refuse what was never applied, or was taken back."""
    if not events:
        raise RequestError(NOT_APPLIED)
    if len(events) < len(applied):
        raise RequestError(ALREADY_REVERSED)


def _part(desk: Desk, event: Event) -> _Part:
    """Return what comes back of one part, through all series that ended since."""
    known, now_ns = desk.exchange.registry.allowances.series, desk.exchange.clock.now_ns()
    asset, amount, ended = event.asset, event.amount, 0
    while (series := known.get(asset)) is not None and series.end_ns + series.grace_ns <= now_ns:
        ended, asset, amount = asset, series.next_asset, amount * series.rollover_bps // BPS
    return _Part(event, asset, amount if asset else 0, ended)


async def _give_back(desk: Desk, issuer: int, parts: list[_Part]) -> None:
    """Issue units anew, covered by collateral, and move units and cash to the key."""
    if not parts:
        raise RequestError(GATE_CLOSED)
    async with desk.registrations:
        await _check_cash(desk, issuer, parts)
        known = desk.exchange.registry.allowances.series
        for part in parts:
            series = known.get(part.asset) if part.event.kind == EventKind.REDEEMED else None
            if series is not None:
                await cover(desk, issuer, series, part.amount)
            made = _given_back(issuer, part)
            if part.ended:
                await register(desk, UnitsRolledOver(part.ended, part.asset, part.amount), made)
            else:
                await submit(desk, made)


async def _check_cash(desk: Desk, issuer: int, parts: list[_Part]) -> None:
    """Refuse before anything moves if the issuer cannot return the cash and cover the units."""
    cash = desk.exchange.registry.asset(CASH)
    assert cash is not None
    known, owed = desk.exchange.registry.allowances.series, 0
    for part in parts:
        series = known.get(part.asset)
        if part.event.kind == EventKind.TRANSFERRED:
            owed += part.amount
        elif series is not None:
            owed += await uncovered(desk, series, part.amount)
    balances = await ask(desk, lambda engine: engine.balances(issuer))
    if owed > sum(available for asset, available, _ in balances if asset == cash.index):
        raise RequestError(NO_MEANS)


def _given_back(issuer: int, part: _Part) -> bytes:
    """Return what undoes one part; its id is the part's own, counted from the other end."""
    event = part.event
    words = (event.order_id, event.counter_order_id + PARTS_MAX)
    identity = b"".join([word.to_bytes(8, "little", signed=True) for word in words])
    purpose = TransferPurpose.CORRECTION
    back = commands.transfer(issuer, event.account, part.asset, part.amount, purpose, identity)
    if event.kind == EventKind.TRANSFERRED:
        return back
    return commands.issue(issuer, part.asset, part.amount) + back


ACTIONS = (Action("POST", "/v1/usage-reversals", reverse, ReversalRequest, ReversalAnswer, (Scope.METER,)),)
