"""From where on surveillance speaks: every threshold and window of every pattern, with the reason for it.

The detectors read them here, and docs/surveillance.md shows this table. How often they speak of flows in which nobody
means harm is measured by `benchmarks.surveillance`.
"""

from typing import NamedTuple

from exchange.core.types import SECOND_NS
from exchange.surveillance.alerts import AlertKind

SHOW_FACTOR = 3
WITHDRAWN_BPS = 8_000
WITHDRAWN_NS = 10 * SECOND_NS
INCIDENTS_MIN = 3
LAYERS_MIN = 4
QUICK_NS = SECOND_NS
QUICK_MIN = 300
QUICK_BPS = 8_000
QUICK_PER_TRADE = 100
NEAR_BPS = 50
MESSAGES_MIN = 2_000
MESSAGES_PER_TRADE = 200
ROUNDS_MIN = 3
SHARE_BPS = 8_000
NET_BPS = 2_500
RING_MAX = 5
CLOSE_MOVE_BPS = 100
CLOSE_SHARE_BPS = 6_000
CLOSE_TRADES_MIN = 3
CORNER_BPS = 5_000
CORNER_TRADES_MIN = 3
RECORDS_MIN = 500
IRREGULAR_BPS = 2_000


class Threshold(NamedTuple):
    """One row: whose it is, its name and value, what is counted in which time, and why so much."""

    kinds: tuple[AlertKind, ...]
    name: str
    value: int
    counts: str
    why: str


_K = AlertKind
_SHOW, _PAIRS, _CLOSE = (_K.SPOOFING, _K.LAYERING), (_K.MATCHED_PAIR, _K.CIRCULAR_TRADES), (_K.MARKING_THE_CLOSE,)
_QUICK, _CORNER, _USAGE = (_K.QUICK_CANCELS,), (_K.CORNERING,), (_K.USAGE_FRAUD,)
TABLE = (
    Threshold(
        (_K.WASH_TRADE,), "-", 1, "trades of a group with itself", "it takes an order that asks not to be kept from it"
    ),
    Threshold(
        _SHOW,
        "SHOW_FACTOR",
        SHOW_FACTOR,
        "times as many lots shown on the other side as were wanted on the side of a fill",
        "a market maker shows about as much on either side, somebody who leans on one less than twice as much",
    ),
    Threshold(
        _SHOW,
        "WITHDRAWN_BPS",
        WITHDRAWN_BPS,
        "basis points of what was shown, withdrawn unfilled",
        "what is meant stays or trades; a fifth may be filled by accident",
    ),
    Threshold(
        _SHOW,
        "WITHDRAWN_NS",
        WITHDRAWN_NS,
        "nanoseconds from the fill in which it is withdrawn",
        "a person who changes the mind takes longer than a plan that has worked",
    ),
    Threshold(
        _SHOW, "INCIDENTS_MIN", INCIDENTS_MIN, "such incidents in an hour and book", "once is chance, thrice a habit"
    ),
    Threshold(
        (_K.LAYERING,),
        "LAYERS_MIN",
        LAYERS_MIN,
        "prices of what was shown",
        "fewer is one large order cut up; it is then called SPOOFING",
    ),
    Threshold(
        _QUICK, "QUICK_NS", QUICK_NS, "nanoseconds from order to withdrawal", "less than anybody needs to read a book"
    ),
    Threshold(
        _QUICK,
        "NEAR_BPS",
        NEAR_BPS,
        "basis points from the last price",
        "farther away an order deceives nobody about the price",
    ),
    Threshold(
        _QUICK,
        "QUICK_MIN",
        QUICK_MIN,
        "quick withdrawals in an hour",
        "five a minute all the hour long: no person at a screen does it; fewer make no rate",
    ),
    Threshold(
        _QUICK,
        "QUICK_BPS",
        QUICK_BPS,
        "basis points of the orders of the hour",
        "in the recorded morning two thirds of all orders go unfilled: what is flagged does little else",
    ),
    Threshold(
        _QUICK,
        "QUICK_PER_TRADE",
        QUICK_PER_TRADE,
        "quick withdrawals for each trade, to be passed",
        "makers who quote with single orders trade once in about forty of them; who never means to, never",
    ),
    Threshold(
        (_K.ORDER_TO_TRADE,),
        "MESSAGES_MIN",
        MESSAGES_MIN,
        "orders, changes and withdrawals in an hour, quotes apart",
        "below that nobody is burdened by them",
    ),
    Threshold(
        (_K.ORDER_TO_TRADE,),
        "MESSAGES_PER_TRADE",
        MESSAGES_PER_TRADE,
        "of them for each trade, to be passed",
        "four times what venues commonly allow those who do not make markets",
    ),
    Threshold(
        _PAIRS,
        "ROUNDS_MIN",
        ROUNDS_MIN,
        "trades from each member to the next in an hour and book",
        "once is a trade, twice a trade and its undoing",
    ),
    Threshold(
        _PAIRS,
        "SHARE_BPS",
        SHARE_BPS,
        "basis points of what a member sells go to the next",
        "in a market hardly anybody has one counterparty; a fifth may go elsewhere by accident",
    ),
    Threshold(
        _PAIRS,
        "NET_BPS",
        NET_BPS,
        "basis points of its turnover that a member may have gained or lost, at most",
        "who passes lots round ends where the hour began; who fills an order does not",
    ),
    Threshold(
        (_K.CIRCULAR_TRADES,),
        "RING_MAX",
        RING_MAX,
        "members, at most",
        "with every further one chance explains more, and more must keep a secret",
    ),
    Threshold(
        _CLOSE,
        "CLOSE_MOVE_BPS",
        CLOSE_MOVE_BPS,
        "basis points of price in the last half hour of a day",
        "half an hour of an ordinary day moves less",
    ),
    Threshold(
        _CLOSE,
        "CLOSE_SHARE_BPS",
        CLOSE_SHARE_BPS,
        "basis points of the lots of that half hour, taken that way by one group",
        "then the day's end is one group's making",
    ),
    Threshold(
        _CLOSE, "CLOSE_TRADES_MIN", CLOSE_TRADES_MIN, "trades that took them", "one large order at the end is an order"
    ),
    Threshold(
        _CORNER,
        "CORNER_BPS",
        CORNER_BPS,
        "basis points of the outstanding units bought net in a day",
        "with half of what there is one decides who gets any",
    ),
    Threshold(
        _CORNER,
        "CORNER_TRADES_MIN",
        CORNER_TRADES_MIN,
        "trades that bought them",
        "a primary sale to one buyer is no corner",
    ),
    Threshold(_USAGE, "RECORDS_MIN", RECORDS_MIN, "records of an issuer in an hour", "fewer make no rate"),
    Threshold(
        _USAGE,
        "IRREGULAR_BPS",
        IRREGULAR_BPS,
        "basis points of them known already, too late, or of keys that may use nothing",
        "a gateway that repeats a batch after a fault stays below a tenth",
    ),
)


def table() -> str:
    """Return the table as Markdown."""
    lines = ["| pattern | from | of what | because | name |", "|---|---:|---|---|---|"]
    lines += [f"| {', '.join(row.kinds)} | {row.value:,} | {row.counts} | {row.why} | `{row.name}` |" for row in TABLE]
    return "\n".join([*lines, ""])
