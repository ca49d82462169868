"""What moves without an order: cash and units between accounts of one participant, and trades that are taken back."""

import hashlib
import struct

from api.errors import RequestError, rejection
from api.v1.desk import Action, Caller, Desk, submit
from api.v1.licences import refuse_bust
from api.v1.orderproblems import BEHIND_A_KEY, NOT_A_SUBACCOUNT, NOT_A_TRADE, SAME_ACCOUNT, TRANSFER_ARCHIVED
from api.v1.orderschemas import BustAnswer, BustRequest, SubaccountTransfer, SubaccountTransferAnswer
from api.v1.problems import UNKNOWN_ACCOUNT, UNKNOWN_ASSET, amount_units
from api.v1.titleproblems import SEATS_STAY
from exchange.core import commands
from exchange.core.types import AssetKind, EventKind, RejectReason, Side, TransferPurpose
from exchange.events import Event, rows
from exchange.expiry import KEY_PREFIX
from exchange.registry.documents import Role, Scope
from exchange.registry.units import format_units

MILLISECOND_NS = 1_000_000
ID_BYTES = 16
DUPLICATE = rejection(RejectReason.DUPLICATE_ID)


async def transfer(desk: Desk, caller: Caller, request: SubaccountTransfer) -> SubaccountTransferAnswer:
    """Move available cash or units to another account of the same participant; a broker's key moves any of them."""
    source = caller.account if request.source is None else request.source
    _refuse_strangers(desk, caller.account, source, request.receiver)
    asset = desk.exchange.registry.asset(request.asset)
    if asset is None:
        raise RequestError(UNKNOWN_ASSET)
    if asset.kind is AssetKind.LICENCE:
        raise RequestError(SEATS_STAY)
    units = amount_units("amount", request.amount, asset.decimals)
    named = transfer_key(source, request.transfer_id)
    made = commands.transfer(source, request.receiver, asset.index, units, TransferPurpose.SUBACCOUNT, named)
    try:
        event = (await desk.gateway.send(made))[0]
    except RequestError as error:
        if error.problem != DUPLICATE:
            raise
        event = _before(desk, source, named)
        if (event.counter_account, event.asset, event.amount) != (request.receiver, asset.index, units):
            raise
    return _transferred(desk, request, event)


async def bust(desk: Desk, caller: Caller, request: BustRequest) -> BustAnswer:
    """Take a trade back: every posting of it is made again with the opposite sign. A trade is taken back once."""
    found = rows(desk.exchange.events.read(request.event - 1, 1))
    if not found or found[0].kind != EventKind.TRADED:
        raise RequestError(NOT_A_TRADE)
    trade = found[0]
    await refuse_bust(desk, request.event, trade.instrument)
    parties, fees = (trade.account, trade.counter_account), (trade.fee, trade.counter_fee)
    made = commands.bust_trade(
        trade.trade_id, Side(trade.side), parties, trade.instrument, trade.price_ticks, trade.quantity_lots, fees
    )
    event = (await submit(desk, made))[0]
    instrument = desk.directory.at(trade.instrument)
    texts = desk.directory.texts(trade.instrument)
    buyer, seller = parties if trade.side == Side.BUY else parties[::-1]
    return BustAnswer(
        event=desk.exchange.events.first_of(event.sequence),
        symbol=instrument.symbol,
        trade_id=trade.trade_id,
        price=texts.price(trade.price_ticks),
        quantity=texts.quantity(trade.quantity_lots),
        buyer=buyer,
        seller=seller,
        time=event.time_ns // MILLISECOND_NS,
    )


def _before(desk: Desk, account: int, named: bytes) -> Event:
    """Return the transfer of an account that was applied under an id, looked for among its latest events."""
    exchange = desk.exchange
    words = struct.unpack("<2q", named)
    for _, number in reversed(exchange.account_events.after(account, 0)):
        (event,) = rows(exchange.events.read(number - 1, 1))
        if event.kind == EventKind.TRANSFERRED and (event.order_id, event.counter_order_id) == words:
            return event
    raise RequestError(TRANSFER_ARCHIVED)


def transfer_key(account: int, transfer_id: str) -> bytes:
    """Return the 16 bytes by which the engine knows a transfer that an account named."""
    return hashlib.sha256(b"%d %s" % (account, transfer_id.encode("ascii"))).digest()[:ID_BYTES]


def _refuse_strangers(desk: Desk, own: int, source: int, receiver: int) -> None:
    registry = desk.exchange.registry
    parties = [registry.account_at(index) for index in (own, source, receiver)]
    if source == receiver:
        raise RequestError(SAME_ACCOUNT)
    mine = parties[0]
    assert mine is not None
    for party in parties:
        if party is None:
            raise RequestError(UNKNOWN_ACCOUNT)
        if party.participant != mine.participant:
            raise RequestError(NOT_A_SUBACCOUNT)
        if party.name.startswith(KEY_PREFIX):
            raise RequestError(BEHIND_A_KEY)
    if source != own and mine.role is not Role.BROKER:
        raise RequestError(NOT_A_SUBACCOUNT)


def _transferred(desk: Desk, request: SubaccountTransfer, event: Event) -> SubaccountTransferAnswer:
    asset = desk.exchange.registry.asset_at(event.asset)
    assert asset is not None
    return SubaccountTransferAnswer(
        event=desk.exchange.events.first_of(event.sequence),
        time=event.time_ns // MILLISECOND_NS,
        source=event.account,
        receiver=event.counter_account,
        asset=asset.name,
        amount=format_units(event.amount, asset.decimals),
        transfer_id=request.transfer_id,
    )


ACTIONS = (
    Action("POST", "/v1/transfers", transfer, SubaccountTransfer, SubaccountTransferAnswer, (Scope.TRADE,)),
    Action("POST", "/v1/busts", bust, BustRequest, BustAnswer, (Scope.OPERATE,)),
)
