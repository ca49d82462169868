"""Asks the exchange what auctions would make, for as long as somebody wants to hear it.

An indication is the answer to a command, so it has its place in the journal like everything else. An instrument is
asked about once a beat at most, and only after something changed there while it collects orders.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from exchange.core import commands
from exchange.core.types import EventKind
from exchange.events import Event
from exchange.marketdata.notices import Notices
from exchange.sequencer import Batch, Overloaded, Stopped

INDICATIONS_PER_BEAT = 256
_INDICATED = int(EventKind.AUCTION_INDICATED)
log = structlog.get_logger()

Submit = Callable[[bytes], "asyncio.Future[list[Event]]"]


class Indicator:
    """Which instruments are to be asked about."""

    def __init__(self, notices: Notices, is_read: Callable[[int], bool], submit: Submit) -> None:
        self._notices = notices
        self._is_read = is_read
        self._submit = submit
        self._changed = dict.fromkeys(notices.collecting)  # what came before this start may not have been asked about

    def on_batch(self, batch: Batch) -> None:
        """Note what changed at instruments that collect orders; what was asked by anybody is known."""
        collecting = self._notices.collecting
        if not collecting:
            return
        for event in batch.rows:
            if event.kind == _INDICATED:
                self._changed.pop(event.instrument, None)
            elif event.instrument in collecting:
                self._changed[event.instrument] = None

    def beat(self) -> None:
        """Ask about what changed and is read; what the exchange has no time for waits for the next beat."""
        collecting = self._notices.collecting
        self._changed = {index: None for index in self._changed if index in collecting}
        due = [index for index in self._changed if self._is_read(index)][:INDICATIONS_PER_BEAT]
        if not due:
            return
        with suppress(Overloaded, Stopped):
            self._submit(b"".join(map(commands.indicate, due))).add_done_callback(_hear)


def _hear(answer: "asyncio.Future[list[Event]]") -> None:
    """Take the answer, which everybody hears as events; it may be that the exchange stopped."""
    if not answer.cancelled() and answer.exception() is not None:
        log.info("nobody could say what auctions would make", reason=str(answer.exception()))
