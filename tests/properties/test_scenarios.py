"""The scenario tables, line by line, on both engines; and that the tables speak of everything that can happen."""

from pathlib import Path
from typing import NamedTuple

import pytest

from exchange.core.state import TEST
from exchange.core.types import EndReason, EventKind, RejectReason, SelfTradePrevention, TimeInForce, TradingState
from tests.exchange.core.builders import ENGINES, Market
from tests.properties.scenario_language import answers, matches

FOLDER = Path(__file__).with_name("scenarios")

# which only pools that are full tell: test_precedence.py fills them, and a table of thousands of lines tells nobody
OF_FULL_POOLS = {
    RejectReason.TOO_MANY_OPEN_ORDERS,
    RejectReason.ORDERS_FULL,
    RejectReason.LEVELS_FULL,
    RejectReason.BALANCES_FULL,
    RejectReason.CONDITIONS_FULL,
    RejectReason.ACQUISITIONS_FULL,
    RejectReason.RECENT_IDS_FULL,
    RejectReason.ACCOUNTS_FULL,
    RejectReason.ASSETS_FULL,
    RejectReason.INSTRUMENTS_FULL,
}

ENDS_OF_FULL_POOLS = {EndReason.NONE, EndReason.WORK_LIMIT, EndReason.BOOK_FULL}  # test_limits.py shows them
EVENTS_OF_LIMITS = {EventKind.NONE, EventKind.STOPS_WAITING}  # the same

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels for it


class Line(NamedTuple):
    """A line of a table: where it stands, what is said, and what must be answered."""

    place: str
    text: str
    expected: list[str]


class Scenario(NamedTuple):
    """A title and its lines."""

    title: str
    lines: list[Line]


def read(path: Path) -> list[Scenario]:
    """Return the scenarios of a table."""
    found: list[Scenario] = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        line = text.split("#")[0].strip()
        if line.startswith("=="):
            found.append(Scenario(f"{path.stem}: {line.strip('= ')}", []))
        elif line:
            said, _, told = line.partition("->")
            expected = [" ".join(part.split()) for part in told.split(",") if part.strip()]
            found[-1].lines.append(Line(f"{path.name}:{number}", " ".join(said.split()), expected))
    return found


SCENARIOS = [scenario for path in sorted(FOLDER.glob("*.txt")) for scenario in read(path)]
TEXT = "\n".join(line.text + " -> " + ", ".join(line.expected) for scenario in SCENARIOS for line in scenario.lines)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_the_market_answers_as_the_table_says(engine, scenario):
    market = Market(engine(TEST))
    for line in scenario.lines:
        found = answers(line.text, market)
        same = len(found) == len(line.expected) and all(map(matches, line.expected, found))
        assert same, f"{line.place}: {line.text} -> {', '.join(found)}, but expected {', '.join(line.expected)}"


@pytest.mark.parametrize("reason", [reason for reason in RejectReason if reason not in OF_FULL_POOLS and reason])
def test_the_tables_show_every_reason_to_refuse(reason):
    assert f"rejected {reason.name.lower().replace('_', ' ')}" in TEXT


@pytest.mark.parametrize("reason", [reason for reason in EndReason if reason not in ENDS_OF_FULL_POOLS])
def test_the_tables_show_every_way_to_end(reason):
    assert f" {reason.name.lower().replace('_', ' ')} leaves" in TEXT


@pytest.mark.parametrize("policy", SelfTradePrevention)
def test_the_tables_show_every_policy(policy):
    assert f" {policy.name.lower().replace('_', '-')}" in TEXT


@pytest.mark.parametrize("life", [life for life in TimeInForce if life != TimeInForce.GTC])
def test_the_tables_show_every_time_in_force(life):
    assert f" {life.name.lower().replace('_', '-')}" in TEXT


@pytest.mark.parametrize("state", [state for state in TradingState if state != TradingState.UNCROSSING])
def test_the_tables_show_every_trading_state(state):
    assert f"now {state.name.lower().replace('_', '-')}" in TEXT


def test_the_tables_show_every_event():
    kinds = {kind for scenario in SCENARIOS for kind in kinds_of(scenario)}
    assert kinds == set(EventKind) - EVENTS_OF_LIMITS


def kinds_of(scenario: Scenario) -> set[EventKind]:
    """Return the kinds of event that a scenario causes, its setup included."""
    market = Market()
    for line in scenario.lines:
        answers(line.text, market)
    return {EventKind(kind) for kind in market.events["kind"].tolist()}


@pytest.mark.parametrize(
    ("expected", "found", "same"),
    [
        ("trade 4 @ 100", "trade 4 @ 100 with 1 fees 0 0", True),
        ("trade 4 @ 10", "trade 4 @ 100 with 1 fees 0 0", False),
        ("trade 4 @ 100 with 1 fees 0 0", "trade 4 @ 100 with 1 fees 0 0", True),
        ("trade 4 @ 100 with 2", "trade 4 @ 100 with 1 fees 0 0", False),
    ],
)
def test_an_answer_may_leave_out_last_words_only(expected, found, same):
    assert matches(expected, found) is same
