"""The language of the scenario tables: what a trader says, and how the market answers.

A table has scenarios that begin with `== title`, each on a fresh market; `#` begins a remark. A line is

    buy bob 4 @ 100 on coarse ioc decrement named mine  -> accepted 1 holds 400, trade 2 @ 99 with 1 fees 3 -1
    replace bob 1 to 6 @ 101 requeue                    -> replaced 1 loses its place leaves 6 holds 606
    any command with side=9 words=7                     -> rejected malformed command

Orders are numbered as they are accepted; `with` in a trade is the order that was there first. An answer may leave
out its last words; it may not leave out a whole answer. `balance` and `orders` ask what is, and change nothing.
"""

from collections.abc import Callable

from exchange.core import commands
from exchange.core.types import (
    AccountState,
    AssetKind,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
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
SPANS_NS = {"h": 3600 * 10**9, "s": 10**9, "ns": 1}
POLICIES = {policy.name.lower().replace("_", "-"): policy for policy in SelfTradePrevention}
LIVES = {life.name.lower(): life for life in TimeInForce}
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


def _place(side: Side, words: Words, _market: Market) -> bytes:
    account, quantity = ACCOUNTS[words.take()], words.number()
    name = words.after("named")
    price = words.after("@")
    return commands.new_order(
        account,
        BOOKS[words.after("on", "plain")],
        side,
        0 if price == "market" else int(price.replace(",", "")),
        quantity,
        order_type=OrderType.MARKET if price == "market" else OrderType.LIMIT,
        time_in_force=TimeInForce(words.one_of(LIVES, TimeInForce.GTC)),
        self_trade_prevention=SelfTradePrevention(words.one_of(POLICIES, SelfTradePrevention.EXPIRE_TAKER)),
        flags=OrderFlag.POST_ONLY if words.said("post-only") else 0,
        client_order_id=name,
    )


def _replace(words: Words, market: Market) -> bytes:
    account, order_id = ACCOUNTS[words.take()], market.order_id(words.number())
    price, quantity = int(words.after("@", "0")), int(words.after("to", "0"))
    flags = OrderFlag.REQUEUE if words.said("requeue") else 0
    return commands.replace_order(account, order_id, price, quantity, flags=flags)


def _cancel(words: Words, market: Market) -> bytes:
    return commands.cancel_order(ACCOUNTS[words.take()], market.order_id(words.number()))


def _cancel_all(words: Words, _market: Market) -> bytes:
    sides = {"buys": Side.BUY, "sells": Side.SELL}
    account, instrument = ACCOUNTS[words.take()], BOOKS[words.after("on", "all")]
    return commands.mass_cancel(account, instrument, Side(words.one_of(sides, Side.BOTH)))


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
    if verb == "new-account":
        account = words.number()
        return commands.create_account(account, ACCOUNTS[words.after("group", "exchange")])
    if verb == "new-asset":
        asset = words.number()
        return commands.create_asset(asset, AssetKind[words.take().upper()], ACCOUNTS[words.after("by", "exchange")])
    book = BOOKS[words.take()]
    if verb == "fees":
        return commands.set_fees(book, int(words.after("maker")), int(words.after("taker")))
    if verb == "band":
        return commands.set_price_band(book, words.number(), words.number())
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
    assert verb == "state"
    return commands.set_trading_state(book, TradingState[words.take().upper()])


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
    }.get(verb, lambda: _operate(verb, words, market))()
    assert not words.words, f"not understood: {words.words}"
    return altered(encoded, **{name: int(value) for name, value in (field.split("=") for field in fields.split())})


def _refused(fields: dict[str, int], _numbers: dict[int, int]) -> str:
    return f"rejected {RejectReason(fields['reason']).name.lower().replace('_', ' ')}"


def _traded(fields: dict[str, int], numbers: dict[int, int]) -> str:
    maker = numbers[fields["counter_order_id"]]
    fees = f"fees {fields.get('fee', 0)} {fields.get('counter_fee', 0)}"
    return f"trade {fields['quantity_lots']} @ {fields['price_ticks']} with {maker} {fees}"


def _ended(verb: str, fields: dict[str, int], numbers: dict[int, int]) -> str:
    reason = EndReason(fields["reason"]).name.lower().replace("_", " ")
    rest = f"leaves {fields.get('leaves_lots', 0)} releases {fields.get('amount', 0)}"
    return f"{verb} {numbers[fields['order_id']]} {reason} {rest}"


def _replaced(fields: dict[str, int], numbers: dict[int, int]) -> str:
    place = "keeps" if fields.get("flags", 0) & OrderFlag.KEPT_PRIORITY else "loses"
    rest = f"leaves {fields['leaves_lots']} holds {fields['amount']}"
    return f"replaced {numbers[fields['order_id']]} {place} its place {rest}"


def answer(fact: Fact, numbers: dict[int, int]) -> str:
    """Return what an event is called in a table; `numbers` are those of the orders by id."""
    kind, fields = fact
    number = numbers.get(fields.get("order_id", 0), 0)
    amount = fields.get("amount", 0)
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
        EventKind.MASS_CANCELED: lambda: f"ended {fields.get('quantity_lots', 0)} left {fields.get('leaves_lots', 0)}",
    }
    moves = {
        EventKind.DEPOSITED: "deposited",
        EventKind.WITHDRAWN: "withdrew",
        EventKind.ISSUED: "issued",
        EventKind.REDEEMED: "redeemed",
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


def answers(text: str, market: Market) -> list[str]:
    """Say a line's left side to the market, and return all it answers."""
    words = Words(text)
    verb = words.take()
    if verb == "wait":
        span = words.take()
        unit = span.lstrip("0123456789")
        market.time_ns += int(span.removesuffix(unit)) * SPANS_NS[unit]
        return []
    if verb == "balance":
        return [balance(words, market)]
    if verb == "orders":
        return orders(words, market)
    told = market.do(command(text, market))
    numbers = {order_id: number for number, order_id in enumerate(market.order_ids, 1)}
    return [answer(fact, numbers) for fact in told]


def matches(expected: str, found: str) -> bool:
    """Say whether an answer is as expected, whose last words may be left out."""
    return f"{found} ".startswith(f"{expected} ")
