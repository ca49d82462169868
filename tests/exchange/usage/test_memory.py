"""How much room there is for usage ids: as much as the engine has, never more."""

import numpy as np

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND, EVENT
from exchange.core.state import TEST
from exchange.core.types import SECOND_NS, USAGE_ID_WINDOW_NS, AssetKind, EventKind, RejectReason, TransferPurpose
from exchange.usage.memory import UsageMemory


def _events(count: int, time_ns: int, kind: int = EventKind.REDEEMED) -> np.ndarray:
    events = np.zeros(count, EVENT)
    events["kind"], events["time_ns"], events["order_id"] = kind, time_ns, 5
    return events


def test_there_is_room_again_when_the_oldest_are_72_hours_old() -> None:
    memory = UsageMemory(10)
    memory.apply(_events(6, SECOND_NS))
    memory.apply(_events(3, 5 * SECOND_NS))
    now_ns = 9 * SECOND_NS
    assert [memory.wait_ns(ids, now_ns) for ids in (0, 1)] == [0, 0]
    assert memory.wait_ns(2, now_ns) == memory.wait_ns(7, now_ns) == USAGE_ID_WINDOW_NS - 8 * SECOND_NS
    assert memory.wait_ns(8, now_ns) == USAGE_ID_WINDOW_NS - 4 * SECOND_NS
    assert memory.wait_ns(11, now_ns) == USAGE_ID_WINDOW_NS
    assert memory.wait_ns(7, SECOND_NS + USAGE_ID_WINDOW_NS) == 0


def test_ids_of_transfers_and_busts_count_and_what_has_none_does_not() -> None:
    memory = UsageMemory(10)
    memory.apply(_events(1, 1, EventKind.TRANSFERRED))
    memory.apply(_events(1, 2, EventKind.TRADE_BUSTED))
    memory.apply(_events(1, 3, EventKind.TRADED))
    unnamed = _events(1, 4)
    unnamed["order_id"] = 0
    memory.apply(unnamed)
    assert (memory.wait_ns(8, 5), memory.wait_ns(9, 5) > 0) == (0, True)


def test_it_says_what_the_engine_says() -> None:
    engine, memory = Engine(TEST), UsageMemory(TEST.usage_ids)
    made = [commands.create_account(1), commands.create_asset(1, AssetKind.CASH)]
    made += [commands.create_asset(2, AssetKind.ALLOWANCE, 1), commands.create_account(2), commands.issue(1, 2, 10**6)]
    made.append(commands.transfer(1, 2, 2, 10**5, TransferPurpose.SUBACCOUNT, b"n" * 16))
    made += [commands.redeem(2, 2, 1, b"%016d" % number) for number in range(TEST.usage_ids - 1)]
    batch = np.frombuffer(bytearray(b"".join(made)), COMMAND)
    batch["sequence"], batch["time_ns"] = np.arange(1, len(batch) + 1), SECOND_NS
    events = engine.apply(batch)
    assert not (events["kind"] == EventKind.COMMAND_REJECTED).any()
    memory.apply(events)
    for time_ns, refused in ((2 * SECOND_NS, True), (SECOND_NS + USAGE_ID_WINDOW_NS, False)):
        assert (memory.wait_ns(1, time_ns) > 0) is refused
        one = np.frombuffer(bytearray(commands.redeem(2, 2, 1, b"another id......")), COMMAND)
        one["sequence"], one["time_ns"] = engine.command_sequence + 1, time_ns
        (event,) = engine.apply(one)
        assert (event["reason"] == RejectReason.RECENT_IDS_FULL) == refused
