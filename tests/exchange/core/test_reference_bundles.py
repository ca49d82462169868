"""Quotes and all-or-none batches in the readable engine."""

import pytest

from exchange.core import commands
from exchange.core.types import (
    OrderFlag,
    Side,
)
from tests.exchange.core.builders import BOB, PLAIN, Market

POST_ONLY = OrderFlag.POST_ONLY
QUOTE = commands.quote(BOB, PLAIN, (99, 5), (101, 6))
BID = commands.new_order(BOB, PLAIN, Side.BUY, 99, 1, flags=POST_ONLY)


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()
