"""Letting people in: applications, standings, fee tiers, and the sub-accounts of brokers."""

from api.errors import RequestError
from api.v1.admissionschemas import (
    ApplicationRequest,
    StandingAnswer,
    StandingRequest,
    SubaccountRequest,
    TierRequest,
)
from api.v1.desk import Action, Caller, Desk, register
from api.v1.participants import account_answer, first_tier, refuse_reserved
from api.v1.problems import NOT_A_BROKER, TOO_MANY_APPLICATIONS, UNKNOWN_PARTICIPANT
from api.v1.purses import participant_of
from api.v1.schemas import AccountAnswer
from exchange.core import commands
from exchange.core.types import AccountState
from exchange.registry.documents import AccountNamed, ParticipantCreated, Role, Scope
from exchange.registry.people import Standing, StandingSet, TierSet

APPLICATIONS_MAX = 1_000  # that wait at once
APPLICATION_WEIGHT = 10_000
_STATES = {
    Standing.ACTIVE: AccountState.ACTIVE,
    Standing.RESTRICTED: AccountState.RESTRICTED,
    Standing.SUSPENDED: AccountState.SUSPENDED,
    Standing.CLOSED: AccountState.CLOSED,
}


async def apply(desk: Desk, caller: Caller, request: ApplicationRequest) -> StandingAnswer:
    """Apply to take part. An operator verifies and activates; until then there is no account and no key."""
    waiting = sum(one.standing is Standing.APPLIED for one in desk.exchange.registry.participants)
    if waiting >= APPLICATIONS_MAX:
        raise RequestError(TOO_MANY_APPLICATIONS)
    document = ParticipantCreated(
        request.name, Role(request.role), request.description, has_applied=True, contact=request.contact
    )
    async with desk.registrations:
        await register(desk, document)
    return _answer(desk, request.name)


async def set_standing(desk: Desk, caller: Caller, request: StandingRequest) -> StandingAnswer:
    """Verify, activate, restrict, suspend or close a participant; its accounts follow in the same moment."""
    standing = Standing(request.standing)
    state = _STATES.get(standing)
    by = participant_of(desk.exchange.registry, caller.account)
    async with desk.registrations:
        accounts = desk.exchange.registry.accounts_of(request.participant)
        changed = [one.index for one in accounts if state is not None and one.state is not state]
        made = b"".join([commands.set_account_state(index, state) for index in changed if state is not None])
        await register(desk, StandingSet(request.participant, standing, by, request.note), made)
    return _answer(desk, request.participant)


async def set_tier(desk: Desk, caller: Caller, request: TierRequest) -> StandingAnswer:
    """Set the fee tier of a participant: of all its accounts but those with a tier of their own."""
    async with desk.registrations:
        accounts = desk.exchange.registry.accounts_of(request.participant)
        changed = [one.index for one in accounts if one.own_tier is None and one.tier != request.tier]
        made = b"".join([commands.set_account_tier(index, request.tier) for index in changed])
        await register(desk, TierSet(request.participant, request.tier), made)
    return _answer(desk, request.participant)


async def open_subaccount(desk: Desk, caller: Caller, request: SubaccountRequest) -> AccountAnswer:
    """Open an account under the broker's own name, for a client of it. A repeat answers the same."""
    registry = desk.exchange.registry
    own = registry.account_at(caller.account)
    if own is None or own.role is not Role.BROKER:
        raise RequestError(NOT_A_BROKER)
    refuse_reserved(request.name)
    async with desk.registrations:
        known = registry.account(request.name)
        if known is None or known.participant != own.participant:
            group = own.group if request.grouped else 0
            document = AccountNamed(registry.next_account, request.name, own.participant, Role.BROKER, group)
            await register(desk, document, first_tier(registry, document))
            known = registry.account(request.name)
    assert known is not None
    return account_answer(known)


def _answer(desk: Desk, name: str) -> StandingAnswer:
    registry = desk.exchange.registry
    found = registry.participant(name)
    if found is None:
        raise RequestError(UNKNOWN_PARTICIPANT)
    return StandingAnswer(
        participant=found.name,
        role=found.role.value,
        standing=found.standing.value,
        contact=found.contact,
        tier=found.tier,
        accounts=[account_answer(one) for one in registry.accounts_of(name)],
    )


_OPERATE = (Scope.OPERATE,)
ACTIONS = (
    Action("POST", "/v1/applications", apply, ApplicationRequest, StandingAnswer, weight=APPLICATION_WEIGHT),
    Action("PUT", "/v1/standing", set_standing, StandingRequest, StandingAnswer, _OPERATE),
    Action("PUT", "/v1/tier", set_tier, TierRequest, StandingAnswer, _OPERATE),
    Action("POST", "/v1/subaccounts", open_subaccount, SubaccountRequest, AccountAnswer, (Scope.TRADE,)),
)
