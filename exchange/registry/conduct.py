"""The fold of what is written down about people: which standing may follow which, and who may decide what."""

from exchange.core.types import FEE_TIERS
from exchange.registry.documents import Document, Role, Scope
from exchange.registry.entries import Participant, Tables
from exchange.registry.people import (
    NEXT_STANDINGS,
    AccountTierSet,
    FourEyesSet,
    PeopleEntries,
    Proposal,
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

NOTE_CHARACTERS_MAX = 1_000
PROPOSAL_BODY_MAX = 16_384
OPEN_PROPOSALS_MAX = 1_000
_TRADE = frozenset((Scope.READ, Scope.TRADE))
SCOPES = {
    Role.TRADER: _TRADE,
    Role.MARKET_MAKER: _TRADE,
    Role.BROKER: _TRADE,
    Role.ISSUER: _TRADE | {Scope.ISSUE, Scope.METER},
    Role.VENDOR: _TRADE | {Scope.ISSUE, Scope.METER},
    Role.OPERATOR: frozenset((Scope.READ, Scope.OPERATE, Scope.AUDIT)),
    Role.AUDITOR: frozenset((Scope.READ, Scope.AUDIT)),
}


def may_have_accounts(participant: Participant) -> bool:
    """Tell whether somebody was let in."""
    return participant.standing is Standing.ACTIVE


def refuse_people(tables: Tables, document: Document) -> DocumentRefusal | None:
    """Return why a document about people cannot be the next one, None if it can."""
    people = tables.entries.people
    match document:
        case StandingSet():
            return _refuse_standing(tables, document)
        case TierSet():
            if document.participant not in tables.participants:
                return DocumentRefusal.UNKNOWN_PARTICIPANT
            return None if 0 <= document.tier < FEE_TIERS else DocumentRefusal.BAD_TERMS
        case AccountTierSet():
            if tables.account_at(document.account) is None:
                return DocumentRefusal.UNKNOWN_ACCOUNT
            return None if document.tier is None or 0 <= document.tier < FEE_TIERS else DocumentRefusal.BAD_TERMS
        case FourEyesSet():
            return DocumentRefusal.ONE_OPERATOR if document.required and not _has_two_operators(tables) else None
        case ProposalMade():
            return _refuse_proposal(people, document)
        case ProposalDecided() | ProposalActed():
            return _refuse_decision(tables, document)
        case ProposalCarriedOut():
            found = _find(people, document.number)
            waits = found is not None and (
                found.state is ProposalState.APPROVED
                or (found.state is ProposalState.DONE and not found.answer)  # an act of a document alone
            )
            return None if waits else DocumentRefusal.NOT_OPEN
    return None


def add_people(tables: Tables, document: Document, sequence: int = 0) -> None:
    """Apply a document that was not refused and stands behind a command."""
    people = tables.entries.people
    match document:
        case StandingSet():
            tables.participants[document.participant].standing = document.standing
        case TierSet():
            tables.participants[document.participant].tier = document.tier
        case AccountTierSet():
            tables.entries.accounts[document.account].own_tier = document.tier
        case FourEyesSet():
            people.four_eyes = document.required
        case ProposalMade():
            people.proposals.append(
                Proposal(
                    document.number,
                    document.act,
                    document.body,
                    document.by,
                    document.account,
                    document.made_ns,
                    document.expires_ns,
                    why=document.why,
                )
            )
        case ProposalDecided():
            found = people.proposals[document.number - 1]
            found.state = ProposalState.APPROVED if document.is_approved else ProposalState.REFUSED
            found.decided_by, found.decided_ns = document.by, document.at_ns
        case ProposalActed():
            found = people.proposals[document.number - 1]
            found.decided_by, found.decided_ns = document.by, document.at_ns
            found.sequence, found.commands = sequence, document.commands
            found.state = ProposalState.APPROVED if document.commands else _ended(document.code)
            found.code, found.answer = document.code, document.answer
        case ProposalCarriedOut():
            found = people.proposals[document.number - 1]
            found.state, found.code, found.answer = _ended(document.code), document.code, document.answer


def _refuse_standing(tables: Tables, document: StandingSet) -> DocumentRefusal | None:
    participant = tables.participants.get(document.participant)
    if participant is None:
        return DocumentRefusal.UNKNOWN_PARTICIPANT
    if len(document.note) > NOTE_CHARACTERS_MAX:
        return DocumentRefusal.TOO_LONG
    if document.participant == document.by:
        return DocumentRefusal.OWN_MATTER
    return None if document.standing in NEXT_STANDINGS[participant.standing] else DocumentRefusal.WRONG_STANDING


def _has_two_operators(tables: Tables) -> bool:
    operators = [one for one in tables.entries.participants if one.role is Role.OPERATOR and may_have_accounts(one)]
    return len(operators) > 1


def _find(people: PeopleEntries, number: int) -> Proposal | None:
    return people.proposals[number - 1] if 1 <= number <= len(people.proposals) else None


def _refuse_proposal(people: PeopleEntries, document: ProposalMade) -> DocumentRefusal | None:
    if document.number != len(people.proposals) + 1:
        return DocumentRefusal.INDEX_NOT_NEXT
    still_open = [one for one in people.proposals if one.state is ProposalState.OPEN]
    alive = sum(one.expires_ns > document.made_ns for one in still_open)
    if len(document.body) > PROPOSAL_BODY_MAX or alive >= OPEN_PROPOSALS_MAX:
        return DocumentRefusal.TOO_LONG
    return None if document.made_ns < document.expires_ns else DocumentRefusal.BAD_TERMS


def _ended(code: int) -> ProposalState:
    return ProposalState.FAILED if code else ProposalState.DONE


def _refuse_decision(tables: Tables, document: ProposalDecided | ProposalActed) -> DocumentRefusal | None:
    found = _find(tables.entries.people, document.number)
    if found is None or found.state is not ProposalState.OPEN or document.at_ns >= found.expires_ns:
        return DocumentRefusal.NOT_OPEN
    if found.by == document.by:
        return DocumentRefusal.OWN_MATTER
    is_stale = isinstance(document, ProposalActed) and not _is_let_in(tables, found.by)
    return None if _is_let_in(tables, document.by) and not is_stale else DocumentRefusal.NOT_LET_IN


def _is_let_in(tables: Tables, name: str) -> bool:
    participant = tables.participants.get(name)
    return participant is not None and may_have_accounts(participant)
