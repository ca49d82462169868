"""What everybody is told of a market, word for word."""

from api.notices import announcement_body, auction_body, notice_body, status_body
from exchange.core import commands
from exchange.core.types import TradingMode, TradingState
from exchange.registry.documents import AnnouncementMade
from tests.api.binance.floor import INSTRUMENT, START_MS, SYMBOL, Floor, buy, sell


def bodies(floor: Floor) -> list[dict[str, object]]:
    directory = floor.sources.directory
    return [notice_body(notice, directory.texts(notice.instrument)) for notice in floor.notices.read(0, 99, INSTRUMENT)]


def test_every_kind_of_notice_has_its_words() -> None:
    floor = Floor()
    floor.act(commands.set_trading_state(INSTRUMENT, TradingState.CALL_OPEN))
    floor.act(buy(102, 5), sell(100, 3))
    floor.act(commands.uncross(INSTRUMENT, TradingState.CLOSED))
    floor.act(commands.set_guards(INSTRUMENT, 500, 200, 0))
    floor.act(commands.clear_book(INSTRUMENT), commands.set_mode(INSTRUMENT, TradingMode.CALL))
    told = bodies(floor)
    assert [body["e"] for body in told] == [
        "listed", "tradingState", "tradingState", "auctionResult", "tradingState", "guards", "tradingMode",
    ]  # fmt: skip
    assert {(body["s"], body["E"]) for body in told} == {(SYMBOL, START_MS)}
    assert told == sorted(told, key=lambda body: body["n"])
    assert told[2].items() >= {"state": "CALL_OPEN", "interrupted_at": None}.items()
    assert told[3].items() >= {"price": "1.02", "volume": "3", "state": "CLOSED"}.items()
    assert told[5].items() >= {"static_guard_bps": 500, "dynamic_guard_bps": 200, "reference": "1.02"}.items()
    assert told[6]["mode"] == "CALL"


def test_an_interruption_says_what_would_have_traded() -> None:
    floor = Floor()
    floor.act(sell(1_000, 1), buy(1_000, 1), commands.set_guards(INSTRUMENT, 0, 100, 0))
    floor.act(sell(1_100, 1), buy(1_100, 1))
    assert bodies(floor)[-1].items() >= {"state": "VOLATILITY", "interrupted_at": "11.00"}.items()


def test_the_status_holds_what_the_auction_would_make() -> None:
    floor = Floor()
    texts = floor.sources.directory.texts(INSTRUMENT)
    floor.act(commands.set_trading_state(INSTRUMENT, TradingState.CALL_OPEN))
    assert status_body(texts, None, 9, START_MS)["auction"] is None
    floor.act(buy(102, 3), sell(100, 5))
    floor.act(commands.indicate(INSTRUMENT))
    auction = floor.notices.auction(INSTRUMENT)
    assert auction is not None
    expected = {"e": "auctionIndication", "E": START_MS, "s": SYMBOL, "q": floor.sequence, "price": "1.00"}
    assert auction_body(auction, texts) == expected | {"volume": "3", "surplus": "-2"}
    status = status_body(texts, auction, floor.notices.last_number, START_MS)
    assert status == {
        "e": "phaseStatus",
        "E": START_MS,
        "s": SYMBOL,
        "n": floor.notices.last_number,
        "state": "CALL_OPEN",
        "mode": "CONTINUOUS",
        "static_guard_bps": 0,
        "dynamic_guard_bps": 0,
        "reference": None,
        "auction": expected | {"volume": "3", "surplus": "-2"},
    }
    assert auction_body(auction._replace(price_ticks=0, volume_lots=0, surplus_lots=0), texts)["price"] is None


def test_an_announcement_says_whom_it_concerns_and_when() -> None:
    made = AnnouncementMade(3, "MAINTENANCE", "Tonight", "From two to three.", (SYMBOL,), 5_000_000, 0, 2_000_000)
    assert announcement_body(made) == {
        "e": "announcement",
        "E": 2,
        "id": 3,
        "topic": "MAINTENANCE",
        "title": "Tonight",
        "text": "From two to three.",
        "symbols": [SYMBOL],
        "begins": 5,
        "ends": None,
    }
