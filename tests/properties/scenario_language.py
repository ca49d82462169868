"""The language of the scenario tables: what a trader says, and how the market answers.

A table has scenarios that begin with `== title`, each on a fresh market; `#` begins a remark. A line is

    buy bob 4 @ 100 on coarse ioc decrement named mine  -> accepted 1 holds 400, trade 2 @ 99 with 1 fees 3 -1
    sell bob 4 @ 95 stop 96 gtd until 30s show 2        -> accepted 2, terms stop 96 show 2 until 30s
    quote bob bid 5 @ 99 ask 5 @ 101                    -> accepted 3, accepted 4, quoted 2 in place of 0
    replace bob 1 to 6 @ 101 requeue                    -> replaced 1 loses its place leaves 6 holds 606
    any command with side=9 words=7                     -> rejected malformed command

Orders and trades are numbered as they come; `with` in a trade is the order that was there first, of an auction the
seller, and `by` the other. `until` is so long after the line. An answer may leave
out its last words; it may not leave out a whole answer. `balance` and `orders` ask what is, and change nothing; `last`
lets a lot trade at a price, and `wait` time pass.
"""

from collections.abc import Callable

from exchange.core import commands
from exchange.core.types import (
    AccountState,
    AssetKind,
    ClearScope,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
    TransferPurpose,
)
from tests.exchange.core import builders
from tests.exchange.core.builders import Fact, Market, altered

ACCOUNTS = {
    "exchange": 0,
    "alice": builders.ALICE,
    "bob": builders.BOB,
    "carol": builders.CAROL,
    "dave": builders.DAVE,
    "nobody": builders.NOBODY,
}
ASSETS = {"nothing": 0, "CNY": builders.CNY, "TOKENS": builders.TOKENS, "LICENCES": builders.LICENCES}
BOOKS = {"all": 0, "plain": builders.PLAIN, "coarse": builders.COARSE, "third": 3, "fourth": 4}
TRADES_BEFORE = 3  # in the setup
SPANS_NS = {"h": 3600 * 10**9, "s": 10**9, "ns": 1}
POLICIES = {policy.name.lower().replace("_", "-"): policy for policy in SelfTradePrevention}
LIVES = {life.name.lower().replace("_", "-"): life for life in TimeInForce}
PURPOSES = {purpose.name.lower().replace("_", "-"): purpose for purpose in TransferPurpose}
ACCOUNT_LIMITS = {"orders": "open_orders", "rate": "order_rate", "messages": "message_rate", "notional": "notional"}
WORDS = ("price_ticks", "quantity_lots", "leaves_lots", "amount", "fee")


class Words:
    """The words of a line, taken from left to right."""

    def __init__(self, text: str) -> None:
        self.words = text.split()

    def take(self) -> str:
        """Return the next word."""
        return self.words.pop(0)

    def number(self) -> int:
        """Return the next word as a number."""
        return int(self.take().replace(",", ""))

    def after(self, word: str, otherwise: str = "") -> str:
        """Return the word after a given one, and take both away, if it is there."""
        if word not in self.words:
            return otherwise
        place = self.words.index(word)
        _, value = self.words[place : place + 2]
        del self.words[place : place + 2]
        return value

    def said(self, word: str) -> bool:
        """Say whether a word is there, and take it away."""
        if found := word in self.words:
            self.words.remove(word)
        return found

    def one_of(self, table: dict[str, int], otherwise: int) -> int:
        """Return the value of the word that is in the table, and take it away, if there is one."""
        found = [word for word in self.words if word in table]
        return table[self.words.pop(self.words.index(found[0]))] if found else otherwise


def span_ns(text: str) -> int:
    """Return a span of time such as 30s."""
    unit = text.lstrip("-0123456789")
    return int(text.removesuffix(unit)) * SPANS_NS[unit]


def _place(side: Side, words: Words, market: Market) -> bytes:
    account, quantity = ACCOUNTS[words.take()], words.number()
    name, stop, until = words.after("named"), int(words.after("stop", "0")), words.after("until")
    price = words.after("@")
    priced, waiting = (OrderType.STOP_LIMIT, OrderType.STOP) if stop else (OrderType.LIMIT, OrderType.MARKET)
    return commands.new_order(
        account,
        BOOKS[words.after("on", "plain")],
        side,
        0 if price == "market" else int(price.replace(",", "")),
        quantity,
        order_type=waiting if price == "market" else priced,
        time_in_force=TimeInForce(words.one_of(LIVES, TimeInForce.GTC)),
        self_trade_prevention=SelfTradePrevention(words.one_of(POLICIES, SelfTradePrevention.EXPIRE_TAKER)),
        flags=OrderFlag.POST_ONLY if words.said("post-only") else 0,
        client_order_id=name,
        amount=int(words.after("for", "0")),
        until_ns=market.time_ns + span_ns(until) if until else 0,
        stop_ticks=stop,
        display_lots=int(words.after("show", "0")),
    )


def _quote(words: Words, _market: Market) -> bytes:
    account = ACCOUNTS[words.take()]
    bid, ask = (_quote_side(words, side) for side in ("bid", "ask"))
    return commands.quote(
        account,
        BOOKS[words.after("on", "plain")],
        bid,
        ask,
        self_trade_prevention=SelfTradePrevention(words.one_of(POLICIES, SelfTradePrevention.EXPIRE_TAKER)),
        flags=OrderFlag.POST_ONLY if words.said("post-only") else 0,
    )


def _quote_side(words: Words, side: str) -> tuple[int, int]:
    if side not in words.words:
        return 0, 0
    lots = int(words.after(side))
    return int(words.after("@")), lots


def _replace(words: Words, market: Market) -> bytes:
    account, order_id = ACCOUNTS[words.take()], market.order_id(words.number())
    price, quantity = int(words.after("@", "0")), int(words.after("to", "0"))
    flags = OrderFlag.REQUEUE if words.said("requeue") else 0
    return commands.replace_order(account, order_id, price, quantity, flags=flags)


def _cancel(words: Words, market: Market) -> bytes:
    return commands.cancel_order(ACCOUNTS[words.take()], market.order_id(words.number()))


def _reduce(words: Words, market: Market) -> bytes:
    return commands.reduce_order(ACCOUNTS[words.take()], market.order_id(words.number()), int(words.after("by")))


def _sides(words: Words) -> Side:
    return Side(words.one_of({"buys": Side.BUY, "sells": Side.SELL}, Side.BOTH))


def _cancel_all(words: Words, _market: Market) -> bytes:
    account, instrument = ACCOUNTS[words.take()], BOOKS[words.after("on", "all")]
    reason = EndReason.DISCONNECTED if words.said("disconnected") else EndReason.NONE
    return commands.mass_cancel(account, instrument, _sides(words), reason)


def _timer(words: Words, market: Market) -> bytes:
    account, span = ACCOUNTS[words.take()], words.take()
    return commands.set_deadman(account, 0 if span == "off" else market.time_ns + span_ns(span))


def _transfer(words: Words, _market: Market) -> bytes:
    account, amount = ACCOUNTS[words.take()], words.number()
    return commands.transfer(
        account,
        ACCOUNTS[words.after("to")],
        ASSETS[words.take()],
        amount,
        TransferPurpose(words.one_of(PURPOSES, TransferPurpose.SUBACCOUNT)),
        int(words.after("id", "0")).to_bytes(16, "little"),
    )


def _bust(words: Words, market: Market) -> bytes:
    trade = market.events[market.events["kind"] == EventKind.TRADED][TRADES_BEFORE + words.number() - 1]
    parties, fees = ((int(trade[name]), int(trade[f"counter_{name}"])) for name in ("account", "fee"))
    return commands.bust_trade(
        int(trade["trade_id"]),
        Side(int(trade["side"])),
        parties,
        int(trade["instrument"]),
        int(trade["price_ticks"]),
        int(trade["quantity_lots"]),
        fees,
    )


def _move(build: Callable[[int, int, int], bytes], words: Words, _market: Market) -> bytes:
    account, amount = ACCOUNTS[words.take()], words.number()
    return build(account, ASSETS[words.take()], amount)


def _redeem(words: Words, _market: Market) -> bytes:
    account, amount = ACCOUNTS[words.take()], words.number()
    return commands.redeem(account, ASSETS[words.take()], amount, int(words.after("usage", "0")).to_bytes(16, "little"))


def _operate(verb: str, words: Words, _market: Market) -> bytes:
    if verb == "account":
        account = ACCOUNTS[words.take()]
        return commands.set_account_state(account, AccountState[words.take().upper()])
    if verb == "tier":
        return commands.set_account_tier(ACCOUNTS[words.take()], words.number())
    if verb == "new-account":
        account = words.number()
        return commands.create_account(account, ACCOUNTS[words.after("group", "exchange")])
    if verb == "new-asset":
        asset = words.number()
        return commands.create_asset(asset, AssetKind[words.take().upper()], ACCOUNTS[words.after("by", "exchange")])
    if verb == "limit-account":
        limits = {f"{name}_max": int(words.after(word, "0")) for word, name in ACCOUNT_LIMITS.items()}
        return commands.set_account_limits(ACCOUNTS[words.take()], **limits)
    return _operate_book(verb, BOOKS[words.take()], words)


def _operate_book(verb: str, book: int, words: Words) -> bytes:
    def number(word: str) -> int:
        return int(words.after(word, "0"))

    if verb == "list":
        return commands.list_instrument(
            book,
            ASSETS[words.take()],
            ASSETS[words.after("for")],
            lot_units=int(words.after("lot")),
            tick_value=int(words.after("tick")),
            quantity_min=int(words.after("from")),
            quantity_max=int(words.after("to")),
        )
    return {
        "fees": lambda: commands.set_fees(book, number("maker"), number("taker"), number("tier")),
        "band": lambda: commands.set_price_band(book, words.number(), words.number()),
        "state": lambda: commands.set_trading_state(book, TradingState[_name(words)]),
        "mode": lambda: commands.set_mode(book, TradingMode[_name(words)]),
        "uncross": lambda: commands.uncross(book, TradingState[_name(words)]),
        "indicate": lambda: commands.indicate(book),
        "wake": lambda: commands.wake_stops(book),
        "guards": lambda: commands.set_guards(book, number("static"), number("dynamic"), number("reference")),
        "limit-book": lambda: commands.set_instrument_limits(
            book, open_orders_max=number("orders"), notional_max=number("notional"), position_bps=number("share")
        ),
        "rules": lambda: commands.set_venue_rules(
            book, anonymous=words.said("anonymous"), turnaround_days=number("days"), holders_max=number("holders")
        ),
        "clear": lambda: commands.clear_book(
            book, _sides(words), ClearScope.DAY if words.said("day") else ClearScope.ALL
        ),
    }[verb]()


def _name(words: Words) -> str:
    return words.take().upper().replace("-", "_")


def command(text: str, market: Market) -> bytes:
    """Return the command that a line's left side asks for."""
    text, _, fields = text.partition(" with ")
    words = Words(text)
    verb = words.take()
    encoded = {
        "buy": lambda: _place(Side.BUY, words, market),
        "sell": lambda: _place(Side.SELL, words, market),
        "replace": lambda: _replace(words, market),
        "cancel": lambda: _cancel(words, market),
        "cancel-all": lambda: _cancel_all(words, market),
        "deposit": lambda: _move(commands.deposit, words, market),
        "withdraw": lambda: _move(commands.withdraw, words, market),
        "issue": lambda: _move(commands.issue, words, market),
        "redeem": lambda: _redeem(words, market),
        "reduce": lambda: _reduce(words, market),
        "quote": lambda: _quote(words, market),
        "batch": lambda: commands.begin_batch(ACCOUNTS[words.take()], words.number()),
        "kill": lambda: commands.kill_switch(ACCOUNTS[words.take()]),
        "deadman": lambda: _timer(words, market),
        "fire": lambda: commands.fire_deadman(ACCOUNTS[words.take()]),
        "time-over": lambda: commands.expire_order(market.order_id(words.number())),
        "transfer": lambda: _transfer(words, market),
        "bust": lambda: _bust(words, market),
        "burn": lambda: _move(commands.expire_units, words, market),
    }.get(verb, lambda: _operate(verb, words, market))()
    assert not words.words, f"not understood: {words.words}"
    return altered(encoded, **{name: int(value) for name, value in (field.split("=") for field in fields.split())})


def _refused(fields: dict[str, int], _numbers: dict[int, int]) -> str:
    return f"rejected {RejectReason(fields['reason']).name.lower().replace('_', ' ')}"


def _traded(fields: dict[str, int], numbers: dict[int, int]) -> str:
    maker = numbers[fields["counter_order_id"]]
    fees = f"fees {fields.get('fee', 0)} {fields.get('counter_fee', 0)}"
    taker = numbers[fields["order_id"]]
    return f"trade {fields['quantity_lots']} @ {fields['price_ticks']} with {maker} {fees} by {taker}"


def _ended(verb: str, fields: dict[str, int], numbers: dict[int, int]) -> str:
    reason = EndReason(fields["reason"]).name.lower().replace("_", " ")
    rest = f"leaves {fields.get('leaves_lots', 0)} releases {fields.get('amount', 0)}"
    return f"{verb} {numbers[fields['order_id']]} {reason} {rest}"


def _replaced(fields: dict[str, int], numbers: dict[int, int]) -> str:
    place = "keeps" if fields.get("flags", 0) & OrderFlag.KEPT_PRIORITY else "loses"
    rest = f"leaves {fields['leaves_lots']} holds {fields['amount']}"
    return f"replaced {numbers[fields['order_id']]} {place} its place {rest}"


def _terms(fields: dict[str, int], time_ns: int) -> str:
    words = []
    if "price_ticks" in fields:
        words.append(f"stop {fields['price_ticks']}")
    if "quantity_lots" in fields:
        words.append(f"show {fields['quantity_lots']}")
    if "amount" in fields:
        words.append(f"until {(fields['amount'] - time_ns) // SPANS_NS['s']}s")
    return " ".join(["terms", *words])


def _state(fields: dict[str, int]) -> str:
    before = f" before {fields['price_ticks']}" if "price_ticks" in fields else ""
    return f"now {TradingState(fields.get('state', 0)).name.lower().replace('_', '-')}{before}"


def _of_auction(kind: EventKind, fields: dict[str, int]) -> str:
    price, lots = fields.get("price_ticks", 0), fields.get("quantity_lots", 0)
    if kind == EventKind.AUCTION_INDICATED:
        return f"would trade {lots} @ {price} surplus {fields.get('leaves_lots', 0)}"
    return f"uncrossed {lots} @ {price}"


def answer(fact: Fact, numbers: dict[int, int], time_ns: int) -> str:
    """Return what an event is called in a table; `numbers` are those of the orders by id."""
    kind, fields = fact
    number = numbers.get(fields.get("order_id", 0), 0)
    amount, lots, left = (fields.get(name, 0) for name in ("amount", "quantity_lots", "leaves_lots"))
    texts: dict[EventKind, Callable[[], str]] = {
        EventKind.COMMAND_REJECTED: lambda: _refused(fields, numbers),
        EventKind.ORDER_ACCEPTED: lambda: f"accepted {number} holds {amount}",
        EventKind.ORDER_NAMED: lambda: f"named {commands.client_text(tuple(fields.get(word, 0) for word in WORDS))}",
        EventKind.ORDER_DUPLICATED: lambda: f"duplicate of {number}",
        EventKind.TRADED: lambda: _traded(fields, numbers),
        EventKind.ORDER_CANCELED: lambda: _ended("cancelled", fields, numbers),
        EventKind.ORDER_EXPIRED: lambda: _ended("expired", fields, numbers),
        EventKind.ORDER_REPLACED: lambda: _replaced(fields, numbers),
        EventKind.MATCH_PREVENTED: lambda: (
            f"prevented {fields['quantity_lots']} with {numbers[fields['counter_order_id']]}"
        ),
        EventKind.MASS_CANCELED: lambda: f"ended {lots} left {left}",
        EventKind.BOOK_CLEARED: lambda: f"cleared {lots} left {left}",
        EventKind.ORDER_TERMS: lambda: _terms(fields, time_ns),
        EventKind.ORDER_TRIGGERED: lambda: f"woken {number} @ {fields['price_ticks']}",
        EventKind.ORDER_REPLENISHED: lambda: f"replenished {number} shows {lots} hides {left}",
        EventKind.QUOTED: lambda: f"quoted {lots} in place of {left}",
        EventKind.BATCH_BEGUN: lambda: f"batch of {lots}",
        EventKind.STOPS_WOKEN: lambda: f"woke {lots}",
        EventKind.AUCTION_INDICATED: lambda: _of_auction(kind, fields),
        EventKind.AUCTION_UNCROSSED: lambda: _of_auction(kind, fields),
        EventKind.TRADING_STATE_SET: lambda: _state(fields),
        EventKind.TRADE_BUSTED: lambda: f"busted {lots} @ {fields['price_ticks']}",
    }
    moves = {
        EventKind.DEPOSITED: "deposited",
        EventKind.WITHDRAWN: "withdrew",
        EventKind.ISSUED: "issued",
        EventKind.REDEEMED: "redeemed",
        EventKind.TRANSFERRED: "transferred",
        EventKind.UNITS_EXPIRED: "burned",
    }
    if kind in moves:
        return f"{moves[kind]} {amount}"
    return texts[kind]() if kind in texts else "done"


def balance(words: Words, market: Market) -> str:
    """Return what an account has of an asset."""
    account, asset = ACCOUNTS[words.take()], ASSETS[words.take()]
    return f"{market.available(account, asset)} available and {market.held(account, asset)} held"


def orders(words: Words, market: Market) -> list[str]:
    """Return the open orders of an account by number."""
    account = ACCOUNTS[words.take()]
    numbers = {order_id: number for number, order_id in enumerate(market.order_ids, 1)}
    rows = [row for row in market.engine.open_order_rows().tolist() if row[1] == account]
    return [
        f"{number} {'sells' if side else 'buys'} {leaves} @ {price} holds {held}"
        for number, side, leaves, price, held in sorted(
            (numbers[order_id], side, leaves, price, held) for order_id, _, _, side, price, _, leaves, held in rows
        )
    ]


def last(price_ticks: int, market: Market) -> list[str]:
    """Let a lot trade at a price; Alice sells it to herself, so that nothing else changes."""
    for trade in (market.sell, market.buy):
        trade(builders.ALICE, 1, price_ticks, self_trade_prevention=SelfTradePrevention.NONE)
        market.order_ids.pop()
    return []


def answers(text: str, market: Market) -> list[str]:
    """Say a line's left side to the market, and return all it answers."""
    words = Words(text)
    verb = words.take()
    if verb == "wait":
        market.time_ns += span_ns(words.take())
        return []
    if verb == "last":
        return last(words.number(), market)
    if verb == "balance":
        return [balance(words, market)]
    if verb == "orders":
        return orders(words, market)
    told = market.do(command(text, market))
    numbers = {order_id: number for number, order_id in enumerate(market.order_ids, 1)}
    return [answer(fact, numbers, market.time_ns) for fact in told]


def matches(expected: str, found: str) -> bool:
    """Say whether an answer is as expected, whose last words may be left out."""
    return f"{found} ".startswith(f"{expected} ")
