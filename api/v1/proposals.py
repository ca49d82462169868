"""Four eyes: an operator proposes an act, another one approves it, and only then it is done.

A proposal is the request that would do it. It is journaled when made, when decided and when carried out, so who wanted
what, who agreed and what came of it can be read for ever.
"""

from pydantic import BaseModel, ValidationError

from api.call import Answer
from api.errors import RequestError
from api.v1 import admission, defaults, funds, instruments, series, transfers, venue
from api.v1.admissionschemas import (
    DecisionRequest,
    FourEyesRequest,
    ProposalAnswer,
    ProposalRequest,
    ProposalsAnswer,
    ProposalsRequest,
)
from api.v1.desk import Action, Caller, Desk, register
from api.v1.grave import GRAVE_ACTS, named
from api.v1.problems import NOT_A_GRAVE_ACT, invalid_request
from api.v1.purses import participant_of
from exchange.core.types import SECOND_NS
from exchange.registry.documents import Scope
from exchange.registry.people import FourEyesSet, Proposal, ProposalCarriedOut, ProposalDecided, ProposalMade

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
        await register(desk, ProposalMade(number, request.act, request.body, by, caller.account, now_ns, expires_ns))
    return _answer(registry.people.proposals[number - 1])


async def decide(desk: Desk, caller: Caller, request: DecisionRequest) -> ProposalAnswer:
    """Approve or refuse another operator's proposal. An approved act is done at once, and its answer is kept."""
    registry = desk.exchange.registry
    by = participant_of(registry, caller.account)
    async with desk.registrations:
        now_ns = desk.exchange.clock.now_ns()
        await register(desk, ProposalDecided(request.number, request.approve, by, now_ns))
    proposal = registry.people.proposals[request.number - 1]
    if request.approve:
        code, text = await _carry_out(desk, caller, proposal)
        async with desk.registrations:
            await register(desk, ProposalCarriedOut(proposal.number, code, text[:ANSWER_CHARACTERS_MAX]))
    return _answer(proposal)


async def list_proposals(desk: Desk, caller: Caller, request: ProposalsRequest) -> ProposalsAnswer:
    """Return proposals and what became of them."""
    found = desk.exchange.registry.people.proposals[request.after : request.after + request.limit]
    return ProposalsAnswer(proposals=[_answer(one) for one in found])


async def _carry_out(desk: Desk, caller: Caller, proposal: Proposal) -> tuple[int, str]:
    action = _act(proposal.act)
    asking = caller._replace(account=proposal.account)
    try:
        reply = await action.handler(desk, asking, _parsed(action, proposal.body))
    except RequestError as error:
        return error.problem.code, error.problem.message
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


def _answer(proposal: Proposal) -> ProposalAnswer:
    return ProposalAnswer(
        number=proposal.number,
        act=proposal.act,
        body=proposal.body,
        by=proposal.by,
        made=proposal.made_ns // MILLISECOND_NS,
        expires=proposal.expires_ns // MILLISECOND_NS,
        state=proposal.state.value,
        decided_by=proposal.decided_by,
        decided=proposal.decided_ns // MILLISECOND_NS,
        code=proposal.code,
        answer=proposal.answer,
    )


_OPERATE, _SEE = (Scope.OPERATE,), (Scope.OPERATE, Scope.AUDIT)
ACTIONS = (
    Action("PUT", "/v1/four-eyes", require_four_eyes, FourEyesRequest, FourEyesRequest, _OPERATE),
    Action("POST", "/v1/proposals", propose, ProposalRequest, ProposalAnswer, _OPERATE),
    Action("POST", "/v1/decisions", decide, DecisionRequest, ProposalAnswer, _OPERATE),
    Action("GET", "/v1/proposals", list_proposals, ProposalsRequest, ProposalsAnswer, _SEE),
)
_MODULES = (admission, defaults, funds, instruments, series, transfers, venue)
_ACTS: dict[str, Action] = {
    name: action
    for actions in (ACTIONS, *[module.ACTIONS for module in _MODULES])
    for action in actions
    if (name := named(action.method, action.path)) in GRAVE_ACTS
}
