"""Records that were reported by mistake: what they burned and paid goes back to the key, once.

Units of a series that is over meanwhile would be over too: what the terms let roll over comes back in the series that
followed, the rest does not. Cash comes back whatever became of the units. New units are covered like any others.
"""

from typing import Literal, NamedTuple

from pydantic import BaseModel, Field

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, ask, refuse_rejected, submit, submitted
from api.v1.problems import ALREADY_REVERSED, GATE_CLOSED, KEY_CLOSED, NO_MEANS, NOT_APPLIED
from api.v1.purses import CASH
from api.v1.schemas import REQUEST
from api.v1.series import cover, refuse_unissuable, uncovered
from exchange.core import commands
from exchange.core.types import BPS, AccountState, EventKind, TransferPurpose
from exchange.events import Event, rows
from exchange.registry.documents import Scope, encode
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
    is_back: bool  # already


async def _reverse(desk: Desk, issuer: int, name: str) -> ReversalResult:
    try:
        parts = _parts(desk, issuer, name)
        missing = [part for part in parts if part.amount and not part.is_back]
        _refuse_unless(desk, parts, missing)
        await _give_back(desk, issuer, missing)
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


def _parts(desk: Desk, issuer: int, name: str) -> list[_Part]:
    """Return the parts of a record; of an attempt that was cut short some may be back already."""
    first, second = usage_words(issuer, [name])[0].tolist()
    numbers = desk.exchange.usage.events_of(first, second)
    applied = [rows(desk.exchange.events.read(number - 1, 1))[0] for number in numbers]
    back = {event.counter_order_id: event for event in applied if event.state == TransferPurpose.CORRECTION}
    return [
        _part(desk, event, back.get(event.counter_order_id + PARTS_MAX))
        for event in applied
        if event.state != TransferPurpose.CORRECTION
    ]


def _refuse_unless(desk: Desk, parts: list[_Part], missing: list[_Part]) -> None:
    """Refuse what was never applied, was taken back, is over, or would come back to nobody."""
    if not parts:
        raise RequestError(NOT_APPLIED)
    if not missing:
        raise RequestError(ALREADY_REVERSED if any(part.is_back for part in parts) else GATE_CLOSED)
    accounts = [desk.exchange.registry.account_at(part.event.account) for part in missing]
    if any(account is None or account.state is AccountState.CLOSED for account in accounts):
        raise RequestError(KEY_CLOSED)


def _part(desk: Desk, event: Event, back: Event | None) -> _Part:
    """Return what comes back of one part, through all series that ended since, or what came back of it."""
    if back is not None:
        return _Part(event, back.asset, back.amount, 0, is_back=True)
    known, now_ns = desk.exchange.registry.allowances.series, desk.exchange.clock.now_ns()
    asset, amount, ended = event.asset, event.amount, 0
    seen: set[int] = set()  # terms of an old snapshot may lead in a circle
    while asset not in seen and (series := known.get(asset)) is not None and series.end_ns + series.grace_ns <= now_ns:
        seen.add(asset)
        ended, asset, amount = asset, series.next_asset, amount * series.rollover_bps // BPS
    return _Part(event, asset, amount if asset and asset not in seen else 0, ended, is_back=False)


async def _give_back(desk: Desk, issuer: int, parts: list[_Part]) -> None:
    """Issue units anew, covered by collateral, and move units and cash to the key.

    Parts go together, but for those that roll over: a document each says out of which series, and stands alone.
    """
    async with desk.registrations:
        units = _units(parts)
        await _check_cash(desk, issuer, parts)
        await refuse_unissuable(desk, issuer, units)
        known = desk.exchange.registry.allowances.series
        for asset, amount in units.items():
            if asset in known:
                await cover(desk, issuer, known[asset], amount)
        for rolled in dict.fromkeys((part.ended, part.asset) for part in parts if part.ended):
            together = [part for part in parts if (part.ended, part.asset) == rolled]
            document = UnitsRolledOver(*rolled, sum(part.amount for part in together))
            await _move(desk, issuer, together, encode(document))
        await _move(desk, issuer, [part for part in parts if not part.ended], b"")


async def _move(desk: Desk, issuer: int, parts: list[_Part], document: bytes) -> None:
    """Give parts back in one piece; what was issued for a part that the key then may not have is burned again."""
    if not parts:
        return
    made = [_given_back(issuer, part) for part in parts]
    events = await submitted(desk, b"".join(command for one in made for command in one), document)
    stray, place = [], 0
    for part, one in zip(parts, made, strict=True):
        told = [event.kind for event in events[place : place + len(one)]]
        if told == [EventKind.ISSUED, EventKind.COMMAND_REJECTED]:
            stray.append(commands.expire_units(issuer, part.asset, part.amount))
        place += len(one)
    if stray:
        await submit(desk, b"".join(stray))
    refuse_rejected(events)


def _units(parts: list[_Part]) -> dict[int, int]:
    """Return what is to be issued, by asset."""
    found: dict[int, int] = {}
    for part in parts:
        if part.event.kind == EventKind.REDEEMED:
            found[part.asset] = found.get(part.asset, 0) + part.amount
    return found


async def _check_cash(desk: Desk, issuer: int, parts: list[_Part]) -> None:
    """Refuse before anything moves if the issuer cannot return the cash and cover the units."""
    cash = desk.exchange.registry.asset(CASH)
    assert cash is not None
    known = desk.exchange.registry.allowances.series
    owed = sum(part.amount for part in parts if part.event.kind == EventKind.TRANSFERRED)
    for asset, amount in _units(parts).items():
        if asset in known:
            owed += await uncovered(desk, known[asset], amount)
    balances = await ask(desk, lambda engine: engine.balances(issuer))
    if owed > sum(available for asset, available, _ in balances if asset == cash.index):
        raise RequestError(NO_MEANS)


def _given_back(issuer: int, part: _Part) -> list[bytes]:
    """Return what undoes one part; its id is the part's own, counted from the other end."""
    event = part.event
    words = (event.order_id, event.counter_order_id + PARTS_MAX)
    identity = b"".join([word.to_bytes(8, "little", signed=True) for word in words])
    purpose = TransferPurpose.CORRECTION
    back = commands.transfer(issuer, event.account, part.asset, part.amount, purpose, identity)
    if event.kind == EventKind.TRANSFERRED:
        return [back]
    return [commands.issue(issuer, part.asset, part.amount), back]


ACTIONS = (Action("POST", "/v1/usage-reversals", reverse, ReversalRequest, ReversalAnswer, (Scope.METER,)),)
