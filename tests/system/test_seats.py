"""Every act upon a licence trade in every state of its escrow: its transition, or a refusal that changes nothing.

All trades are of one series of 40 seats: there are 40 whatever happens, and never one more.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exchange.core.records import COMMAND_STRUCT
from exchange.core.types import CommandKind
from exchange.sequencer import Overloaded
from settlement.reconcile import reconcile
from tests.api.v1.office import SMALL, Client, Office
from tests.api.v1.titled import (
    balance,
    buyer_of,
    clear,
    escrow_states,
    ok,
    order,
    refused,
    registered,
    series_of,
    settled,
    titled,
    vendor_of,
    wait_for,
)

pytestmark = pytest.mark.system
SEATS = 40
# state: what leads out of it, to which state in the end; the clerk's own steps are held back while one stands in it
LEADS = {
    "due": {"bust": "void"},
    "held": {"dispute": "disputed", "bust": "released"},
    "delivered": {"accept": "released", "dispute": "disputed", "bust": "released"},
    "disputed": {"release": "released", "refund": "refunded", "bust": "released"},
    "releasing": {"bust": "releasing"},
    "released": {"bust": "released"},
    "refunding": {},
    "refunded": {},
    "void": {},
}
ACTS = ("accept", "dispute", "release", "refund", "bust")
DECISIONS = {"release", "refund"}


class Stage:
    """A series, its vendor, and a clerk who can be held back."""

    def __init__(self, desk: Office, patch: pytest.MonkeyPatch) -> None:
        self.desk, self.patch = desk, patch
        self.vendor = vendor_of(desk)
        ok(desk.operator.post("/v1/deposits", account=self.vendor.account, amount="100000"))
        self.symbol = series_of(self.vendor, registered(desk, self.vendor), may_resell=True)
        self.count = 0

    def buyer(self) -> Client:
        self.count += 1
        made = buyer_of(self.desk, f"buyer-{self.count}")
        ok(clear(made, self.symbol))
        return made

    def reach(self, state: str) -> tuple[Client, int]:
        """Make a trade whose escrow stands in a state, and stays there."""
        buyer = self.buyer()
        if state in {"due", "void"}:
            self._hold_nothing()
        elif state == "held":
            self._keep("entitlements", "deliver")
        ok(order(self.vendor, self.symbol, "SELL", 1, "100"))
        ok(order(buyer, self.symbol, "BUY", 1, "100"))
        first = {"due": "due", "void": "due", "held": "held"}.get(state, "delivered")
        wait_for(lambda: escrow_states(buyer), [first])
        trade = int(ok(buyer.get("/v1/escrows"))["escrows"][0]["trade"])
        if state in {"releasing", "refunding"}:
            self.patch.setattr(self.desk.clerk, "_transfer", _nothing)
        for act in _way(state):
            ok(self.act(act, buyer, trade))
        wait_for(lambda: escrow_states(buyer), [state])
        return buyer, trade

    def act(self, act: str, buyer: Client, trade: int) -> Any:
        if act == "bust":
            return self.desk.operator.post("/v1/busts", event=trade)
        if act in DECISIONS:
            return self.desk.operator.post("/v1/disputes", trade=trade, decision=act)
        return buyer.post("/v1/escrows", trade=trade, step=act)

    def go_on(self) -> None:
        """Let the clerk do all of its work again."""
        self.patch.undo()

    def seats(self) -> int:
        """Return how many seats there are, as the engine and as all balances have it."""
        base = self.desk.exchange.registry.asset(self.symbol).index

        async def ask() -> tuple[int, int]:
            return await self.desk.exchange.query(lambda engine: _count(engine, base))

        outstanding, owned = self.desk.run(ask)
        assert outstanding == owned
        return outstanding

    def _keep(self, part: str, method: str) -> None:
        self.patch.setattr(getattr(self.desk.desk.titles, part), method, _false)

    def _hold_nothing(self) -> None:
        """Let the transfer into escrow find no room."""
        submit: Callable[..., Any] = self.desk.exchange.submit

        def full(command: bytes, document: bytes = b"") -> Any:
            if command and COMMAND_STRUCT.unpack(command[: COMMAND_STRUCT.size])[2] == CommandKind.TRANSFER:
                raise Overloaded("full")
            return submit(command, document)

        self.patch.setattr(self.desk.exchange, "submit", full)


def _way(state: str) -> tuple[str, ...]:
    ways = {"void": ("bust",), "releasing": ("accept",), "released": ("accept",), "disputed": ("dispute",)}
    return ways.get(state, ("dispute", "refund") if state in {"refunding", "refunded"} else ())


async def _nothing(_case: object) -> None:
    """Do nothing."""


async def _false(*_: object) -> bool:
    return False


def _count(engine: Any, base: int) -> tuple[int, int]:
    assets, rows = engine.asset_rows()[base - 1], engine.balance_rows()
    owned = rows[rows["asset"] == base]
    return int(assets["issued"] - assets["burned"]), int(owned["available"].sum() + owned["held"].sum())


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with titled(tmp_path_factory.mktemp("exchange")) as served:
        yield served
        settled(served)
        report = asyncio.run(reconcile(served.directory, served.dsn, SMALL))
        assert report.ok, report.difference


@pytest.fixture(scope="module")
def stage(desk: Office) -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch:
        yield Stage(desk, patch)


def _is_full(stage: Stage, buyer: Client) -> None:
    """Try for one more seat in every way there is."""
    assert refused(stage.vendor.post("/v1/issues", asset=stage.symbol, amount="1")) < 0
    mine = int(balance(stage.vendor, stage.symbol))
    assert refused(order(stage.vendor, stage.symbol, "SELL", mine + 1, "9000")) < 0
    assert refused(order(buyer, stage.symbol, "SELL", int(balance(buyer, stage.symbol)) + 1, "9000")) < 0
    assert stage.seats() == SEATS


@pytest.mark.parametrize("state", LEADS)
def test_what_does_not_lead_out_of_a_state_is_refused_and_changes_nothing(stage: Stage, state: str) -> None:
    buyer, trade = stage.reach(state)
    stranger = stage.buyer()
    before = [balance(buyer), balance(buyer, stage.symbol), balance(stage.vendor), balance(stage.vendor, stage.symbol)]
    for act in ACTS:
        if act in LEADS[state]:
            continue
        answer = stage.act(act, buyer, trade)
        repeats = act in DECISIONS and answer.status_code == 200  # the decision that was taken, told again
        assert repeats or refused(answer) < 0
        assert not repeats or (act, state) in {("refund", "refunding"), ("refund", "refunded")}
        assert escrow_states(buyer) == [state]
    for act in ("accept", "dispute"):
        assert refused(stage.act(act, stranger, trade)) < 0
        assert refused(stage.act(act, stage.vendor, trade)) < 0
    after = [balance(buyer), balance(buyer, stage.symbol), balance(stage.vendor), balance(stage.vendor, stage.symbol)]
    assert (after, escrow_states(buyer)) == (before, [state])
    _is_full(stage, buyer)
    stage.go_on()


@pytest.mark.parametrize(("state", "act"), [(state, act) for state, acts in LEADS.items() for act in acts])
def test_what_leads_out_of_a_state_leads_where_the_table_says(stage: Stage, state: str, act: str) -> None:
    buyer, trade = stage.reach(state)
    ok(stage.act(act, buyer, trade))
    if state != "releasing":
        stage.go_on()
    wait_for(lambda: escrow_states(buyer), [LEADS[state][act]])
    stage.go_on()
    _is_full(stage, buyer)
