"""Who trades in the demo: each does its part against a real server, and insists after an interruption."""

import asyncio

import pytest

from api.demo.actors import Buyer, Facts, MarketMaker, Meter, Tape, insist
from api.demo.client import Refused, Rest, open_http
from api.demo.market import METERED_BUYER, nominate, sell
from api.demo.usage import batches, generate

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_insisting_repeats_what_was_not_answered_and_gives_up_on_a_refusal():
    facts, calls, reopened = Facts(), [], []

    async def act() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionResetError
        return "answered"

    async def refused() -> None:
        raise Refused(400, -2010, "no")

    async def reopen() -> None:
        reopened.append(1)

    assert asyncio.run(insist(facts, act, reopen)) == "answered"
    assert (len(calls), len(reopened), facts.interruptions) == (3, 2, 1)
    assert asyncio.run(insist(facts, refused, reopen)) is None
    assert facts.refusals == {-2010: 1}


def test_a_maker_quotes_a_buyer_sweeps_and_the_tape_sees_every_trade(opened):
    facts, world, keys = Facts(), opened.world[1:3], opened.market.keys

    async def trade() -> None:
        stop = asyncio.Event()
        async with open_http(opened.server.url) as http:
            tape = Tape(world, opened.server.url, http, facts)
            reader = asyncio.create_task(tape.run())
            await tape.listening.wait()
            maker = MarketMaker("t-maker", keys["maker-1"], world, opened.server.url, facts)
            buyer = Buyer("t-buyer", keys["buyer-1"], world, http, facts)
            traders = [asyncio.create_task(actor) for actor in (maker.run(stop), buyer.run(stop))]
            await asyncio.sleep(2)
            for _ in range(1_200):  # the machine may be busy
                if facts.acknowledged and facts.trades:
                    break
                await asyncio.sleep(0.05)
            stop.set()
            await asyncio.gather(*traders)
            await tape.catch_up()
            reader.cancel()
            for listing in world:
                trades = await Rest(http).public("/api/v3/trades", symbol=listing.symbol, limit=1_000)
                assert {trade["id"] for trade in trades} == {
                    number for number, seen in facts.trades.items() if seen[0] == listing.symbol
                }

    asyncio.run(trade())
    assert facts.acknowledged
    assert facts.trades
    assert len(facts.rest_ms) + len(facts.socket_ms) >= len(facts.acknowledged)


def test_a_meter_burns_each_record_once(opened):
    facts, metered, keys = Facts(), opened.world[0], opened.market.keys
    requests = generate(300)

    async def report() -> None:
        async with open_http(opened.server.url) as http:
            await sell(http, keys[metered.issuer], keys[METERED_BUYER], metered, 5)
            await nominate(http, keys[METERED_BUYER], metered, 5)
            meter = Meter(keys[metered.issuer], metered.symbol, keys[METERED_BUYER].key, http, facts)
            await meter.run(list(batches(requests, 100)), 0)

    asyncio.run(report())
    assert (facts.usage_applied, facts.usage_duplicates) == (300, 3)
    assert facts.usage_tokens == sum(request.tokens_in + request.tokens_out for request in requests)
