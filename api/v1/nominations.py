"""Units and prepaid cash that a holder sets aside for one of its API keys, and how they stand."""

from hashlib import blake2b
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, ask, register, submit
from api.v1.problems import FOREIGN_KEY, GATE_CLOSED, UNKNOWN_ASSET, UNKNOWN_HOLDER, amount_units, refused_document
from api.v1.purses import account_name, movable, participant_of
from api.v1.schemas import REQUEST, AssetName, Number
from exchange.core import commands
from exchange.core.types import TransferPurpose
from exchange.registry.documents import AccountNamed, Scope
from exchange.registry.entries import Account
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.series import Overrun, OverrunChosen
from exchange.registry.units import format_units

MILLISECOND_NS = 1_000_000
ApiKeyName = Annotated[str, Field(min_length=16, max_length=128)]


class NominationRequest(BaseModel):
    """Units of a series, or cash for what they do not cover, and the key that may use them."""

    model_config = REQUEST
    key: ApiKeyName
    asset: AssetName
    amount: Number
    id: str = Field("", max_length=64, description="Moves once within 72 hours, if given.")


class NominationAnswer(BaseModel):
    """What was moved, and what the key has of it now."""

    key: str
    asset: str
    amount: str
    nominated: str
    sequence: int


class PurseRequest(BaseModel):
    """A key."""

    model_config = REQUEST
    key: ApiKeyName


class NominatedAnswer(BaseModel):
    """What a key has of one asset; `until` is when units expire, in milliseconds, 0 for never."""

    asset: str
    available: str
    until: int


class PurseAnswer(BaseModel):
    """What stands behind a key, as of the command with this sequence number."""

    key: str
    account: int
    overrun: str
    sequence: int
    assets: list[NominatedAnswer]


class OverrunRequest(BaseModel):
    """What is to happen to use that a key's units do not cover: refused, or paid from its prepaid cash."""

    model_config = REQUEST
    key: ApiKeyName
    overrun: Literal["REFUSE", "PAY"]


async def nominate(desk: Desk, caller: Caller, request: NominationRequest) -> NominationAnswer:
    """Set units or cash aside for a key of the same participant, until the gate of the series closes."""
    check_own(desk, caller, request.key)
    known = desk.exchange.registry.any_key(request.key)
    if known is None or known.ends_ns <= desk.exchange.clock.now_ns():
        raise RequestError(refused_document(DocumentRefusal.UNKNOWN_KEY))
    account = await _ensure_account(desk, caller, request.key)
    return await _move(desk, request, caller.account, account.index, account.index)


async def take_back(desk: Desk, caller: Caller, request: NominationRequest) -> NominationAnswer:
    """Take units or cash back from a key, a revoked one too, until the gate of the series closes."""
    check_own(desk, caller, request.key)
    account = find_account(desk, request.key)
    async with desk.metering:
        return await _move(desk, request, account.index, caller.account, account.index)


async def purse(desk: Desk, caller: Caller, request: PurseRequest) -> PurseAnswer:
    """Return what a key has left of each series and of cash."""
    registry = desk.exchange.registry
    account = find_account(desk, request.key)
    if not caller.scopes & {Scope.OPERATE, Scope.AUDIT}:
        check_own(desk, caller, request.key)
    sequence, rows = await ask(desk, lambda engine: (engine.command_sequence, engine.balances(account.index)))
    found = []
    for index, available, _ in rows:
        asset, series = registry.asset_at(index), registry.allowances.series.get(index)
        assert asset is not None
        until = 0 if series is None else (series.end_ns + series.grace_ns) // MILLISECOND_NS
        found.append(NominatedAnswer(asset=asset.name, available=format_units(available, asset.decimals), until=until))
    overrun = registry.allowances.overrun.get(request.key, Overrun.REFUSE)
    return PurseAnswer(key=request.key, account=account.index, overrun=overrun.value, sequence=sequence, assets=found)


async def choose_overrun(desk: Desk, caller: Caller, request: OverrunRequest) -> OverrunRequest:
    """Choose whether use beyond a key's units is refused, or paid at the index from its prepaid cash."""
    check_own(desk, caller, request.key)
    async with desk.registrations:
        await register(desk, OverrunChosen(request.key, Overrun(request.overrun)))
    return request


def check_own(desk: Desk, caller: Caller, key: str) -> None:
    """Refuse a key that is not of the caller's participant; one that was revoked still is."""
    registry = desk.exchange.registry
    known = registry.any_key(key)
    if known is None or participant_of(registry, known.account) != participant_of(registry, caller.account):
        raise RequestError(FOREIGN_KEY)


def find_account(desk: Desk, key: str) -> Account:
    """Return the account that stands behind a key, or refuse."""
    account = desk.exchange.registry.account(account_name(key))
    if account is None:
        raise RequestError(UNKNOWN_HOLDER)
    return account


async def _ensure_account(desk: Desk, caller: Caller, key: str) -> Account:
    registry = desk.exchange.registry
    if registry.account(account_name(key)) is None:
        owner = registry.account_at(caller.account)
        assert owner is not None
        async with desk.registrations:
            if registry.account(account_name(key)) is None:
                named = AccountNamed(
                    registry.next_account, account_name(key), owner.participant, owner.role, owner.group
                )
                await register(desk, named)
    return find_account(desk, key)


async def _move(desk: Desk, request: NominationRequest, giver: int, receiver: int, behind: int) -> NominationAnswer:
    registry = desk.exchange.registry
    asset = registry.asset(request.asset)
    if asset is None:
        raise RequestError(UNKNOWN_ASSET)
    if not movable(registry.allowances.series.get(asset.index), desk.exchange.clock.now_ns()):
        raise RequestError(GATE_CLOSED)
    units = amount_units("amount", request.amount, asset.decimals)
    name = f"nomination {giver} {receiver} {request.id}".encode()
    identity = blake2b(name, digest_size=16).digest() if request.id else bytes(16)
    made = commands.transfer(giver, receiver, asset.index, units, TransferPurpose.SUBACCOUNT, identity)
    event = (await submit(desk, made))[0]
    rows = await ask(desk, lambda engine: engine.balances(behind))
    left = next(available for index, available, _ in rows if index == asset.index)
    return NominationAnswer(
        key=request.key,
        asset=asset.name,
        amount=format_units(event.amount, asset.decimals),
        nominated=format_units(left, asset.decimals),
        sequence=event.sequence,
    )


_TRADE, _SEE = (Scope.TRADE,), (Scope.READ, Scope.TRADE, Scope.OPERATE, Scope.AUDIT)
ACTIONS = (
    Action("POST", "/v1/nominations", nominate, NominationRequest, NominationAnswer, _TRADE),
    Action("DELETE", "/v1/nominations", take_back, NominationRequest, NominationAnswer, _TRADE),
    Action("GET", "/v1/nominations", purse, PurseRequest, PurseAnswer, _SEE),
    Action("PUT", "/v1/overrun", choose_overrun, OverrunRequest, OverrunRequest, _TRADE),
)
