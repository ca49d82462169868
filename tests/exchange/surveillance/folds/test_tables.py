"""How what surveillance counts is kept: its cache, the quietest that is forgotten, and orders that are recent."""

import numpy as np
import pytest

from exchange.core.types import Side
from exchange.marketdata.folds import compiled
from exchange.surveillance.folds import tables
from exchange.surveillance.interest import Bounds
from exchange.surveillance.watch import Watch
from tests.exchange.marketdata.builders import ALICE, BOB, CAROL, accepted, traded

TIME_NS = 10**18


def orders(watch, accounts):
    for number, account in enumerate(accounts, 1):
        watch.apply([accepted(number, number, Side.BUY, 100 + number, 5, account=account, time_ns=TIME_NS)])


def test_the_cache_changes_with_all_sources_that_constants_come_from(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, folds = tables.cache_directory(), compiled.cache_directory()
    assert ours.rpartition("-folds-")[0] == folds.rpartition("-folds-")[0] != ""
    assert ours != folds
    for place in range(1, len(tables._SOURCES)):
        fewer = (*tables._SOURCES[:place], *tables._SOURCES[place + 1 :])
        assert compiled.cache_directory(*fewer) != ours


def test_the_quietest_is_forgotten_with_its_levels() -> None:
    watch = Watch(bounds=Bounds(interests=2))
    orders(watch, (ALICE, BOB, ALICE, CAROL))
    interests = watch._interests
    pool, state = interests._pools[tables.INTERESTS], interests._state
    kept = [np.frombuffer(pool.bytes_of(int(state[end])), tables.INTEREST)[0] for end in ("quietest", "busiest")]
    assert [int(interest["group"]) for interest in kept] == [ALICE, CAROL]
    assert state["pools"]["taken"].tolist() == [2, 3, 3]


def test_only_so_many_orders_are_recent() -> None:
    watch = Watch(bounds=Bounds(recent=2))
    watch.apply([traded(1, 1, Side.BUY, 100, 5, time_ns=TIME_NS)])
    orders(watch, (ALICE,))
    state = watch._interests._state
    assert int(state["recent_count"]) == 0  # 101 is not near 100
    watch.apply([accepted(n, n, Side.BUY, 100, 5, time_ns=TIME_NS) for n in range(2, 6)])
    ring = watch._interests._recent
    assert sorted(ring["order_id"].tolist()) == [4, 5]
