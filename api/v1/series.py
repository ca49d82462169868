"""Series of allowances: terms, capacity, green certificates, issues with collateral, meter factors."""

from api.errors import RequestError, rejection
from api.v1.datasets import refuse_issue
from api.v1.desk import Action, Caller, Desk, ask, register, submit
from api.v1.problems import (
    COLLATERAL_SHORT,
    GATE_CLOSED,
    NOT_AN_ALLOWANCE,
    NOT_ITS_ISSUER,
    OTHER_TERMS,
    amount_units,
    refused_document,
)
from api.v1.purses import CASH, movable
from api.v1.schemas import IssueRequest, TransferAnswer
from api.v1.seriesschemas import (
    CapacityRequest,
    CertificatesAnswer,
    CertificatesRequest,
    CollateralAnswer,
    FactorsRequest,
    SeriesAnswer,
    SeriesQuery,
    SeriesRequest,
)
from exchange.core import commands
from exchange.core.types import (
    AMOUNT_MAX,
    AccountState,
    AssetKind,
    CommandKind,
    RejectReason,
    TradingState,
    TransferPurpose,
)
from exchange.expiry import standing
from exchange.registry.allowances import headroom
from exchange.registry.documents import AccountNamed, Role, Scope, encode
from exchange.registry.entries import COLLATERAL_PREFIX, EXCHANGE_NAME, Asset
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import DocumentRefusedError
from exchange.registry.series import (
    CapacityAttested,
    CertificatesRegistered,
    Direction,
    Factors,
    FactorsSet,
    IssueBacked,
    SeriesNamed,
    collateral,
)
from exchange.registry.units import format_units

MILLISECOND_NS, SECOND_NS = 1_000_000, 1_000_000_000
GREEN = {"G0": 0, "G80": 8_000, "G100": 10_000}
_STOPPED = (TradingState.GATE_CLOSED, TradingState.EXPIRED)
PARTS = 7  # TA, issuer, grade, direction, hub, window, green share and firmness


async def name_series(desk: Desk, caller: Caller, request: SeriesRequest) -> SeriesAnswer:
    """Write down the terms of a listed allowance. A repeat with the same terms answers the same."""
    asset = _allowance(desk, request.symbol)
    following = _allowance(desk, request.next_symbol).index if request.next_symbol else 0
    async with desk.registrations:
        account = await _collateral_account(desk, asset)
        terms = _terms(desk, asset, request, account, following)
        known = desk.exchange.registry.allowances.series.get(asset.index)
        if known is None:
            await register(desk, terms)
        elif known != terms:
            raise RequestError(OTHER_TERMS)
    return _answer(desk, asset)


async def show_series(desk: Desk, caller: Caller, request: SeriesQuery) -> SeriesAnswer:
    """Return the terms of a series, what was issued, and what may still be."""
    return _answer(desk, _allowance(desk, request.symbol))


async def attest(desk: Desk, caller: Caller, request: CapacityRequest) -> CapacityRequest:
    """Attest what an issuer can deliver at a hub in a window: the limit of what it may issue."""
    async with desk.registrations:
        await register(desk, CapacityAttested(**request.model_dump()))
    return request


async def register_certificates(desk: Desk, caller: Caller, request: CertificatesRequest) -> CertificatesAnswer:
    """Register green certificates of an issuer; each serial number is good for one issue."""
    pairs = tuple((one.serial, one.wh) for one in request.certificates)
    async with desk.registrations:
        await register(desk, CertificatesRegistered(request.issuer, pairs))
    return CertificatesAnswer(registered=len(pairs))


async def set_factors(desk: Desk, caller: Caller, request: FactorsRequest) -> FactorsRequest:
    """Set how an issuer's use is counted from the next batch on."""
    rates = request.model_dump(exclude={"issuer"})
    async with desk.registrations:
        await register(desk, FactorsSet(request.issuer, Factors(**rates)))
    return request


async def issue(desk: Desk, caller: Caller, request: IssueRequest) -> TransferAnswer:
    """Mint an allowance or licence to the key's account, which must be its issuer.

    Of a series with terms no more than capacity allows, against green certificates, and with cash moved from the
    issuer to the series' collateral account first; what an issue that failed left there counts for the next.
    """
    asset = desk.exchange.registry.asset(request.asset)
    if asset is None:
        raise RequestError(NOT_AN_ALLOWANCE)
    refuse_issue(desk, request.asset)
    units = amount_units("amount", request.amount, asset.decimals)
    made = commands.issue(caller.account, asset.index, units)
    series = desk.exchange.registry.allowances.series.get(asset.index)
    if series is None:
        events = await submit(desk, made)
    elif asset.issuer_account != caller.account:
        raise RequestError(NOT_ITS_ISSUER)
    else:
        _refuse_when_over(desk, asset, series)
        async with desk.registrations:
            document = IssueBacked(asset.index, units, request.certificates)
            _check(desk, document)
            await refuse_unissuable(desk, caller.account, {asset.index: units})
            await cover(desk, caller.account, series, units)
            events = await register(desk, document, made)
    return TransferAnswer(
        account=caller.account,
        asset=asset.name,
        amount=format_units(events[0].amount, asset.decimals),
        sequence=events[0].sequence,
        time=events[0].time_ns // MILLISECOND_NS,
    )


def _refuse_when_over(desk: Desk, asset: Asset, series: SeriesNamed) -> None:
    """Refuse an issue behind the gate, or after a default: nobody would burn its units again."""
    instrument = desk.exchange.registry.instrument(asset.name)
    is_stopped = instrument is not None and instrument.trading_state in _STOPPED
    if is_stopped or not movable(series, desk.exchange.clock.now_ns()):
        raise RequestError(GATE_CLOSED)


async def refuse_unissuable(desk: Desk, issuer: int, units: dict[int, int]) -> None:
    """Refuse what the engine would refuse, before certificates, capacity or cash go for it: units by asset."""
    rows = await ask(desk, lambda engine: engine.asset_rows())
    account = desk.exchange.registry.account_at(issuer)
    if units and (account is None or account.state is not AccountState.ACTIVE):
        raise RequestError(rejection(RejectReason.ACCOUNT_NOT_ACTIVE, CommandKind.ISSUE))
    issued = dict(zip(rows["asset"].tolist(), rows["issued"].tolist(), strict=True))
    if any(amount > AMOUNT_MAX - issued[asset] for asset, amount in units.items()):
        raise RequestError(rejection(RejectReason.ISSUED_TOO_MUCH, CommandKind.ISSUE))


async def release_collateral(desk: Desk, caller: Caller, request: SeriesQuery) -> CollateralAnswer:
    """Give back to the issuer what no longer stands behind units: collateral follows what is outstanding."""
    asset = _allowance(desk, request.symbol)
    series = desk.exchange.registry.allowances.series.get(asset.index)
    if series is None:
        raise RequestError(refused_document(DocumentRefusal.UNKNOWN_SERIES))
    if caller.account != series.issuer and Scope.OPERATE not in caller.scopes:
        raise RequestError(NOT_ITS_ISSUER)
    async with desk.registrations:
        outstanding, held = await _standing(desk, series)
        needed = collateral(series, outstanding) + desk.exchange.registry.allowances.payments.owed(asset.index)
        excess = max(0, held - needed)
        if excess:
            cash, purpose = _cash(desk).index, TransferPurpose.COLLATERAL_RELEASED
            await submit(desk, commands.transfer(series.collateral_account, series.issuer, cash, excess, purpose))
    decimals = _cash(desk).decimals
    return CollateralAnswer(
        symbol=asset.name,
        outstanding=format_units(outstanding, asset.decimals),
        needed=format_units(needed, decimals),
        held=format_units(held - excess, decimals),
        released=format_units(excess, decimals),
    )


async def cover(desk: Desk, issuer: int, series: SeriesNamed, units: int) -> None:
    """Move what the collateral lacks for further units; refuse if the issuer's cash does not cover it."""
    missing = await uncovered(desk, series, units)
    if not missing:
        return
    cash, purpose = _cash(desk).index, TransferPurpose.COLLATERAL_HELD
    rows = await ask(desk, lambda engine: engine.balances(issuer))
    if missing > sum(available for index, available, _ in rows if index == cash):
        raise RequestError(COLLATERAL_SHORT)
    await submit(desk, commands.transfer(issuer, series.collateral_account, cash, missing, purpose))


async def uncovered(desk: Desk, series: SeriesNamed, units: int) -> int:
    """Return what the collateral lacks for further units."""
    outstanding, held = await _standing(desk, series)
    owed = desk.exchange.registry.allowances.payments.owed(series.asset)
    return max(0, collateral(series, outstanding + units) + owed - held)


async def _standing(desk: Desk, series: SeriesNamed) -> tuple[int, int]:
    """Return the outstanding tokens of a series and the cash behind it."""
    cash = _cash(desk).index
    return await ask(desk, lambda engine: standing(engine, series, cash))


def _check(desk: Desk, document: IssueBacked) -> None:
    """Refuse an issue before money moves for it."""
    try:
        desk.exchange.registry.check(encode(document))
    except DocumentRefusedError as error:
        raise RequestError(refused_document(error.reason)) from None


def _allowance(desk: Desk, symbol: str) -> Asset:
    asset = desk.exchange.registry.asset(symbol)
    if asset is None or asset.kind is not AssetKind.ALLOWANCE:
        raise RequestError(NOT_AN_ALLOWANCE)
    return asset


def _cash(desk: Desk) -> Asset:
    cash = desk.exchange.registry.asset(CASH)
    assert cash is not None
    return cash


async def _collateral_account(desk: Desk, asset: Asset) -> int:
    """Return the account for the collateral of a series, made if need be; it is the exchange's own."""
    registry = desk.exchange.registry
    name = f"{COLLATERAL_PREFIX}{asset.name}"
    known = registry.account(name)
    if known is None:
        await register(desk, AccountNamed(registry.next_account, name, EXCHANGE_NAME, Role.OPERATOR))
        known = registry.account(name)
    assert known is not None
    return known.index


def _terms(desk: Desk, asset: Asset, request: SeriesRequest, account: int, following: int) -> SeriesNamed:
    parts = asset.name.split(".")
    green = parts[-1][:-1]
    wrong = len(parts) != PARTS or parts[3] not in tuple(Direction) or green not in GREEN or parts[-1][-1] not in "AF"
    if wrong:
        raise RequestError(refused_document(DocumentRefusal.BAD_NAME))
    return SeriesNamed(
        asset=asset.index,
        issuer=asset.issuer_account,
        grade=parts[2],
        direction=Direction(parts[3]),
        hub=parts[4],
        window=parts[5],
        start_ns=request.start * MILLISECOND_NS,
        end_ns=request.end * MILLISECOND_NS,
        green_bps=GREEN[green],
        is_firm=parts[-1].endswith("F"),
        collateral_account=account,
        collateral_per_lot=amount_units("collateral", request.collateral, _cash(desk).decimals),
        lot_units=10**asset.decimals,
        wh_per_lot=request.wh,
        gate_ns=request.gate * SECOND_NS,
        grace_ns=request.grace * SECOND_NS,
        rollover_bps=request.rollover_bps,
        next_asset=following,
    )


def _answer(desk: Desk, asset: Asset) -> SeriesAnswer:
    entries = desk.exchange.registry.allowances
    series = entries.series.get(asset.index)
    if series is None:
        raise RequestError(refused_document(DocumentRefusal.UNKNOWN_SERIES))
    following = desk.exchange.registry.asset_at(series.next_asset)
    return SeriesAnswer(
        symbol=asset.name,
        issuer=series.issuer,
        grade=series.grade,
        direction=series.direction.value,
        hub=series.hub,
        window=series.window,
        start=series.start_ns // MILLISECOND_NS,
        end=series.end_ns // MILLISECOND_NS,
        gate=series.gate_ns // SECOND_NS,
        grace=series.grace_ns // SECOND_NS,
        green_bps=series.green_bps,
        firm=series.is_firm,
        collateral=format_units(series.collateral_per_lot, _cash(desk).decimals),
        collateral_account=series.collateral_account,
        wh=series.wh_per_lot,
        rollover_bps=series.rollover_bps,
        next_symbol="" if following is None else following.name,
        issued=format_units(entries.issued.get(asset.index, 0), asset.decimals),
        issuable=format_units(headroom(entries, series), asset.decimals),
    )


_OPERATE, _SEE = (Scope.OPERATE,), ()
ACTIONS = (
    Action("POST", "/v1/series", name_series, SeriesRequest, SeriesAnswer, _OPERATE),
    Action("GET", "/v1/series", show_series, SeriesQuery, SeriesAnswer, _SEE),
    Action("PUT", "/v1/capacity", attest, CapacityRequest, CapacityRequest, _OPERATE),
    Action("POST", "/v1/certificates", register_certificates, CertificatesRequest, CertificatesAnswer, _OPERATE),
    Action("PUT", "/v1/meter-factors", set_factors, FactorsRequest, FactorsRequest, _OPERATE),
    Action("POST", "/v1/issues", issue, IssueRequest, TransferAnswer, (Scope.ISSUE,)),
    Action(
        "POST",
        "/v1/collateral-releases",
        release_collateral,
        SeriesQuery,
        CollateralAnswer,
        (Scope.ISSUE, Scope.OPERATE),
    ),
)
