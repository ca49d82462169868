"""API keys: made for an account, listed, revoked; and rotated by whoever holds them, without a moment's pause.

A rotation puts a second secret, or public key, beside the first. Both are good until a request signed with the second
confirms it: a holder who loses the answer rotates again, and nothing has changed meanwhile.
"""

from typing import NamedTuple

from api.auth import new_key, public_key_of
from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, refuse_alone, register
from api.v1.orderproblems import NOT_THE_SECOND
from api.v1.participants import is_reserved
from api.v1.problems import BAD_PUBLIC_KEY, KEYLESS_ACCOUNT, NOT_A_BROKER, SECRET_IN_PROPOSAL
from api.v1.purses import participant_of
from api.v1.schemas import (
    KeyAnswer,
    KeyRequest,
    KeysAnswer,
    KeysRequest,
    NewKey,
    NewKeyAnswer,
    Nothing,
    RotateRequest,
)
from exchange.registry.documents import KeyConfirmed, KeyCreated, KeyRevoked, KeyRotated, Role, Scope
from exchange.registry.entries import ApiKey

MILLISECOND_NS = 1_000_000


class _Proof(NamedTuple):
    """What a key is proved with: a secret that is told once and kept encrypted, or a public key."""

    secret: str
    encrypted_secret: bytes
    public_key: bytes


async def create(desk: Desk, caller: Caller, request: NewKey) -> NewKeyAnswer:
    """Create an API key. A secret is in this answer and nowhere else: it is stored encrypted.

    A broker creates keys for its own accounts, an operator for any. Where four eyes are required, a key with scope
    operate for another operator is proposed, with its public key: a proposal's answer is no place for a secret.
    """
    _check_owner(desk, caller, request.account)
    _check_powers(desk, caller, request)
    proof = _proof(desk, request.public_key)
    name = new_key().key
    document = KeyCreated(
        name,
        proof.encrypted_secret,
        request.account,
        tuple(Scope(scope) for scope in request.scopes),
        request.label,
        caller.call.now_ns,
        request.expires * MILLISECOND_NS,
        request.ip_allow,
        proof.public_key,
        request.cancel_on_disconnect,
    )
    async with desk.registrations:
        await register(desk, document)
    return NewKeyAnswer(**key_answer(_held(desk, name)).model_dump(), secret=proof.secret)


async def listing(desk: Desk, caller: Caller, request: KeysRequest) -> KeysAnswer:
    """Return the keys of an account without their secrets, revoked ones included."""
    return KeysAnswer(keys=[key_answer(key) for key in desk.exchange.registry.keys_of(request.account)])


async def revoke(desk: Desk, caller: Caller, request: KeyRequest) -> KeyAnswer:
    """Revoke an API key, from the next request on and for ever; its secret is forgotten.

    Use metered under it counts if it happened before, even if it is reported later; what is nominated to it can be
    taken back.
    """
    key = desk.exchange.registry.key(request.key)
    async with desk.registrations:
        await register(desk, KeyRevoked(request.key, desk.exchange.clock.now_ns()))
    assert key is not None
    return key_answer(key)


async def rotate(desk: Desk, caller: Caller, request: RotateRequest) -> NewKeyAnswer:
    """Give the key that signs this a second secret, or public key, beside its first; both are good from now on."""
    proof = _proof(desk, request.public_key)
    name = caller.call.key
    async with desk.registrations:
        await register(desk, KeyRotated(name, proof.encrypted_secret, proof.public_key))
    return NewKeyAnswer(**key_answer(_held(desk, name)).model_dump(), secret=proof.secret)


async def confirm(desk: Desk, caller: Caller, request: Nothing) -> KeyAnswer:
    """Sign this with the second secret of a key: from now on the first is no longer good."""
    if _held(desk, caller.call.key).is_rotating and not caller.is_next:
        raise RequestError(NOT_THE_SECOND)
    async with desk.registrations:
        await register(desk, KeyConfirmed(caller.call.key))
    return key_answer(_held(desk, caller.call.key))


def key_answer(key: ApiKey) -> KeyAnswer:
    """Return a key as it is shown: without any secret."""
    return KeyAnswer(
        key=key.key,
        account=key.account,
        scopes=sorted(key.scopes),
        label=key.label,
        created=key.created_ns // MILLISECOND_NS,
        expires=key.expires_ns // MILLISECOND_NS,
        ip_allow=list(key.ip_allow),
        revoked=key.is_revoked,
        revoked_at=key.revoked_ns // MILLISECOND_NS,
        signs_by="ED25519" if key.public_key else "HMAC",
        cancel_on_disconnect=key.cancels_on_disconnect,
        rotating=key.is_rotating,
    )


def _proof(desk: Desk, public_key: str) -> _Proof:
    if not public_key:
        secret = new_key().secret
        return _Proof(secret, desk.vault.encrypt(secret.encode("ascii")), b"")
    raw = public_key_of(public_key)
    if not raw:
        raise RequestError(BAD_PUBLIC_KEY)
    return _Proof("", b"", raw)


def _held(desk: Desk, name: str) -> ApiKey:
    key = desk.exchange.registry.key(name)
    assert key is not None
    return key


def _check_owner(desk: Desk, caller: Caller, account: int) -> None:
    """Refuse a key for an account that is neither the operator's to give nor the broker's own, or nobody's to use."""
    own, wanted = desk.exchange.registry.account_at(caller.account), desk.exchange.registry.account_at(account)
    if wanted is not None and is_reserved(wanted.name):
        raise RequestError(KEYLESS_ACCOUNT)
    if Scope.OPERATE in caller.scopes:
        return
    if own is None or own.role is not Role.BROKER or wanted is None or wanted.participant != own.participant:
        raise RequestError(NOT_A_BROKER)


def _check_powers(desk: Desk, caller: Caller, request: NewKey) -> None:
    """Refuse one operator another's powers where it takes two, and a secret that a proposal would tell."""
    registry = desk.exchange.registry
    if desk.acting is not None and not request.public_key:
        raise RequestError(SECRET_IN_PROPOSAL)
    if Scope.OPERATE in request.scopes and (
        participant_of(registry, request.account) != participant_of(registry, caller.account)
    ):
        refuse_alone(desk)


_OPERATE, _SEE, _ANY = (Scope.OPERATE,), (Scope.OPERATE, Scope.AUDIT), tuple(Scope)
ACTIONS = (
    Action("POST", "/v1/keys", create, NewKey, NewKeyAnswer, (Scope.OPERATE, Scope.TRADE)),
    Action("GET", "/v1/keys", listing, KeysRequest, KeysAnswer, _SEE, weight=10),
    Action("DELETE", "/v1/keys", revoke, KeyRequest, KeyAnswer, _OPERATE),
    Action("POST", "/v1/keys/rotate", rotate, RotateRequest, NewKeyAnswer, _ANY, weight=10),
    Action("POST", "/v1/keys/confirm", confirm, Nothing, KeyAnswer, _ANY, weight=10),
)
