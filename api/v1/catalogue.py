"""The operator's desk, catalogues: many instruments listed by one request or by several, all of them or none.

What does not fit into one record of the journal is planned first, part by part, and listed once the whole plan is
written down; see exchange/catalogues.py.
"""

from typing import Annotated, Self

import msgspec
from pydantic import BaseModel, Field, model_validator

from api.errors import STATUS_UNKNOWN, Problem, RequestError
from api.v1.datasets import refuse_opening
from api.v1.desk import Action, Caller, Desk, register
from api.v1.problems import OTHER_TERMS, UNKNOWN_ASSET, price_ticks, refused_document
from api.v1.schemas import REQUEST, AccountNumber, AssetName, Number, Rate, SymbolName, TradedKindName, TradingStateName
from exchange.catalogues import ROWS_AT_ONCE, carry_out
from exchange.core.types import PRICE_TICKS_MAX, AssetKind, TradingMode, TradingState
from exchange.registry.catalogues import NAME_CHARACTERS_MAX
from exchange.registry.documents import CatalogueListed, CataloguePlanned, CatalogueRow, Scope, encode
from exchange.registry.entries import Asset, Instrument
from exchange.registry.pricelists import BAND_FACTOR, DESCRIPTION_CHARACTERS_MAX
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import DocumentRefusedError
from exchange.sequencer import Stopped

ROWS_MAX = 500  # of one request
BODY_BYTES_MAX = 512 * 1024
QUANTITY_MAX = 1_000_000  # lots of the largest order
_WHOLE = "-"  # the name of a plan that is one request


class _Terms:
    """What instruments of one kind have in common."""

    def __init__(self, decimals: int, price_decimals: int, mode: TradingMode) -> None:
        self.decimals = decimals
        self.price_decimals = price_decimals
        self.mode = mode

    def tick_value(self, quote: Asset) -> int:
        """Return the quote units of one tick, the last decimal that is shown."""
        shown: int = 10 ** max(0, quote.decimals - self.price_decimals)
        return shown


TERMS = {
    AssetKind.ALLOWANCE: _Terms(6, 4, TradingMode.CONTINUOUS),
    AssetKind.LICENCE: _Terms(0, 2, TradingMode.CALL),
}


class WantedInstrument(BaseModel):
    """An instrument to list. Without a price any price may be ordered; with one, a tenth of it to ten times it."""

    model_config = REQUEST
    symbol: SymbolName
    issuer: AccountNumber
    price: Number | None = None
    description: Annotated[str, Field(max_length=DESCRIPTION_CHARACTERS_MAX)] = ""


class NewCatalogue(BaseModel):
    """Instruments of one kind on the same terms; those that are listed already are passed over."""

    model_config = REQUEST
    kind: TradedKindName
    quote: AssetName = "CNY"
    maker_bps: Rate = 0
    taker_bps: Rate = 0
    state: TradingStateName = "CLOSED"
    dry_run: bool = Field(default=False, description="Check everything and list nothing.")
    plan: str = Field("", max_length=NAME_CHARACTERS_MAX, description="Of a list in parts: its name, such as its hash.")
    part: int = Field(0, ge=0, description="Of a list in parts: which this is, from 0.")
    is_last: bool = Field(default=True, description="Of a list in parts: with the last all of them are listed.")
    rows: tuple[WantedInstrument, ...] = Field(min_length=1, max_length=ROWS_MAX)

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.plan == _WHOLE:
            raise ValueError(f"plan {_WHOLE} stands for a list in one part: give another name")
        if not self.plan and (self.part or not self.is_last):
            raise ValueError("a list in parts needs a name: give it as plan")
        return self


class RefusedRow(BaseModel):
    """A row that cannot be listed: its place in the request from 0, and why."""

    row: int
    code: int
    msg: str


class CatalogueAnswer(BaseModel):
    """How many instruments were listed, or with dry_run or more parts to come will be; with a refused row none is."""

    listed: int
    known: int = Field(description="Listed already, on these terms.")
    refused: list[RefusedRow]
    room: int = Field(description="How many more instruments the exchange can hold.")


async def list_catalogue(desk: Desk, caller: Caller, request: NewCatalogue) -> CatalogueAnswer:
    """List many instruments with their assets, all or none. A repeat lists what is missing and changes nothing.

    More than fit into one request are sent in parts with the same `plan`: nothing is listed before the last part is
    there, and then all of it is, even if the exchange ends meanwhile. There is one such plan at a time; the first part
    of another takes its place. A part that is there already may be sent again.
    """
    quote = desk.exchange.registry.asset(request.quote)
    if quote is None or quote.kind != AssetKind.CASH:
        raise RequestError(UNKNOWN_ASSET)
    await refuse_opening(desk, None, AssetKind[request.kind], TradingState[request.state])
    async with desk.registrations:
        await _finish(desk)
        new, refused = _sorted_out(desk, request, quote)
        known = len(request.rows) - len(new) - len(refused)
        if not refused and not request.dry_run:
            await _list(desk, request, quote, new)
    return CatalogueAnswer(listed=0 if refused else len(new), known=known, refused=refused, room=_room(desk))


def _sorted_out(desk: Desk, request: NewCatalogue, quote: Asset) -> tuple[list[CatalogueRow], list[RefusedRow]]:
    """Return the rows that are new, and those that cannot be listed."""
    new: dict[str, CatalogueRow] = {}
    refused = []
    for number, wanted in enumerate(request.rows):
        try:
            row = _new_row(desk, request, wanted, quote, new)
        except RequestError as error:
            refused.append(RefusedRow(row=number, code=error.problem.code, msg=error.problem.message))
        else:
            if row is not None:
                new[row.symbol] = row
    room = _room_left(desk, request, len(new))
    if len(new) > room:
        problem = refused_room(room)
        refused.append(RefusedRow(row=0, code=problem.code, msg=problem.message))
    return list(new.values()), refused


def _new_row(
    desk: Desk, request: NewCatalogue, wanted: WantedInstrument, quote: Asset, new: dict[str, CatalogueRow]
) -> CatalogueRow | None:
    """Return what is to be listed, None if it is listed already; refuse what cannot be."""
    row = _row(request, wanted, quote)
    document = _document(desk, request, quote, [row])
    known = desk.exchange.registry.instrument(wanted.symbol)
    if new.get(row.symbol, row) != row or (known and not _is_same(desk, known, document, row)):
        raise RequestError(OTHER_TERMS)
    if known is not None:
        return None
    _check(desk, document)
    return row


async def _list(desk: Desk, request: NewCatalogue, quote: Asset, new: list[CatalogueRow]) -> None:
    """List what is one record of the journal at once, and plan what is more."""
    if request.plan or len(new) > ROWS_AT_ONCE:
        await _plan(desk, request, quote, new)
    elif new:
        document = _document(desk, request, quote, new)
        await register(desk, msgspec.structs.replace(document, state=TradingState[request.state]))


async def _plan(desk: Desk, request: NewCatalogue, quote: Asset, new: list[CatalogueRow]) -> None:
    """Write the next part of a plan down, and with the last one carry all of it out."""
    parts = _planned(desk, request)
    if _is_done(desk, request, parts, new):
        return
    part = CataloguePlanned(
        _name(request),
        request.part,
        request.is_last,
        TradingState[request.state],
        _document(desk, request, quote, new),
    )
    if len(encode(part)) > desk.exchange.config.document_bytes_max:
        raise RequestError(refused_document(DocumentRefusal.TOO_LONG))
    if request.is_last:
        _check_whole(desk, [*parts, part])
    await register(desk, part)
    await _finish(desk)


def _is_done(desk: Desk, request: NewCatalogue, parts: list[CataloguePlanned], new: list[CatalogueRow]) -> bool:
    """Tell whether a part is written down or carried out already, or there is nothing to plan."""
    if request.part < len(parts) and parts[request.part].is_last == request.is_last:
        return True
    if new:
        return False
    if not request.part:
        return request.is_last
    return not parts and desk.exchange.registry.catalogue_ended == _name(request)


def _name(request: NewCatalogue) -> str:
    """Return the name of the request's plan."""
    return request.plan or _WHOLE


def _planned(desk: Desk, request: NewCatalogue) -> list[CataloguePlanned]:
    """Return the parts of the request's plan that are written down."""
    plan = desk.exchange.registry.catalogue_plan
    return plan.parts if plan is not None and plan.name == _name(request) else []


async def _finish(desk: Desk) -> None:
    """Carry a whole plan out, if there is one; what is cut short here goes on with the next request or start."""
    try:
        await carry_out(desk.exchange.registry, desk.exchange.submit)
    except Stopped:
        raise RequestError(STATUS_UNKNOWN) from None


def _check_whole(desk: Desk, parts: list[CataloguePlanned]) -> None:
    """Refuse a plan of which anything cannot be listed any more, or is in it twice on other terms."""
    registry = desk.exchange.registry
    seen: dict[str, CatalogueRow] = {}
    for part in parts:
        for row in part.listed.rows:
            known = registry.instrument(row.symbol)
            is_free = registry.asset(row.symbol) is None if known is None else _is_same(desk, known, part.listed, row)
            if not is_free or seen.setdefault(row.symbol, row) != row:
                raise RequestError(OTHER_TERMS)


def _row(request: NewCatalogue, wanted: WantedInstrument, quote: Asset) -> CatalogueRow:
    terms = TERMS[AssetKind[request.kind]]
    ticks = 0
    if wanted.price is not None:
        step = terms.tick_value(quote) // 10 ** (quote.decimals - terms.price_decimals)
        ticks = price_ticks("price", wanted.price, step, terms.price_decimals)
        if not ticks:  # which stands for none
            raise RequestError(refused_document(DocumentRefusal.BAD_TERMS))
    return CatalogueRow(
        wanted.symbol,
        wanted.issuer,
        max(1, ticks // BAND_FACTOR),
        ticks * BAND_FACTOR or PRICE_TICKS_MAX,
        ticks,
        wanted.description,
    )


def _document(desk: Desk, request: NewCatalogue, quote: Asset, rows: list[CatalogueRow]) -> CatalogueListed:
    registry = desk.exchange.registry
    kind = AssetKind[request.kind]
    return CatalogueListed(
        asset=registry.next_asset,
        instrument=registry.next_instrument,
        kind=kind,
        quote=quote.index,
        decimals=TERMS[kind].decimals,
        tick_value=TERMS[kind].tick_value(quote),
        price_decimals=TERMS[kind].price_decimals,
        quantity_max=QUANTITY_MAX,
        maker_bps=request.maker_bps,
        taker_bps=request.taker_bps,
        mode=TERMS[kind].mode,
        rows=tuple(rows),
    )


def _check(desk: Desk, document: CatalogueListed) -> None:
    try:
        desk.exchange.registry.check(encode(document))
    except DocumentRefusedError as error:
        raise RequestError(refused_document(error.reason, str(error))) from None


def _is_same(desk: Desk, known: Instrument, wanted: CatalogueListed, row: CatalogueRow) -> bool:
    """Tell whether a listed instrument has these terms; its band, fees and state may have changed since."""
    registry = desk.exchange.registry
    base, quote = registry.asset_at(known.base), known.quote
    assert base is not None
    return (
        (base.kind, base.issuer_account, quote) == (wanted.kind, row.issuer_account, wanted.quote)
        and (known.tick_value, known.lot_units) == (wanted.tick_value, 10**wanted.decimals)
        and known.quantity_max == wanted.quantity_max
    )


def _room(desk: Desk) -> int:
    registry, capacity = desk.exchange.registry, desk.exchange.config.capacity
    return min(capacity.instruments - len(registry.instruments), capacity.assets - len(registry.assets))


def _room_left(desk: Desk, request: NewCatalogue, count: int) -> int:
    """Return how many rows there is room for behind the earlier parts; exactly if `count` may be too many."""
    registry, parts = desk.exchange.registry, _planned(desk, request)[: request.part]
    room = _room(desk) - sum(len(part.listed.rows) for part in parts)
    if count <= room:
        return room
    return room + sum(registry.instrument(row.symbol) is not None for part in parts for row in part.listed.rows)


def refused_room(room: int) -> Problem:
    """Return what the caller sees when there are more rows than the exchange can hold."""
    return Problem(409, -8072, f"The exchange has room for {room} more instruments: list fewer.")


ACTIONS = (
    Action(
        "POST",
        "/v1/catalogue",
        list_catalogue,
        NewCatalogue,
        CatalogueAnswer,
        (Scope.OPERATE,),
        weight=50,
        body_bytes_max=BODY_BYTES_MAX,
    ),
)
