"""How far a key's records can be paid in one go, and why no further."""

import numpy as np

from exchange.registry.units import INT64_MAX
from exchange.usage.stretch import Standing, stretch


def _standing(*left: int, cash: int = 0, pays_overrun: bool = False, price: int = 2_000_000) -> Standing:
    size = len(left)
    return Standing(
        np.array(left), np.ones((2, size), bool), np.full(size, price), np.full(size, 10**6), cash, pays_overrun
    )


def _stretch(standing: Standing, *need: tuple[int, int]) -> tuple[int, list[bool], list[bool]]:
    found = stretch(np.array(need), np.ones((len(need), len(standing.left)), bool), standing)
    return found.length, found.covered[: found.length].tolist(), found.bought[: found.length].tolist()


def test_it_ends_where_the_first_series_does() -> None:
    assert _stretch(_standing(10, 10), (4, 0), (3, 3), (1, 0), (9, 0)) == (2, [True, True], [False, False])
    assert _stretch(_standing(0, 10), (4, 0), (3, 3)) == (2, [True, True], [False, False])


def test_what_nothing_can_cover_is_passed_over() -> None:
    assert _stretch(_standing(5, 5), (11, 0), (2, 0), (0, 12), (3, 0)) == (4, [False, True, False, True], [False] * 4)


def test_a_side_is_paid_by_series_of_its_direction() -> None:
    need, usable = np.array([[3, 4], [3, 0], [0, 1]]), np.ones((3, 2), bool)
    standing = _standing(5, 5)._replace(pays=np.array([[True, False], [False, True]]))
    found = stretch(need, usable, standing)
    assert (found.length, found.first[0].tolist()) == (1, [0, 1])
    usable[1] = False
    assert stretch(need, usable, standing).length == 3


def test_without_units_cash_pays_as_long_as_it_lasts() -> None:
    standing = _standing(0, 0, cash=10, pays_overrun=True)
    assert _stretch(standing, (2, 1), (6, 0), (1, 0), (1, 1)) == (3, [False] * 3, [True, False, True])
    assert _stretch(standing._replace(price=np.array([2_000_000, 0])), (2, 1)) == (0, [], [])


def test_a_price_that_could_overflow_is_left_to_plain_integers() -> None:
    standing = _standing(0, cash=INT64_MAX, pays_overrun=True, price=1 << 40)
    assert _stretch(standing, (1 << 38, 0))[0] == 0
