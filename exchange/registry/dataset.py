"""The life of a register entry: one table of moves between states, from which docs/register.md draws its diagram.

A move belongs to one of the six acts of data-property registration. What is not in the table cannot happen.
"""

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """Where an entry of the register stands; only what is LISTED trades."""

    NONE = "none"
    DRAFT = "draft"
    SUBMITTED = "submitted"
    FORMALLY_OK = "formally ok"
    SUBSTANTIVELY_OK = "substantively ok"
    PUBLICITY = "publicity"
    REGISTERED = "registered"
    LISTED = "listed"
    OBJECTED = "objected"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    REVOKED = "revoked"


class Act(StrEnum):
    """The six acts of registration."""

    FIRST_REGISTRATION = "first registration"
    LICENCE = "licence"
    TRANSFER = "transfer"
    CHANGE = "change"
    CANCELLATION = "cancellation"
    OBJECTION = "objection"


class Move(StrEnum):
    """What somebody does to an entry."""

    DRAFT = "draft"
    IMPORT = "import"
    EDIT = "edit"
    SUBMIT = "submit"
    RETURN = "return"
    APPROVE_FORM = "approve form"
    APPROVE_SUBSTANCE = "approve substance"
    PUBLISH = "publish"
    REGISTER = "register"
    LIST = "list"
    UNLIST = "unlist"
    TRANSFER = "transfer"
    CHANGE = "change"
    RENEW = "renew"
    OBJECT = "object"
    DISMISS = "dismiss"
    REPUBLISH = "republish"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    EXPIRE = "expire"
    CANCEL = "cancel"
    REVOKE = "revoke"


class Mover(StrEnum):
    """Who may make a move."""

    HOLDER = "holder"
    OPERATOR = "operator"
    ANYBODY = "anybody"
    CLOCK = "clock"  # the operator on behalf of time: refused before the entry's validity is over


class Rule(NamedTuple):
    """One row: from any of these states a move leads to a state, None being the one it came from."""

    move: Move
    act: Act
    mover: Mover
    sources: tuple[State, ...]
    target: State | None


_S, _A, _M = State, Act, Mover
_REVIEW = (_S.SUBMITTED, _S.FORMALLY_OK, _S.SUBSTANTIVELY_OK, _S.PUBLICITY)
_STANDING = (_S.REGISTERED, _S.LISTED)
TABLE = (
    Rule(Move.DRAFT, _A.FIRST_REGISTRATION, _M.ANYBODY, (_S.NONE,), _S.DRAFT),
    Rule(Move.IMPORT, _A.FIRST_REGISTRATION, _M.OPERATOR, (_S.NONE,), _S.SUBSTANTIVELY_OK),
    Rule(Move.EDIT, _A.FIRST_REGISTRATION, _M.HOLDER, (_S.DRAFT,), None),
    Rule(Move.SUBMIT, _A.FIRST_REGISTRATION, _M.HOLDER, (_S.DRAFT,), _S.SUBMITTED),
    Rule(Move.RETURN, _A.FIRST_REGISTRATION, _M.OPERATOR, _REVIEW, _S.DRAFT),
    Rule(Move.APPROVE_FORM, _A.FIRST_REGISTRATION, _M.OPERATOR, (_S.SUBMITTED,), _S.FORMALLY_OK),
    Rule(Move.APPROVE_SUBSTANCE, _A.FIRST_REGISTRATION, _M.OPERATOR, (_S.FORMALLY_OK,), _S.SUBSTANTIVELY_OK),
    Rule(Move.PUBLISH, _A.FIRST_REGISTRATION, _M.OPERATOR, (_S.SUBSTANTIVELY_OK,), _S.PUBLICITY),
    Rule(Move.REGISTER, _A.FIRST_REGISTRATION, _M.OPERATOR, (_S.PUBLICITY,), _S.REGISTERED),
    Rule(Move.LIST, _A.LICENCE, _M.OPERATOR, _STANDING, _S.LISTED),
    Rule(Move.UNLIST, _A.LICENCE, _M.HOLDER, (_S.LISTED,), _S.REGISTERED),
    Rule(Move.TRANSFER, _A.TRANSFER, _M.HOLDER, (_S.REGISTERED,), None),
    Rule(Move.CHANGE, _A.CHANGE, _M.HOLDER, _STANDING, None),
    Rule(Move.RENEW, _A.CHANGE, _M.HOLDER, (_S.EXPIRED,), _S.SUBMITTED),
    Rule(Move.OBJECT, _A.OBJECTION, _M.ANYBODY, (_S.PUBLICITY, *_STANDING), _S.OBJECTED),
    Rule(Move.DISMISS, _A.OBJECTION, _M.OPERATOR, (_S.OBJECTED,), _S.REGISTERED),
    Rule(Move.REPUBLISH, _A.OBJECTION, _M.OPERATOR, (_S.OBJECTED,), _S.PUBLICITY),
    Rule(Move.SUSPEND, _A.OBJECTION, _M.OPERATOR, (*_STANDING, _S.OBJECTED), _S.SUSPENDED),
    Rule(Move.REINSTATE, _A.OBJECTION, _M.OPERATOR, (_S.SUSPENDED,), _S.REGISTERED),
    Rule(Move.EXPIRE, _A.CANCELLATION, _M.CLOCK, (*_STANDING, _S.OBJECTED, _S.SUSPENDED), _S.EXPIRED),
    Rule(Move.CANCEL, _A.CANCELLATION, _M.HOLDER, (_S.DRAFT, *_REVIEW, _S.REGISTERED, _S.EXPIRED), _S.REVOKED),
    Rule(Move.REVOKE, _A.CANCELLATION, _M.OPERATOR, (*_STANDING, _S.OBJECTED, _S.SUSPENDED, _S.EXPIRED), _S.REVOKED),
)
_RULES = {rule.move: rule for rule in TABLE}
FREEZING = frozenset((State.OBJECTED, State.SUSPENDED))  # what was traded and is not delivered stays where it is
SECRET = frozenset((State.DRAFT, State.SUBMITTED, State.FORMALLY_OK, State.SUBSTANTIVELY_OK))  # not public yet


class MoveRefusal(StrEnum):
    """Why a move is not made, in order of precedence."""

    NOT_FROM_HERE = "this state has no such move"
    NOT_YOURS = "this move is somebody else's"
    NOT_DUE = "the entry is still valid"


def rule_of(move: Move) -> Rule:
    """Return the row of a move."""
    return _RULES[move]


def step(state: State, move: Move, movers: frozenset[Mover], *, is_over: bool = False) -> State | MoveRefusal:
    """Return the state that a move leads to, or why somebody who is all of `movers` may not make it.

    `is_over` says whether the entry's validity has ended.
    """
    rule = _RULES[move]
    if state not in rule.sources:
        return MoveRefusal.NOT_FROM_HERE
    needed = Mover.OPERATOR if rule.mover is Mover.CLOCK else rule.mover
    if needed is not Mover.ANYBODY and needed not in movers:
        return MoveRefusal.NOT_YOURS
    if rule.mover is Mover.CLOCK and not is_over:
        return MoveRefusal.NOT_DUE
    return rule.target or state


def diagram() -> str:
    """Return the table as a Mermaid state diagram."""
    ends = {State.NONE: "[*]"}
    lines = ["stateDiagram-v2"]
    lines += [f"    {_word(state)}: {state}" for state in State if state is not State.NONE]
    for rule in TABLE:
        for source in rule.sources:
            lines.append(
                f"    {ends.get(source, _word(source))} --> {_word(rule.target or source)}: {rule.move} ({rule.mover})"
            )
    return "\n".join([*lines, f"    {_word(State.REVOKED)} --> [*]", ""])


def table() -> str:
    """Return the table as Markdown."""
    head = "| act | move | who | from | to |\n|---|---|---|---|---|\n"
    rows = [
        f"| {rule.act} | {rule.move} | {rule.mover} | {', '.join(rule.sources)} | {rule.target or 'the same'} |"
        for rule in TABLE
    ]
    return head + "\n".join(rows) + "\n"


def _word(state: State) -> str:
    return state.replace(" ", "_")
