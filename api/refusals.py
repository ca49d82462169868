"""What each route may refuse, read from the code that refuses it: the tables of errors in the published documents.

A handler names the problems it raises, or functions that do. They are followed, as far as they are ours, through
modules, methods of the services and validators of requests. What the engine may reject depends on the commands that a
handler builds. A table kept by hand would be wrong with the next change; this one is at most a little too long.
"""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel

from api import auth, call, errors, parameters
from api.binance.directory import Directory
from api.door import Endpoint
from api.errors import OVERLOADED, STOPPED, UNKNOWN_ERROR, Problem, rejection
from api.gateway import Gateway
from api.limits import Limiter
from api.replays import Replays
from api.stream.listenkeys import ListenKeys
from api.turn import Turn
from api.v1.desk import NOT_ACTIVE, Action, Caller
from api.v1.grave import ACTIVE_ACTS, GRAVE_ACTS, named
from api.v1.problems import NEEDS_APPROVAL, NO_REASON, NOT_JSON, REASON_TOO_LONG, invalid_request
from exchange.core import commands
from exchange.core.types import CommandKind, RejectReason

OURS = "api."
_SERVICES: Mapping[str, type] = {
    "gateway": Gateway,
    "_turn": Turn,
    "limiter": Limiter,
    "directory": Directory,
    "caller": Caller,
    "listen_keys": ListenKeys,
}
_SAMPLES: Mapping[type, object] = {str: "...", int: 1, object: "..."}
_ALWAYS = (UNKNOWN_ERROR, OVERLOADED, STOPPED)
_R = RejectReason
_CANCEL = frozenset({_R.UNKNOWN_ORDER, _R.ACCOUNT_NOT_ACTIVE, _R.INSTRUMENT_NOT_TRADING})
_ENTER = frozenset({
    _R.MALFORMED_COMMAND, _R.ACCOUNT_NOT_ACTIVE, _R.TOO_MANY_MESSAGES, _R.INSTRUMENT_NOT_TRADING,
    _R.NOT_IN_THIS_PHASE, _R.INVALID_QUANTITY, _R.INVALID_PRICE, _R.INVALID_EXPIRY, _R.PRICE_OUTSIDE_BAND,
    _R.NOTIONAL_TOO_LARGE, _R.AMOUNT_TOO_SMALL, _R.WOULD_TAKE, _R.WOULD_TRIGGER, _R.WOULD_CROSS_OWN_GROUP,
    _R.TOO_MANY_OPEN_ORDERS, _R.POSITION_LIMIT, _R.HOLDER_LIMIT, _R.INSUFFICIENT_BALANCE, _R.NOT_YET_TRANSFERABLE,
    _R.ORDERS_FULL, _R.LEVELS_FULL, _R.BALANCES_FULL, _R.CONDITIONS_FULL, _R.ACQUISITIONS_FULL, _R.RECENT_IDS_FULL,
})  # fmt: skip
_CHANGE = _ENTER | _CANCEL | {_R.NOT_REPLACEABLE, _R.QUANTITY_BELOW_FILLED}
_FULL = frozenset({_R.BALANCES_FULL, _R.ACQUISITIONS_FULL})
_REGISTER = frozenset({
    _R.UNKNOWN_ACCOUNT, _R.UNKNOWN_ASSET, _R.ID_NOT_NEXT, _R.WRONG_ASSET_KIND, _R.INVALID_PARAMETER,
    _R.ACCOUNTS_FULL, _R.ASSETS_FULL, _R.INSTRUMENTS_FULL, _R.INVALID_TRANSITION,
})  # fmt: skip
_MONEY = _FULL | {
    _R.UNKNOWN_ACCOUNT, _R.UNKNOWN_ASSET, _R.ACCOUNT_NOT_ACTIVE, _R.WRONG_ASSET_KIND, _R.INVALID_PARAMETER,
    _R.HOLDER_LIMIT, _R.INSUFFICIENT_BALANCE, _R.NOT_YET_TRANSFERABLE, _R.ISSUED_TOO_MUCH,
}  # fmt: skip
_MARKET = frozenset({
    _R.MALFORMED_COMMAND, _R.UNKNOWN_INSTRUMENT, _R.NOT_IN_THIS_PHASE, _R.INVALID_TRANSITION, _R.TIMER_NOT_DUE,
    _R.INVALID_PARAMETER, _R.INVALID_PRICE,
})  # fmt: skip
_ACCOUNT = frozenset({_R.MALFORMED_COMMAND, _R.UNKNOWN_ACCOUNT, _R.INVALID_TRANSITION, _R.INVALID_PARAMETER})
_RUN = _REGISTER | _MONEY | _MARKET | _ACCOUNT | {_R.NOT_ISSUER, _R.DUPLICATE_ID}
_MARKET_COMMANDS = (
    "set_trading_state", "set_mode", "set_guards", "set_instrument_limits", "set_venue_rules", "set_fees",
    "set_price_band", "indicate", "uncross", "clear_book",
)  # fmt: skip
_REASONS: Mapping[str, frozenset[RejectReason]] = {
    "new_order": _ENTER,
    "quote": _ENTER | _CANCEL,
    "begin_batch": _ENTER | {_R.BATCH_REFUSED},
    "cancel_order": _CANCEL,
    "mass_cancel": _CANCEL,
    "reduce_order": _CHANGE,
    "replace_order": _CHANGE,
    "set_deadman": _CANCEL | {_R.INVALID_EXPIRY, _R.INVALID_PARAMETER},
    "deposit": _MONEY,
    "withdraw": _MONEY,
    "issue": _MONEY | {_R.NOT_ISSUER},
    "transfer": _MONEY | {_R.DUPLICATE_ID},
    "bust_trade": _MONEY | {_R.DUPLICATE_ID, _R.UNKNOWN_INSTRUMENT},
    "redeem": _MONEY - {_R.INSUFFICIENT_BALANCE},  # which has a problem of its own
    "set_account_state": _ACCOUNT,
    "set_account_limits": _ACCOUNT,
    "kill_switch": _ACCOUNT | {_R.ACCOUNT_NOT_ACTIVE},
    "set_account_tier": _ACCOUNT,
    **dict.fromkeys(_MARKET_COMMANDS, _MARKET),
}  # of a command that is not here: whatever a command may meet that is no order


class Walk:
    """Finds what a function may refuse."""

    def __init__(self) -> None:
        """Begin with nothing found."""
        self.problems: dict[Problem, None] = {}
        self._seen: set[int] = set()

    def follow(self, thing: object) -> None:
        """Add what a problem is, what a function raises, what a table or a model holds."""
        if isinstance(thing, Problem):
            self.problems[thing] = None
        elif isinstance(thing, Mapping):
            self._each(thing.values())
        elif isinstance(thing, tuple | list | frozenset):
            self._each(thing)
        elif id(thing) not in self._seen:
            self._seen.add(id(thing))
            inner = inspect.unwrap(thing) if callable(thing) and not isinstance(thing, type) else thing
            if isinstance(inner, FunctionType) and inner.__module__.startswith(OURS):
                self._function(inner)
            elif isinstance(inner, type):
                self._class(inner)

    def model(self, model: type[BaseModel]) -> None:
        """Add what the validators of a request refuse."""
        for field in model.model_fields.values():
            for fact in field.metadata:
                self.follow(getattr(fact, "func", None))
            self._each(part for part in get_args(field.annotation) if isinstance(part, type))
        for decorator in model.__pydantic_decorators__.model_validators.values():
            self.follow(decorator.func)

    def _each(self, things: Any) -> None:  # noqa: ANN401 - any things
        for thing in things:
            self.follow(thing)

    def _class(self, kind: type) -> None:
        if issubclass(kind, BaseModel):
            self.model(kind)
        elif kind.__module__.startswith(OURS) and not issubclass(kind, Exception):
            self._each(member for member in vars(kind).values() if isinstance(member, FunctionType))

    def _function(self, function: FunctionType) -> None:
        if function is rejection:
            return
        sample = _sample(function)
        if sample is not None:
            self.follow(sample)
            return
        for owner, name in _references(function):
            if owner:
                self._attribute(function, owner, name)
            elif name == "commands_of":
                self._rejections(_REGISTER)
            elif name == "_NEW_ORDER":  # the kind of a command that is packed in place
                self._rejections(_ENTER)
            else:
                self.follow(function.__globals__.get(name))
        self._each(cell.cell_contents for cell in function.__closure__ or ())

    def _attribute(self, function: FunctionType, owner: str, name: str) -> None:
        """Follow what `owner.name` is, if the owner is a module of ours, one of the services, or `self`."""
        held = function.__globals__.get(owner)
        if held is commands:
            self._rejections(_REASONS.get(name, _RUN))
        elif isinstance(held, ModuleType) and held.__name__.startswith(OURS):
            self.follow(getattr(held, name, None))
        kind = function.__globals__.get(function.__qualname__.partition(".")[0]) if owner == "self" else None
        kind = kind or _SERVICES.get(owner)
        if isinstance(kind, type):
            self.follow(vars(kind).get(name))

    def _rejections(self, reasons: frozenset[RejectReason]) -> None:
        is_cancellation = reasons is _CANCEL
        for reason in sorted(reasons):
            self.follow(rejection(reason, CommandKind.CANCEL_ORDER if is_cancellation else CommandKind.NEW_ORDER))


@cache
def of_endpoint(endpoint: Endpoint) -> tuple[Problem, ...]:
    """Return what an endpoint of the dialect may refuse."""
    walk = Walk()
    walk.model(endpoint.request)
    walk.follow((*_ALWAYS, Limiter.take_weight, call.check_headers, parameters.parse, parameters.refuse_unknown))
    if endpoint.method != "GET":
        walk.follow(Limiter.refuse_body)
    if endpoint.scope is not None:
        walk.follow((auth.authorised, Limiter.take_key_weight))
    if endpoint.is_signed:
        walk.follow((auth.check_signature, auth.check_time))
    if endpoint.is_signed and endpoint.method != "GET":
        walk.follow(Replays.take)
    if endpoint.request.model_fields:
        walk.follow((errors.missing("..."), errors.invalid("...")))
    walk.follow(endpoint.handler)
    return _sorted(walk)


@cache
def of_action(action: Action) -> tuple[Problem, ...]:
    """Return what an action under /v1 may refuse."""
    walk = Walk()
    walk.model(action.request)
    walk.follow((*_ALWAYS, Limiter.take_weight, parameters.parse, parameters.refuse_unknown))
    if action.scopes:
        walk.follow((auth.authorised, auth.check_signature, auth.check_time, Limiter.take_key_weight))
    if action.scopes and action.method != "GET":
        walk.follow(Replays.take)
    if named(action.method, action.path) in GRAVE_ACTS:
        walk.follow(NEEDS_APPROVAL)
    if named(action.method, action.path) in ACTIVE_ACTS:
        walk.follow(NOT_ACTIVE)
    if action.has_body:
        walk.follow((Limiter.refuse_body, NOT_JSON))
    if action.request.model_fields or action.has_body:
        walk.follow((invalid_request, errors.invalid("...")))
    if action.is_act:
        walk.follow((REASON_TOO_LONG, NO_REASON) if action.needs_reason else REASON_TOO_LONG)
    walk.follow(action.handler)
    return _sorted(walk)


def _sorted(walk: Walk) -> tuple[Problem, ...]:
    """Return one problem for each code and sentence, by status and code."""
    told = {(problem.status, -problem.code, problem.message): problem for problem in walk.problems}
    return tuple(told[key] for key in sorted(told))


@cache
def _references(function: FunctionType) -> tuple[tuple[str, str], ...]:
    """Return the names that stand in a function, as ("", name) or (owner, name); annotations and decorators apart."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    outer = tree.body[0]
    parts = outer.body if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef) else [outer]
    nodes = [node for part in parts for node in ast.walk(part)]
    names = [("", node.id) for node in nodes if isinstance(node, ast.Name)]
    names += [(_last_name(node.value), node.attr) for node in nodes if isinstance(node, ast.Attribute)]
    return tuple(dict.fromkeys(names))


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _sample(function: Callable[..., object]) -> Problem | None:
    """Return a problem that a function makes of a name or a number, None if it makes none or needs more than that."""
    if "." in function.__qualname__:
        return None
    hints = get_type_hints(function)
    if (
        hints.pop("return", None) is not Problem
        or not hints.keys()
        or any(kind not in _SAMPLES for kind in hints.values())
    ):
        return None
    made = function(**{name: _SAMPLES[kind] for name, kind in hints.items()})
    assert isinstance(made, Problem)
    return made
