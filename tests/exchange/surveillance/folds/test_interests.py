"""The compiled fold finds what the plain one finds, and shares are exact however large the parts are."""

from random import Random

from exchange.core.types import BPS
from exchange.surveillance.folds import interests

INT64_MAX = (1 << 63) - 1
is_share = getattr(interests.is_share, "py_func", interests.is_share)


def test_a_share_is_exact_however_large() -> None:
    random = Random(3)
    for _ in range(2_000):
        whole, bps = random.randint(0, INT64_MAX) >> random.randint(0, 62), random.randint(0, BPS)
        exact = whole * bps // BPS
        for part in (exact - 1, exact, exact + 1, random.randint(0, INT64_MAX)):
            if 0 <= part <= INT64_MAX:
                assert bool(is_share(part, whole, bps)) == (part * BPS >= whole * bps)
