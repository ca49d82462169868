"""What keys have left, heard through a socket: by holder and issuer, adding up, by slow readers in one message."""

import asyncio
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from api.client.signing import Key
from api.client.streams import AllowanceStream, AsyncAllowanceStream
from api.stream.frames import POLICY_VIOLATION
from api.v1.allowances import KEYS_MAX, PATH
from api.v1.problems import FOREIGN_KEY
from tests.api.stream.talk import farewell, hear, talk
from tests.api.v1.office import SYMBOL, Client, Office, office

LOT = 1_000_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        assert served.issuer.post("/v1/issues", asset=SYMBOL, amount="50").status_code == 200
        served.issuer.order("SELL", 50, "1")
        served.buyer.order("BUY", 50, "1")
        yield served


def _join(desk: Office, client: Client, **parameters: Any) -> Any:
    query = client.query(key=client.key, **parameters)
    return connect(f"{desk.base.replace('http', 'ws')}{PATH}?{query}", close_timeout=1)


def _use(desk: Office, name: str, tokens: int) -> None:
    number = desk.issuer.get("/v1/usage-batch").json()["batch"]
    record = {"id": name, "key": desk.buyer.key, "time": int(time.time() * 1000), "tokens_in": tokens}
    told = desk.issuer.post("/v1/usage", batch=number, records=[record]).json()
    assert told["applied"] == 1, told


def _left(rows: list[dict[str, Any]], asset: str = SYMBOL) -> Decimal:
    return next((Decimal(row["available"]) for row in rows if row["asset"] == asset), Decimal(0))


async def _changes(client: Any, begin: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the next messages, having seen that none is missing and that changes and balances agree."""
    found, sequence = [], begin["sequence"]
    left = {row["asset"]: Decimal(row["available"]) for row in begin["rows"]}
    for _ in range(count):
        message = await hear(client)
        assert (message["type"], message["after"]) == ("CHANGED", sequence)
        sequence = message["sequence"]
        for row in message["rows"]:
            left[row["asset"]] = left.get(row["asset"], Decimal(0)) + sum(map(Decimal, row["changes"].values()))
            assert Decimal(row["available"]) == left[row["asset"]]
        found.append(message)
    return found


def _do_everything(desk: Office) -> None:
    buyer = desk.buyer
    buyer.nominate("2")
    _use(desk, "told", LOT // 2)
    desk.issuer.post("/v1/usage-reversals", ids=["told"])
    back = buyer.delete("/v1/nominations", key=buyer.key, asset=SYMBOL, amount="1")
    assert back.status_code == 200, back.text


def test_holder_and_issuer_hear_every_change_with_its_cause(desk: Office) -> None:
    async def conversation() -> tuple[list[Any], list[Any], Any]:
        async with _join(desk, desk.buyer) as own, _join(desk, desk.issuer) as serving:
            begins = [await hear(own), await hear(serving)]
            await asyncio.to_thread(_do_everything, desk)
            heard = [await _changes(one, begin, 4) for one, begin in zip((own, serving), begins, strict=True)]
        async with _join(desk, desk.buyer) as again:
            return begins, heard, await hear(again)

    begins, heard, again = talk(conversation)
    assert {begin["type"] for begin in begins} == {"ALLOWANCES"}
    for told in heard:
        rows = [message["rows"][0] for message in told]
        assert {row["key"] for row in rows} == {desk.buyer.key}
        assert [list(row["changes"]) for row in rows] == [["NOMINATED"], ["USED"], ["REVERSED"], ["RETURNED"]]
    assert _left(again["rows"]) == _left(heard[0][-1]["rows"]) == _left(begins[0]["rows"]) + 1
    assert again["sequence"] >= heard[0][-1]["sequence"]


def test_cash_behind_a_key_is_its_holder_s_affair(desk: Office) -> None:
    async def conversation() -> tuple[Any, list[Any], list[Any]]:
        async with _join(desk, desk.buyer, keys=desk.buyer.key) as own, _join(desk, desk.issuer) as serving:
            begins = [await hear(own), await hear(serving)]
            await asyncio.to_thread(desk.buyer.nominate, "3", "", "CNY")
            await asyncio.to_thread(desk.buyer.nominate, "1")
            return begins, await _changes(own, begins[0], 2), await _changes(serving, begins[1], 1)

    _, own, serving = talk(conversation)
    assert [message["rows"][0]["asset"] for message in own] == ["CNY", SYMBOL]
    assert serving[0]["rows"][0]["asset"] == SYMBOL


def test_others_see_nothing_and_may_not_ask_for_a_key_of_others(desk: Office) -> None:
    stranger = desk.admit("stranger", "read")

    async def conversation() -> tuple[Any, Any, Any]:
        async with _join(desk, stranger) as client:
            nothing = await hear(client)
            await client.send("hello")
            assert (await farewell(client))[0] == POLICY_VIOLATION
        refusals = []
        for keys in (desk.buyer.key, ",".join(map(str, range(KEYS_MAX + 1)))):
            with pytest.raises(InvalidStatus) as refused:
                await _join(desk, stranger, keys=keys).__aenter__()
            refusals.append(refused.value.response)
        return nothing, *refusals

    nothing, foreign, too_many = talk(conversation)
    assert nothing["rows"] == []
    assert (foreign.status_code, FOREIGN_KEY.code) == (403, -8044)
    assert str(FOREIGN_KEY.code).encode() in foreign.body
    assert too_many.status_code in {400, 414, 431}


def _until_told(reader: Any) -> None:
    """Wait until all that happened is in the reader's backlog."""
    deadline = time.monotonic() + 10
    while reader.pending and time.monotonic() < deadline:
        time.sleep(0.001)


def test_who_reads_slowly_hears_the_sum_of_what_changed(desk: Office) -> None:
    async def conversation() -> list[Any]:
        async with _join(desk, desk.buyer) as client:
            begin = await hear(client)
            connection = list(desk.websockets.hub.connections)[-1]  # one that is gone may not be forgotten yet
            desk._loop.call_soon_threadsafe(connection.pause)
            for number in range(3):
                await asyncio.to_thread(_use, desk, f"slow {number}", 1_000)
                reader = list(desk.websockets._allowances._readers.values())[-1]
                await asyncio.to_thread(_until_told, reader)
            desk._loop.call_soon_threadsafe(connection.resume)
            (message,) = await _changes(client, begin, 1)
            return [message, await hear(client)]

    message, conflated = talk(conversation)
    assert message["rows"][0]["changes"] == {"USED": "-0.003000"}
    assert conflated["e"] == "conflated"


def test_the_client_keeps_what_is_left(desk: Office) -> None:
    stream = AllowanceStream(desk.base, Key.of(desk.buyer.key, desk.buyer.secret), desk.buyer.key)
    for _ in stream:
        if stream.remaining:
            stream.close()
    purse = desk.buyer.get("/v1/nominations", key=desk.buyer.key).json()["assets"]
    expected = {(desk.buyer.key, row["asset"]): Decimal(row["available"]) for row in purse if Decimal(row["available"])}
    assert stream.remaining == expected

    async def conversation() -> Any:
        awaited = AsyncAllowanceStream(desk.base, Key.of(desk.issuer.key, desk.issuer.secret))
        async for _ in awaited:
            if awaited.remaining:
                await awaited.close()
        return awaited.remaining

    assert talk(conversation) == {place: left for place, left in expected.items() if place[1] == SYMBOL}


def test_a_stream_ends_with_its_key(desk: Office) -> None:
    gone = desk.admit("gone", "read")

    async def conversation() -> int:
        async with _join(desk, gone) as client:
            await hear(client)
            revoked = await asyncio.to_thread(desk.operator.delete, "/v1/keys", key=gone.key)
            assert revoked.status_code == 200, revoked.text
            return (await farewell(client))[0]

    assert talk(conversation) == POLICY_VIOLATION
