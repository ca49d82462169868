"""The escrow's state machine: every state, every step, every party, frozen or not."""

from itertools import combinations

import pytest

from exchange.registry.escrow import TABLE, Escrow, Party, Step, StepRefusal, advance, diagram, royalty
from tests.house.sources import ROOT

CROWDS = [frozenset(chosen) for size in range(4) for chosen in combinations(Party, size)]
# state: step, whose it is, where it leads, whether it waits while frozen; written by hand, not from the table
POSSIBLE = {
    "due": [("hold", "clerk", "held", False), ("bust", "clerk", "void", False)],
    "held": [
        ("deliver", "clerk", "delivered", True),
        ("dispute", "buyer", "disputed", False),
        ("revoke", "clerk", "refunding", False),
        ("bust", "clerk", "releasing", False),
    ],
    "delivered": [
        ("accept", "buyer", "releasing", True),
        ("lapse", "clerk", "releasing", True),
        ("dispute", "buyer", "disputed", False),
        ("revoke", "clerk", "refunding", False),
        ("bust", "clerk", "releasing", False),
    ],
    "disputed": [
        ("release", "operator", "releasing", False),
        ("refund", "operator", "refunding", False),
        ("revoke", "clerk", "refunding", False),
        ("bust", "clerk", "releasing", False),
    ],
    "releasing": [("paid", "clerk", "released", False), ("bust", "clerk", "releasing", False)],
    "refunding": [("returned", "clerk", "refunded", False)],
    "released": [("bust", "clerk", "released", False)],
    "refunded": [],
    "void": [("hold", "clerk", "releasing", False)],
}


@pytest.mark.parametrize("state", Escrow)
def test_every_step_from_every_state_by_everybody(state: Escrow) -> None:
    possible = {step: rest for step, *rest in POSSIBLE[state]}
    for step in Step:
        for parties in CROWDS:
            for is_frozen in (False, True):
                found = advance(state, step, parties, is_frozen=is_frozen)
                if step not in possible:
                    assert found is StepRefusal.NOT_FROM_HERE
                    continue
                party, target, waits = possible[step]
                if party not in parties:
                    assert found is StepRefusal.NOT_YOURS
                elif waits and is_frozen:
                    assert found is StepRefusal.FROZEN
                else:
                    assert found is Escrow(target)


def test_the_table_has_each_step_from_each_state_once() -> None:
    pairs = [(rule.step, source) for rule in TABLE for source in rule.sources]
    assert len(pairs) == len(set(pairs)) == sum(len(steps) for steps in POSSIBLE.values())


@pytest.mark.parametrize(
    ("notional", "bps", "proceeds", "owed"),
    [(1_000, 250, 990, 25), (999, 250, 990, 24), (1_000, 10_000, 990, 990), (1_000, 0, 990, 0), (5, 5_000, -1, 0)],
)
def test_a_royalty_is_rounded_down_and_within_the_proceeds(notional: int, bps: int, proceeds: int, owed: int) -> None:
    assert royalty(notional, bps, proceeds) == owed


def test_the_documentation_shows_this_table() -> None:
    text = (ROOT / "docs" / "register.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{diagram()}```" in text
