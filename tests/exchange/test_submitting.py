"""Submitting what must be done, however long it takes."""

import asyncio

import pytest

from exchange import submitting
from exchange.events import Event
from exchange.sequencer import Overloaded, Stopped
from exchange.submitting import submit_when_taken


def test_it_waits_while_the_exchange_is_overloaded_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "WAIT_S", 0.0)
    told: list[tuple[bytes, bytes]] = []
    outcomes = iter([Overloaded("busy"), Overloaded("busy"), None, Stopped("no more")])

    async def submit(made: bytes, document: bytes) -> list[Event]:
        told.append((made, document))
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        return []

    assert asyncio.run(submit_when_taken(submit, b"commands", b"document")) == []
    assert told == [(b"commands", b"document")] * 3
    with pytest.raises(Stopped):
        asyncio.run(submit_when_taken(submit, b"commands", b"document"))
