"""Four eyes: an operator proposes an act, another one approves it, and only then it is done.

A proposal is the request that would do it. It is journaled when made, when decided and when carried out, so who wanted
what, who agreed and what came of it can be read for ever.
"""

from pydantic import BaseModel, ValidationError

from api.call import Answer
from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, RequestError
from api.v1 import (
    admission,
    defaults,
    funds,
    instruments,
    keys,
    licences,
    methodologies,
    participants,
    series,
    tiers,
    transfers,
    venue,
)
from api.v1.admissionschemas import (
    DecisionRequest,
    FourEyesRequest,
    ProposalAnswer,
    ProposalRequest,
    ProposalsAnswer,
    ProposalsRequest,
)
from api.v1.desk import Acting, Action, Caller, Desk, reason_of, refuse_rejected, register
from api.v1.grave import GRAVE_ACTS, OPERATORS_ACTS, named
from api.v1.problems import NOT_A_GRAVE_ACT, invalid_request, refused_document
from api.v1.purses import participant_of
from exchange.core.types import SECOND_NS
from exchange.events import rows
from exchange.registry.documents import Scope, encode
from exchange.registry.people import (
    FourEyesSet,
    Proposal,
    ProposalActed,
    ProposalCarriedOut,
    ProposalDecided,
    ProposalMade,
    ProposalState,
)
from exchange.registry.registry import DocumentRefusedError

MILLISECOND_NS = 1_000_000
ANSWER_CHARACTERS_MAX = 4_000


async def require_four_eyes(desk: Desk, caller: Caller, request: FourEyesRequest) -> FourEyesRequest:
    """Require a second operator for acts that move money or change rules; it takes two active operators."""
    async with desk.registrations:
        await register(desk, FourEyesSet(request.required))
    return request


async def propose(desk: Desk, caller: Caller, request: ProposalRequest) -> ProposalAnswer:
    """Propose an act; its body is checked now, so that what is approved can be done."""
    _parsed(_act(request.act), request.body)
    registry, now_ns = desk.exchange.registry, desk.exchange.clock.now_ns()
    by = participant_of(registry, caller.account)
    async with desk.registrations:
        number = len(registry.people.proposals) + 1
        expires_ns = now_ns + request.seconds * SECOND_NS
        why = reason_of(caller, request)
        await register(
            desk, ProposalMade(number, request.act, request.body, by, caller.account, now_ns, expires_ns, why)
        )
    return _answer(desk, registry.people.proposals[number - 1])


async def decide(desk: Desk, caller: Caller, request: DecisionRequest) -> ProposalAnswer:
    """Approve or refuse another operator's proposal. An approved act is done at once, and its answer is kept.

    Approval and act are one record of the journal: after a crash it is approved and done, or open and not done.
    """
    registry = desk.exchange.registry
    by = participant_of(registry, caller.account)
    async with desk.decisions:
        now_ns = desk.exchange.clock.now_ns()
        if request.approve:
            await _approve(desk, caller, request.number, Acting(request.number, by, now_ns))
        else:
            async with desk.registrations:
                await register(desk, ProposalDecided(request.number, is_approved=False, by=by, at_ns=now_ns))
    return _answer(desk, registry.people.proposals[request.number - 1])


async def list_proposals(desk: Desk, caller: Caller, request: ProposalsRequest) -> ProposalsAnswer:
    """Return proposals and what became of them."""
    found = desk.exchange.registry.people.proposals[request.after : request.after + request.limit]
    return ProposalsAnswer(proposals=[_answer(desk, one) for one in found])


async def _approve(desk: Desk, caller: Caller, number: int, acting: Acting) -> None:
    """Do what is proposed, the approval with it, and write down how it ended."""
    _check(desk, ProposalActed(number, acting.by, acting.at_ns, 0))
    proposal = desk.exchange.registry.people.proposals[number - 1]
    code, text = await _carry_out(desk._replace(acting=acting), caller, proposal)
    text = text[:ANSWER_CHARACTERS_MAX]
    async with desk.registrations:
        if acting.is_journaled:
            await register(desk, ProposalCarriedOut(number, code, text))
        else:
            await register(desk, ProposalActed(number, acting.by, acting.at_ns, 0, "", code, text))


def _check(desk: Desk, document: ProposalActed) -> None:
    """Refuse what cannot be decided so before anything is done for it."""
    try:
        desk.exchange.registry.check(encode(document))
    except DocumentRefusedError as error:
        raise RequestError(refused_document(error.reason)) from None


async def _carry_out(desk: Desk, caller: Caller, proposal: Proposal) -> tuple[int, str]:
    action = _act(proposal.act)
    asking = caller._replace(account=proposal.account)
    try:
        reply = await action.handler(desk, asking, _parsed(action, proposal.body))
    except RequestError as error:
        if error.problem in _PASSING:
            raise
        return error.problem.code, error.problem.message
    except DocumentRefusedError as error:
        raise RequestError(refused_document(error.reason)) from None
    if isinstance(reply, Answer):
        return 0, reply.body.decode()
    return 0, reply.decode() if isinstance(reply, bytes) else reply.model_dump_json()


def _act(name: str) -> Action:
    action = _ACTS.get(name)
    if action is None:
        raise RequestError(NOT_A_GRAVE_ACT)
    return action


def _parsed(action: Action, body: str) -> BaseModel:
    try:
        return action.request.model_validate_json(body)
    except ValidationError as error:
        raise RequestError(invalid_request(error)) from None


def _outcome(desk: Desk, proposal: Proposal) -> tuple[ProposalState, int]:
    """Return how far a proposal has come; where a crash kept that from being written down its events tell."""
    if proposal.state is not ProposalState.APPROVED or not proposal.commands:
        return proposal.state, proposal.code
    log = desk.exchange.events
    first = log.first_of(proposal.sequence + 1)
    last = log.first_of(proposal.sequence + proposal.commands + 1)
    try:
        refuse_rejected(rows(log.read(first - 1, last - first)))
    except RequestError as error:
        return ProposalState.FAILED, error.problem.code
    return ProposalState.DONE, 0


def _answer(desk: Desk, proposal: Proposal) -> ProposalAnswer:
    state, code = _outcome(desk, proposal)
    return ProposalAnswer(
        number=proposal.number,
        act=proposal.act,
        body=proposal.body,
        why=proposal.why,
        by=proposal.by,
        made=proposal.made_ns // MILLISECOND_NS,
        expires=proposal.expires_ns // MILLISECOND_NS,
        state=state.value,
        decided_by=proposal.decided_by,
        decided=proposal.decided_ns // MILLISECOND_NS,
        code=code,
        answer=proposal.answer,
    )


_OPERATE, _SEE = (Scope.OPERATE,), (Scope.OPERATE, Scope.AUDIT)
ACTIONS = (
    Action("PUT", "/v1/four-eyes", require_four_eyes, FourEyesRequest, FourEyesRequest, _OPERATE),
    Action("POST", "/v1/proposals", propose, ProposalRequest, ProposalAnswer, _OPERATE),
    Action("POST", "/v1/decisions", decide, DecisionRequest, ProposalAnswer, _OPERATE),
    Action("GET", "/v1/proposals", list_proposals, ProposalsRequest, ProposalsAnswer, _SEE),
)
_PASSING = (OVERLOADED, STATUS_UNKNOWN, STOPPED)  # the proposal stays open
_MODULES = (
    *(admission, defaults, funds, instruments, keys, licences),
    *(methodologies, participants, series, tiers, transfers, venue),
)
_ACTS: dict[str, Action] = {
    name: action
    for actions in (ACTIONS, *[module.ACTIONS for module in _MODULES])
    for action in actions
    if (name := named(action.method, action.path)) in GRAVE_ACTS | OPERATORS_ACTS
}
