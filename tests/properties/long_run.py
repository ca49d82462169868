"""Drive both engines side by side with random commands for as long as one likes: `python -m tests.properties.long_run`.

The first difference stops the run. What led to it is shortened by leaving commands out while the engines still differ,
and printed: it belongs into a scenario table.
"""

import argparse
from collections.abc import Callable
from itertools import zip_longest
from random import Random

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.reference import Reference
from exchange.core.state import TEST, Capacity
from exchange.core.types import (
    DAY_NS,
    SECOND_NS,
    AccountState,
    AssetKind,
    ClearScope,
    CommandKind,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
    TransferPurpose,
)
from tests.exchange.core.builders import ALICE, BOB, CAROL, CNY, COARSE, LICENCES, PLAIN, SETUP, TOKENS, altered, facts

LICENSED, SPARE = 3, 4  # a book with a regulator's rules; another of tokens, whose states change most
INSTRUMENTS = (PLAIN, COARSE, LICENSED, SPARE)
ACCOUNTS = (1, 2, 3, 4, 5, 6, 7)
BATCH = 250
OPEN_ORDERS_WANTED = 150

PROLOGUE = (
    *SETUP,
    *(commands.create_account(account, group=CAROL * (account == 5)) for account in (5, 6, 7)),
    *(
        commands.list_instrument(book, asset, CNY, lot_units=1, tick_value=2, quantity_min=1, quantity_max=5_000)
        for book, asset in ((LICENSED, LICENCES), (SPARE, TOKENS))
    ),
    *(commands.set_trading_state(book, TradingState.CONTINUOUS) for book in (LICENSED, SPARE)),
    commands.issue(BOB, LICENCES, 10_000),
    commands.issue(ALICE, TOKENS, 100_000),
    *(commands.deposit(account, CNY, 10_000_000) for account in ACCOUNTS),
    *(commands.transfer(ALICE, account, TOKENS, 10_000, TransferPurpose.CORRECTION) for account in ACCOUNTS[1:]),
    *(commands.transfer(BOB, account, LICENCES, 500, TransferPurpose.CORRECTION) for account in (1, 3, 6)),
    commands.set_venue_rules(LICENSED, turnaround_days=2, holders_max=5),
    commands.set_fees(PLAIN, maker_bps=-30, taker_bps=70),
    commands.set_fees(SPARE, maker_bps=15, taker_bps=5),
)


class Market:
    """What the run knows of the market: the clock, and orders that may be open."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.time_ns = 1_700_000_000 * SECOND_NS
        self.sequence = 0
        self.owners: dict[int, int] = {}
        self.trades: list[tuple[int, ...]] = []
        self.batch_left = 0
        self.batch_account = 0
        self.kinds, self.weights = zip(*KINDS, strict=True)

    def stamped(self, encoded: list[bytes]) -> np.ndarray:
        """Return commands with their sequence, and times that go on."""
        array = np.frombuffer(b"".join(encoded), COMMAND).copy()
        for row in range(len(array)):
            self.sequence += 1
            self.time_ns += self.random.choices(
                (0, 1_000, SECOND_NS // 7, SECOND_NS, DAY_NS // 5), (40, 40, 15, 4, 0.05)
            )[0]
            array["sequence"][row], array["time_ns"][row] = self.sequence, self.time_ns
        return array

    def learn(self, events: np.ndarray, reference: Reference) -> None:
        """Remember who has which orders, and the last trades."""
        accepted = events[events["kind"] == EventKind.ORDER_ACCEPTED]
        self.owners |= dict(zip(accepted["order_id"].tolist(), accepted["account"].tolist(), strict=True))
        names = ("trade_id", "side", "account", "counter_account", "instrument", "price_ticks", "quantity_lots")
        traded = events[events["kind"] == EventKind.TRADED]
        self.trades = (self.trades + traded[[*names, "fee", "counter_fee"]].tolist())[-20:]
        kept = [*reference.tables.orders, *list(self.owners)[-5:]]
        self.owners = {order_id: self.owners[order_id] for order_id in kept}

    def draw(self) -> bytes:
        """Return a random command."""
        if self.batch_left:
            self.batch_left -= 1
            if self.random.random() < 0.95:
                side, price = self.random.choice(((Side.BUY, 95), (Side.SELL, 105)))
                return commands.new_order(
                    self.batch_account, self.instrument(), side, self.near(price), 1, flags=OrderFlag.POST_ONLY
                )
        if len(self.owners) > OPEN_ORDERS_WANTED and self.random.random() < 0.1:
            return commands.mass_cancel(self.account(), self.random.choice((0, *INSTRUMENTS)))
        return self.random.choices(self.kinds, self.weights)[0](self)

    # --- what commands are made of ------------------------------------------------------------------------------------

    def account(self) -> int:
        """Return an account, now and then one that there is not."""
        return self.random.choice(ACCOUNTS) if self.random.random() < 0.99 else self.random.choice((0, 99))

    def instrument(self) -> int:
        """Return an instrument, now and then one that there is not."""
        return self.random.choice(INSTRUMENTS) if self.random.random() < 0.995 else self.random.choice((0, 9))

    def near(self, price: int) -> int:
        """Return a price near another."""
        return price + self.random.choice((-3, -2, -1, -1, 0, 0, 0, 1, 1, 2, 3))

    def lots(self) -> int:
        """Return a quantity."""
        usual = (1, 1, 2, 3, 4, 5, 7, 10, 10, 20, 50)
        return self.random.choice(usual if self.random.random() < 0.98 else (0, -1, 5_001))

    def side(self) -> Side:
        """Return a side."""
        return self.random.choice((Side.BUY, Side.SELL))

    def order(self) -> tuple[int, int]:
        """Return an account and an order of its own, now and then of another's."""
        if not self.owners:
            return self.account(), 1
        order_id = self.random.choice(list(self.owners))
        return (self.owners[order_id] if self.random.random() < 0.97 else self.account()), order_id

    def words(self, *largest: int) -> list[int]:
        """Return parameters between nothing and the largest, now and then beyond."""
        return [self.random.choice((0, most, most // 2, most // 10)) for most in largest]


def place(market: Market) -> bytes:
    """Draw a new order of any type, as often as not one that makes sense."""
    random = market.random
    order_type = OrderType(random.choices(range(4), (10, 2, 1, 1.5))[0])
    life = TimeInForce(random.choices(range(6), (10, 1, 1, 2, 2, 2))[0])
    side, terms = market.side(), {}
    if order_type in {OrderType.STOP, OrderType.STOP_LIMIT}:
        terms["stop_ticks"] = market.near(101 if side == Side.BUY else 99)
        life = TimeInForce.GTC if life == TimeInForce.AT_AUCTION else life
    if order_type in {OrderType.MARKET, OrderType.STOP} and life == TimeInForce.GTD:
        life = TimeInForce.IOC
    quantity = market.lots()
    if order_type == OrderType.MARKET and life != TimeInForce.AT_AUCTION and random.random() < 0.3:
        quantity, terms["amount"] = 0, random.choice((1, 99, 500, 1_000, 2_345, 10_000))
    if life == TimeInForce.GTD:
        terms["until_ns"] = market.time_ns + random.choice((-1, 1, 10, 1_000)) * SECOND_NS
    waits = order_type == OrderType.LIMIT and life in {TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY}
    if waits and random.random() < 0.3:
        terms["display_lots"] = random.choice((1, 2, 3, 10))
    return commands.new_order(
        market.account(),
        market.instrument(),
        side,
        market.near(100),
        quantity,
        order_type=order_type,
        time_in_force=life,
        self_trade_prevention=random.choice(tuple(SelfTradePrevention)),
        flags=OrderFlag.POST_ONLY if waits and random.random() < 0.1 else 0,
        client_order_id=random.choice(("", "", "", f"n{random.randrange(2_000)}")),
        **terms,
    )


def spoil(market: Market) -> bytes:
    """Draw a command with a field overwritten."""
    names = ("side", "order_type", "time_in_force", "self_trade_prevention", "flags", "kind", "state", "stop_ticks")
    more = ("display_lots", "until_ns", "amount", "quantity_lots", "price_ticks")
    value = market.random.choice((0, 1, 2, 3, 5, 7, 35, 127))
    encoded = market.random.choices(market.kinds, market.weights)[0](market)
    return altered(encoded, **{market.random.choice(names + more): value})


def revise(market: Market) -> bytes:
    """Draw a replace."""
    price, quantity = market.random.choice((0, 0, market.near(100))), market.random.choice((0, market.lots()))
    return commands.replace_order(*market.order(), price, quantity, flags=market.random.choice((0, 0, 0, 8)))


def quote(market: Market) -> bytes:
    """Draw a quote."""
    bid, ask = (market.near(98), market.lots()), (market.near(102), market.lots())
    return commands.quote(
        market.account(),
        market.instrument(),
        bid,
        ask,
        self_trade_prevention=market.random.choice(tuple(SelfTradePrevention)),
        flags=market.random.choice((0, 0, OrderFlag.POST_ONLY)),
    )


def batch(market: Market) -> bytes:
    """Begin a batch, which the next commands fill."""
    market.batch_account, market.batch_left = market.account(), market.random.choice((0, 1, 2, 4, 7))
    return commands.begin_batch(market.batch_account, market.batch_left)


def state(market: Market) -> bytes:
    """Draw a trading state, most often one in which there is something to do."""
    usual = (TradingState.CONTINUOUS,) * 6 + (TradingState.PRE_OPEN, TradingState.CALL_OPEN, TradingState.CLOSED)
    wanted = market.random.choice((*usual, market.random.choice(tuple(TradingState)[:-1])))
    return commands.set_trading_state(market.instrument(), wanted)


def uncross(market: Market) -> bytes:
    """Draw the end of a call, most often into continuous trading."""
    wanted = market.random.choice((TradingState.CONTINUOUS,) * 4 + tuple(TradingState))
    return commands.uncross(market.instrument(), wanted)


def guards(market: Market) -> bytes:
    """Draw guards, or none."""
    bps = (0, 0, 100, 200, 300)
    return commands.set_guards(
        market.instrument(),
        market.random.choice(bps),
        market.random.choice(bps),
        market.random.choice((0, 99, 100, 101)),
    )


def instrument_limits(market: Market) -> bytes:
    """Draw limits of an instrument, most often none."""
    words = (*market.random.choice(((0, 0, 0), (0, 0, 0), market.words(20, 5_000, 5_000))), 0, 0)
    return altered(commands.set_instrument_limits(market.instrument()), words=words)


def account_limits(market: Market) -> bytes:
    """Draw limits of an account, most often none."""
    words = (*market.random.choice(((0, 0, 0, 0), (0, 0, 0, 0), market.words(20, 10, 10, 5_000))), 0)
    return altered(commands.set_account_limits(market.account()), words=words)


def rules(market: Market) -> bytes:
    """Draw a regulator's rules, most often after the book was cleared."""
    words = (market.random.choice((0, 1)), market.random.choice((0, 1, 2, 5)), market.random.choice((0, 0, 3, 5)), 0, 0)
    return altered(commands.set_venue_rules(market.random.choice((LICENSED, LICENSED, PLAIN))), words=words)


def bust(market: Market) -> bytes:
    """Draw a trade to take back, as it was."""
    if not market.trades:
        return commands.bust_trade(1, Side.BUY, (1, 2), PLAIN, 1, 1, (0, 0))
    trade_id, side, account, counter, instrument, price, lots, fee, counter_fee = market.random.choice(market.trades)
    return commands.bust_trade(trade_id, side, (account, counter), instrument, price, lots, (fee, counter_fee))


def transfer(market: Market) -> bytes:
    """Draw a transfer."""
    asset, amount = market.random.choice((CNY, TOKENS, LICENCES)), market.random.choice((1, 50, 500, 9_999, 0))
    purpose = market.random.choice(tuple(TransferPurpose))
    name = market.random.randrange(500).to_bytes(16, "little")
    return commands.transfer(market.account(), market.account(), asset, amount, purpose, name)


def fund(market: Market) -> bytes:
    """Bring cash or units, or take some away."""
    amount = market.random.choice((1, 100, 5_000))
    name = market.random.randrange(500).to_bytes(16, "little")
    return market.random.choice(
        (
            commands.deposit(market.account(), CNY, amount),
            commands.withdraw(market.account(), CNY, amount),
            commands.issue(ALICE, TOKENS, amount),
            commands.issue(BOB, LICENCES, amount),
            commands.redeem(market.account(), market.random.choice((TOKENS, LICENCES)), amount // 10, name),
            commands.expire_units(market.account(), LICENCES, market.random.choice((0, 1, 100))),
            set_fees(market),
            commands.set_account_tier(market.account(), market.random.randrange(4)),
            commands.create_asset(4, AssetKind.CASH),
        )
    )


def set_fees(market: Market) -> bytes:
    """Set the rates of all tiers, or of the upper ones."""
    maker_bps, taker_bps, tier = (market.random.choice(some) for some in ((-20, 0, 10), (20, 50), (0, 1, 3)))
    return commands.set_fees(market.instrument(), maker_bps, taker_bps, tier)


def reopen(market: Market) -> bytes:
    """Set an account free, or restrict it for a while."""
    unusual = market.random.choice(tuple(AccountState)[2:])
    return commands.set_account_state(market.account(), market.random.choice((AccountState.ACTIVE,) * 9 + (unusual,)))


def band(market: Market) -> bytes:
    """Draw a band that holds most prices."""
    return commands.set_price_band(market.instrument(), *market.random.choice(((1, 10_000), (96, 104), (90, 110))))


def timer(market: Market) -> bytes:
    """Draw a dead-man timer, or its end."""
    until_ns = market.time_ns + market.random.choice((SECOND_NS, 10 * SECOND_NS, -1))
    set_it = commands.set_deadman(market.account(), market.random.choice((0, until_ns, until_ns)))
    return market.random.choice((set_it, commands.fire_deadman(market.account())))


def clear(market: Market) -> bytes:
    """Clear a book of what is over, seldom of all."""
    scope = market.random.choice((ClearScope.ALL, ClearScope.DAY, ClearScope.DAY))
    return commands.clear_book(market.instrument(), market.random.choice(tuple(Side)), scope)


KINDS: tuple[tuple[Callable[[Market], bytes], float], ...] = (
    (place, 60),
    (spoil, 2),
    (revise, 10),
    (quote, 6),
    (batch, 1),
    (state, 2),
    (uncross, 4),
    (guards, 1),
    (instrument_limits, 0.6),
    (account_limits, 0.6),
    (rules, 0.6),
    (bust, 0.5),
    (transfer, 1),
    (fund, 1.5),
    (reopen, 3),
    (band, 0.5),
    (timer, 1),
    (clear, 0.5),
    (lambda market: commands.cancel_order(*market.order()), 5),
    (lambda market: commands.reduce_order(*market.order(), market.lots()), 5),
    (lambda market: commands.expire_order(market.order()[1]), 2),
    (lambda market: commands.indicate(market.instrument()), 2),
    (lambda market: commands.wake_stops(market.instrument()), 0.5),
    (lambda market: commands.kill_switch(market.account()), 0.1),
    (lambda market: commands.set_mode(market.instrument(), market.random.choice(tuple(TradingMode))), 0.5),
    (lambda market: commands.mass_cancel(market.account(), 0, market.side(), EndReason.DISCONNECTED), 0.5),
)


def drawn(count: int, seed: int) -> np.ndarray:
    """Return the prologue and so many random commands."""
    market, reference = Market(seed), Reference(TEST)
    sent = [market.stamped(list(PROLOGUE))]
    reference.apply(sent[0])
    for _ in range(0, count, BATCH):
        sent.append(market.stamped([market.draw() for _ in range(BATCH)]))
        market.learn(reference.apply(sent[-1]), reference)
    return np.concatenate(sent)


# --- side by side -----------------------------------------------------------------------------------------------------


def first_difference(capacity: Capacity, all_commands: np.ndarray) -> int:
    """Return how many commands it takes until the engines tell different things, 0 if they never do."""
    reference, engine = Reference(capacity), Engine(capacity)
    for start in range(0, len(all_commands), BATCH):
        expected, answered = (one.apply(all_commands[start : start + BATCH]) for one in (reference, engine))
        for ours, theirs in zip_longest(expected, answered):
            if ours is None or theirs is None or ours.tobytes() != theirs.tobytes():
                sequence = min(int(event["sequence"]) for event in (ours, theirs) if event is not None)
                return int(np.flatnonzero(all_commands["sequence"] == sequence)[0]) + 1
    return 0


def shortest(capacity: Capacity, all_commands: np.ndarray) -> np.ndarray:
    """Leave commands out, first many at a time, while the engines still differ."""
    size = len(all_commands) // 2
    while size:
        start = 0
        while start < len(all_commands):
            fewer = np.concatenate([all_commands[:start], all_commands[start + size :]])
            if needed := first_difference(capacity, fewer):
                all_commands = fewer[:needed]
            else:
                start += size
        size //= 2
    return all_commands


def show(console: Console, capacity: Capacity, all_commands: np.ndarray, first: int = 0) -> None:
    """Print commands from `first` on, and what each engine says of the last."""
    reference, engine = Reference(capacity), Engine(capacity)
    reference.apply(all_commands[:-1])
    engine.apply(all_commands[:-1])
    for row in range(first, len(all_commands)):
        command = all_commands[row : row + 1]
        fields = {name: command[name][0].tolist() for name in COMMAND.names or () if command[name][0].any()}
        console.print(CommandKind(fields.pop("kind", 0)).name, fields, highlight=False)
    for name, one in (("expected", reference), ("answered", engine)):
        console.print(f"   {name}", *facts(one.apply(all_commands[-1:])), sep="\n      ", highlight=False)


def report(console: Console, capacity: Capacity, all_commands: np.ndarray) -> None:
    """Print what the engines differ about, at once, and then the shortest way there."""
    needed = first_difference(capacity, all_commands)
    if not needed:
        console.print("[bold red]The engines tell the same, but differ in balances or open orders.")
        return
    console.print(f"[bold red]The engines differ after {needed} commands:")
    show(console, capacity, all_commands[:needed], first=needed - 1)
    console.print("[bold red]The shortest way there:")
    show(console, capacity, shortest(capacity, all_commands[:needed]))


def run(seed: int, count: int, console: Console) -> bool:
    """Drive both engines with so many commands; say whether they never differed."""
    market, reference, engine = Market(seed), Reference(TEST), Engine(TEST)
    sent = [market.stamped(list(PROLOGUE))]
    assert reference.apply(sent[0]).tobytes() == engine.apply(sent[0]).tobytes()
    columns = (TextColumn("seed {task.fields[seed]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("commands", total=count, seed=seed)
        for _ in range(0, count, BATCH):
            sent.append(market.stamped([market.draw() for _ in range(BATCH)]))
            expected, answered = reference.apply(sent[-1]), engine.apply(sent[-1])
            same = (
                expected.tobytes() == answered.tobytes()
                and reference.balance_rows().tobytes() == engine.balance_rows().tobytes()
                and reference.open_order_rows().tobytes() == engine.open_order_rows().tobytes()
            )
            if not same:
                break
            market.learn(expected, reference)
            progress.advance(task, BATCH)
    if not same:
        report(console, TEST, np.concatenate(sent))
    return same


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--market", type=int, default=50_000, help="commands after which a fresh market begins")
    options = parser.parse_args()
    console = Console()
    for number in range(0, options.commands, options.market):
        if not run(options.seed + number // options.market, min(options.market, options.commands), console):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
