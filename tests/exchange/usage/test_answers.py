"""An answer packed is the same answer again, in few bytes."""

import zlib

import msgspec
import numpy as np
import pytest

from api.v1.metering import RECORDS_MAX
from exchange.config import Config
from exchange.registry.documents import encode
from exchange.registry.series import Factors, UsageReported
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
    keys = ["unknown", "k"]
    data = pack(told, Factors(cached=7), keys)
    assert factors_in(data).cached == 7
    again = unpack(data, need, keys)
    for name in ("outcome", "burned", "overrun", "cost"):
        assert np.array_equal(getattr(again, name), getattr(told, name))
    assert again.left == {"k": 0}


def test_an_answer_that_was_kept_by_key_is_still_read() -> None:
    kept = [b"\0", [], [], [], [], {"k": 3}, Factors()]
    data = zlib.compress(msgspec.msgpack.encode(kept))
    assert unpack(data, np.array([[5, 1]]), ["k"]).left == {"k": 3}


@pytest.mark.parametrize("pays", [True, False])
def test_an_answer_for_as_many_keys_as_records_can_be_kept(pays: bool) -> None:
    size, chance = RECORDS_MAX, np.random.default_rng(1)
    keys = [chance.bytes(32).hex() for _ in range(size)]
    zeros, tokens = np.zeros(size, np.int64), chance.integers(1, 1 << 16, size)
    left = dict(zip(keys, chance.integers(0, 1 << 40, size).tolist(), strict=True))
    told = Told(np.zeros(size, np.uint8), zeros, tokens * pays, tokens * pays, left)
    document = encode(UsageReported(1, 1, "0" * 64, pack(told, Factors(), keys)))
    assert len(document) < Config().document_bytes_max


@pytest.mark.parametrize("applied", [True, False])
def test_a_full_batch_takes_little_room(applied: bool) -> None:
    chance = np.random.default_rng(1)
    outcome = chance.integers(0, 8, 10_000).astype(np.uint8) * (not applied)
    zeros = np.zeros(10_000, np.int64)
    size = len(pack(Told(outcome, zeros, zeros, zeros, {"k": 1}), Factors(), ["k"]))
    assert size < (200 if applied else 10_000)
