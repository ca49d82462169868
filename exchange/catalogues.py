"""Carrying out the plan of a catalogue: every row is listed, then all are opened, then the plan is over.

What is left to do is read off what stands, so a start goes on where a crash cut it short, before anybody is let in.
"""

from collections.abc import Iterator

import msgspec
import structlog

from exchange.core import commands
from exchange.core.types import EventKind, TradingState
from exchange.registry.catalogues import CataloguePlan
from exchange.registry.documents import CatalogueListed, CataloguePlanEnded, commands_of, encode
from exchange.registry.registry import DocumentRefusedError, Registry
from exchange.submitting import Submit, submit_when_taken

ROWS_AT_ONCE = 100  # of one record: their commands are one submission, and others come between two of them
log = structlog.get_logger()


async def carry_out(registry: Registry, submit: Submit) -> None:
    """List what a whole plan names and is not listed yet; without one there is nothing to do.

    Nobody else may name assets or instruments meanwhile.
    """
    plan = registry.catalogue_plan
    if plan is None or not plan.is_whole:
        return
    for listed in plan.listings:
        for start in range(0, len(listed.rows), ROWS_AT_ONCE):
            await _list(registry, submit, listed, start)
    for made in _openings(registry, plan):
        await _send(submit, made, b"")
    await _send(submit, b"", encode(CataloguePlanEnded(plan.name)))


async def _list(registry: Registry, submit: Submit, listed: CatalogueListed, start: int) -> None:
    """List the rows of one record that are not listed yet."""
    rows = listed.rows[start : start + ROWS_AT_ONCE]
    missing = tuple(row for row in rows if registry.instrument(row.symbol) is None)
    if missing:
        document = msgspec.structs.replace(
            listed, asset=registry.next_asset, instrument=registry.next_instrument, rows=missing
        )
        await _send(submit, commands_of(document), encode(document))


def _openings(registry: Registry, plan: CataloguePlan) -> Iterator[bytes]:
    """Yield the commands that open what is still closed and is to be open."""
    for part in plan.parts:
        for start in range(0, len(part.listed.rows), ROWS_AT_ONCE):
            rows = part.listed.rows[start : start + ROWS_AT_ONCE]
            found = [known for row in rows if (known := registry.instrument(row.symbol)) is not None]
            closed = [known.index for known in found if known.trading_state is TradingState.CLOSED]
            if closed and part.state is not TradingState.CLOSED:
                yield b"".join([commands.set_trading_state(index, part.state) for index in closed])


async def _send(submit: Submit, made: bytes, document: bytes) -> None:
    """Submit; every row was checked before, so what is refused all the same is told, and the rest is listed."""
    try:
        events = await submit_when_taken(submit, made, document)
    except DocumentRefusedError:
        log.exception("a part of a catalogue was refused")
        return
    for event in events:
        if event.kind == EventKind.COMMAND_REJECTED:
            log.error("a part of a catalogue was refused", reason=event.reason, instrument=event.instrument)
