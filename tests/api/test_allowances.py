"""What is told of allowances: each change with its cause, balance and changes adding up, however they are merged."""

from types import SimpleNamespace

import numpy as np
import pytest

from api.allowances import AllowanceStreams, Eyes, Told, merged
from exchange.core.records import EVENT
from exchange.core.types import EventKind, TransferPurpose
from exchange.events import Events
from exchange.expiry import KEY_PREFIX
from exchange.sequencer import Batch, Stopped

KEY, OTHER, ISSUER, SERIES = 3, 4, 2, 7


class Registry:
    """Accounts 3 and 4 stand behind keys, asset 7 is of issuer 2."""

    keys = ()
    account_at = staticmethod(lambda _: None)
    accounts = tuple(SimpleNamespace(index=n, name=f"{KEY_PREFIX}{n}" if n > ISSUER else "a") for n in range(5))


def event(kind: int, account: int, amount: int, **fields: int) -> np.ndarray:
    row = np.zeros(1, EVENT)
    row["kind"], row["account"], row["amount"], row["asset"] = kind, account, amount, SERIES
    for name, value in fields.items():
        row[name] = value
    return row


def moved(giver: int, receiver: int, purpose: TransferPurpose, amount: int = 5, asset: int = SERIES) -> np.ndarray:
    kind = EventKind.TRANSFERRED
    return event(kind, giver, amount, counter_account=receiver, state=purpose, asset=asset)


@pytest.fixture
def streams() -> AllowanceStreams:
    made = AllowanceStreams(SimpleNamespace(), SimpleNamespace(registry=Registry()))
    made._learn()
    return made


@pytest.mark.parametrize(
    ("events", "changes"),
    [
        ([event(EventKind.REDEEMED, KEY, 2), event(EventKind.REDEEMED, KEY, 3)], {(KEY, SERIES): {"USED": -5}}),
        ([event(EventKind.REDEEMED, ISSUER, 2)], {}),
        ([moved(ISSUER, KEY, TransferPurpose.SUBACCOUNT)], {(KEY, SERIES): {"NOMINATED": 5}}),
        ([moved(KEY, ISSUER, TransferPurpose.SUBACCOUNT)], {(KEY, SERIES): {"RETURNED": -5}}),
        ([moved(ISSUER, KEY, TransferPurpose.CORRECTION)], {(KEY, SERIES): {"REVERSED": 5}}),
        ([moved(KEY, ISSUER, TransferPurpose.OVERRUN, asset=1)], {(KEY, 1): {"OVERRUN": -5}}),
        ([moved(0, OTHER, TransferPurpose.COMPENSATION, asset=1)], {(OTHER, 1): {"COMPENSATED": 5}}),
        ([moved(0, 1, TransferPurpose.SUBACCOUNT)], {}),
        (
            [event(EventKind.UNITS_EXPIRED, KEY, 9), moved(ISSUER, KEY, TransferPurpose.CORRECTION, 2, asset=8)],
            {(KEY, SERIES): {"EXPIRED": -9}, (KEY, 8): {"ROLLED_OVER": 2}},
        ),
        ([event(EventKind.DEPOSITED, KEY, 1)], {(KEY, SERIES): {"OTHER": 1}}),
    ],
)
def test_each_change_has_its_cause(streams: AllowanceStreams, events: list[np.ndarray], changes: object) -> None:
    array = np.concatenate(events)
    assert streams._changes(Batch(np.zeros(0), array, Events(array), 1, ())) == changes


def test_two_messages_become_one_that_says_what_both_did() -> None:
    older = Told(1, 4, 10, {(3, 7): (8, {"USED": -2}), (4, 7): (1, {"NOMINATED": 1})})
    newer = Told(4, 9, 20, {(3, 7): (9, {"USED": -1, "REVERSED": 2}), (3, 1): (0, {"OVERRUN": -5})})
    both = merged(older, newer)
    assert both == Told(
        1,
        9,
        20,
        {(3, 7): (9, {"USED": -3, "REVERSED": 2}), (4, 7): (1, {"NOMINATED": 1}), (3, 1): (0, {"OVERRUN": -5})},
    )
    assert older.rows[3, 7] == (8, {"USED": -2})


def test_an_exchange_that_stopped_is_not_asked() -> None:
    def stopped(_: object) -> None:
        raise Stopped("over")

    topic = SimpleNamespace(name="allowances 1")
    hub = SimpleNamespace(subscribe=lambda *_: topic)
    made = AllowanceStreams(hub, SimpleNamespace(registry=Registry(), query=stopped))
    made.open(SimpleNamespace(), Eyes("p", 0, frozenset()))
    made._readers[topic.name].pending = {(KEY, SERIES): {}}
    made._ask()
    made.close(topic.name)
    assert made._readers == {}
