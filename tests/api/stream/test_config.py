"""The limits of the websockets fit together."""

from api.stream.config import StreamConfig


def test_a_reader_that_stalls_is_gone_within_five_seconds() -> None:
    config = StreamConfig()

    ticks = config.tick_ms / 1000
    assert config.stall_s + ticks + config.farewell_s < 5


def test_a_connection_can_name_all_streams_it_may_hear_in_one_message() -> None:
    config = StreamConfig()

    longest_name = "x" * 64 + "@depth20@100ms"
    assert config.subscriptions_max * (len(longest_name) + 3) + 100 < config.message_bytes_max


def test_the_slower_pace_is_a_second() -> None:
    config = StreamConfig()

    assert config.tick_ms * config.slow_ticks == 1000
