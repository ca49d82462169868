"""The websockets of a served exchange, over real sockets: addresses, streams, slow readers, bad manners, the end."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from api.binance.texts import GONE
from api.stream.config import StreamConfig
from exchange.core import commands
from exchange.core.types import Side, TradingState
from tests.api.binance.readers import BookReader, OrdersReader
from tests.api.stream.raw import upgrade
from tests.api.stream.talk import LOWER, PATIENCE_S, ask, farewell, hear, hear_all, hear_until, joined, talk
from tests.api.venue import ALICE, BOB, OTHER, SYMBOL, TOKENS, Venue, venue

STREAMS = StreamConfig(
    connections_max=40,
    message_bytes_max=65_536,
    backlog_messages_max=2_000,
    backlog_bytes_max=262_144,
    send_buffer_bytes=16_384,
    stall_s=1.0,
    farewell_s=0.5,
)


@pytest.fixture(scope="module")
def open_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("streams"), streams=STREAMS) as served:
        yield served


@pytest.fixture
def floor(open_venue: Venue) -> Iterator[Venue]:
    open_venue.reset()
    yield open_venue
    open_venue.reset()


def bid(price: int, lots: int) -> bytes:
    return commands.new_order(ALICE, TOKENS, Side.BUY, price, lots)


def offer(price: int, lots: int) -> bytes:
    return commands.new_order(BOB, TOKENS, Side.SELL, price, lots)


async def act(served: Venue, *made: bytes) -> None:
    await asyncio.to_thread(served.submit, *made)


@pytest.mark.parametrize("path", ["/ws", "/ws/", "/ws/0", "/ws/7/", "/stream", "/stream/ws", "/stream/ws/3", "/ws/a"])
def test_every_address_takes_subscriptions_whatever_follows(floor: Venue, path: str) -> None:
    async def conversation() -> Any:
        async with joined(floor, path) as client:
            assert await ask(client, "SUBSCRIBE", [f"{SYMBOL}@trade"]) == {"result": None, "id": 1}
            await act(floor, offer(1000, 1), bid(1000, 1))
            return await hear(client)

    message = talk(conversation)
    trade = message["data"] if path == "/stream" else message
    assert (trade["e"], trade["p"], trade["q"], trade["m"]) == ("trade", "0.1000", "1", False)


@pytest.mark.parametrize("path", [f"/ws/{LOWER}@trade", f"/ws/{SYMBOL}@trade", f"/stream/ws/{LOWER}@trade/"])
def test_a_stream_may_be_named_in_the_address(floor: Venue, path: str) -> None:
    async def conversation() -> Any:
        async with joined(floor, path) as client:
            await act(floor, offer(1000, 1), bid(1000, 1))
            return await hear(client)

    assert talk(conversation)["s"] == SYMBOL


def test_combined_streams_are_wrapped_with_their_name(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, f"/stream?streams={LOWER}@trade/{OTHER.lower()}@bookTicker") as client:
            ticker = await hear(client)
            await act(floor, offer(1000, 1), bid(1000, 1))
            return [ticker, await hear(client)]

    ticker, trade = talk(conversation)
    assert (ticker["stream"], ticker["data"]["s"]) == (f"{OTHER.lower()}@bookTicker", OTHER)
    assert (trade["stream"], trade["data"]["e"]) == (f"{LOWER}@trade", "trade")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nowhere", 404, -1020),
        ("/wsx", 404, -1020),
        ("/ws-api/v2", 404, -1020),
        ("/ws?timeUnit=NANOSECOND", 400, -1194),
    ],
)
def test_an_address_that_is_none_is_refused_as_http_would(floor: Venue, path: str, status: int, code: int) -> None:
    async def conversation() -> tuple[int, Any]:
        with pytest.raises(websockets.InvalidStatus) as refused:
            async with joined(floor, path):
                pass
        response = refused.value.response
        return response.status_code, json.loads(response.body)["code"]

    assert talk(conversation) == (status, code)


def test_more_connections_than_there_may_be_are_refused(floor: Venue) -> None:
    async def conversation() -> int:
        clients: list[ClientConnection] = []
        try:
            while len(clients) <= STREAMS.connections_max:
                clients.append(await websockets.connect(f"ws://127.0.0.1:{floor.port}/ws", close_timeout=1))
        except websockets.InvalidStatus as refused:
            return refused.response.status_code
        finally:
            await asyncio.gather(*(client.close() for client in clients))
        return 0

    assert talk(conversation) == 503
    assert talk(lambda: _answers(floor))


async def _answers(served: Venue) -> bool:
    async with joined(served, "/ws") as client:
        return await ask(client, "LIST_SUBSCRIPTIONS") == {"result": [], "id": 1}


def test_bad_manners_are_answered_each_in_its_way_and_the_server_lives_on(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        said: list[Any] = []
        async with joined(floor, "/ws") as client:
            for words in ("{", b"\x00\x01", '{"method":"DANCE","id":7}', '{"id":8}', "[]"):
                await client.send(words)
                said.append((await hear(client))["error"]["code"])
            said.append((await ask(client, "SUBSCRIBE", ["no.such@trade"], 9))["error"])
            said.append((await ask(client, "SUBSCRIBE", [f"{SYMBOL}@trade"] * 1025, 10))["error"]["msg"])
        async with joined(floor, "/ws") as client:
            await client.send('{"method":"SUBSCRIBE","params":["' + "x" * 10_000_000 + '"]}')
            said.append(await farewell(client))
        async with joined(floor, "/ws") as client:
            millions = json.dumps({"method": "SUBSCRIBE", "params": [f"{n}@trade" for n in range(1_000_000)], "id": 1})
            await client.send(millions)
            said.append((await farewell(client))[0])
        return said

    *said, (code, reason), millions = talk(conversation)
    assert said == [
        3,
        2,
        2,
        2,
        2,
        {"code": 2, "msg": "Invalid request: invalid stream `no.such@trade`"},
        "Invalid request: too many parameters",
    ]
    assert (code, millions) == (1009, 1009)
    assert "exceeds" in reason
    assert talk(lambda: _answers(floor))


def test_who_talks_without_end_is_told_and_cut(floor: Venue) -> None:
    async def conversation() -> tuple[Any, tuple[int, str]]:
        async with joined(floor, "/ws") as client:
            for _ in range(STREAMS.messages_burst + 20):
                await client.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            last = await hear_until(client, lambda message: "error" in message)
            return last, await farewell(client)

    last, end = talk(conversation)
    assert last["error"]["msg"] == "Too many messages: 10 a second"
    assert end == (1008, "Too many messages.")


def test_an_unknown_stream_in_the_address_is_told_and_the_connection_stays(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, "/stream?streams=nothing@trade") as client:
            return [await hear(client), await ask(client, "LIST_SUBSCRIPTIONS")]

    error, answer = talk(conversation)
    assert error["error"]["msg"] == "Invalid request: invalid stream `nothing@trade`"
    assert answer == {"result": [], "id": 1}


def test_depth_updates_on_a_snapshot_give_the_book(floor: Venue) -> None:
    async def conversation() -> tuple[list[Any], Any]:
        async with joined(floor, f"/ws/{LOWER}@depth@100ms") as client:
            await act(floor, *(bid(900 - n, n + 1) for n in range(10)))
            first = await hear(client)
            for n in range(30):
                await act(floor, bid(950 + n % 5, 2), offer(953 + n % 7, 1 + n % 3))
            updates = [first, *(await hear_all(client))]
            depth = await asyncio.to_thread(floor.client("alice").get, "/api/v3/depth", symbol=SYMBOL, limit=5000)
            return updates, depth.json()

    updates, snapshot = talk(conversation)
    assert len(updates) > 1
    assert all(after["pu"] == before["u"] for before, after in pairwise(updates))
    assert updates[-1]["u"] == snapshot["lastUpdateId"]
    for side, name in (("b", "bids"), ("a", "asks")):
        book: dict[str, str] = {}
        for update in updates:
            book.update(update[side])
        assert {price: lots for price, lots in book.items() if lots != GONE} == dict(snapshot[name])


@pytest.mark.parametrize("readers", [1, 5])
def test_books_and_orders_kept_from_streams_are_the_exchange_s(floor: Venue, readers: int) -> None:
    names = {f"{LOWER}@book": BookReader, f"{LOWER}@book@100ms": BookReader, f"{LOWER}@orders": OrdersReader}

    def books(client: httpx.Client) -> dict[int, Any]:
        found = client.get("/api/v3/depth", params={"symbol": SYMBOL, "limit": 5000}).json()
        return {found["lastUpdateId"]: (found["bids"], found["asks"])}

    async def read(wanted: Callable[[], int]) -> dict[int, Any]:
        kept = {name: made() for name, made in names.items()}
        states: dict[int, Any] = {}
        async with joined(floor, f"/stream?streams={'/'.join(names)}") as client:
            while not wanted() or any(reader.update_id < wanted() for reader in kept.values()):
                message = await hear(client)
                reader = kept[message["stream"]]
                reader.hear(message["data"])
                if isinstance(reader, BookReader):
                    assert states.setdefault(reader.update_id, reader.book()) == reader.book()
        last = kept[f"{LOWER}@orders"].queue()
        levels = [[(price, lots) for price, lots, _ in levelled(side)] for side in last]
        assert levels == [[(price, int(lots)) for price, lots in side] for side in kept[f"{LOWER}@book"].book()]
        return states

    async def conversation() -> tuple[dict[int, Any], list[dict[int, Any]]]:
        last, polled = 0, dict[int, Any]()
        reading = [asyncio.create_task(read(lambda: last)) for _ in range(readers)]
        with httpx.Client(base_url=floor.base) as client:
            for n in range(40):
                await act(floor, bid(950 + n % 9, 2 + n % 4), offer(953 + n % 7, 1 + n % 3))
                polled |= await asyncio.to_thread(books, client)
        last = max(polled) + 1
        await act(floor, bid(940, 1))  # one more change, for readers who wait for the next message already
        return polled, await asyncio.gather(*reading)

    polled, kept = talk(conversation)
    assert len(polled) > 20
    for states in kept:
        assert [states[number] for number in polled if number in states] == [
            book for number, book in polled.items() if number in states
        ]
        assert len(polled.keys() & states.keys()) > 20


def levelled(side: list[list[Any]]) -> list[tuple[str, int, int]]:
    """Return (price, lots, orders) of each level, of orders in the order in which they trade."""
    rows = [(price, list(group)) for price, group in groupby(side, key=lambda row: row[1])]
    return [(price, sum(int(row[2]) for row in group), len(group)) for price, group in rows]


def test_a_newcomer_hears_phases_instruments_and_announcements_by_their_path(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, "/ws/!phases/!instruments/!announcements") as client:
            await hear_all(client, for_s=0.2)
            await act(floor, commands.set_trading_state(TOKENS, TradingState.HALTED))
            told = await hear_all(client, for_s=0.2)
            await act(floor, commands.set_trading_state(TOKENS, TradingState.CONTINUOUS))
            return told

    assert sorted(body["e"] for body in talk(conversation)) == ["instrument", "tradingState", "tradingState"]


def test_what_an_auction_would_make_is_asked_while_somebody_listens(floor: Venue) -> None:
    async def conversation() -> Any:
        async with joined(floor, f"/ws/{LOWER}@phase") as client:
            await act(floor, commands.set_trading_state(TOKENS, TradingState.CALL_OPEN), bid(990, 3), offer(980, 2))
            told = await hear_until(client, lambda body: body["e"] == "auctionIndication" and body["price"])
            await act(floor, commands.uncross(TOKENS, TradingState.CONTINUOUS))
            return told, await hear_until(client, lambda body: body["e"] == "auctionResult")

    told, result = talk(conversation)
    assert (told["price"], told["volume"], told["surplus"]) == ("0.0990", "2", "1")
    assert (result["price"], result["volume"], result["state"]) == ("0.0990", "2", "CONTINUOUS")


def test_streams_with_a_pace_keep_it(floor: Venue) -> None:
    names = [f"{LOWER}@{what}" for what in ("depth5@100ms", "miniTicker", "ticker", "kline_1m")] + ["!miniTicker@arr"]

    async def conversation() -> list[Any]:
        async with joined(floor, "/stream") as client:
            await ask(client, "SUBSCRIBE", names)
            await hear_all(client)
            await act(floor, offer(1000, 2), bid(1000, 1))
            return await hear_all(client, for_s=1.3)

    heard = {message["stream"]: message["data"] for message in talk(conversation)}
    assert set(heard) == set(names)
    assert heard[names[0]]["asks"] == [["0.1000", "1"]]
    assert heard[names[1]]["c"] == heard[names[2]]["c"] == heard[names[3]]["k"]["c"] == "0.1000"
    assert [one["s"] for one in heard["!miniTicker@arr"]] == [SYMBOL]


async def _stalled(served: Venue, *names: str) -> socket.socket:
    """Return a client that subscribed, and reads no more: its window is small, and then full."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", served.port))
    line.sendall(upgrade(f"/stream?streams={'/'.join(names)}"))
    assert b"101" in line.recv(4096)
    return line


def _drained(line: socket.socket) -> bytes:
    """Read a stalled client's line to its end."""
    line.settimeout(5)
    data = b""
    try:
        while chunk := line.recv(65_536):
            data += chunk
    except (TimeoutError, ConnectionResetError):
        return data
    return data


async def _trade_for(served: Venue, seconds: float) -> int:
    """Trade for a while; return how often."""
    begin, count = time.monotonic(), 0
    while time.monotonic() - begin < seconds:
        await act(served, *(made for n in range(50) for made in (offer(1000 + n % 9, 1), bid(1010, 1))))
        count += 50
    return count


def test_a_stalled_reader_of_trades_is_cut_with_a_message_while_another_loses_nothing(floor: Venue) -> None:
    async def conversation() -> tuple[list[int], int, bytes, float]:
        async with joined(floor, f"/ws/{LOWER}@trade", max_queue=None) as client:
            line = await _stalled(floor, f"{LOWER}@trade")
            begin = time.monotonic()
            count, gone = 0, None
            while gone is None and time.monotonic() - begin < 60:
                count += await _trade_for(floor, 0.2)
                gone = None if len(floor.websockets.hub.connections) == 2 else time.monotonic() - begin
            heard = [(await hear(client))["t"] for _ in range(count)]
            data = await asyncio.to_thread(_drained, line)
            line.close()
            assert gone is not None
            return heard, count, data, gone

    heard, count, data, gone = talk(conversation)
    assert heard == list(range(heard[0], heard[0] + count))
    assert gone < 5
    assert data.count(b'"e":"trade"') < count


def test_a_stalled_reader_that_reads_again_finds_the_reason(tmp_path: Path) -> None:
    async def conversation(served: Venue) -> bytes:
        line = await _stalled(served, f"{LOWER}@trade")
        for _ in range(100):
            await _trade_for(served, 0.05)
            if any(connection.backlog.messages_held for connection in served.websockets.hub.connections):
                break
        with line:
            return await asyncio.to_thread(_slowly_drained, line)

    with venue(tmp_path, streams=replace(STREAMS, farewell_s=30.0)) as served:
        data = talk(lambda: conversation(served))
    assert b'"code":-1003' in data
    assert b"\x88" in data[-80:], "a close frame ends the line"


def _slowly_drained(line: socket.socket) -> bytes:
    time.sleep(STREAMS.stall_s + 0.3)
    return _drained(line)


def test_a_stalled_reader_of_depth_is_conflated_and_told_so(floor: Venue) -> None:
    async def conversation() -> bytes:
        line = await _stalled(floor, f"{LOWER}@depth@0ms", f"{LOWER}@bookTicker")
        hub = floor.websockets.hub
        for n in range(4000):
            await act(floor, *(bid(900 - (n * 20 + k) % 800, 1) for k in range(20)))
            if any(connection.backlog.merged.total() > 20 for connection in hub.connections):
                break
        await asyncio.sleep(STREAMS.stall_s + 0.5)
        assert len(hub.connections) == 1, "what merges does not end a connection"
        data = await asyncio.to_thread(_drained_until, line, b'"e":"conflated"')
        line.close()
        return data

    data = talk(conversation)
    updates = [json.loads(part) for part in _payloads(data) if b'"depthUpdate"' in part]
    bodies = [update["data"] for update in updates]
    assert len(bodies) > 2
    assert all(after["pu"] == before["u"] for before, after in pairwise(bodies))
    notices = [json.loads(part) for part in _payloads(data) if b'"conflated"' in part]
    assert notices[0]["streams"][f"{LOWER}@depth@0ms"] > 20


def _drained_until(line: socket.socket, word: bytes) -> bytes:
    line.settimeout(5)
    data = b""
    while word not in data:
        data += line.recv(65_536)
    return data + line.recv(65_536, socket.MSG_DONTWAIT) if not data.endswith(b"}") else data


def _payloads(data: bytes) -> Iterator[bytes]:
    """Yield what whole text frames hold."""
    while len(data) > 2:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        if len(data) < start + size:
            return
        yield data[start : start + size]
        data = data[start + size :]


def test_a_connection_has_its_time_and_pings_keep_it_alive(tmp_path: Path) -> None:
    streams = StreamConfig(lifetime_s=4.0, ping_interval_s=0.2, ping_timeout_s=3.0)

    async def conversation(served: Venue) -> tuple[tuple[int, str], float]:
        async with joined(served, "/ws", ping_interval=None) as client:
            begin = time.monotonic()
            return await farewell(client), time.monotonic() - begin

    with venue(tmp_path, streams=streams) as served:
        end, lasted = talk(lambda: conversation(served))
    assert end == (1001, "The connection's time is over.")
    assert 3.9 < lasted < 20


def test_the_end_of_the_server_is_announced(tmp_path: Path) -> None:
    async def conversation(served: Venue) -> tuple[list[Any], list[tuple[int, str]]]:
        async with joined(served, "/ws") as stream, joined(served, "/ws-api/v3") as api:
            served._loop.call_soon_threadsafe(served._stop.set)
            words = [await hear(client) for client in (stream, api)]
            return words, [await farewell(client) for client in (stream, api)]

    with venue(tmp_path) as served:
        words, ends = talk(lambda: conversation(served))
    assert [word["e"] for word in words] == ["serverShutdown"] * 2
    assert ends == [(1001, "The server is shutting down.")] * 2


def test_the_beat_stops_when_nobody_is_there_and_starts_again(floor: Venue) -> None:
    async def conversation() -> int:
        async with joined(floor, f"/ws/{LOWER}@depth@100ms") as client:
            await act(floor, bid(700, 1))
            return (await hear(client))["u"]

    first = talk(conversation)
    _wait_for(lambda: floor.websockets._beating is False)
    assert talk(conversation) > first


@pytest.mark.parametrize("failing", ["on_batch", "beat"])
def test_streams_that_fail_are_said_to_and_never_stop_the_exchange(
    floor: Venue, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    async def conversation() -> tuple[Any, tuple[int, str]]:
        async with joined(floor, f"/ws/{LOWER}@trade") as client:
            await ask(client, "LIST_SUBSCRIPTIONS")
            with monkeypatch.context() as broken:
                broken.setattr(floor.websockets._feed, failing, fail)
                await act(floor, offer(1000, 1), bid(1000, 1))
                return await hear_until(client, lambda message: "error" in message), await farewell(client)

    word, end = talk(conversation)
    assert word["error"]["msg"] == end[1] == "The streams failed: connect again."
    assert end[0] == 1008
    assert talk(lambda: _answers(floor))


def test_who_was_there_leaves_nothing_behind(floor: Venue) -> None:
    async def conversation() -> None:
        async with joined(floor, f"/stream?streams={LOWER}@trade/{LOWER}@depth/{LOWER}@kline_1m") as client:
            await hear_all(client, 0.1)

    talk(conversation)
    hub = floor.websockets.hub
    _wait_for(lambda: (hub.connections, hub.topics, hub.blocked, floor.websockets._sessions) == ({}, {}, {}, {}))


def _wait_for(is_so: Callable[[], bool]) -> None:
    """Wait for what the server does by itself soon."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
