"""The life of token allowances through real sockets, settled in a real Postgres, while the clock is set by hand.

Each journey ends with a ledger that agrees with journal, engine and tape, and with every unit accounted for.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from exchange.clock import ManualClock
from settlement.embedded import Embedded
from settlement.ledger import Ledger
from settlement.migrate import migrate
from settlement.poster import spawn
from settlement.reconcile import reconcile
from tests.api.v1.office import SMALL, Client, Office, office

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
LOT = 1_000_000
START_NS = 1_800_000_000 * 10**9
pytestmark = pytest.mark.system


class House(Office):
    """An office whose clock is set by hand and whose ledger can be proved."""

    dsn: str
    clock: ManualClock


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("exchange")
    postgres = Embedded(directory / "postgres")
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    poster = spawn(directory, postgres.dsn)
    with office(directory, SMALL, dsn=postgres.dsn, clock=ManualClock(START_NS)) as served:
        yield served
    poster.terminate()
    assert poster.wait(30) == 0
    postgres.stop()


def _now_ms(desk: House) -> int:
    return desk.clock.now_ns() // 10**6


def _let_in(desk: House, name: str, role: str, *scopes: str, cash: str = "10000") -> Client:
    """Go the whole way from an application to a key with money."""
    body = f'{{"name": "{name}", "role": "{role}"}}'.encode()
    headers = {"Content-Type": "application/json"}
    assert desk.operator.http.post("/v1/applications", content=body, headers=headers).status_code == 200
    for standing in ("verified", "active"):
        assert desk.operator.put("/v1/standing", participant=name, standing=standing).status_code == 200
    client = desk.admit(name, *scopes, role=role)
    assert desk.operator.post("/v1/deposits", account=client.account, amount=cash).status_code == 200
    return client


def _provider(desk: House, name: str) -> Client:
    return _let_in(desk, name, "issuer", "read", "trade", "issue", "meter")


def _series(desk: House, issuer: Client, symbol: str, end_ms: int, **terms: Any) -> None:
    """Attest capacity and write the terms of a listed series down; its window has begun an hour ago."""
    parts = symbol.split(".")
    capacity = {"issuer": issuer.account, "hub": parts[4], "window": parts[5], "tokens_per_minute": 10 * LOT}
    assert desk.operator.put("/v1/capacity", **capacity).status_code == 200
    body = {"symbol": symbol, "start": _now_ms(desk) - HOUR_MS, "end": end_ms} | terms
    made = desk.operator.post("/v1/series", **body)
    assert made.status_code == 200, made.text


def _use(desk: House, issuer: Client, holder: Client, name: str, **tokens: int) -> dict[str, Any]:
    number = issuer.get("/v1/usage-batch").json()["batch"]
    record = {"id": name, "key": holder.key, "time": _now_ms(desk)} | tokens
    told = issuer.post("/v1/usage", batch=number, records=[record])
    assert told.status_code == 200, told.text
    return told.json()


def _owned(client: Client, asset: str) -> Decimal:
    rows = client.get("/v1/balances").json()["balances"]
    return next((Decimal(row["total"]) for row in rows if row["asset"] == asset), Decimal(0))


def _nominated(client: Client, asset: str) -> Decimal:
    rows = client.get("/v1/nominations", key=client.key).json()["assets"]
    return next((Decimal(row["available"]) for row in rows if row["asset"] == asset), Decimal(0))


def _wait(desk: House, holds: Any) -> None:
    for _ in range(400):
        if holds():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about")


def _state(desk: House, symbol: str) -> str:
    return desk.exchange.registry.instrument(symbol).trading_state.name


def _prove(desk: House) -> None:
    """Every unit is somewhere, and journal, engine, ledger and tape agree."""

    async def conserved() -> list[int]:
        def read(engine: Any) -> list[int]:
            assets, rows = engine.asset_rows(), engine.balance_rows()
            owned = [int((rows["available"] + rows["held"])[rows["asset"] == asset].sum()) for asset in assets["asset"]]
            return (assets["issued"] - assets["burned"] - owned).tolist()

        return await desk.exchange.query(read)

    assert set(desk.run(conserved)) == {0}
    _wait(desk, lambda: desk.operator.http.get("/v1/health").json()["ledger"]["lag"] == 0)
    assert asyncio.run(reconcile(desk.directory, desk.dsn, SMALL)).difference is None

    async def totals() -> list[int]:
        ledger = await Ledger.open(desk.dsn)
        try:
            return [row.total for row in await ledger.trial_balance()]
        finally:
            await ledger.close()

    assert set(asyncio.run(totals())) == {0}


def test_a_provider_lists_capacity_and_sells_it_in_a_call_auction(desk: House) -> None:
    symbol = "TA.NOVA.Q3.OUT.GZ.M2702.G80A"
    provider, first, second, third = (
        _provider(desk, "nova"),
        *[_let_in(desk, name, "trader", "read", "trade") for name in ("ann", "ben", "cem")],
    )
    desk.list(symbol, provider.account, state="CLOSED", maker_bps=0, taker_bps=0)
    assert desk.operator.put("/v1/trading-mode", symbol=symbol, mode="CALL").status_code == 200
    _series(desk, provider, symbol, _now_ms(desk) + 30 * DAY_MS, collateral="1", wh=100)
    certificates = [{"serial": f"GEC-{number}", "wh": 4_000} for number in range(2)]
    desk.operator.post("/v1/certificates", issuer=provider.account, certificates=certificates)
    assert provider.post("/v1/issues", asset=symbol, amount="100", certificates=["GEC-0"]).json()["code"] == -8083
    issued = provider.post("/v1/issues", asset=symbol, amount="100", certificates=["GEC-0", "GEC-1"])
    assert issued.status_code == 200, issued.text
    assert desk.operator.put("/v1/trading-state", symbol=symbol, state="CALL_OPEN").status_code == 200
    provider.order("SELL", 100, "1", symbol)
    for buyer, lots, price in ((first, 60, "1.5"), (second, 50, "1.2"), (third, 20, "0.9")):
        buyer.order("BUY", lots, price, symbol)
    shown = desk.operator.post("/v1/indication", symbol=symbol).json()
    assert (shown["price_ticks"], shown["quantity_lots"], shown["surplus_lots"]) == (12_000, 100, 10)
    made = desk.operator.post("/v1/uncross", symbol=symbol, afterwards="CALL_OPEN").json()
    assert (made["price_ticks"], made["quantity_lots"]) == (12_000, 100)
    assert [_owned(buyer, symbol) for buyer in (first, second, third)] == [60, 40, 0]
    assert _owned(provider, "CNY") == 10_000 - 100 + 120
    _prove(desk)


def test_a_package_is_bought_used_and_invoiced(desk: House) -> None:
    symbol = "TA.PACK.Q3.BLEND.NAT.M2702.G0A"
    provider, holder = _provider(desk, "pack"), _let_in(desk, "dora", "trader", "read", "trade", cash="100")
    desk.list(symbol, provider.account, state="CLOSED", maker_bps=0, taker_bps=10)
    desk.operator.put("/v1/trading-mode", symbol=symbol, mode="LIST")
    desk.operator.put("/v1/trading-state", symbol=symbol, state="CONTINUOUS")
    _series(desk, provider, symbol, _now_ms(desk) + 30 * DAY_MS)
    assert provider.post("/v1/issues", asset=symbol, amount="5").status_code == 200
    provider.order("SELL", 5, "2", symbol)
    assert holder.order("BUY", 5, "2", symbol, "IOC")["status"] == "FILLED"
    holder.nominate("5", asset=symbol)
    holder.nominate("1", asset="CNY")
    holder.put("/v1/overrun", key=holder.key, overrun="PAY")
    told = _use(desk, provider, holder, "most", tokens_in=4 * LOT, tokens_out=900_000)
    assert (told["tokens"], told["remaining"]) == (4_900_000, {holder.key: 100_000})
    told = _use(desk, provider, holder, "last", tokens_in=100_000, tokens_out=50_000)
    assert (told["tokens"], told["overrun"], told["cost"]) == (100_000, 50_000, "0.100000")
    _wait(desk, lambda: desk.operator.http.get("/v1/health").json()["ledger"]["lag"] == 0)
    invoice = holder.get("/v1/invoice", key=holder.key).json()
    assert invoice["bought"] == [{"symbol": symbol, "quantity": "5", "amount": "10.010000"}]
    assert invoice["used"] == [{"symbol": symbol, "tokens": 5 * LOT, "records": 2}]
    assert (invoice["overrun"], invoice["total"]) == ("0.100000", "10.110000")
    assert _owned(holder, "CNY") + _nominated(holder, "CNY") == Decimal(100) - Decimal(invoice["total"])
    _prove(desk)


def test_what_is_left_expires_rolls_over_and_a_default_is_paid(desk: House) -> None:
    today, tomorrow = "TA.DAY.Q3.BLEND.NX.D1.G0A", "TA.DAY.Q3.BLEND.NX.D2.G0A"
    provider, holder = _provider(desk, "day"), _let_in(desk, "eve", "trader", "read", "trade")
    end_ms = _now_ms(desk) + DAY_MS
    for symbol in (today, tomorrow):
        desk.list(symbol, provider.account, maker_bps=0, taker_bps=0)
    _series(desk, provider, tomorrow, end_ms + DAY_MS, collateral="2")
    _series(desk, provider, today, end_ms, collateral="2", rollover_bps=2_000, next_symbol=tomorrow)
    assert provider.post("/v1/issues", asset=today, amount="12").status_code == 200
    provider.order("SELL", 10, "3", today)
    holder.order("BUY", 10, "3", today)
    holder.nominate("4", asset=today)
    _use(desk, provider, holder, "one", tokens_in=LOT)
    holder.order("SELL", 2, "5", today)
    desk.clock.time_ns += (DAY_MS - 15 * 60_000) * 10**6
    _wait(desk, lambda: _state(desk, today) == "GATE_CLOSED")
    assert holder.post("/v1/nominations", key=holder.key, asset=today, amount="1").status_code == 409
    desk.clock.time_ns += 15 * 60_000 * 10**6
    _wait(desk, lambda: _owned(holder, today) == 0)
    assert (_owned(holder, tomorrow), _owned(provider, today)) == (Decimal("1.2"), 0)
    assert _nominated(holder, today) == 3
    desk.clock.time_ns += HOUR_MS * 10**6
    _wait(desk, lambda: _nominated(holder, today) == 0)
    assert _nominated(holder, tomorrow) == Decimal("0.6")
    _wait(desk, lambda: _owned(provider, "CNY") == Decimal(10_030) - Decimal("3.6"))
    _prove(desk)
    _default(desk, provider, holder, tomorrow)
    _prove(desk)


def _default(desk: House, provider: Client, holder: Client, tomorrow: str) -> None:
    """Let the provider fail, and see that the collateral is shared out."""
    collateral = desk.operator.get("/v1/series", symbol=tomorrow).json()["collateral_account"]
    assert provider.post("/v1/issues", asset=tomorrow, amount="1").status_code == 200
    provider.order("SELL", 1, "8", tomorrow)
    holder.order("BUY", 1, "8", tomorrow)
    before = _owned(holder, "CNY")
    paid = desk.operator.post("/v1/defaults", symbol=tomorrow, kind="DEFAULT", id="d1").json()
    assert (paid["holders"], paid["paid"], paid["collateral"], paid["burned"]) == (
        2,
        "5.600000",
        "0.000000",
        "2.800000",
    )
    shares = _owned(holder, "CNY") - before, _nominated(holder, "CNY")
    assert shares == (Decimal("4.4"), Decimal("1.2"))
    assert desk.operator.get("/v1/balances", account=collateral).json()["balances"][0]["total"] == "0.000000"


def _index_day(desk: House) -> str:
    """Return the day of the latest index of what is traded here, empty if there is none."""
    rows = desk.operator.http.get("/v1/indices").json()["indices"]
    return next((row["day"] for row in rows if row["name"] == "Q3.BLEND.NX" and row["price"] != "0.000000"), "")


def test_a_week_of_days_each_used_expired_and_rolled_into_the_next(desk: House) -> None:
    names = [f"TA.WEEK.Q3.BLEND.NX.W{number}.G0A" for number in range(8)]
    provider, holder = _provider(desk, "week"), _let_in(desk, "finn", "trader", "read", "trade")
    begin_ms = _now_ms(desk)
    for number, symbol in reversed(list(enumerate(names))):
        desk.list(symbol, provider.account, maker_bps=0, taker_bps=0)
        rolls = {"rollover_bps": 5_000, "next_symbol": names[number + 1]} if number < 7 else {}
        _series(desk, provider, symbol, begin_ms + (number + 1) * DAY_MS, collateral="1", grace=0, **rolls)
    own = nominated = 0
    days: list[str] = []
    for number, symbol in enumerate(names[:7]):
        assert provider.post("/v1/issues", asset=symbol, amount="2").status_code == 200
        provider.order("SELL", 2, "1", symbol)
        assert holder.order("BUY", 2, "1", symbol)["status"] == "FILLED"
        holder.nominate("1", asset=symbol)
        assert _use(desk, provider, holder, f"day {number}", tokens_in=LOT // 4)["tokens"] == LOT // 4
        own, nominated = (own + LOT) // 2, (nominated + LOT - LOT // 4) // 2
        desk.clock.time_ns += DAY_MS * 10**6
        following = names[number + 1]
        _wait(desk, lambda symbol=symbol: _owned(holder, symbol) == _nominated(holder, symbol) == 0)
        assert (_owned(holder, following) * LOT, _nominated(holder, following) * LOT) == (own, nominated)
        assert _state(desk, symbol) == "EXPIRED"
        _wait(desk, lambda: _index_day(desk) not in {"", *days[-1:]})
        days.append(_index_day(desk))
    assert [date.fromisoformat(day) - date.fromisoformat(days[0]) for day in days] == [timedelta(n) for n in range(7)]
    _prove(desk)
