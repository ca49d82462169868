"""An answer packed is the same answer again, in few bytes."""

import numpy as np
import pytest

from exchange.registry.series import Factors
from exchange.usage.answers import Told, factors_in, pack, unpack
from exchange.usage.plan import Outcome


def test_an_answer_survives() -> None:
    need = np.array([[5, 1], [0, 2], [9, 9], [4, 0]])
    told = Told(
        np.array([Outcome.APPLIED, Outcome.DUPLICATE, Outcome.APPLIED, Outcome.EXHAUSTED], np.uint8),
        burned=np.array([6, 0, 3, 0]),
        overrun=np.array([0, 0, 15, 0]),
        cost=np.array([0, 0, 30, 0]),
        left={"k": 0},
    )
    data = pack(told, Factors(cached=7))
    assert factors_in(data).cached == 7
    again = unpack(data, need)
    for name in ("outcome", "burned", "overrun", "cost"):
        assert np.array_equal(getattr(again, name), getattr(told, name))
    assert again.left == {"k": 0}


@pytest.mark.parametrize("applied", [True, False])
def test_a_full_batch_takes_little_room(applied: bool) -> None:
    chance = np.random.default_rng(1)
    outcome = chance.integers(0, 8, 10_000).astype(np.uint8) * (not applied)
    zeros = np.zeros(10_000, np.int64)
    size = len(pack(Told(outcome, zeros, zeros, zeros, {"k": 1}), Factors()))
    assert size < (200 if applied else 10_000)
