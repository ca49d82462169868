"""Whether the exchange takes orders, and where each of its parts stands."""

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk
from api.v1.problems import not_ready
from api.v1.schemas import HealthAnswer, LedgerHealth, Nothing
from settlement.connect import PASSING_ERRORS

SECOND_NS = 1_000_000_000


async def health(desk: Desk, caller: Caller, request: Nothing) -> HealthAnswer:
    """Answer 200 while commands are accepted, 503 with the reason otherwise. Trading does not wait for the ledger."""
    exchange = desk.exchange
    if exchange.sequencer.refusal:
        raise RequestError(not_ready(exchange.sequencer.refusal))
    return HealthAnswer(
        ready=True,
        version=desk.version,
        uptime_s=(exchange.clock.monotonic_ns() - desk.started_ns) // SECOND_NS,
        journal_position=exchange.journal.position,
        events=exchange.events.count,
        pending_commands=exchange.sequencer.pending,
        ledger=await _ledger(desk),
    )


async def _ledger(desk: Desk) -> LedgerHealth:
    count = desk.exchange.events.count
    if desk.ledger is None:
        return LedgerHealth(connected=False, event=0, lag=count)
    try:
        status = await desk.ledger.status(count)
    except PASSING_ERRORS:
        known = desk.ledger.known_seq
        return LedgerHealth(connected=False, event=known, lag=max(0, count - known))
    return LedgerHealth(connected=True, event=status.last_seq, lag=status.lag)


ACTIONS = (Action("GET", "/v1/health", health, Nothing, HealthAnswer),)
