"""Token buckets, bans, connections: what is too much is refused, what is not is counted exactly."""

import pytest

from api import errors
from api.errors import RequestError
from api.limits import SECOND_NS, Buckets, Limiter, Limits

LIMITS = Limits(
    weight_per_minute=60,
    orders_per_10s=10,
    body_bytes_max=100,
    connections_max=3,
    connections_per_address_max=2,
    refusals_before_ban=2,
    ban_s_min=120,
    ban_s_max=300,
    addresses_max=4,
)


def problem(function, *arguments):
    with pytest.raises(RequestError) as caught:
        function(*arguments)
    return caught.value.problem


def test_a_bucket_empties_and_refills():
    buckets = Buckets(10, 10 * SECOND_NS, 100)
    assert buckets.used("a", 0) == 0
    assert buckets.take("a", 4, 0) == 4
    assert buckets.take("a", 6, 0) == 10
    assert buckets.take("a", 1, 0) == -1
    assert buckets.wait_s("a", 3, 0) == 3
    assert buckets.take("a", 1, SECOND_NS) == 10
    assert buckets.used("a", 6 * SECOND_NS) == 5
    assert buckets.used("a", 600 * SECOND_NS) == 0
    assert buckets.take("a", 11, 600 * SECOND_NS) == -1
    assert buckets.wait_s("a", 11, 600 * SECOND_NS) == 1


def test_buckets_do_not_share():
    buckets = Buckets(1, SECOND_NS, 100)
    assert buckets.take("a", 1, 0) == 1
    assert buckets.take("b", 1, 0) == 1
    assert buckets.take("a", 1, 0) == -1


def test_time_that_falls_gives_nothing():
    buckets = Buckets(10, 10 * SECOND_NS, 100)
    assert buckets.take("a", 10, 5 * SECOND_NS) == 10
    assert buckets.take("a", 1, 0) == -1
    assert buckets.used("a", 0) == 10


def test_the_quietest_are_forgotten_first():
    buckets = Buckets(10, 10 * SECOND_NS, 4)
    for key, tokens in (("a", 9), ("b", 1), ("c", 2), ("d", 8), ("e", 5)):
        buckets.take(key, tokens, 0)
    assert [buckets.used(key, 0) for key in "abcde"] == [9, 0, 0, 8, 5]


def test_weight_is_counted_per_address():
    limiter = Limiter(LIMITS)
    assert limiter.take_weight("a", 50, 0) == 50
    assert limiter.take_weight("b", 1, 0) == 1
    assert problem(limiter.take_weight, "a", 20, 0) == errors.weight_exceeded(60, 10)
    assert limiter.take_weight("a", 20, 10 * SECOND_NS) == 60


def test_who_does_not_back_off_is_banned_for_longer_each_time():
    limiter = Limiter(LIMITS)
    limiter.take_weight("a", 60, 0)
    assert [problem(limiter.take_weight, "a", 60, 0).status for _ in range(3)] == [429, 429, 418]
    assert problem(limiter.take_weight, "a", 1, 119 * SECOND_NS) == errors.banned(120_000, 1)
    assert limiter.take_weight("b", 1, 0) == 1
    later = 120 * SECOND_NS
    assert limiter.take_weight("a", 60, later) == 60
    answers = [problem(limiter.take_weight, "a", 60, later) for _ in range(3)]
    assert answers[2] == errors.banned(360_000, 240)
    much_later = 1000 * SECOND_NS
    limiter.take_weight("a", 60, much_later)
    assert [problem(limiter.take_weight, "a", 60, much_later) for _ in range(3)][2].retry_after_s == 300


def test_bans_that_are_over_are_forgotten_when_there_are_too_many():
    limiter = Limiter(LIMITS)
    for number in range(10):
        now = number * 1000 * SECOND_NS
        limiter.take_weight(str(number), 60, now)
        for _ in range(3):
            assert problem(limiter.take_weight, str(number), 60, now).status in (418, 429)
    assert len(limiter._bans) <= LIMITS.addresses_max


def test_orders_are_counted_per_account():
    limiter = Limiter(LIMITS)
    assert limiter.take_orders(1, 10, 0) == 10
    assert limiter.take_orders(2, 1, 0) == 1
    assert problem(limiter.take_orders, 1, 2, 0) == errors.orders_exceeded(10, 2)
    assert limiter.orders_used(1, 5 * SECOND_NS) == 5
    assert limiter.orders_used(3, 0) == 0


def test_a_body_has_a_limit():
    limiter = Limiter(LIMITS)
    limiter.refuse_body(100)
    refused = problem(limiter.refuse_body, 101)
    assert refused[:3] == (413, -8001, "Request body is larger than 100 bytes.")


def test_connections_are_counted_per_address_and_in_all():
    limiter = Limiter(LIMITS)
    assert limiter.open_connection("a") is None
    assert limiter.open_connection("a") is None
    assert "current limit is '2'" in limiter.open_connection("a").message
    limiter.close_connection("a")
    assert limiter.open_connection("b") is None
    assert "current limit is '3'" in limiter.open_connection("c").message
    for address in ("a", "a", "b", "c"):
        limiter.close_connection(address)
    assert limiter.open_connection("c") is None
    assert limiter._connections == {"c": 1}


def test_a_key_has_a_weight_of_its_own_wherever_it_is_used():
    limiter = Limiter(LIMITS._replace(key_weight_per_minute=10))
    assert limiter.take_key_weight("k", "a", 6, 0) == 6
    assert limiter.take_key_weight("k", "b", 4, 0) == 10
    assert limiter.take_key_weight("j", "a", 10, 0) == 10
    refused = problem(limiter.take_key_weight, "k", "c", 5, 0)
    assert (refused.status, refused.code, refused.retry_after_s) == (429, -1003, 30)
    for _ in range(LIMITS.refusals_before_ban):
        refused = problem(limiter.take_key_weight, "k", "c", 5, 0)
    assert refused.status == 418
    assert problem(limiter.take_weight, "c", 1, 0).status == 418


def test_many_orders_are_counted_at_once_or_not_at_all():
    assert Limiter(LIMITS).take_many("a", "key", 1, 10, 0) == (10, 10, 10)
    for limits in ({"weight_per_minute": 5}, {"key_weight_per_minute": 5}, {"orders_per_10s": 5}):
        tight = Limiter(LIMITS._replace(**limits))
        assert tight.take_many("a", "key", 1, 6, 0) is None
        assert tight.take_many("a", "key", 1, 5, 0) == (5, 5, 5)


def test_who_is_banned_has_no_orders_counted_at_once():
    limiter = Limiter(LIMITS)
    for _ in range(2 + LIMITS.refusals_before_ban):
        with pytest.raises(RequestError):
            limiter.take_weight("a", 61, 0)
    assert limiter.take_many("a", "key", 1, 1, 0) is None
    assert limiter.take_many("another", "key", 1, 1, 0) == (1, 1, 1)
    assert limiter.take_many("a", "key", 1, 1, (LIMITS.ban_s_min + 1) * SECOND_NS) is not None
