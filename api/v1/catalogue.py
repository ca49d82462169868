"""The operator's desk, catalogues: many instruments listed by one request or by several, all of them or none.

What does not fit into one record of the journal is planned first, part by part, and listed once the whole plan is
written down; see exchange/catalogues.py.
"""

from itertools import chain
from typing import Annotated

from pydantic import BaseModel, Field

from api.errors import STATUS_UNKNOWN, Problem, RequestError
from api.v1.datasets import refuse_opening
from api.v1.desk import Action, Caller, Desk, register
from api.v1.problems import OTHER_TERMS, UNKNOWN_ASSET, price_ticks, refused_document
from api.v1.schemas import REQUEST, AccountNumber, AssetName, Number, Rate, SymbolName, TradedKindName, TradingStateName
from exchange.catalogues import ROWS_AT_ONCE, carry_out
from exchange.core import commands
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
    room = _room(desk) - sum(len(part.listed.rows) for part in _planned(desk, request)[: request.part])
    if len(new) > room:
        problem = refused_room(room)
        refused.append(RefusedRow(row=0, code=problem.code, msg=problem.message))
    return list(new.values()), refused


def _new_row(
    desk: Desk, request: NewCatalogue, wanted: WantedInstrument, quote: Asset, new: dict[str, CatalogueRow]
) -> CatalogueRow | None:
    """Return what is to be listed, None if it is listed already; refuse what cannot be."""
    row = _row(request, wanted, quote)
    known = desk.exchange.registry.instrument(wanted.symbol)
    if new.get(row.symbol, row) != row or (known and not _is_same(desk, known, request, wanted, quote)):
        raise RequestError(OTHER_TERMS)
    if known is not None:
        return None
    _check(desk, _document(desk, request, quote, [row]))
    return row


async def _list(desk: Desk, request: NewCatalogue, quote: Asset, new: list[CatalogueRow]) -> None:
    """List what is one record of the journal at once, and plan what is more."""
    if request.plan or len(new) > ROWS_AT_ONCE:
        await _plan(desk, request, quote, new)
    elif new:
        state = TradingState[request.state]
        document = _document(desk, request, quote, new)
        indices = range(document.instrument, document.instrument + len(new))
        is_closed = state is TradingState.CLOSED
        opened = b"" if is_closed else b"".join([commands.set_trading_state(index, state) for index in indices])
        await register(desk, document, opened)


async def _plan(desk: Desk, request: NewCatalogue, quote: Asset, new: list[CatalogueRow]) -> None:
    """Write the next part of a plan down, and with the last one carry all of it out."""
    known = _planned(desk, request)[request.part : request.part + 1]
    if (known and known[0].is_last == request.is_last) or not (new or request.part or not request.is_last):
        return  # it is there already, or there is nothing to plan
    part = CataloguePlanned(
        request.plan or _WHOLE,
        request.part,
        request.is_last,
        TradingState[request.state],
        _document(desk, request, quote, new),
    )
    if len(encode(part)) > desk.exchange.config.document_bytes_max:
        raise RequestError(refused_document(DocumentRefusal.TOO_LONG))
    if request.is_last:
        _check_whole(desk, [*_planned(desk, request), part])
    await register(desk, part)
    await _finish(desk)


def _planned(desk: Desk, request: NewCatalogue) -> list[CataloguePlanned]:
    """Return the parts of the request's plan that are written down."""
    plan = desk.exchange.registry.catalogue_plan
    return plan.parts if plan is not None and plan.name == request.plan else []


async def _finish(desk: Desk) -> None:
    """Carry a whole plan out, if there is one; what is cut short here goes on with the next request or start."""
    try:
        await carry_out(desk.exchange.registry, desk.exchange.submit)
    except Stopped:
        raise RequestError(STATUS_UNKNOWN) from None


def _check_whole(desk: Desk, parts: list[CataloguePlanned]) -> None:
    """Refuse a plan of which anything cannot be listed any more, or is in it twice on other terms."""
    seen: dict[str, CatalogueRow] = {}
    for row in chain.from_iterable(part.listed.rows for part in parts):
        if seen.setdefault(row.symbol, row) != row or desk.exchange.registry.asset(row.symbol) is not None:
            raise RequestError(OTHER_TERMS)


def _row(request: NewCatalogue, wanted: WantedInstrument, quote: Asset) -> CatalogueRow:
    terms = TERMS[AssetKind[request.kind]]
    ticks = 0
    if wanted.price is not None:
        step = terms.tick_value(quote) // 10 ** (quote.decimals - terms.price_decimals)
        ticks = price_ticks("price", wanted.price, step, terms.price_decimals)
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


def _is_same(desk: Desk, known: Instrument, request: NewCatalogue, wanted: WantedInstrument, quote: Asset) -> bool:
    """Tell whether a listed instrument has these terms; its band, fees and state may have changed since."""
    base = desk.exchange.registry.asset_at(known.base)
    assert base is not None
    terms = TERMS[AssetKind[request.kind]]
    return (
        (base.kind.name, base.issuer_account, known.quote_asset) == (request.kind, wanted.issuer, quote.name)
        and (known.tick_value, known.lot_units) == (terms.tick_value(quote), 10**terms.decimals)
        and known.quantity_max == QUANTITY_MAX
    )


def _room(desk: Desk) -> int:
    registry, capacity = desk.exchange.registry, desk.exchange.config.capacity
    return min(capacity.instruments - len(registry.instruments), capacity.assets - len(registry.assets))


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
