"""Which usage ids were applied: as a set would say, whatever the batches, and the same after a rebuild."""

import numpy as np

from exchange.core.records import EVENT
from exchange.core.types import EventKind, TransferPurpose
from exchange.events import EventLog
from exchange.usage.ids import WINDOW_NS, UsageIndex, usage_words


def _events(words: np.ndarray, time_ns: int = 1, kind: int = EventKind.REDEEMED, state: int = 0) -> np.ndarray:
    events = np.zeros(len(words), EVENT)
    events["kind"], events["time_ns"], events["state"] = kind, time_ns, state
    events["order_id"], events["counter_order_id"] = words.T
    return events


def test_ids_differ_by_issuer_and_record_and_leave_room_for_parts() -> None:
    words = np.concatenate([usage_words(issuer, ["a", "b", "ab"]) for issuer in (1, 2)])
    assert len(np.unique(words, axis=0)) == 6
    assert not (words[:, 1] & 0xFF).any()
    assert words[:, 0].all()
    assert np.array_equal(usage_words(1, ["a"]), words[:1])


def test_what_was_applied_is_known_and_by_which_events() -> None:
    index, words = UsageIndex(1000), usage_words(1, map(str, range(1000)))
    number = 1
    for begin, end in ((0, 1), (1, 400), (400, 401), (401, 900)):
        index.apply(_events(words[begin:end]), number)
        number += end - begin
    assert index.known(words).tolist() == [True] * 900 + [False] * 100
    assert index.events_of(*words[450].tolist()) == [451]
    assert index.events_of(*words[950].tolist()) == []
    part = words[450:451] + np.array([0, 1])
    index.apply(_events(part), 5_000)
    assert index.events_of(*words[450].tolist()) == [451, 5000]


def test_payments_and_corrections_count_other_transfers_do_not() -> None:
    index, words = UsageIndex(1000), usage_words(1, "abc")
    for row, purpose in enumerate((TransferPurpose.OVERRUN, TransferPurpose.CORRECTION, TransferPurpose.SUBACCOUNT)):
        index.apply(_events(words[row : row + 1], 1, EventKind.TRANSFERRED, purpose), row + 1)
    assert index.known(words).tolist() == [True, True, False]


def test_what_no_record_may_come_for_any_more_is_forgotten() -> None:
    index, words = UsageIndex(1000), usage_words(1, "ab")
    index.apply(_events(words[:1], 1), 1)
    index.apply(_events(words[1:], 2 + WINDOW_NS), 2)
    assert index.known(words).tolist() == [False, True]


def test_a_rebuild_knows_the_same(tmp_path) -> None:
    log, words = EventLog.open(tmp_path), usage_words(1, map(str, range(300)))
    log.append(_events(words))
    index = UsageIndex(1000)
    index.rebuild(log)
    log.close()
    assert index.known(words).all()
    assert index.events_of(*words[299].tolist()) == [300]
