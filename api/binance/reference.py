"""What is traded and how: instruments with their filters, limits, time; and what clients of the dialect ask besides."""

import asyncio
from typing import Any

from api.binance import replies
from api.binance.requests import ExchangeInfoRequest, FeesRequest, Nothing
from api.call import Answer, Call, encoded, unchanged
from api.door import Services, charge
from api.errors import BAD_COMBINATION, RequestError
from api.limits import Limits
from api.packing import Part, gzipped
from api.schemas import validated
from exchange.registry.entries import Instrument
from exchange.registry.units import format_units

INSTRUMENTS_PER_TURN = 200
UNPACKED_MAX = 200  # instruments that are not worth compressing
FEE_DECIMALS = 8  # of rates: basis points have four
BPS_DECIMALS = 4
_COMMA, _END = Part(b","), Part(b"]}")


async def time(services: Services, call: Call) -> bytes:
    """Return the time of the exchange."""
    validated(Nothing, call.texts)
    return encoded({"serverTime": call.stamp(services.exchange.clock.now_ns())})


async def ping(_: Services, call: Call) -> bytes:
    """Return nothing, to show that somebody answers."""
    validated(Nothing, call.texts)
    return encoded({})


async def exchange_info(services: Services, call: Call) -> bytes | Answer:
    """Return limits and instruments; 304 if they have the ETag that the client knows, whose time may be older."""
    request = validated(ExchangeInfoRequest, call.texts)
    if request.symbol and request.symbols:
        raise RequestError(BAD_COMBINATION)
    sequence = services.exchange.registry.instruments_sequence
    same = unchanged(call, services.instrument_bodies.tag(sequence, services.limiter.limits))
    if same is not None:
        return same
    found = services.directory.listed(request.symbol, request.symbols)
    if request.symbol_status:
        found = [one for one in found if replies.STATES[one.trading_state] == request.symbol_status]
    charge(services, call, len(found))
    is_whole = not (request.symbol or request.symbols or request.symbol_status)
    head = {
        "timezone": "UTC",
        "serverTime": call.stamp(call.now_ns),
        "rateLimits": rate_limits(services.limiter.limits),
        "exchangeFilters": [],
    }
    begin = encoded(head)[:-1] + b',"symbols":['
    if not is_whole:
        return b"".join((begin, b",".join(await _bodies(services, found)), b"]}"))
    pages = await _pages(services, found)
    if not call.takes_gzip or len(found) <= UNPACKED_MAX:
        return b"".join((begin, b",".join([page.text for page in pages]), b"]}"))
    behind = [part for page in pages[1:] for part in (_COMMA, page)]
    body = await gzipped([Part(begin), *pages[:1], *behind, _END])
    return Answer(200, body, [*call.headers_out, (b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")])


async def _pages(services: Services, found: list[Instrument]) -> list[Part]:
    """Return all instruments, letting others have their turn behind each page that had to be encoded."""
    pages = []
    for begin in range(0, len(found), INSTRUMENTS_PER_TURN):
        page = found[begin : begin + INSTRUMENTS_PER_TURN]
        made, was_encoded = services.instrument_bodies.page(begin // INSTRUMENTS_PER_TURN, page)
        pages.append(made)
        if was_encoded:
            await asyncio.sleep(0)
    return pages


async def _bodies(services: Services, found: list[Instrument]) -> list[bytes]:
    bodies = []
    for count, instrument in enumerate(found, 1):
        bodies.append(services.instrument_bodies.body(instrument))
        if count % INSTRUMENTS_PER_TURN == 0:
            await asyncio.sleep(0)
    return bodies


async def coins(services: Services, call: Call) -> bytes:
    """Return all assets, as clients ask that also move coins."""
    _ = call
    return encoded(
        [_coin(asset.name, asset.decimals) for asset in services.exchange.registry.assets if asset.is_created]
    )


async def trade_fees(services: Services, call: Call) -> bytes:
    """Return what the account pays on one instrument or on all."""
    request, tier = validated(FeesRequest, call.texts), tier_of(services, call)
    told = []
    for one in services.directory.listed(request.symbol):
        maker, taker = one.rates(tier)
        told.append({"symbol": one.symbol, "makerCommission": rate(maker), "takerCommission": rate(taker)})
    return encoded(told)


def tier_of(services: Services, call: Call) -> int:
    """Return the fee tier of the account that asks."""
    found = services.exchange.registry.account_at(call.account)
    return 0 if found is None else found.tier


async def status(services: Services, call: Call) -> bytes:
    """Return whether the exchange takes orders."""
    validated(Nothing, call.texts)
    stopped = services.exchange.sequencer.refusal
    return encoded({"status": 1, "msg": "system_maintenance"} if stopped else {"status": 0, "msg": "normal"})


async def none(_: Services, __: Call) -> bytes:
    """Return an empty list: what is asked for does not exist here."""
    return encoded([])


async def no_symbols(_: Services, __: Call) -> bytes:
    """Return a venue without instruments: derivatives are not traded here."""
    return encoded({"symbols": []})


def rate(bps: int) -> str:
    """Return a rate as a fraction."""
    return format_units(bps * 10 ** (FEE_DECIMALS - BPS_DECIMALS), FEE_DECIMALS)


def rate_limits(limits: Limits) -> list[dict[str, Any]]:
    """Return the limits in the dialect's words."""
    return [
        _limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
        _limit("ORDERS", "SECOND", 10, limits.orders_per_10s),
    ]


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _coin(name: str, decimals: int) -> dict[str, Any]:
    zero = format_units(0, decimals)
    return {
        "coin": name,
        "name": name,
        "depositAllEnable": False,
        "withdrawAllEnable": False,
        "free": zero,
        "locked": zero,
        "freeze": zero,
        "withdrawing": zero,
        "ipoing": zero,
        "ipoable": zero,
        "storage": zero,
        "isLegalMoney": False,
        "trading": True,
        "networkList": [],
    }
