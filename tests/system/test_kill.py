"""kill -9 under load, at random moments: what was acknowledged is there once, nothing is invented, the books agree."""

import asyncio
import os
import random
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from api.demo import market as opening
from api.demo.actors import GONE
from api.demo.client import Key, Refused, Rest, open_http
from api.demo.day import reconcile
from api.demo.server import Server
from api.demo.world import Listing

KILLS = int(os.environ.get("TOKENBOURSE_KILLS", "8"))  # each costs a start of the server
SENDERS = 8
LOAD_S_MAX = 0.8
PAGE = 1_000
LISTING = Listing("TA.TEST.Q1.OUT.NAT.E90.G0A", "ALLOWANCE", "TEST", Decimal("20.0000"), Decimal("0.0001"), 200_000, "")
INSUFFICIENT = -2010  # an account may have sold all it has
TERMINAL = {"FILLED", "EXPIRED", "CANCELED"}


@dataclass
class Witness:
    """What one account sent, and what it was told."""

    key: Key
    sent: set[str] = field(default_factory=set)
    told: dict[str, dict[str, object]] = field(default_factory=dict)  # answers by client order id


async def _send(http: httpx.AsyncClient, witness: Witness, number: int, chance: random.Random) -> None:
    """Place one order, now and then one that rests, and remember the answer, if there is one."""
    name = f"order-{number}"
    price = LISTING.price + LISTING.tick * chance.randint(-3, 3)
    terms = {"symbol": LISTING.symbol, "side": chance.choice(("BUY", "SELL")), "type": "LIMIT"}
    sizes = {"timeInForce": chance.choice(("GTC", "IOC")), "price": price, "quantity": chance.randint(1, 9)}
    witness.sent.add(name)
    answer = await Rest(http, witness.key).signed("POST", "/api/v3/order", newClientOrderId=name, **terms, **sizes)
    witness.told[name] = answer


async def _load(http: httpx.AsyncClient, witnesses: list[Witness], chance: random.Random, numbers: range) -> None:
    """Send until the server is gone."""
    for number in numbers:
        try:
            await _send(http, chance.choice(witnesses), number, chance)
        except Refused as refusal:
            if refusal.code != INSUFFICIENT:
                raise
        except GONE:
            return
    raise AssertionError("the load ended before the server was killed")


async def _check_answers(http: httpx.AsyncClient, witness: Witness, names: list[str]) -> None:
    """Ask for every order by the name it was acknowledged under: it has come as far as was said, or further."""
    for name in names:
        order = await Rest(http, witness.key).signed(
            "GET", "/api/v3/order", symbol=LISTING.symbol, origClientOrderId=name
        )
        told = witness.told[name]
        assert order["orderId"] == told["orderId"]
        assert Decimal(order["executedQty"]) >= Decimal(str(told["executedQty"]))
        if told["status"] in TERMINAL:
            assert (order["status"], order["executedQty"]) == (told["status"], told["executedQty"])


async def _check_all(http: httpx.AsyncClient, witness: Witness) -> None:
    """Page through all orders of the account: each was sent, none comes twice, none acknowledged is missing."""
    found: list[dict[str, object]] = []
    after: dict[str, object] = {}
    while True:
        page = await Rest(http, witness.key).signed(
            "GET", "/api/v3/allOrders", symbol=LISTING.symbol, limit=PAGE, **(after or {"startTime": 1})
        )
        found += page[1:] if after else page
        if len(page) < PAGE:
            break
        after = {"orderId": page[-1]["orderId"]}
    names = [str(order["clientOrderId"]) for order in found if order["clientOrderId"] in witness.sent]
    assert len(found) - len(names) <= 1, "more than the stock bought at the opening was not sent by this test"
    assert len(set(names)) == len(names)
    assert set(witness.told) <= set(names)


async def _rounds(server: Server, http: httpx.AsyncClient, witnesses: list[Witness], chance: random.Random) -> None:
    checked: dict[str, set[str]] = {witness.key.key: set() for witness in witnesses}
    for kill in range(KILLS):
        ranges = [range(start, 1 << 40, SENDERS) for start in range(kill << 32, (kill << 32) + SENDERS)]
        load = [asyncio.create_task(_load(http, witnesses, chance, numbers)) for numbers in ranges]
        await asyncio.sleep(chance.uniform(0.05, LOAD_S_MAX))
        await server.kill()
        await asyncio.gather(*load)
        await server.start()
        for witness in witnesses:
            names = [name for name in witness.told if name not in checked[witness.key.key]]
            await _check_answers(http, witness, names)
            checked[witness.key.key].update(names)


async def _run(directory: Path, seed: int) -> int:
    server = Server(directory)
    await server.start()
    try:
        async with open_http(server.url) as http:
            market = await opening.set_up(http, opening.operator_key(directory), [LISTING])
            witnesses = [Witness(market.keys[name]) for name in opening.MAKERS]
            await _rounds(server, http, witnesses, random.Random(seed))
            for witness in witnesses:
                await _check_all(http, witness)
    finally:
        await server.stop()
    return sum(len(witness.told) for witness in witnesses)


@pytest.mark.system
@pytest.mark.timeout(900)
def test_every_acknowledged_order_survives_every_kill_once(tmp_path):
    acknowledged = asyncio.run(_run(tmp_path, seed=7))
    assert acknowledged > KILLS
    proof = asyncio.run(reconcile(tmp_path))
    assert proof.holds, proof.detail
