"""What an order and a fill take of memory."""

from exchange.marketdata.folds.ordertables import ACCOUNT, FILL, ORDER


def test_rows_are_small_and_words_stand_where_words_may() -> None:
    assert (ORDER.itemsize, FILL.itemsize, ACCOUNT.itemsize) == (208, 96, 72)
