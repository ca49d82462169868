"""Compiled folds: a cache of their own, and the same without a compiler."""

import os
import subprocess
import sys

import numpy as np

from exchange.core.jit import config
from exchange.core.records import EVENT
from exchange.marketdata.folds import compiled

PROGRAM = """
from exchange.core.types import Side
from exchange.marketdata.market import MarketData
from exchange.marketdata.orders import OrderHistory
from tests.exchange.marketdata.builders import BOB, accepted, named, traded
rows = [accepted(1, 1, Side.SELL, 100, 5, account=BOB), named(1, 1, "mine", account=BOB)]
rows += [accepted(2, 2, Side.BUY, 101, 7), traded(2, 1, Side.BUY, 100, 5, leaves_lots=2)]
market, history = MarketData(), OrderHistory()
market.apply(rows)
history.apply(rows)
print(market.depth(1, 9), market.trades(1, 9), market.orders(1, 9), history.fills(1), history.by_client_id(BOB, "mine"))
"""


def printed(**environment: str) -> str:
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return run.stdout


def test_without_the_compiler_the_folds_are_plain_python() -> None:
    environment = dict(os.environ)
    plain = printed(**environment, NUMBA_DISABLE_JIT="1")
    assert plain == printed(**environment)
    assert "Depth(last_update_id=3, bids=[(101, 2)], asks=[])" in plain


def test_folds_are_kept_beside_the_kernels_and_leave_their_place_alone() -> None:
    place = config.CACHE_DIR
    assert compiled.cache_directory().startswith(f"{place}-folds-")
    assert place == config.CACHE_DIR


def test_an_address_is_where_the_first_element_stands() -> None:
    events = np.zeros(3, EVENT)
    assert compiled.address(events[1:]) - compiled.address(events) == EVENT.itemsize
