"""Burning the seats of licences that came to their end: a term that is over, a dataset that was revoked.

What is to be burned is read off what stands, so a step that was cut short is taken up by the next round.
"""

import structlog

from api.titles import Titles
from exchange.core import commands
from exchange.core.types import EventKind, RejectReason, Side
from exchange.expiry import holders
from exchange.registry.entries import Instrument
from exchange.server import Exchange
from settlement.seats import Over

HOLDERS_MAX = 4_096  # whose seats are burned with one submission
log = structlog.get_logger()


async def burn_seats(exchange: Exchange, titles: Titles, now_ns: int) -> None:
    """Burn the seats that are over now. The log must have been followed to its end: what it says is not done again."""
    after = 0
    while page := await titles.seats.over(now_ns, after):  # those that cannot be burned yet hold up nobody
        for over in page:
            await _burn(exchange, over)
        after = page[-1].entitlement
    for index in await titles.seats.revoked():
        instrument = exchange.registry.instrument_at(index)
        assert instrument is not None
        await _burn_all(exchange, instrument)


async def _burn(exchange: Exchange, over: Over) -> None:
    """Burn the seats of one entitlement; what its holder offers of them is taken off the book where need be."""
    instrument = exchange.registry.instrument_at(over.instrument)
    assert instrument is not None
    burning = commands.expire_units(over.holder, instrument.base, over.seats * instrument.lot_units)
    if await _is_done(exchange, burning):
        return
    await exchange.submit(commands.mass_cancel(over.holder, over.instrument, Side.SELL))
    if not await _is_done(exchange, burning):  # sold, and not yet delivered: they come back, or others do
        log.info("seats that are over cannot be burned yet", entitlement=over.entitlement, holder=over.holder)


async def _is_done(exchange: Exchange, burning: bytes) -> bool:
    event = (await exchange.submit(burning))[-1]
    if event.kind == EventKind.COMMAND_REJECTED and event.reason != RejectReason.INSUFFICIENT_BALANCE:
        log.warning("seats could not be burned", reason=RejectReason(event.reason).name)
    return event.kind == EventKind.UNITS_EXPIRED


async def _burn_all(exchange: Exchange, instrument: Instrument) -> None:
    """Burn what anybody has of a licence that nobody may use any more."""
    everybody = await exchange.query(lambda engine: holders(engine, instrument.base))
    made = [commands.expire_units(one.account, instrument.base, one.units) for one in everybody]
    for start in range(0, len(made), HOLDERS_MAX):
        await exchange.submit(b"".join(made[start : start + HOLDERS_MAX]))
