"""The measurement of metering by part measures every part, of a batch that is applied whole."""

import numpy as np

from benchmarks.usage import BATCH
from benchmarks.usageparts import measure_parts, purses, redeemed
from exchange.core.types import EventKind


def test_every_part_is_measured() -> None:
    told = measure_parts(1, 10)
    assert {"signature", "decode", "plan", "plan over several series", "answer"} <= told.keys()
    assert all(us >= 0 for us in told.values())


def test_redemptions_are_of_different_ids() -> None:
    events = redeemed(BATCH, np.arange(1, 4))
    assert (events["kind"] == EventKind.REDEEMED).all()
    assert len(np.unique(events["order_id"])) == BATCH
    assert len(purses(3, 1)) == 3
