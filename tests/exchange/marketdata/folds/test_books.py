"""Levels stay sorted wherever one comes or goes."""

from random import Random

from exchange.core.types import Side
from exchange.marketdata.market import MarketData
from tests.exchange.marketdata.builders import accepted, ended


def test_many_levels_stand_best_first_wherever_they_come_and_go() -> None:
    random, market, orders, sequence = Random(7), MarketData(), {}, 0
    for order_id in range(1, 1_500):
        sequence += 1
        side, price = random.choice((Side.BUY, Side.SELL)), random.randint(1, 700)
        orders[order_id] = (side, price)
        market.apply([accepted(sequence, order_id, side, price, order_id)])
        if order_id % 3 == 0:
            sequence += 1
            gone = random.choice(list(orders))
            market.apply([ended(sequence, gone, *orders.pop(gone), gone)])
    for side in (Side.BUY, Side.SELL):
        sums = {}
        for order_id, (of, price) in orders.items():
            if of == side:
                sums[price] = sums.get(price, 0) + order_id
        expected = sorted(sums.items(), reverse=side == Side.BUY)
        assert market.depth(1, 1_000)[1 + side] == expected
        assert market.depth(1, 10)[1 + side] == expected[:10]
