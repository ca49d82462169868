"""The clocks: the machine's moves on, the manual one obeys."""

from exchange.clock import ManualClock, SystemClock


def test_the_system_clock_tells_the_time_since_1970() -> None:
    year_2020_ns = 1_577_836_800 * 10**9
    assert SystemClock().now_ns() > year_2020_ns


def test_the_monotonic_clock_never_falls() -> None:
    clock = SystemClock()
    moments = [clock.monotonic_ns() for _ in range(1000)]
    assert moments == sorted(moments)


def test_a_manual_clock_stands_still_until_it_is_set() -> None:
    clock = ManualClock(5)
    assert (clock.now_ns(), clock.monotonic_ns()) == (5, 5)
    clock.time_ns = 9
    assert (clock.now_ns(), clock.monotonic_ns()) == (9, 9)
