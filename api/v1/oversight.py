"""What operators and auditors oversee: alerts of surveillance, cases made of them, and the list of operators' acts."""

from pydantic import BaseModel, Field

from api.errors import RequestError
from api.v1.desk import Action, Caller, Desk, submit
from api.v1.problems import UNKNOWN_CASE
from api.v1.schemas import REQUEST, ROWS_MAX
from exchange.registry.acts import (
    CASE_CHARACTERS_MAX,
    WHY_CHARACTERS_MAX,
    CaseDecided,
    CaseState,
    OperatorActed,
    acts_after,
)
from exchange.registry.documents import Scope, encode
from exchange.surveillance.alerts import Alert, AlertLog

LOOKED_AT_ONCE = 2_048  # events, before an answer, if surveillance is behind
MILLISECOND_NS = 1_000_000


class PageRequest(BaseModel):
    """A page: those behind a number, oldest first."""

    model_config = REQUEST
    after: int = Field(0, ge=0, lt=1 << 53)
    limit: int = Field(ROWS_MAX, ge=1, le=ROWS_MAX)


class CasesRequest(BaseModel):
    """Cases in a state, or all."""

    model_config = REQUEST
    state: CaseState | None = None
    limit: int = Field(ROWS_MAX, ge=1, le=ROWS_MAX)


class AlertAnswer(BaseModel):
    """A pattern that was seen: by whom, where, and in which range of the journal's commands."""

    number: int
    kind: str
    accounts: list[int] = Field(description="The groups concerned, each by its first account.")
    symbol: str = Field(description="Empty: in no one instrument.")
    first_sequence: int
    last_sequence: int
    first: int
    last: int
    found: int = Field(description="How often within its hour.")
    facts: dict[str, int]
    case: str


class AlertsAnswer(BaseModel):
    """Alerts, oldest first."""

    alerts: list[AlertAnswer]
    behind: int = Field(description="How many events surveillance has yet to look at.")


class CaseAnswer(BaseModel):
    """Alerts of one pattern, the same accounts and one instrument, and what was decided about them last."""

    case: str
    state: CaseState
    note: str
    decided_by: int | None
    decided: int | None
    alerts: list[AlertAnswer]


class CasesAnswer(BaseModel):
    """Cases in the order of their first alerts."""

    cases: list[CaseAnswer]


class CaseDecision(BaseModel):
    """What an operator thinks of a case."""

    model_config = REQUEST
    case: str = Field(min_length=1, max_length=CASE_CHARACTERS_MAX)
    state: CaseState
    note: str = Field(max_length=WHY_CHARACTERS_MAX)


class ActAnswer(BaseModel):
    """What an operator asked for, and why; whether it was refused is not said here."""

    number: int
    time: int
    account: int
    key: str
    act: str
    terms: str
    why: str


class ActsAnswer(BaseModel):
    """Acts, oldest first."""

    acts: list[ActAnswer]


async def list_alerts(desk: Desk, caller: Caller, request: PageRequest) -> AlertsAnswer:
    """Return what surveillance found, and how many events it has yet to look at: it acts on nothing itself."""
    found = _alerts(desk).after(request.after, request.limit)
    return AlertsAnswer(alerts=[_alert(desk, alert) for alert in found], behind=desk.exchange.follower.behind)


async def list_cases(desk: Desk, caller: Caller, request: CasesRequest) -> CasesAnswer:
    """Return the cases that alerts make, each with its evidence and the last decision."""
    found = [_case(desk, case, alerts) for case, alerts in _alerts(desk).cases().items()]
    kept = [case for case in found if request.state in {None, case.state}]
    return CasesAnswer(cases=kept[: request.limit])


async def decide_case(desk: Desk, caller: Caller, request: CaseDecision) -> CaseAnswer:
    """Write down what an operator thinks of a case; earlier decisions stay in the journal and the list of acts."""
    alerts = _alerts(desk).cases().get(request.case)
    if alerts is None:
        raise RequestError(UNKNOWN_CASE)
    now_ns = desk.exchange.clock.now_ns()
    decided = CaseDecided(request.case, request.state, request.note, caller.account, now_ns)
    await submit(desk, b"", encode(decided))
    return _case(desk, request.case, alerts)


async def list_acts(desk: Desk, caller: Caller, request: PageRequest) -> ActsAnswer:
    """Return what operators did: who, when, why. Older acts than those kept here are in the journal."""
    found = acts_after(desk.exchange.registry.acts, request.after, request.limit)
    return ActsAnswer(acts=[_act(number, act) for number, act in found])


def _alerts(desk: Desk) -> AlertLog:
    """Return what surveillance found, up to now unless it is far behind."""
    desk.exchange.follower.step(LOOKED_AT_ONCE)
    return desk.exchange.watch.alerts


def _alert(desk: Desk, alert: Alert) -> AlertAnswer:
    instrument = desk.exchange.registry.instrument_at(alert.instrument)
    return AlertAnswer(
        number=alert.number,
        kind=alert.kind,
        accounts=list(alert.groups),
        symbol="" if instrument is None else instrument.symbol,
        first_sequence=alert.first_sequence,
        last_sequence=alert.last_sequence,
        first=alert.first_ns // MILLISECOND_NS,
        last=alert.last_ns // MILLISECOND_NS,
        found=alert.found_count,
        facts=alert.facts,
        case=alert.case,
    )


def _case(desk: Desk, case: str, alerts: list[Alert]) -> CaseAnswer:
    decided = desk.exchange.registry.acts.cases.get(case)
    return CaseAnswer(
        case=case,
        state=CaseState.OPEN if decided is None else decided.state,
        note="" if decided is None else decided.note,
        decided_by=None if decided is None else decided.account,
        decided=None if decided is None else decided.time_ns // MILLISECOND_NS,
        alerts=[_alert(desk, alert) for alert in alerts],
    )


def _act(number: int, act: OperatorActed) -> ActAnswer:
    return ActAnswer(
        number=number,
        time=act.time_ns // MILLISECOND_NS,
        account=act.account,
        key=act.key,
        act=act.act,
        terms=act.terms,
        why=act.why,
    )


_SEE = (Scope.OPERATE, Scope.AUDIT)
ACTIONS = (
    Action("GET", "/v1/alerts", list_alerts, PageRequest, AlertsAnswer, _SEE, weight=10),
    Action("GET", "/v1/cases", list_cases, CasesRequest, CasesAnswer, _SEE, weight=10),
    Action("PUT", "/v1/cases", decide_case, CaseDecision, CaseAnswer, (Scope.OPERATE,)),
    Action("GET", "/v1/acts", list_acts, PageRequest, ActsAnswer, _SEE, weight=10),
)
