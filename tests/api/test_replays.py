"""What was signed is taken once, for as long as it is good."""

import pytest

from api.errors import REPLAYED, TOO_MANY_SIGNATURES, RequestError
from api.replays import SLICE_NS, Replays

NOW = 100 * SLICE_NS


def refused(replays: Replays, payload: bytes, until_ns: int, now_ns: int = NOW, key: str = "k") -> object:
    try:
        replays.take(key, payload, until_ns, now_ns)
    except RequestError as error:
        return error.problem
    return None


def test_the_same_bytes_are_taken_once_and_others_are_others() -> None:
    replays = Replays()
    assert refused(replays, b"a", NOW) is None
    assert refused(replays, b"a", NOW) == REPLAYED
    assert refused(replays, b"b", NOW) is refused(replays, b"a", NOW, key="j") is None


@pytest.mark.parametrize("until_ns", [NOW, NOW + 1, NOW + 12 * SLICE_NS])
def test_what_is_still_good_is_remembered_whatever_comes_in_between(until_ns: int) -> None:
    replays = Replays()
    replays.take("k", b"a", until_ns, NOW)
    for step in range((until_ns - NOW) // SLICE_NS + 1):
        replays.take("k", b"%d" % step, NOW + step * SLICE_NS, NOW + step * SLICE_NS)
    assert refused(replays, b"a", until_ns, until_ns) == REPLAYED


def test_what_is_no_longer_good_is_forgotten_and_makes_room() -> None:
    replays = Replays(2)
    for payload in (b"a", b"b"):
        replays.take("k", payload, NOW, NOW)
    assert refused(replays, b"c", NOW) == TOO_MANY_SIGNATURES
    later = NOW + 2 * SLICE_NS
    assert refused(replays, b"c", later, later) is None
    assert replays._count == len(replays._slices) == 1


def test_remembering_may_be_turned_off() -> None:
    replays = Replays(0)
    assert refused(replays, b"a", NOW) is refused(replays, b"a", NOW) is None


def test_there_is_room_for_what_would_be_taken_and_asking_takes_nothing() -> None:
    replays = Replays(1)
    assert replays.has_room_for("k", b"a", NOW)
    assert replays.has_room_for("k", b"a", NOW)
    assert not replays.has_room_for("k", b"a", NOW, besides=1)
    replays.take("k", b"a", NOW, NOW)
    assert not replays.has_room_for("k", b"a", NOW)  # taken
    assert not replays.has_room_for("k", b"b", NOW)  # too many
    assert Replays(0).has_room_for("k", b"a", NOW)
