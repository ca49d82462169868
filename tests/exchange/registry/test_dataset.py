"""The register's state machine: every state, every move, everybody, and the text that shows it."""

from itertools import chain, combinations

import pytest

from exchange.registry.dataset import (
    FREEZING,
    SECRET,
    TABLE,
    Act,
    Move,
    Mover,
    MoveRefusal,
    State,
    diagram,
    rule_of,
    step,
    table,
)
from tests.house.sources import ROOT

PEOPLE = (Mover.HOLDER, Mover.OPERATOR, Mover.ANYBODY)
CROWDS = [frozenset(chosen) for size in range(4) for chosen in combinations(PEOPLE, size)]
# the way of a first registration, and what else is possible from each state: written by hand, not from the table
POSSIBLE = {
    State.NONE: {Move.DRAFT, Move.IMPORT},
    State.DRAFT: {Move.EDIT, Move.SUBMIT, Move.CANCEL},
    State.SUBMITTED: {Move.APPROVE_FORM, Move.RETURN, Move.CANCEL},
    State.FORMALLY_OK: {Move.APPROVE_SUBSTANCE, Move.RETURN, Move.CANCEL},
    State.SUBSTANTIVELY_OK: {Move.PUBLISH, Move.RETURN, Move.CANCEL},
    State.PUBLICITY: {Move.REGISTER, Move.RETURN, Move.CANCEL, Move.OBJECT},
    State.REGISTERED: {
        Move.LIST, Move.TRANSFER, Move.CHANGE, Move.OBJECT, Move.SUSPEND, Move.EXPIRE, Move.CANCEL, Move.REVOKE,
    },
    State.LISTED: {Move.LIST, Move.UNLIST, Move.CHANGE, Move.OBJECT, Move.SUSPEND, Move.EXPIRE, Move.REVOKE},
    State.OBJECTED: {Move.DISMISS, Move.REPUBLISH, Move.SUSPEND, Move.EXPIRE, Move.REVOKE},
    State.SUSPENDED: {Move.REINSTATE, Move.EXPIRE, Move.REVOKE},
    State.EXPIRED: {Move.RENEW, Move.CANCEL, Move.REVOKE},
    State.REVOKED: set(),
}  # fmt: skip


@pytest.mark.parametrize("state", State)
def test_every_move_from_every_state_by_everybody(state: State) -> None:
    for move in Move:
        rule = rule_of(move)
        for movers in CROWDS:
            for is_over in (False, True):
                found = step(state, move, movers, is_over=is_over)
                needed = Mover.OPERATOR if rule.mover is Mover.CLOCK else rule.mover
                if move not in POSSIBLE[state]:
                    assert found is MoveRefusal.NOT_FROM_HERE
                elif needed is not Mover.ANYBODY and needed not in movers:
                    assert found is MoveRefusal.NOT_YOURS
                elif move is Move.EXPIRE and not is_over:
                    assert found is MoveRefusal.NOT_DUE
                else:
                    assert found is (rule.target or state)


def test_a_first_registration_takes_seven_moves() -> None:
    everybody = frozenset(PEOPLE)
    state: State | MoveRefusal = State.NONE
    passed = []
    for move in ("draft", "submit", "approve form", "approve substance", "publish", "register", "list"):
        assert isinstance(state, State)
        state = step(state, Move(move), everybody)
        passed.append(str(state))
    assert passed == [
        "draft",
        "submitted",
        "formally ok",
        "substantively ok",
        "publicity",
        "registered",
        "listed",
    ]


def test_every_state_is_reached_and_all_but_the_last_are_left() -> None:
    reached, grown = {State.NONE}, True
    while grown:
        more = {rule.target for rule in TABLE if rule.target and reached & set(rule.sources)}
        grown = bool(more - reached)
        reached |= more
    assert reached == set(State)
    assert {state for state in State if not POSSIBLE[state]} == {State.REVOKED}


def test_every_act_has_a_move_and_every_move_one_row() -> None:
    assert {rule.act for rule in TABLE} == set(Act)
    assert len(TABLE) == len(Move)
    assert set(chain.from_iterable(rule.sources for rule in TABLE)) == set(State) - {State.REVOKED}


def test_what_freezes_is_not_listed_and_what_is_secret_is_no_longer_after_publicity() -> None:
    assert State.LISTED not in FREEZING | SECRET
    assert {State.DRAFT, State.SUBMITTED, State.FORMALLY_OK, State.SUBSTANTIVELY_OK} == SECRET


def test_the_documentation_shows_this_table() -> None:
    text = (ROOT / "docs" / "register.md").read_text(encoding="utf-8")
    assert f"```mermaid\n{diagram()}```" in text
    assert table() in text
