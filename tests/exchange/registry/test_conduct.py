"""Who is let in, who decides, and that nobody decides alone."""

import pytest
from msgspec.structs import replace

from exchange.core.types import FEE_TIERS
from exchange.registry.conduct import OPEN_PROPOSALS_MAX, SCOPES
from exchange.registry.documents import AccountNamed, KeyCreated, ParticipantCreated, Role, Scope, encode
from exchange.registry.people import (
    NEXT_STANDINGS,
    AccountTierSet,
    FourEyesSet,
    ProposalActed,
    ProposalCarriedOut,
    ProposalDecided,
    ProposalMade,
    ProposalState,
    Standing,
    StandingSet,
    TierSet,
)
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import DocumentRefusedError, Registry
from tests.exchange.registry.builders import ALL, registry_of

APPLIED = ParticipantCreated("newcomer", Role.TRADER, has_applied=True, contact="n@example.org")
OPERATOR = ParticipantCreated("second", Role.OPERATOR)
PROPOSED = ProposalMade(1, "PUT /v1/fees", "{}", "EXCHANGE", 0, 10, 20)


def _refused(registry: Registry, document: object) -> DocumentRefusal | None:
    try:
        registry.check(encode(document))
    except DocumentRefusedError as error:
        return error.reason
    return None


def _stand(registry: Registry, *standings: Standing) -> None:
    for standing in standings:
        registry.apply(encode(StandingSet("newcomer", standing, "EXCHANGE")))


@pytest.mark.parametrize("start", list(Standing))
def test_each_standing_leads_where_the_table_says_and_nowhere_else(start: Standing) -> None:
    ways = {
        Standing.APPLIED: (),
        Standing.VERIFIED: (Standing.VERIFIED,),
        Standing.ACTIVE: (Standing.VERIFIED, Standing.ACTIVE),
    }
    registry = registry_of(*ALL, APPLIED)
    _stand(registry, *ways.get(start, (Standing.VERIFIED, Standing.ACTIVE, start)))
    assert registry.participant("newcomer").standing is start
    for standing in Standing:
        refused = _refused(registry, StandingSet("newcomer", standing, "EXCHANGE"))
        assert refused == (None if standing in NEXT_STANDINGS[start] else DocumentRefusal.WRONG_STANDING)


def test_nobody_has_an_account_before_being_active() -> None:
    registry = registry_of(*ALL, APPLIED)
    account = AccountNamed(2, "newcomer", "newcomer", Role.TRADER)
    assert _refused(registry, account) == DocumentRefusal.NOT_LET_IN
    _stand(registry, Standing.VERIFIED)
    assert _refused(registry, account) == DocumentRefusal.NOT_LET_IN
    _stand(registry, Standing.ACTIVE)
    assert _refused(registry, account) is None


@pytest.mark.parametrize("role", list(Role))
def test_a_key_has_scopes_of_its_accounts_role_alone(role: Role) -> None:
    registry = registry_of(ParticipantCreated("p", role), AccountNamed(1, "p", "p", role))
    for scope in Scope:
        refused = _refused(registry, KeyCreated("k" * 64, b"x", 1, (scope,)))
        assert refused == (None if scope in SCOPES[role] else DocumentRefusal.SCOPE_OF_ANOTHER_ROLE)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (StandingSet("nobody", Standing.ACTIVE, "EXCHANGE"), DocumentRefusal.UNKNOWN_PARTICIPANT),
        (StandingSet("ctel", Standing.CLOSED, "ctel"), DocumentRefusal.OWN_MATTER),
        (StandingSet("ctel", Standing.CLOSED, "EXCHANGE", "x" * 1001), DocumentRefusal.TOO_LONG),
        (TierSet("nobody", 1), DocumentRefusal.UNKNOWN_PARTICIPANT),
        (TierSet("ctel", FEE_TIERS), DocumentRefusal.BAD_TERMS),
        (AccountTierSet(99, 1), DocumentRefusal.UNKNOWN_ACCOUNT),
        (AccountTierSet(1, FEE_TIERS), DocumentRefusal.BAD_TERMS),
        (AccountTierSet(1, -1), DocumentRefusal.BAD_TERMS),
        (FourEyesSet(required=True), DocumentRefusal.ONE_OPERATOR),
        (replace(PROPOSED, number=2), DocumentRefusal.INDEX_NOT_NEXT),
        (replace(PROPOSED, expires_ns=10), DocumentRefusal.BAD_TERMS),
        (replace(PROPOSED, body="x" * 16_385), DocumentRefusal.TOO_LONG),
        (ProposalDecided(1, True, "second", 11), DocumentRefusal.NOT_OPEN),
        (ProposalCarriedOut(1, 0, ""), DocumentRefusal.NOT_OPEN),
    ],
)
def test_what_cannot_be_is_refused(document: object, reason: DocumentRefusal) -> None:
    assert _refused(registry_of(*ALL), document) == reason


def test_another_operator_decides_in_time_and_once() -> None:
    registry = registry_of(*ALL, OPERATOR, FourEyesSet(required=True), PROPOSED)
    assert registry.people.four_eyes
    assert _refused(registry, ProposalDecided(1, True, "EXCHANGE", 11)) == DocumentRefusal.OWN_MATTER
    assert _refused(registry, ProposalDecided(1, True, "second", 20)) == DocumentRefusal.NOT_OPEN
    assert _refused(registry, ProposalCarriedOut(1, 0, "")) == DocumentRefusal.NOT_OPEN
    registry.apply(encode(ProposalDecided(1, True, "second", 19)))
    assert _refused(registry, ProposalDecided(1, False, "second", 19)) == DocumentRefusal.NOT_OPEN
    assert registry.people.proposals[0].state is ProposalState.APPROVED
    again = Registry()
    again.restore(registry.snapshot())
    again.apply(encode(ProposalCarriedOut(1, -8009, "no")))
    found = again.people.proposals[0]
    assert (found.state, found.decided_by, found.code, found.answer) == (ProposalState.FAILED, "second", -8009, "no")


def test_what_somebody_proposed_who_is_no_longer_active_is_not_approved() -> None:
    proposed = replace(PROPOSED, by="second")
    gone = StandingSet("second", Standing.SUSPENDED, "EXCHANGE")
    registry = registry_of(*ALL, OPERATOR, proposed, gone)
    assert _refused(registry, ProposalActed(1, "EXCHANGE", 11, 1)) == DocumentRefusal.NOT_LET_IN
    assert _refused(registry, ProposalDecided(1, False, "EXCHANGE", 11)) is None


@pytest.mark.parametrize("standing", [Standing.RESTRICTED, Standing.SUSPENDED, Standing.CLOSED])
def test_who_is_no_longer_active_decides_nothing(standing: Standing) -> None:
    registry = registry_of(*ALL, OPERATOR, PROPOSED, StandingSet("second", standing, "EXCHANGE"))
    for by in ("second", "nobody"):
        assert _refused(registry, ProposalActed(1, by, 11, 1)) == DocumentRefusal.NOT_LET_IN
        assert _refused(registry, ProposalDecided(1, False, by, 11)) == DocumentRefusal.NOT_LET_IN


def test_an_approval_stands_where_its_act_does() -> None:
    registry = registry_of(*ALL, OPERATOR, PROPOSED)
    acted = ProposalActed(1, "second", 11, 2, encode(TierSet("ctel", 3)).decode())
    registry.apply(encode(acted), 40)
    found = registry.people.proposals[0]
    assert (found.state, found.sequence, found.commands) == (ProposalState.APPROVED, 40, 2)
    assert registry.participant("ctel").tier == 3
    fresh = registry_of(*ALL, OPERATOR, PROPOSED)
    bad = ProposalActed(1, "second", 12, 1, encode(TierSet("nobody", 3)).decode())
    assert _refused(fresh, bad) == DocumentRefusal.UNKNOWN_PARTICIPANT


def test_a_refused_proposal_is_never_done() -> None:
    registry = registry_of(*ALL, OPERATOR, PROPOSED, ProposalDecided(1, False, "second", 11))
    assert registry.people.proposals[0].state is ProposalState.REFUSED
    assert _refused(registry, ProposalCarriedOut(1, 0, "")) == DocumentRefusal.NOT_OPEN


def test_open_proposals_have_a_limit_that_those_out_of_time_do_not_count_for() -> None:
    registry = registry_of(*ALL)
    for number in range(1, OPEN_PROPOSALS_MAX + 1):
        registry.apply(encode(replace(PROPOSED, number=number)))
    following = replace(PROPOSED, number=OPEN_PROPOSALS_MAX + 1)
    assert _refused(registry, following) == DocumentRefusal.TOO_LONG
    assert _refused(registry, replace(following, made_ns=20, expires_ns=30)) is None
