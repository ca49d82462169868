"""Licences of registered datasets over HTTP: series, clearances, escrows, entitlements, revocations, reads."""

from typing import Any, Literal

import msgspec
from pydantic import BaseModel, Field

from api.books import open_state
from api.errors import RequestError
from api.signing import REVOCATIONS
from api.titles import ESCROW_NAME, VENUE, Titles
from api.v1 import instruments
from api.v1.datasets import PAGE_MAX, Number, SealedAnswer, asked, find, movers, titles_of
from api.v1.desk import Action, Caller, Desk, register
from api.v1.problems import OTHER_TERMS, UNKNOWN_SYMBOL
from api.v1.schemas import REQUEST, AccountNumber, NewInstrument, Nothing, SymbolName
from api.v1.schemas import Number as Decimal
from api.v1.titleproblems import (
    FOREIGN_CLEARANCE,
    NOT_LISTED,
    UNKNOWN_DATASET,
    UNKNOWN_ESCROW,
    UNKNOWN_SERIES,
    bad_entry,
    refused_policy,
    refused_step,
    refused_terms,
)
from exchange.core import commands
from exchange.core.types import AccountState, Side, TradingMode
from exchange.registry.dataset import Mover, State
from exchange.registry.documents import AccountNamed, BuyerCleared, LicenceGated, Role, Scope
from exchange.registry.entries import EXCHANGE_NAME, Instrument
from exchange.registry.entry import number_text
from exchange.registry.escrow import Escrow, Party, Step, StepRefusal
from exchange.registry.licence import Buyer, Terms, judge, refuse_terms, share_bps, symbol
from exchange.registry.units import format_units
from settlement.entitlements import Read
from settlement.licences import Case, Series
from settlement.register import Dataset

MILLISECOND_NS = 1_000_000
READS_MAX = 10_000
READS_BYTES_MAX = 4 << 20
_MODES = {"CALL": TradingMode.CALL, "LIST": TradingMode.LIST, "CONTINUOUS": TradingMode.CONTINUOUS}


class NewSeries(BaseModel):
    """A series of licences to sell: its seats are issued to the dataset's holder at once, and never more of them.

    `terms` stand in docs/register.md. It trades by call auction unless posted offers (LIST) or CONTINUOUS is said.
    """

    model_config = REQUEST
    number: str = Number
    scenario: str = Field(pattern=r"^[A-Z0-9]{1,8}$")
    terms: dict[str, Any]
    price_high: Decimal
    tick_size: Decimal = "0.01"
    mode: Literal["CALL", "LIST", "CONTINUOUS"] = "CALL"


class SeriesAnswer(BaseModel):
    """A series of licences; `state` is that of its book."""

    symbol: str
    number: str
    issuer: int
    scenario: str
    terms: dict[str, Any]
    root: str
    state: str


class SeriesRequest(BaseModel):
    """A dataset."""

    model_config = REQUEST
    number: str = Number


class SeriesListAnswer(BaseModel):
    """The series of a dataset."""

    number: str
    series: list[SeriesAnswer]


class NewClearance(BaseModel):
    """What a buyer declares. The operator does so for an `account`, with the number of a cross-border clearance."""

    model_config = REQUEST
    symbol: SymbolName
    purpose: str = Field(min_length=1, max_length=64)
    sector: str = Field(min_length=1, max_length=64)
    region: str = Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,8}){0,3}$", examples=["CN-GD"])
    seats: int = Field(1, ge=1, le=1_000_000)
    account: AccountNumber = 0
    clearance: str = Field("", max_length=64)
    withdraw: bool = False


class ClearanceAnswer(BaseModel):
    """Whether an account may buy a licence."""

    symbol: str
    account: int
    cleared: bool


class PageRequest(BaseModel):
    """A page of an account's rows behind a number; the key's own account unless operate or audit asks."""

    model_config = REQUEST
    account: AccountNumber | None = None
    after: int = Field(0, ge=0, lt=1 << 53)
    limit: int = Field(PAGE_MAX, ge=1, le=PAGE_MAX)


class EntitlementAnswer(BaseModel):
    """An entitlement; `signed` is the text that anybody can check offline."""

    entitlement: int
    symbol: str
    holder: int
    seats: int
    quota_tokens: int | None
    used_tokens: int
    valid_until: int
    revoked: str
    signed: str


class EntitlementsAnswer(BaseModel):
    """Entitlements, oldest first."""

    entitlements: list[EntitlementAnswer]


class EscrowsRequest(BaseModel):
    """A page of licence trades, newest first: those before a trade."""

    model_config = REQUEST
    account: AccountNumber | None = None
    before: int = Field((1 << 53) - 1, ge=1, lt=1 << 53)
    limit: int = Field(PAGE_MAX, ge=1, le=PAGE_MAX)


class EscrowAnswer(BaseModel):
    """A licence trade, by its event, and where its proceeds are; accept_until is 0 where nothing is to be accepted."""

    trade: int
    trade_id: int
    symbol: str
    buyer: int
    seller: int
    seats: int
    proceeds: str
    royalty: str
    state: str
    frozen: bool
    accept_until: int


class EscrowsAnswer(BaseModel):
    """Licence trades."""

    escrows: list[EscrowAnswer]


class EscrowStep(BaseModel):
    """What the buyer says about a licence trade."""

    model_config = REQUEST
    trade: int = Field(ge=1, lt=1 << 53)
    step: Literal["accept", "dispute"]
    note: str = Field("", max_length=4_000)


class Decision(BaseModel):
    """How the operator ends a dispute: the money to the seller, or back to the buyer and the units to the seller."""

    model_config = REQUEST
    trade: int = Field(ge=1, lt=1 << 53)
    decision: Literal["release", "refund"]
    note: str = Field("", max_length=4_000)


class ReadRecord(BaseModel):
    """One read of a dataset under an entitlement."""

    model_config = REQUEST
    id: str = Field(min_length=1, max_length=128, description="The vendor's own id: counts once.")
    entitlement: int = Field(ge=1, lt=1 << 53)
    tokens: int = Field(ge=1, le=1 << 53)


class ReadsRequest(BaseModel):
    """A vendor's report of reads; it may come again."""

    model_config = REQUEST
    records: tuple[ReadRecord, ...] = Field(min_length=1, max_length=READS_MAX)


class ReadResult(BaseModel):
    """What became of a read: APPLIED, DUPLICATE, or why not; `remaining` after the whole report, null without limit."""

    id: str
    status: str
    remaining: int | None


class ReadsAnswer(BaseModel):
    """What became of a report, in the order sent."""

    applied: int
    results: list[ReadResult]


async def list_series(desk: Desk, caller: Caller, request: NewSeries) -> SeriesAnswer:
    """List a series of licences of one's registered dataset. A repeat with the same terms answers the same."""
    titles = titles_of(desk)
    dataset = await find(titles, request.number)
    terms = _checked(caller, dataset, request)
    name = symbol(request.number, request.scenario, terms)
    await instruments.create_instrument(desk, caller, _instrument_of(name, request, dataset.holder))
    instrument = _instrument(desk, name)
    series = Series(
        instrument.index,
        name,
        dataset.number,
        dataset.holder,
        request.scenario,
        terms,
        dataset.entry.root,
        caller.call.now_ns,
    )
    known = await asked(titles.licences.series(name))
    if known is None:
        await asked(titles.licences.add_series(series))
    elif known.terms != terms or known.issuer != dataset.holder:
        raise RequestError(OTHER_TERMS)
    async with desk.registrations:
        await _ensure_escrow(desk)
        if instrument.index not in desk.exchange.registry.gates:
            made = _opened(series, request, dataset, instrument.base)
            await register(desk, LicenceGated(instrument.index, terms.may_resell), made)
    return _answered(desk, series)


async def show_series(desk: Desk, caller: Caller, request: SeriesRequest) -> SeriesListAnswer:
    """Return the series of a dataset with their terms and the states of their books."""
    found = await asked(titles_of(desk).licences.series_of(int(request.number)))
    return SeriesListAnswer(number=request.number, series=[_answered(desk, series) for series in found])


async def clear_buyer(desk: Desk, caller: Caller, request: NewClearance) -> ClearanceAnswer:
    """Check a buyer's declaration against the terms of a licence; if they let it in, it may buy from now on."""
    titles, account = titles_of(desk), caller.account
    series = await asked(titles.licences.series(request.symbol))
    if series is None:
        raise RequestError(UNKNOWN_SERIES)
    if Scope.OPERATE in caller.scopes:
        account = request.account
    is_foreign = request.account not in (0, caller.account) or request.clearance or request.withdraw
    if is_foreign and Scope.OPERATE not in caller.scopes:
        raise RequestError(FOREIGN_CLEARANCE)
    buyer = Buyer(request.purpose, request.sector, request.region, request.seats, request.clearance)
    refusal = None if request.withdraw else judge(series.terms, buyer)
    is_cleared = refusal is None and not request.withdraw
    said = msgspec.json.encode(buyer).decode()
    now_ns = caller.call.now_ns
    async with desk.registrations:
        await asked(
            titles.licences.note_clearance(
                series.instrument, account, said, caller.account, now_ns, is_cleared=is_cleared
            )
        )
        if refusal is None:
            await _gate(desk, BuyerCleared(series.instrument, account, is_cleared))
    if refusal is not None:
        raise RequestError(refused_policy(refusal))
    return ClearanceAnswer(symbol=series.symbol, account=account, cleared=is_cleared)


async def show_entitlements(desk: Desk, caller: Caller, request: PageRequest) -> EntitlementsAnswer:
    """Return an account's entitlements, each signed; whether it was revoked is in the revocation list."""
    account = caller.seen(request.account)
    found = await asked(titles_of(desk).entitlements.of(account, request.after, request.limit))
    rows = [
        EntitlementAnswer(
            entitlement=one.number,
            symbol=_symbol_at(desk, one.instrument),
            holder=one.holder,
            seats=one.seats,
            quota_tokens=one.quota,
            used_tokens=one.used,
            valid_until=one.valid_until_ns // MILLISECOND_NS,
            revoked=one.revoked,
            signed=one.token,
        )
        for one in found
    ]
    return EntitlementsAnswer(entitlements=rows)


async def show_revocations(desk: Desk, caller: Caller, request: Nothing) -> SealedAnswer:
    """Return the signed list of all entitlements that were revoked."""
    titles = titles_of(desk)
    found = await asked(titles.entitlements.revocations())
    document = {
        "venue": VENUE,
        "time": caller.call.now_ns // MILLISECOND_NS,
        "revoked": [one.number for one in found],
    }
    return SealedAnswer(**titles.notary.seal(REVOCATIONS, document))


async def show_escrows(desk: Desk, caller: Caller, request: EscrowsRequest) -> EscrowsAnswer:
    """Return an account's licence trades as buyer or seller, and where the proceeds of each are."""
    sees_all = request.account is None and bool(caller.scopes & {Scope.OPERATE, Scope.AUDIT})
    account = None if sees_all else caller.seen(request.account)
    found = await asked(titles_of(desk).licences.cases(account, request.before, request.limit))
    return EscrowsAnswer(escrows=[_escrow(desk, case) for case in found])


async def step_escrow(desk: Desk, caller: Caller, request: EscrowStep) -> EscrowAnswer:
    """Accept or dispute what was bought. Money moves a moment later, by the clerk's commands."""
    return await _step(desk, caller, request.trade, Step(request.step), request.note)


async def decide(desk: Desk, caller: Caller, request: Decision) -> EscrowAnswer:
    """Decide a dispute; a repeat answers the same. Money and units move a moment later, by the clerk's commands."""
    titles = titles_of(desk)
    if await asked(titles.licences.decision(request.trade)) is Step(request.decision):
        return _escrow(desk, await _seen_case(titles, caller, request.trade))
    return await _step(desk, caller, request.trade, Step(request.decision), request.note)


async def refuse_bust(desk: Desk, trade: int, instrument: int) -> None:
    """Refuse to take a licence trade back that is refunded already: units and money would move twice."""
    if instrument not in desk.exchange.registry.gates:
        return
    case = await asked(titles_of(desk).licences.case(trade))
    if case is not None and case.escrow.state in {Escrow.REFUNDING, Escrow.REFUNDED}:
        raise RequestError(refused_step(StepRefusal.NOT_FROM_HERE, case.escrow.state))


async def report_reads(desk: Desk, caller: Caller, request: ReadsRequest) -> ReadsAnswer:
    """Count reads of one's datasets against the quota of their entitlements, each record once."""
    reads = [Read(record.id, record.entitlement, record.tokens) for record in request.records]
    counted = await asked(titles_of(desk).entitlements.count(caller.account, reads, caller.call.now_ns))
    results = [ReadResult(id=one.record, status=one.status, remaining=one.remaining) for one in counted]
    return ReadsAnswer(applied=sum(one.status == "APPLIED" for one in counted), results=results)


async def _step(desk: Desk, caller: Caller, trade: int, step: Step, note: str) -> EscrowAnswer:
    titles = titles_of(desk)
    case = await _seen_case(titles, caller, trade)
    if case.is_over(caller.call.now_ns):  # it is accepted, though the clerk was not here yet
        lapse = titles.licences.take_step(case, Step.LAPSE, frozenset((Party.CLERK,)), 0, caller.call.now_ns)
        await asked(lapse)
        case = await _seen_case(titles, caller, trade)
    parties = {Party.OPERATOR} if Scope.OPERATE in caller.scopes else set()
    if caller.account == case.escrow.buyer:
        parties.add(Party.BUYER)
    taken = titles.licences.take_step(case, step, frozenset(parties), caller.account, caller.call.now_ns, note)
    done = await asked(taken)
    if isinstance(done, StepRefusal):
        raise RequestError(refused_step(done, case.escrow.state))
    return _escrow(desk, await _seen_case(titles, caller, trade))


async def _gate(desk: Desk, cleared: BuyerCleared) -> None:
    """Let a buyer in, or out: then its bids end, and those too that passed the gate just before."""
    owner = desk.exchange.registry.account_at(cleared.account)
    if cleared.is_cleared or owner is None or owner.state is AccountState.CLOSED:  # which has no orders
        await register(desk, cleared)
        return
    await register(desk, cleared, commands.mass_cancel(cleared.account, cleared.instrument, Side.BUY))
    await desk.gateway.mass_cancel(cleared.account, cleared.instrument, Side.BUY)


def _checked(caller: Caller, dataset: Dataset, request: NewSeries) -> Terms:
    """Return the terms of a series that a caller may list."""
    if Mover.HOLDER not in movers(caller, dataset):
        raise RequestError(UNKNOWN_DATASET)
    if dataset.state not in {State.REGISTERED, State.LISTED}:
        raise RequestError(NOT_LISTED)
    try:
        terms = msgspec.convert(request.terms, Terms)
    except msgspec.ValidationError as error:
        raise RequestError(bad_entry(str(error))) from None
    refusal = refuse_terms(terms, request.scenario, dataset.entry.rights, dataset.entry.scenarios)
    if refusal is not None:
        raise RequestError(refused_terms(refusal))
    return terms


def _instrument_of(name: str, request: NewSeries, issuer: int) -> NewInstrument:
    return NewInstrument(
        symbol=name,
        kind="LICENCE",
        issuer=issuer,
        tick_size=request.tick_size,
        price_high=request.price_high,
        state="CLOSED",
    )


def _opened(series: Series, request: NewSeries, dataset: Dataset, base: int) -> bytes:
    """Return the commands that give a new book its mode and limits, issue all seats, and open it if it may be."""
    index, terms, mode = series.instrument, series.terms, _MODES[request.mode]
    share = share_bps(terms.seats_per_buyer, terms.seats) if terms.seats_per_buyer else 0
    made = [
        commands.set_mode(index, mode),
        commands.set_instrument_limits(index, position_bps=share),
        commands.issue(series.issuer, base, terms.seats),
    ]
    if dataset.state is State.LISTED:
        made.append(commands.set_trading_state(index, open_state(mode)))
    return b"".join(made)


async def _ensure_escrow(desk: Desk) -> None:
    known = desk.exchange.registry
    if known.account(ESCROW_NAME) is None:
        await register(desk, AccountNamed(known.next_account, ESCROW_NAME, EXCHANGE_NAME, Role.OPERATOR))


def _instrument(desk: Desk, name: str) -> Instrument:
    found = desk.exchange.registry.instrument(name)
    if found is None:
        raise RequestError(UNKNOWN_SYMBOL)
    return found


def _symbol_at(desk: Desk, index: int) -> str:
    found = desk.exchange.registry.instrument_at(index)
    assert found is not None
    return found.symbol


def _answered(desk: Desk, series: Series) -> SeriesAnswer:
    return SeriesAnswer(
        symbol=series.symbol,
        number=number_text(series.number),
        issuer=series.issuer,
        scenario=series.scenario,
        terms=msgspec.to_builtins(series.terms),
        root=series.root,
        state=_instrument(desk, series.symbol).trading_state.name,
    )


def _escrow(desk: Desk, case: Case) -> EscrowAnswer:
    row = case.escrow
    quote = desk.exchange.registry.asset_at(row.quote)
    assert quote is not None
    return EscrowAnswer(
        trade=row.trade,
        trade_id=row.trade_id,
        symbol=case.series.symbol,
        buyer=row.buyer,
        seller=row.seller,
        seats=row.lots,
        proceeds=format_units(row.proceeds, quote.decimals),
        royalty=format_units(row.royalty, quote.decimals),
        state=row.state,
        frozen=case.is_frozen,
        accept_until=case.accept_until_ns // MILLISECOND_NS if row.state is Escrow.DELIVERED else 0,
    )


async def _seen_case(titles: Titles, caller: Caller, trade: int) -> Case:
    case = await asked(titles.licences.case(trade))
    is_party = case is not None and caller.account in (case.escrow.buyer, case.escrow.seller)
    if case is None or not (is_party or Scope.OPERATE in caller.scopes):
        raise RequestError(UNKNOWN_ESCROW)
    return case


_OPERATE_OR_TRADE = (Scope.OPERATE, Scope.TRADE)
_READ = (Scope.READ, Scope.OPERATE, Scope.AUDIT)
ACTIONS = (
    Action("POST", "/v1/licences", list_series, NewSeries, SeriesAnswer, (Scope.ISSUE,), weight=10),
    Action("GET", "/v1/licences", show_series, SeriesRequest, SeriesListAnswer, weight=5),
    Action("POST", "/v1/clearances", clear_buyer, NewClearance, ClearanceAnswer, _OPERATE_OR_TRADE, weight=5),
    Action("GET", "/v1/entitlements", show_entitlements, PageRequest, EntitlementsAnswer, _READ, weight=10),
    Action("GET", "/v1/revocations", show_revocations, Nothing, SealedAnswer, weight=20),
    Action("GET", "/v1/escrows", show_escrows, EscrowsRequest, EscrowsAnswer, _READ, weight=10),
    Action("POST", "/v1/escrows", step_escrow, EscrowStep, EscrowAnswer, (Scope.TRADE,), weight=5),
    Action("POST", "/v1/disputes", decide, Decision, EscrowAnswer, (Scope.OPERATE,), weight=5),
    Action("POST", "/v1/reads", report_reads, ReadsRequest, ReadsAnswer, (Scope.METER,), 50, READS_BYTES_MAX),
)
