"""The clerk of licences: follows trades into escrow, delivers entitlements, pays or refunds, keeps books shut.

It only listens and submits commands, like anybody else. What it has seen stands in Postgres with its cursor; what it
asked for has happened once an event says so. So a crash anywhere leaves nothing to repair: the next round goes on.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from api.books import closing
from api.burning import burn_seats
from api.titles import ESCROW_NAME, Titles
from exchange.core.types import SECOND_NS, EventKind, RejectReason
from exchange.events import Event
from exchange.registry.dataset import State
from exchange.registry.escrow import Escrow, Party, Step
from exchange.sequencer import Batch, Overloaded, Stopped
from exchange.server import Exchange
from settlement.connect import PASSING_ERRORS
from settlement.following import Watched, find, hold, traded, transfers, watched
from settlement.licences import Case, Leg
from settlement.register import StaleError

TICK_S = 0.5  # between two rounds when nothing happens: times of acceptance are checked so often
CHUNK_EVENTS = 65_536  # of the event log, looked at with one call
BURN_NS = 60 * SECOND_NS  # between two looks for seats that are over
TOLD_MAX = 10_000  # transfers that wait, remembered so that each is logged once
WAIT_NS = 5 * SECOND_NS  # until a transfer that was refused is asked for again: each asking stands in the journal
QUIET_EVENTS = 1_000_000  # without a licence among them, until the cursor is moved all the same
_CLERK = frozenset((Party.CLERK,))
_TRADED, _TRANSFERRED = int(EventKind.TRADED), int(EventKind.TRANSFERRED)
_HEARD = frozenset((_TRADED, _TRANSFERRED, int(EventKind.TRADE_BUSTED)))
log = structlog.get_logger()


class Clerk:
    """One exchange's clerk; `run` is its life."""

    def __init__(self, exchange: Exchange, titles: Titles) -> None:
        """Listen to an exchange that was started."""
        self._exchange = exchange
        self._titles = titles
        self._wake = asyncio.Event()
        self._position = 0  # of the event log, followed so far
        self._written = 0  # the cursor in the database
        self._watched = watched({})
        self._told: dict[tuple[int, Leg], int] = {}  # transfers that wait, and when each is asked for again
        self._burn_ns = 0  # when to look for seats that are over
        exchange.add_listener(self._hear)

    async def run(self) -> None:
        """Do rounds until the exchange stops; go on when the database is back."""
        self._position = self._written = await self._titles.licences.cursor()
        while True:
            self._wake.clear()
            try:
                await self.round()
            except StaleError:
                self._wake.set()  # somebody decided at the same time: look again
            except Stopped:
                return
            except (*PASSING_ERRORS, Overloaded) as error:
                log.warning("the clerk waits", reason=repr(error))
            except Exception:
                log.exception("the clerk failed, and tries again")
            try:
                await asyncio.wait_for(self._wake.wait(), TICK_S)
            except TimeoutError:
                continue

    async def round(self) -> None:
        """Follow the event log to its end, and do what is due."""
        if not self._exchange.registry.gates:
            self._position = self._exchange.events.count  # no licence, no trade of one
            return
        await self._follow()
        for trade in await self._titles.entitlements.undone():
            case = await self._titles.licences.case(trade)
            assert case is not None
            await self._titles.entitlements.take_back(case, "busted", self._now_ns())
        await self._titles.entitlements.revoke_ended(self._now_ns())
        await self._work_off()
        await self._close_books()
        now_ns = self._now_ns()
        if now_ns >= self._burn_ns:
            await self._follow()
            await burn_seats(self._exchange, self._titles, now_ns)
            self._burn_ns = now_ns + BURN_NS

    async def _work_off(self) -> None:
        """Do what is due about every escrow; those that wait for something hold up nobody."""
        after = 0
        while page := await self._titles.licences.work(self._now_ns(), after):
            for case in page:
                if await self._work(case):
                    self._wake.set()
            after = page[-1].escrow.trade

    def _now_ns(self) -> int:
        return self._exchange.clock.now_ns()

    def _watch(self) -> Watched:
        """Return the licences to follow; there are never fewer."""
        registry = self._exchange.registry
        if len(registry.gates) != len(self._watched.quotes):
            found = [registry.instrument_at(index) for index in registry.gates]
            known = [one for one in found if one is not None]
            self._watched = watched({one.index: one.quote for one in known}, {one.base: one.index for one in known})
        return self._watched

    def _hear(self, batch: Batch) -> None:
        """Ask for the proceeds of a trade in the moment it is known, ahead of what anybody can answer to it."""
        if not self._exchange.registry.gates:
            return
        account = self._exchange.registry.account(ESCROW_NAME)
        watch = self._watch()
        for place, event in batch.rows.chosen(_HEARD):
            kind = event.kind
            if kind != _TRANSFERRED and event.instrument not in watch.quotes:
                continue
            self._wake.set()
            if kind != _TRADED or account is None:
                continue
            made = traded(batch.first_event_number + place, event, watch.quotes[event.instrument])
            command = hold(made, account.index)
            if not command:
                continue
            try:
                asked = self._exchange.submit(command)
            except (Overloaded, Stopped):  # it stands in the event log: the next round asks again
                return
            asked.add_done_callback(_hear_out)

    async def _follow(self) -> None:
        watch = self._watch()
        while self._position < self._exchange.events.count:
            chunk = self._exchange.events.read(self._position, CHUNK_EVENTS)
            found = find(chunk, self._position, watch)
            if found.trades or found.legs or found.busts or found.burns or found.upto - self._written > QUIET_EVENTS:
                await self._titles.licences.follow(found)
                self._written = found.upto
            self._position = found.upto

    async def _work(self, case: Case) -> bool:
        """Do what is due about an escrow; tell whether something changed."""
        state = case.escrow.state
        if state is Escrow.RELEASING and not case.escrow.wanted:  # nothing was earned
            step = Step.PAID
        elif state in {Escrow.DUE, Escrow.RELEASING, Escrow.REFUNDING}:
            if state is Escrow.REFUNDING:
                await self._titles.entitlements.take_back(case, "refunded", self._now_ns())
            await self._transfer(case)
            return False
        elif case.state is State.REVOKED:
            step = Step.REVOKE
        elif state is Escrow.HELD:
            if case.escrow.buyer not in self._exchange.registry.gates[case.series.instrument].cleared:
                return False  # its clearance went while nobody could cancel its bid
            return await self._titles.entitlements.deliver(case, self._now_ns())
        else:
            step = Step.LAPSE
        await self._titles.licences.take_step(case, step, _CLERK, 0, self._now_ns())
        return True

    async def _transfer(self, case: Case) -> None:
        """Submit the transfers that an escrow waits for, each only behind the one before it; their events wake us."""
        registry = self._exchange.registry
        account, instrument = registry.account(ESCROW_NAME), registry.instrument_at(case.series.instrument)
        assert account is not None
        assert instrument is not None
        for leg, command in transfers(case, account.index, instrument.base, instrument.lot_units):
            if self._now_ns() < self._told.get((case.escrow.trade, leg), 0):
                return
            event = (await self._exchange.submit(command))[0]
            if event.kind == EventKind.COMMAND_REJECTED and event.reason != RejectReason.DUPLICATE_ID:
                self._tell(case.escrow.trade, leg, RejectReason(event.reason).name)
                return

    def _tell(self, trade: int, leg: Leg, reason: str) -> None:
        """Let a transfer wait, and log that once."""
        is_told = (trade, leg) in self._told
        if len(self._told) >= TOLD_MAX:
            self._told.clear()
        self._told[trade, leg] = self._now_ns() + WAIT_NS
        if not is_told:
            log.warning("a transfer of an escrow waits", trade=trade, leg=leg.name, reason=reason)

    async def _close_books(self) -> None:
        """Stop the books of datasets that are not listed, whoever opened them."""
        for index, state in await self._titles.licences.not_listed():
            instrument = self._exchange.registry.instrument_at(index)
            for command in [] if instrument is None else closing(state, instrument):
                await self._exchange.submit(command)


def _hear_out(asked: "asyncio.Future[list[Event]]") -> None:
    """Take note of a failure that nobody waits for: the next round asks again."""
    if not asked.cancelled():
        asked.exception()


@asynccontextmanager
async def at_work(exchange: Exchange, titles: Titles) -> AsyncIterator[Clerk]:
    """Let a clerk work as long as the block lasts."""
    clerk = Clerk(exchange, titles)
    task = asyncio.create_task(clerk.run())
    try:
        yield clerk
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
