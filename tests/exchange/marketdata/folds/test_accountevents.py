"""The sequences of accounts are those of a list of each, however long."""

from collections import defaultdict
from random import Random

from exchange.core.types import EventKind
from exchange.events import Event
from exchange.marketdata.accountevents import AccountEvents
from exchange.marketdata.folds.accountevents import LEAF

ZERO = Event(*[0] * len(Event._fields))


def test_numbers_are_those_of_a_list_of_each_account() -> None:
    random, kept_max = Random(3), 5 * LEAF
    view, lists, number = AccountEvents(kept_max), defaultdict(list), 0
    for _ in range(60):
        batch = []
        for _ in range(random.randint(1, 60)):
            number += 1
            one, other = random.choice((1, 1, 1, 2, 9_000)), random.choice((1, 3))
            kind = random.choice((EventKind.TRADED, EventKind.ORDER_ACCEPTED, EventKind.ORDER_NAMED))
            batch.append(ZERO._replace(kind=kind, account=one, counter_account=other))
            if kind != EventKind.ORDER_NAMED:
                lists[one].append(number)
            if kind == EventKind.TRADED:
                lists[other].append(number)
        view.apply(batch)
        for account in (1, 2, 3, 4, 9_000, 100_000):
            numbered = list(enumerate(lists[account], 1))
            assert view.latest(account) == len(numbered)
            sequence = random.randint(0, len(numbered))
            assert (
                view.after(account, sequence) == numbered[-kept_max:][max(0, sequence - view.earliest(account) + 1) :]
            )
            since = random.randint(max(1, number - kept_max // 2), number + 1)
            assert view.since(account, since) == [pair for pair in numbered if pair[1] >= since]
            assert view.latest_by(account, since) == len([pair for pair in numbered if pair[1] <= since])


def test_a_refusal_that_names_an_account_there_is_not_is_counted_and_costs_no_memory() -> None:
    view = AccountEvents()
    before = view._account_count
    view.apply([ZERO._replace(kind=EventKind.COMMAND_REJECTED, account=2**32 - 1)])
    view.apply([ZERO._replace(kind=EventKind.ACCOUNT_CREATED, account=1, counter_account=2**32 - 1)])
    assert (view.event_count - 1, view.latest(2**32 - 1), view._account_count) == (1, 0, before)
