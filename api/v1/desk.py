"""The desk behind which every request of our own dialect is served: identity, parameters, action, answer.

An action is a row in a table. Parameters of GET and DELETE stand in the query string, those of POST and PUT are a
JSON body; timestamp, recvWindow and signature always stand in the query string, and what is signed is the query string
without the signature followed by the body, byte for byte.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from api import auth, parameters
from api.auth import KeyRing
from api.binance.directory import Directory
from api.call import Answer, Call, Disconnected, Receive, read_body, refusal
from api.door import count_key
from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, UNKNOWN_ERROR, RequestError, rejection
from api.gateway import Gateway, Names
from api.limits import Limiter, Limits
from api.titles import Titles
from api.v1.grave import ACTIVE_ACTS, GRAVE_ACTS, REASONED_ACTS, named
from api.v1.orderanswers import OrderAnswers
from api.v1.problems import (
    FOREIGN_ACCOUNT,
    NEEDS_APPROVAL,
    NO_ACCOUNT_LEFT,
    NO_REASON,
    NOT_JSON,
    REASON_TOO_LONG,
    TOO_MANY_ACCOUNTS,
    invalid_request,
    refused_document,
)
from api.vault import Vault
from api.version import own_version
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.types import AccountState, CommandKind, EventKind, RejectReason
from exchange.events import Event
from exchange.registry.acts import TERMS_CHARACTERS_MAX, WHY_CHARACTERS_MAX, OperatorActed
from exchange.registry.documents import AccountNamed, Document, Scope, commands_of, encode
from exchange.registry.entries import EXCHANGE_NAME
from exchange.registry.people import ProposalActed
from exchange.registry.registry import DocumentRefusedError
from exchange.sequencer import Overloaded, Stopped
from exchange.server import Exchange
from settlement.ledger import Ledger

T = TypeVar("T")
NOT_ACTIVE = rejection(RejectReason.ACCOUNT_NOT_ACTIVE, CommandKind.TRANSFER)
ENDING_MOVES = frozenset(("unlist", "cancel"))  # of register entries
BODY_BYTES_MAX = 64 * 1024
ACCOUNTS_OF_ONE_MAX = 8_192  # of one participant, those behind its keys included
SEES_ALL = frozenset((Scope.OPERATE, Scope.AUDIT))
OWN_NAMES = Names("quantity", "price", "stop_price", "displayed", "amount")
REASON = "reason"  # of an operator's act, in the query string
JSON_TYPES = (b"application/json",)
log = structlog.get_logger()


class Acting:
    """An approved proposal that is being carried out: its approval goes into the journal with the act itself."""

    def __init__(self, number: int, by: str, at_ns: int) -> None:
        """Begin, with nothing done yet."""
        self.number, self.by, self.at_ns = number, by, at_ns
        self.is_journaled = False

    def envelope(self, commands: bytes, document: bytes) -> bytes:
        """Return the document that the act's commands go with, around the one that they would have gone with."""
        count = len(commands) // COMMAND.itemsize
        return encode(ProposalActed(self.number, self.by, self.at_ns, count, document.decode()))


class Desk(NamedTuple):
    """What the actions work with."""

    exchange: Exchange
    ledger: Ledger | None
    keys: KeyRing
    vault: Vault
    limiter: Limiter
    registrations: asyncio.Lock  # held while a document is checked and applied: each gets the next index
    metering: asyncio.Lock  # held while units leave the accounts of keys: what is planned there then holds
    version: str
    started_ns: int  # of the monotonic clock
    gateway: Gateway
    directory: Directory
    answers: OrderAnswers
    decisions: asyncio.Lock  # held while a proposal is decided and carried out
    titles: Titles | None = None  # None: without a register
    acting: Acting | None = None  # on a proposal: what is submitted first is its act

    @classmethod
    def of(cls, exchange: Exchange, ledger: Ledger | None, keys: KeyRing, vault: Vault, limiter: Limiter) -> "Desk":
        """Return the desk of an exchange that starts now."""
        directory = Directory(exchange.registry)
        return cls(
            exchange,
            ledger,
            keys,
            vault,
            limiter,
            asyncio.Lock(),
            asyncio.Lock(),
            own_version(),
            exchange.clock.monotonic_ns(),
            Gateway(exchange, OWN_NAMES),
            directory,
            OrderAnswers(directory, exchange.events),
            asyncio.Lock(),
        )


class Caller(NamedTuple):
    """Who asks, and with what."""

    account: int
    scopes: frozenset[Scope]
    call: Call
    until_ns: int = 0  # when the request is no longer good
    is_next: bool = False  # signed with the second secret of its key

    def seen(self, account: int | None) -> int:
        """Return the account asked for, the caller's own unless another is named; refuse what is not for its eyes."""
        if account is None or account == self.account:
            return self.account
        if not self.scopes & SEES_ALL:
            raise RequestError(FOREIGN_ACCOUNT)
        return account


class Action(NamedTuple):
    """One method of one path; its description is the docstring of its handler."""

    method: str
    path: str
    handler: Callable[[Desk, Caller, Any], Awaitable[BaseModel | bytes | Answer]]
    request: type[BaseModel]
    reply: type[BaseModel]
    scopes: tuple[Scope, ...] = ()  # one of them is needed; none: for everybody
    weight: int = 1
    body_bytes_max: int = BODY_BYTES_MAX
    body_types: tuple[bytes, ...] = JSON_TYPES
    is_raw: bool = False  # the handler reads the body itself
    is_question: bool = False  # changes nothing, whatever its method

    @property
    def is_act(self) -> bool:
        """Return whether it is an operator's act, written down with its reason before it is done."""
        return self.scopes == (Scope.OPERATE,) and self.method != "GET" and not self.is_question

    @property
    def needs_reason(self) -> bool:
        """Return whether it is an act that is not done without a reason."""
        return named(self.method, self.path) in REASONED_ACTS

    @property
    def has_body(self) -> bool:
        """Return whether the parameters are a JSON body."""
        return self.method in {"POST", "PUT"}


def body_limiter(action: Action) -> Limiter:
    """Return the limit on the size of an action's body."""
    return Limiter(Limits(body_bytes_max=action.body_bytes_max))


async def answer(desk: Desk, action: Action, bodies: Limiter, call: Call, receive: Receive) -> Answer:
    """Answer a call, whatever happens. Raises Disconnected alone."""
    try:
        used = desk.limiter.take_weight(call.address, action.weight, call.now_ns)
        call.headers_out.append((b"x-mbx-used-weight-1m", b"%d" % used))
        caller = await _admit(desk, action, bodies, call, receive)
        _check_eyes(desk, action)
        request = _request(action, call)
        _check_standing(desk, action, caller, request)
        _take_once(desk, action, caller, request)
        if action.is_act:
            await _write_down(desk, action, caller, request)
        reply = await action.handler(desk, caller, request)
        if isinstance(reply, Answer):
            return reply
        return Answer(200, reply if isinstance(reply, bytes) else reply.model_dump_json().encode(), call.headers_out)
    except RequestError as error:
        return refusal(error.problem, call.headers_out)
    except Disconnected:
        raise
    except Exception:
        log.exception("an action failed", method=action.method, path=action.path)
        return refusal(UNKNOWN_ERROR, call.headers_out)


def _check_eyes(desk: Desk, action: Action) -> None:
    """Refuse what one operator alone may not do where four eyes are required."""
    if desk.exchange.registry.people.four_eyes and named(action.method, action.path) in GRAVE_ACTS:
        raise RequestError(NEEDS_APPROVAL)


def refuse_alone(desk: Desk) -> None:
    """Refuse what two operators decide on, unless four eyes are not required or another has approved it."""
    if desk.exchange.registry.people.four_eyes and desk.acting is None:
        raise RequestError(NEEDS_APPROVAL)


def _check_standing(desk: Desk, action: Action, caller: Caller, request: BaseModel | None) -> None:
    """Refuse what a restricted or suspended account would begin; what it ends it may, but for an operator's acts."""
    is_begun = named(action.method, action.path) in ACTIVE_ACTS and getattr(request, "move", "") not in ENDING_MOVES
    if not (action.is_act or is_begun):
        return
    account = desk.exchange.registry.account_at(caller.account)
    if account is None or account.state is not AccountState.ACTIVE:
        raise RequestError(NOT_ACTIVE)


async def _write_down(desk: Desk, action: Action, caller: Caller, request: BaseModel | None) -> None:
    """Put an act into the journal, in front of whatever it does."""
    call = caller.call
    why = reason_of(caller, request)
    if action.needs_reason and not why:
        raise RequestError(NO_REASON)
    terms = (call.body or call.query).decode(errors="replace")[:TERMS_CHARACTERS_MAX]
    act = OperatorActed(call.now_ns, caller.account, call.key, named(action.method, action.path), terms, why)
    await submit(desk, b"", encode(act))


def reason_of(caller: Caller, request: BaseModel | None) -> str:
    """Return why an operator does what it asks for: the reason in the query string, else the note in the body."""
    why: str = caller.call.texts.get(REASON, "")
    if len(why) > WHY_CHARACTERS_MAX:
        raise RequestError(REASON_TOO_LONG)
    return why.strip() or getattr(request, "note", "").strip()[:WHY_CHARACTERS_MAX]


async def submit(desk: Desk, commands: bytes, document: bytes = b"") -> list[Event]:
    """Return the events of commands, once durable; refuse if one of them was rejected."""
    events = await submitted(desk, commands, document)
    refuse_rejected(events)
    return events


async def submitted(desk: Desk, commands: bytes, document: bytes = b"") -> list[Event]:
    """Return the events of commands, once durable, those of rejected ones too."""
    acting = desk.acting if desk.acting is not None and not desk.acting.is_journaled else None
    if acting is not None:
        document = acting.envelope(commands, document)
    try:
        future = desk.exchange.submit(commands, document)
    except Overloaded:
        raise RequestError(OVERLOADED) from None
    except Stopped:
        raise RequestError(STOPPED) from None
    if acting is not None:
        acting.is_journaled = True
    try:
        return await future
    except Stopped:
        raise RequestError(STATUS_UNKNOWN) from None


def refuse_rejected(events: list[Event]) -> None:
    """Refuse if one of the commands that caused these was rejected."""
    for event in events:
        if event.kind == EventKind.COMMAND_REJECTED:
            raise RequestError(rejection(event.reason, event.state))


async def ask(desk: Desk, question: Callable[[Engine], T]) -> T:
    """Return what the engine answers, after everything that was submitted before."""
    try:
        return await desk.exchange.query(question)
    except Stopped:
        raise RequestError(STOPPED) from None


async def register(desk: Desk, document: Document, commands: bytes = b"") -> list[Event]:
    """Write a document down with the commands that make it true, and further ones; the caller holds the lock."""
    assert desk.registrations.locked()
    if isinstance(document, AccountNamed):
        _refuse_account(desk, document)
    try:
        return await submit(desk, commands_of(document) + commands, encode(document))
    except DocumentRefusedError as error:
        raise RequestError(refused_document(error.reason, str(error))) from None


def _refuse_account(desk: Desk, document: AccountNamed) -> None:
    """Refuse an account that the engine has no room for, or one too many of a participant's, before it is named."""
    registry, accounts_max = desk.exchange.registry, desk.exchange.config.capacity.accounts
    if document.participant != EXCHANGE_NAME and len(registry.accounts_of(document.participant)) >= ACCOUNTS_OF_ONE_MAX:
        raise RequestError(TOO_MANY_ACCOUNTS)
    if document.index >= accounts_max:
        raise RequestError(NO_ACCOUNT_LEFT)


async def _admit(desk: Desk, action: Action, bodies: Limiter, call: Call, receive: Receive) -> Caller:
    """Return who calls. The key is checked before its body is read, the signature after."""
    if not action.scopes:
        if action.has_body:
            await _read(action, bodies, call, receive)
        call.texts = parameters.parse(call.query, b"", "utf-8")
        return Caller(0, frozenset(), call)
    known = desk.keys.credential(call.key) if call.key else None
    held = known.scopes if known is not None else frozenset()
    scope = next((scope for scope in action.scopes if scope in held), action.scopes[0])
    credential = auth.authorised(desk.keys, call.key, scope, call.address, call.now_ns)
    if action.has_body:
        await _read(action, bodies, call, receive)
    payload, signature = parameters.signed(call.query, b"")
    is_next = auth.check_signature(credential, payload + call.body, signature)
    call.texts = parameters.parse(call.query, b"", "utf-8")
    until_ns = auth.check_time(call.texts, call.now_ns)
    call.account = credential.account
    count_key(desk.limiter, call, action.weight)
    return Caller(credential.account, credential.scopes, call, until_ns, is_next)


def _take_once(desk: Desk, action: Action, caller: Caller, request: BaseModel | None) -> None:
    """Refuse what was sent before, byte for byte, and changes something; an order with a name may come again."""
    call = caller.call
    if not caller.until_ns or action.method == "GET" or getattr(request, "client_order_id", None):
        return
    payload = parameters.signed(call.query, b"").payload + call.body
    desk.keys.replays.take(call.key, payload, caller.until_ns, call.now_ns)


async def _read(action: Action, bodies: Limiter, call: Call, receive: Receive) -> None:
    await read_body(call, receive, bodies)
    if call.content_type.split(b";")[0].strip().lower() not in action.body_types:
        raise RequestError(NOT_JSON)


def _request(action: Action, call: Call) -> BaseModel | None:
    reasons = {REASON} if action.is_act else set()
    fields = {facts.alias or name for name, facts in action.request.model_fields.items()}
    if action.is_raw:
        return None
    try:
        if action.has_body:
            parameters.refuse_unknown(call.texts, reasons | parameters.AUTHENTICATION)
            return action.request.model_validate_json(call.body)
        parameters.refuse_unknown(call.texts, fields | reasons | parameters.AUTHENTICATION)
        return action.request.model_validate({name: text for name, text in call.texts.items() if name in fields})
    except ValidationError as error:
        raise RequestError(invalid_request(error)) from None
