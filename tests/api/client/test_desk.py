"""Tiers and fee schedules by the typed client, waiting and awaited, against a served exchange."""

import asyncio
import inspect
import json
from collections.abc import Iterator

import pytest

from api.client import desk
from api.client.faults import Refused, UnknownSymbol
from api.client.rest import AsyncClient, Client
from api.client.signing import Key
from api.v1.router import _TAGS
from exchange.core.types import FEE_TIERS
from tests.api.v1.office import SYMBOL, Office, office

ACTIONS = {(action.method, action.path): action for module in _TAGS for action in module.ACTIONS}
GIVEN = {
    "participant": "alice", "tier": 1, "account": 1, "symbol": "X", "rates": [(1, 2)], "maker_bps": 1, "taker_bps": 2,
    "why": "agreed", "name": "alice",
}  # fmt: skip
MADE = {
    name: make(**{key: GIVEN[key] for key in inspect.signature(make).parameters if key in GIVEN})
    for name, make in inspect.getmembers(desk, inspect.isfunction)
    if make.__module__ == desk.__name__ and not name.startswith("_")
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("desk")) as served:
        served.furnish()
        yield served


@pytest.fixture(scope="module")
def operator(house: Office) -> Iterator[Client]:
    with Client(house.base, Key.of(house.operator.key, house.operator.secret)) as client:
        yield client


@pytest.mark.parametrize("name", MADE)
def test_an_operation_is_served_as_it_says(name: str) -> None:
    made = MADE[name]
    action = ACTIONS[made.verb, made.path]
    assert (made.access is desk.Access.SIGNED) is bool(action.scopes)
    assert action.reply.__name__ == made.answer.__name__
    sent = json.loads(made.body) if made.body else made.texts
    assert sent.keys() <= action.request.model_fields.keys()
    action.request.model_validate(sent)
    assert made.texts.get(desk.REASON, "") == ("agreed" if made.body else "")


def test_tiers_are_set_told_and_taken_back(operator: Client) -> None:
    [alice] = operator.participants("alice").participants
    [account] = alice.accounts
    assert (alice.role, account.participant, account.tier) == ("trader", "alice", 0)
    standing = operator.set_tier("alice", 2, why="a large client")
    assert (standing.tier, [one.tier for one in standing.accounts]) == (2, [2])
    assert operator.set_account_tier(account.account, 5, why="its own terms").tier == 5
    assert operator.set_tier("alice", 3, why="larger still").accounts[0].tier == 5
    assert operator.set_account_tier(account.account, None, why="as the others").tier == 3
    everybody = operator.participants().participants
    assert "alice" in [one.participant for one in everybody]
    behind = operator.participants(after=everybody[0].participant, limit=1).participants
    assert behind == everybody[1:2]
    acts = operator.other("GET", "/v1/acts")
    assert "larger still" in [one["why"] for one in acts["acts"]]


def test_schedules_are_set_as_a_whole_and_from_a_tier_on(house: Office, operator: Client) -> None:
    rates = operator.set_fee_schedule(SYMBOL, [(-1, 5), (-2, 4)], why="a new year").rates
    assert [(one.tier, one.maker_bps, one.taker_bps) for one in rates[:3]] == [(0, -1, 5), (1, -2, 4), (2, -2, 4)]
    assert operator.set_fees(SYMBOL, -1, 3, tier=4, why="for the largest").taker_bps == 5
    with Client(house.base) as anybody:
        told = anybody.fee_schedule(SYMBOL)
    assert (told.symbol, len(told.rates)) == (SYMBOL, FEE_TIERS)
    assert [one.taker_bps for one in told.rates] == [5, 4, 4, 4, 3, 3, 3, 3]


def test_they_are_awaited_too_and_refusals_are_raised(house: Office, operator: Client) -> None:
    async def main() -> tuple[int, list[int]]:
        key = Key.of(house.operator.key, house.operator.secret)
        async with AsyncClient(house.base, key) as client:
            standing = await client.set_tier("ctel", 1, why="an issuer")
            rates = (await client.set_fee_schedule(SYMBOL, [(0, 1)], why="one for all")).rates
            with pytest.raises(UnknownSymbol):
                await client.fee_schedule("TA.NONE")
            with pytest.raises(Refused):
                await client.set_tier("nobody", 1, why="a slip")
            return standing.tier, [one.taker_bps for one in rates]

    assert asyncio.run(main()) == (1, [1] * FEE_TIERS)
    with pytest.raises(Refused):
        operator.set_fees(SYMBOL, 1, 1, tier=FEE_TIERS, why="too high")
