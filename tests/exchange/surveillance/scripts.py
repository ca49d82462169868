"""Scripted people on a market of the readable engine, and the watch over its events."""

from exchange.core import commands
from exchange.core.types import EventKind, SelfTradePrevention, Side
from exchange.surveillance.watch import Watch
from tests.exchange.marketdata.builders import ALICE, BOB, CAROL, SECOND_NS, Market, new_order

MALLORY, OSCAR, TRUDY, MAKER = 5, 6, 7, 8
STOCK = 5_000


class Floor:
    """A market, who is on it, and what the watch finds."""

    def __init__(self, setup=True):
        self.market = Market()
        self.watch = Watch()
        self.seen = list(self.market.setup_events)
        self.watch.apply(self.seen)
        if setup:
            for account in (MALLORY, OSCAR, TRUDY, MAKER):
                self.do(commands.create_account(account), commands.deposit(account, 1, 10**12))
                self.do(new_order(ALICE, Side.SELL, 100, STOCK), new_order(account, Side.BUY, 100, STOCK))
            self.pass_time(3 * 3_600)  # what the stock was bought with is another hour's

    def pass_time(self, seconds):
        self.market.time_ns += int(seconds * SECOND_NS)

    def do(self, *batch):
        """Apply commands; return the ids of the orders accepted."""
        accepted = []
        for rows in self.market.send(*batch):
            assert all(row.kind != EventKind.COMMAND_REJECTED for row in rows), rows
            self.watch.apply(rows)
            self.seen += rows
            accepted += [row.order_id for row in rows if row.kind == EventKind.ORDER_ACCEPTED]
        return accepted

    def quote(self, bid, ask, lots=100, account=MAKER):
        return self.do(commands.quote(account, 1, (bid, lots), (ask, lots)))

    def cancel(self, account, *order_ids):
        self.do(*[commands.cancel_order(account, order_id) for order_id in order_ids])

    def kinds(self):
        return [alert.kind for alert in self.watch.alerts.after(0, 100)]

    def alerts(self, kind):
        return [alert for alert in self.watch.alerts.after(0, 100) if alert.kind == kind]


def spoof(floor, rounds=4, layers=1, account=MALLORY, **terms):
    """Show much to buy, sell a little above to who follows, and withdraw it."""
    for _ in range(rounds):
        shown = [
            *floor.do(*[new_order(account, Side.BUY, 98 - layer, 500 // layers, **terms) for layer in range(layers)])
        ]
        floor.do(new_order(account, Side.SELL, 101, 10))
        floor.do(new_order(BOB, Side.BUY, 101, 10))
        floor.pass_time(2)
        floor.cancel(account, *shown)
        floor.pass_time(30)


def wash(floor, trades=1, price=100):
    """Trade with oneself, having asked not to be kept from it."""
    for _ in range(trades):
        floor.do(*[new_order(MALLORY, side, price, 5, self_trade_prevention=SelfTradePrevention.NONE)
                   for side in (Side.SELL, Side.BUY)])  # fmt: skip


def pass_round(floor, members, rounds=4, lots=20, price=100):
    """Hand the same lots from each to the next and round again."""
    for _ in range(rounds):
        for place, seller in enumerate(members):
            buyer = members[(place + 1) % len(members)]
            floor.do(new_order(seller, Side.SELL, price, lots), new_order(buyer, Side.BUY, price, lots))
            floor.pass_time(5)


def make_market(floor, rounds=300):
    """Quote both sides, be traded with by many, and quote anew, with an inventory that comes and goes."""
    for number in range(rounds):
        middle = 100 + number % 3
        floor.quote(middle - 1, middle + 1, lots=100)
        buyer = (BOB, CAROL, OSCAR, TRUDY)[number % 4]
        side, price = ((Side.BUY, middle + 1), (Side.SELL, middle - 1))[number // 4 % 2]
        floor.do(new_order(buyer, side, price, 7 + number % 5))
        floor.pass_time(1)
