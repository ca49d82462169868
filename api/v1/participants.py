"""The operator's desk, people: participants with their accounts, what an account may do."""

from api.errors import RequestError
from api.titles import ESCROW_NAME
from api.v1.desk import Action, Caller, Desk, refuse_alone, register, submit
from api.v1.problems import OTHER_TERMS, RESERVED_NAME, UNKNOWN_ACCOUNT, UNKNOWN_PARTICIPANT, refused_document
from api.v1.purses import participant_of
from api.v1.schemas import (
    AccountAnswer,
    AccountStateAnswer,
    AccountStateRequest,
    NewAccount,
    NewParticipant,
    ParticipantAnswer,
    ParticipantsAnswer,
    ParticipantsRequest,
)
from exchange.core import commands
from exchange.core.types import AccountState, EventKind
from exchange.expiry import KEY_PREFIX
from exchange.registry.documents import AccountNamed, ParticipantCreated, Role, Scope
from exchange.registry.entries import COLLATERAL_PREFIX, Account, Participant
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import Registry

_RESERVED = (ESCROW_NAME, COLLATERAL_PREFIX, KEY_PREFIX)


async def create_participant(desk: Desk, caller: Caller, request: NewParticipant) -> ParticipantAnswer:
    """Create a participant with its accounts, or add the accounts that are missing.

    Where four eyes are required, operators are created by a proposal that another one approves.
    """
    role = Role(request.role)
    if role is Role.OPERATOR:
        refuse_alone(desk)
    registry = desk.exchange.registry
    accounts = request.accounts or (NewAccount(name=request.name),)
    for account in accounts:
        refuse_reserved(account.name)
    async with desk.registrations:
        known = registry.participant(request.name)
        if known is None:
            await register(desk, ParticipantCreated(request.name, role, request.description))
        elif (known.role, known.description) != (role, request.description):
            raise RequestError(OTHER_TERMS)
        for account in accounts:
            await _ensure_account(desk, request.name, role, account)
    return _participant(registry, _find(registry, request.name))


async def list_participants(desk: Desk, caller: Caller, request: ParticipantsRequest) -> ParticipantsAnswer:
    """Return one participant, or a page of all, with their accounts and the state of each."""
    registry = desk.exchange.registry
    if request.name:
        return ParticipantsAnswer(participants=[_participant(registry, _find(registry, request.name))])
    first = registry.participants.index(_find(registry, request.after)) + 1 if request.after else 0
    page = registry.participants[first : first + request.limit]
    accounts: dict[str, list[AccountAnswer]] = {participant.name: [] for participant in page}
    for account in registry.accounts:
        if account.participant in accounts:
            accounts[account.participant].append(account_answer(account))
    return ParticipantsAnswer(participants=[_answered(found, accounts[found.name]) for found in page])


async def set_account_state(desk: Desk, caller: Caller, request: AccountStateRequest) -> AccountStateAnswer:
    """Change what an account may do, and if asked end all its open orders in the same moment (the kill switch)."""
    registry = desk.exchange.registry
    if registry.account_at(request.account) is None:
        raise RequestError(UNKNOWN_ACCOUNT)
    if participant_of(registry, request.account) == participant_of(registry, caller.account):
        raise RequestError(refused_document(DocumentRefusal.OWN_MATTER))  # nobody could take it back afterwards
    cancel = commands.mass_cancel(request.account) if request.cancel_orders else b""
    events = await submit(desk, cancel + commands.set_account_state(request.account, AccountState[request.state]))
    canceled = sum(event.kind == EventKind.ORDER_CANCELED for event in events)
    return AccountStateAnswer(account=request.account, state=request.state, canceled=canceled)


def refuse_reserved(name: str) -> None:
    """Refuse a name that an account of the exchange's own has, or may have one day: it would be taken for that."""
    if is_reserved(name):
        raise RequestError(RESERVED_NAME)


def is_reserved(name: str) -> bool:
    """Tell whether an account of such a name is the exchange's own, with which nobody trades."""
    return name.startswith(_RESERVED)


async def _ensure_account(desk: Desk, participant: str, role: Role, request: NewAccount) -> None:
    registry = desk.exchange.registry
    known = registry.account(request.name)
    if known is None:
        document = AccountNamed(registry.next_account, request.name, participant, role, request.group)
        await register(desk, document, first_tier(registry, document))
    elif (known.participant, known.group) != (participant, request.group or known.index):
        raise RequestError(OTHER_TERMS)


def first_tier(registry: Registry, document: AccountNamed) -> bytes:
    """Return the command that gives a new account its participant's fee tier, none if that is 0."""
    participant = registry.participant(document.participant)
    tier = 0 if participant is None else participant.tier
    return commands.set_account_tier(document.index, tier) if tier else b""


def _find(registry: Registry, name: str) -> Participant:
    found = registry.participant(name)
    if found is None:
        raise RequestError(UNKNOWN_PARTICIPANT)
    return found


def _participant(registry: Registry, participant: Participant) -> ParticipantAnswer:
    return _answered(participant, [account_answer(account) for account in registry.accounts_of(participant.name)])


def _answered(participant: Participant, accounts: list[AccountAnswer]) -> ParticipantAnswer:
    return ParticipantAnswer(
        participant=participant.name,
        role=participant.role,
        description=participant.description,
        accounts=accounts,
    )


def account_answer(account: Account) -> AccountAnswer:
    """Return an account as it is shown."""
    return AccountAnswer(
        account=account.index,
        name=account.name,
        participant=account.participant,
        role=account.role,
        group=account.group,
        state=account.state.name,
        tier=account.tier,
    )


_OPERATE, _SEE = (Scope.OPERATE,), (Scope.OPERATE, Scope.AUDIT)
ACTIONS = (
    Action("POST", "/v1/participants", create_participant, NewParticipant, ParticipantAnswer, _OPERATE),
    Action("GET", "/v1/participants", list_participants, ParticipantsRequest, ParticipantsAnswer, _SEE, weight=10),
    Action("PUT", "/v1/account-state", set_account_state, AccountStateRequest, AccountStateAnswer, _OPERATE),
)
