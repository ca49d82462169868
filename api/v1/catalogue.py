"""The operator's desk, catalogues: many instruments listed by one request, all of them or none."""

from typing import Annotated

from pydantic import BaseModel, Field

from api.errors import Problem, RequestError
from api.v1.datasets import refuse_opening
from api.v1.desk import Action, Caller, Desk, register
from api.v1.problems import OTHER_TERMS, UNKNOWN_ASSET, price_ticks, refused_document
from api.v1.schemas import REQUEST, AccountNumber, AssetName, Number, Rate, SymbolName, TradedKindName, TradingStateName
from exchange.core import commands
from exchange.core.types import PRICE_TICKS_MAX, AssetKind, TradingMode, TradingState
from exchange.registry.documents import CatalogueListed, CatalogueRow, Scope, encode
from exchange.registry.entries import Asset, Instrument
from exchange.registry.pricelists import BAND_FACTOR, DESCRIPTION_CHARACTERS_MAX
from exchange.registry.registry import DocumentRefusedError

ROWS_MAX = 500  # of one request
BODY_BYTES_MAX = 512 * 1024
QUANTITY_MAX = 1_000_000  # lots of the largest order
_DOCUMENT_ROWS = 100  # of one document: their commands fit into one submission, their text into one record


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
    rows: tuple[WantedInstrument, ...] = Field(min_length=1, max_length=ROWS_MAX)


class RefusedRow(BaseModel):
    """A row that cannot be listed: its place in the request from 0, and why."""

    row: int
    code: int
    msg: str


class CatalogueAnswer(BaseModel):
    """How many instruments were listed, or with dry_run would be; with a refused row none is."""

    listed: int
    known: int = Field(description="Listed already, on these terms.")
    refused: list[RefusedRow]
    room: int = Field(description="How many more instruments the exchange can hold.")


async def list_catalogue(desk: Desk, caller: Caller, request: NewCatalogue) -> CatalogueAnswer:
    """List many instruments with their assets, all or none. A repeat lists what is missing and changes nothing."""
    quote = desk.exchange.registry.asset(request.quote)
    if quote is None or quote.kind != AssetKind.CASH:
        raise RequestError(UNKNOWN_ASSET)
    await refuse_opening(desk, None, AssetKind[request.kind], TradingState[request.state])
    async with desk.registrations:
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
    if len(new) > _room(desk):
        problem = refused_room(_room(desk))
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
    state = TradingState[request.state]
    for start in range(0, len(new), _DOCUMENT_ROWS):
        document = _document(desk, request, quote, new[start : start + _DOCUMENT_ROWS])
        opened = b""
        if state != TradingState.CLOSED:
            indices = range(document.instrument, document.instrument + len(document.rows))
            opened = b"".join([commands.set_trading_state(index, state) for index in indices])
        await register(desk, document, opened)


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
