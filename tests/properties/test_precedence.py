"""Of all reasons to refuse a command, the one of highest precedence is told: every pair, on both engines."""

from itertools import combinations

import numpy as np
import pytest

from exchange.core.records import COMMAND
from exchange.core.types import CommandKind, RejectReason
from tests.exchange.core.builders import ENGINES, TINY, Market, altered, reasons
from tests.properties.flaws import Flaw
from tests.properties.precedence_cases import CASES

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels for it

AIMED = {CommandKind.REPLACE_ORDER, CommandKind.CANCEL_ORDER, CommandKind.REDUCE_ORDER, CommandKind.EXPIRE_ORDER}
ALONE = [(kind, flaw) for kind, case in CASES.items() for flaw in case.flaws]
PAIRS = [(kind, *pair) for kind, case in CASES.items() for pair in combinations(case.flaws, 2)]


def kind_of(encoded: bytes) -> CommandKind:
    """Return the kind of a command."""
    return CommandKind(int(np.frombuffer(encoded, COMMAND)["kind"][0]))


def refused(engine: type, kind: str, *flaws: Flaw) -> list[RejectReason]:
    """Send a command with some flaws, of equal fields the one of higher precedence, and return the first answer."""
    case = CASES[kind]
    market = Market(engine(TINY), case.home)
    market.do(*case.before)
    for flaw in flaws:
        market.do(*flaw.before)
    command = case.good
    market.time_ns += case.wait_ns
    if market.order_ids and kind_of(command) in AIMED:
        command = altered(command, order_id=market.order_id(1))
    for flaw in sorted(flaws, reverse=True, key=lambda flaw: flaw.reason):
        command = altered(command, **flaw.fields)
    return reasons(market.do(command))[:1]


def name(value: object) -> str:
    """Return what a test's id shows."""
    if isinstance(value, Flaw):
        return value.reason.name
    return value if isinstance(value, str) else value.__name__


def test_every_kind_has_its_flaws():
    assert {kind_of(case.good) for case in CASES.values()} == set(CommandKind) - {CommandKind.NONE}


@pytest.mark.parametrize("engine", ENGINES, ids=name)
@pytest.mark.parametrize("kind", [kind for kind in CASES if kind != "LIST_INSTRUMENT"])
def test_without_a_flaw_a_command_is_good(engine, kind):
    assert refused(engine, kind) == [RejectReason.NONE]


@pytest.mark.parametrize("engine", ENGINES, ids=name)
@pytest.mark.parametrize(("kind", "flaw"), ALONE, ids=name)
def test_one_flaw_is_enough(engine, kind, flaw):
    assert refused(engine, kind, flaw) == [flaw.reason]


@pytest.mark.parametrize("engine", ENGINES, ids=name)
@pytest.mark.parametrize(("kind", "one", "other"), PAIRS, ids=name)
def test_of_two_flaws_the_first_by_precedence_is_told(engine, kind, one, other):
    assert refused(engine, kind, one, other) == [min(one.reason, other.reason)]
