"""The dataset register over HTTP: drafting, moves, public search, history, certificates in and out, Croissant."""

from collections.abc import Awaitable
from typing import Any, Literal, TypeVar

import msgspec
from pydantic import BaseModel, Field

from api import croissant
from api.books import TRADING, closing, opening
from api.errors import RequestError
from api.signing import CERTIFICATE, SignatureError, opened, quality_fault
from api.titles import VENUE, Titles
from api.v1.desk import Action, Caller, Desk, submit
from api.v1.problems import UNKNOWN_ACCOUNT
from api.v1.schemas import REQUEST, AccountNumber, Nothing
from api.v1.titleproblems import (
    BAD_TEXT,
    FIXED_FIELDS,
    LICENSED,
    MOVED_MEANWHILE,
    NEEDS_ENTRY,
    NEEDS_REASON,
    NEEDS_RECEIVER,
    NO_REGISTER,
    NOT_LISTED,
    SEATS_ISSUED,
    UNKNOWN_DATASET,
    UNREGISTERED,
    bad_certificate,
    bad_entry,
    bad_quality,
    refused_move,
)
from exchange.core.types import AssetKind, TradingState
from exchange.registry.dataset import SECRET, Move, Mover, MoveRefusal, State, step
from exchange.registry.documents import Scope
from exchange.registry.entries import Instrument
from exchange.registry.entry import Entry, decode, encode, keeps_fixed, number_text
from settlement.connect import BAD_TEXTS, PASSING_ERRORS
from settlement.register import Change, Dataset, Moved, Search, Signer, StaleError

T = TypeVar("T")
MILLISECOND_NS = 1_000_000
EVALUATOR = "evaluator"  # the kind of a signer
ENTRY_BYTES_MAX = 1 << 20
PAGE_MAX = 200
Number = Field(pattern=r"^[0-9]{10}$", examples=["0000000001"], description="Registration number.")
After = Field("", pattern=r"^([0-9]{10})?$", description="The last number of the page before.")
_WITH_ENTRY = frozenset((Move.EDIT, Move.CHANGE))
_WITH_REASON = frozenset((Move.OBJECT, Move.SUSPEND, Move.REVOKE, Move.RETURN))


class NewDataset(BaseModel):
    """A draft of a register entry; its members stand in docs/register.md."""

    model_config = REQUEST
    entry: dict[str, Any]


class DatasetMove(BaseModel):
    """One move of an entry: `entry` with edit and change, `account` with transfer, `note` where a reason is due."""

    model_config = REQUEST
    number: str = Number
    move: Move
    note: str = Field("", max_length=4_000)
    entry: dict[str, Any] | None = None
    account: AccountNumber = 0


class DatasetAnswer(BaseModel):
    """A register entry as it stands; times are milliseconds."""

    number: str
    state: str
    holder: int
    since: int
    changed: int
    row: int = Field(description="Of the history, which this is the result of.")
    note: str
    entry: dict[str, Any]


class DatasetsRequest(BaseModel):
    """One entry, or a page of those that fit: words, a state, a scenario."""

    model_config = REQUEST
    number: str = Field("", pattern=r"^([0-9]{10})?$")
    q: str = Field("", max_length=200, description='Words, "a phrase", or, -not.')
    state: str = ""
    scenario: str = ""
    after: str = After
    limit: int = Field(50, ge=1, le=PAGE_MAX)


class DatasetsAnswer(BaseModel):
    """Entries by rising number; `next` asks for the page behind, null where this is the last."""

    datasets: list[DatasetAnswer]
    next: str | None


class HistoryRequest(BaseModel):
    """A page of an entry's history."""

    model_config = REQUEST
    number: str = Number
    after: int = Field(0, ge=0, lt=1 << 53)


class HistoryRow(BaseModel):
    """One move; the hash covers the row and the hash of the row before it in the whole register."""

    row: int
    act: str
    move: str
    state: str
    holder: int
    account: int
    time: int
    document: dict[str, Any]
    previous_hash: str
    hash: str


class HistoryAnswer(BaseModel):
    """Moves, oldest first."""

    number: str
    rows: list[HistoryRow]


class DatasetRequest(BaseModel):
    """One entry."""

    model_config = REQUEST
    number: str = Number


class SealedAnswer(BaseModel):
    """A signed document: the signature is Ed25519 over the document as JSON in ASCII, sorted, without blanks."""

    document: dict[str, Any]
    key: str
    signature: str


class NewSigner(BaseModel):
    """Whose signatures count from now on: an evaluator of quality, or another venue."""

    model_config = REQUEST
    name: str = Field(min_length=1, max_length=64)
    kind: Literal["evaluator", "venue"]
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$")


class SignersAnswer(BaseModel):
    """Whose signatures count now, and the key of this venue."""

    key: str
    signers: list[NewSigner]


class Json(BaseModel):
    """Any JSON object."""


async def draft(desk: Desk, caller: Caller, request: NewDataset) -> DatasetAnswer:
    """Draft a register entry and give it its number; the key's account is its holder."""
    titles = titles_of(desk)
    entry = await _entry(titles, request.entry, caller.call.now_ns)
    if entry.origin is not None:
        raise RequestError(bad_entry("an origin comes with a certificate alone"))
    number = await asked(titles.register.next_number())
    return await _append(titles, number, 0, Move.DRAFT, State.DRAFT, caller.account, caller, entry)


async def make_move(desk: Desk, caller: Caller, request: DatasetMove) -> DatasetAnswer:
    """Make one move of an entry: who may, and from where, is the table of docs/register.md. Books follow at once."""
    titles, move = titles_of(desk), request.move
    found = await find(titles, request.number)
    now_ns = caller.call.now_ns
    is_over = found.entry.valid_until * MILLISECOND_NS <= now_ns
    state = step(found.state, move, movers(caller, found), is_over=is_over)
    if isinstance(state, MoveRefusal):
        if found.state in SECRET and not _sees(caller, found):
            raise RequestError(UNKNOWN_DATASET)
        raise RequestError(refused_move(state, found.state))
    if move in _WITH_REASON and not request.note.strip():
        raise RequestError(NEEDS_REASON)
    if move is Move.CANCEL and await asked(titles.entitlements.are_owed(found.number, now_ns)):
        raise RequestError(LICENSED)
    entry, holder = found.entry, found.holder
    if move in _WITH_ENTRY or request.entry is not None:
        entry = await _changed(titles, found, move, request, now_ns)
    if move is Move.TRANSFER:
        holder = _receiver(desk, request.account)
    made = await _append(titles, found.number, found.last, move, state, holder, caller, entry, request.note)
    await _align(desk, found, state, move)
    return made


async def search(desk: Desk, caller: Caller, request: DatasetsRequest) -> DatasetsAnswer:
    """Search what is public: entries from their publicity on."""
    titles = titles_of(desk)
    if request.number:
        found = await find(titles, request.number)
        return DatasetsAnswer(datasets=[answered(await _public(titles, found))], next=None)
    states = tuple(state for state in State if state not in SECRET and request.state in ("", state))
    asks = _asked_for(request, states)._replace(is_public=True)
    return _page(await asked(titles.register.search(asks)) if states else [], request.limit)


async def own(desk: Desk, caller: Caller, request: DatasetsRequest) -> DatasetsAnswer:
    """Search all entries, those not yet public included; without scope operate or audit one's own alone."""
    titles = titles_of(desk)
    if request.number:
        found = [await find(titles, request.number)]
    else:
        states = tuple(state for state in State if request.state in ("", state))
        asks = _asked_for(request, states)
        found = await asked(titles.register.search(asks)) if states else []
    page = _page(found, request.limit)
    seen = [answered(one) for one in found[: request.limit] if _sees(caller, one)]
    return DatasetsAnswer(datasets=seen, next=page.next)


async def history(desk: Desk, caller: Caller, request: HistoryRequest) -> HistoryAnswer:
    """Return what was done to an entry, with the hashes that chain the register."""
    titles = titles_of(desk)
    await _public(titles, await find(titles, request.number))
    rows = await asked(titles.register.history(int(request.number), request.after, PAGE_MAX))
    return HistoryAnswer(number=request.number, rows=[_row(row) for row in rows])


async def certify(desk: Desk, caller: Caller, request: DatasetRequest) -> SealedAnswer:
    """Return the signed certificate of a registered dataset, which another venue may take over."""
    titles = titles_of(desk)
    found = await _public(titles, await find(titles, request.number))
    last = (await asked(titles.register.history(found.number, found.last - 1, 1)))[0]
    document = {
        "venue": VENUE,
        "number": request.number,
        "state": str(found.state),
        "entry": msgspec.json.decode(encode(found.entry)),
        "row": found.last,
        "hash": last.hash.hex(),
        "time": caller.call.now_ns // MILLISECOND_NS,
    }
    return SealedAnswer(**titles.notary.seal(CERTIFICATE, document))


async def take_over(desk: Desk, caller: Caller, request: SealedAnswer) -> DatasetAnswer:
    """Take over the certificate of a venue whose key is known; the operator names the holder by a transfer later."""
    titles = titles_of(desk)
    document = _venue_document(await asked(titles.register.signers()), request)
    if document.get("state") not in {State.REGISTERED, State.LISTED}:
        raise RequestError(bad_certificate("the dataset is not registered there"))
    said = dict(document["entry"]) | {"origin": f"{document['venue']}:{document['number']}"}
    said.pop("quality", None)  # evaluators are each venue's own
    entry = await _entry(titles, said, caller.call.now_ns)
    number = await asked(titles.register.next_number())
    note = f"row {document.get('row')} there, {document.get('hash')}"
    return await _append(titles, number, 0, Move.IMPORT, State.SUBSTANTIVELY_OK, caller.account, caller, entry, note)


async def show_croissant(desk: Desk, caller: Caller, request: DatasetRequest) -> bytes:
    """Return an entry as Croissant metadata (JSON-LD)."""
    titles = titles_of(desk)
    found = await _public(titles, await find(titles, request.number))
    return msgspec.json.encode(croissant.metadata(request.number, found.entry, found.since_ns // MILLISECOND_NS))


async def add_signer(desk: Desk, caller: Caller, request: NewSigner) -> SignersAnswer:
    """Let the signatures of an evaluator or of another venue count; a later key takes the place of an earlier."""
    titles = titles_of(desk)
    signer = Signer(request.name, request.kind, bytes.fromhex(request.public_key))
    await asked(titles.register.add_signer(signer, caller.call.now_ns))
    return await list_signers(desk, caller, Nothing())


async def list_signers(desk: Desk, caller: Caller, request: Nothing) -> SignersAnswer:
    """Return whose signatures count, and the key by which ours are checked."""
    titles = titles_of(desk)
    found = await asked(titles.register.signers())
    rows = [NewSigner(name=row.name, kind=row.kind, public_key=row.public_key.hex()) for row in found]
    return SignersAnswer(key=titles.notary.public_key.hex(), signers=rows)


async def refuse_opening(desk: Desk, instrument: Instrument | None, kind: AssetKind, state: TradingState) -> None:
    """Refuse to let a licence trade that is no series of a listed dataset; None is an instrument to be listed."""
    if kind is not AssetKind.LICENCE or state not in TRADING:
        return
    if instrument is None or instrument.index not in desk.exchange.registry.gates:
        raise RequestError(UNREGISTERED)
    if await asked(titles_of(desk).licences.state_of(instrument.index)) is not State.LISTED:
        raise RequestError(NOT_LISTED)


def kind_of(desk: Desk, instrument: Instrument) -> AssetKind:
    """Return what an instrument trades."""
    base = desk.exchange.registry.asset_at(instrument.base)
    assert base is not None
    return base.kind


def refuse_issue(desk: Desk, symbol: str) -> None:
    """Refuse to issue seats of a licence: those of a series were issued when it was listed, others have none."""
    instrument = desk.exchange.registry.instrument(symbol)
    if instrument is not None and kind_of(desk, instrument) is AssetKind.LICENCE:
        gated = instrument.index in desk.exchange.registry.gates
        raise RequestError(SEATS_ISSUED if gated else UNREGISTERED)


def titles_of(desk: Desk) -> Titles:
    """Return the register's side of the desk; refuse without one."""
    if desk.titles is None:
        raise RequestError(NO_REGISTER)
    return desk.titles


async def asked(question: Awaitable[T]) -> T:
    """Return what the register answers; refuse while it is away, or when somebody else was faster."""
    try:
        return await question
    except StaleError:
        raise RequestError(MOVED_MEANWHILE) from None
    except PASSING_ERRORS:
        raise RequestError(NO_REGISTER) from None
    except BAD_TEXTS:
        raise RequestError(BAD_TEXT) from None


async def find(titles: Titles, number: str) -> Dataset:
    """Return an entry; refuse where there is none."""
    found = await asked(titles.register.dataset(int(number)))
    if found is None:
        raise RequestError(UNKNOWN_DATASET)
    return found


def movers(caller: Caller, dataset: Dataset) -> frozenset[Mover]:
    """Return what a caller is to an entry."""
    found = {Mover.ANYBODY}
    if Scope.OPERATE in caller.scopes:
        found.add(Mover.OPERATOR)
    if caller.account == dataset.holder and caller.scopes & {Scope.ISSUE, Scope.OPERATE}:  # of what it took over
        found.add(Mover.HOLDER)
    return frozenset(found)


def answered(dataset: Dataset) -> DatasetAnswer:
    """Return an entry as it is shown."""
    return DatasetAnswer(
        number=number_text(dataset.number),
        state=dataset.state,
        holder=dataset.holder,
        since=dataset.since_ns // MILLISECOND_NS,
        changed=dataset.time_ns // MILLISECOND_NS,
        row=dataset.last,
        note=dataset.note,
        entry=msgspec.json.decode(encode(dataset.entry)),
    )


def _page(found: list[Dataset], limit: int) -> DatasetsAnswer:
    after = number_text(found[limit - 1].number) if len(found) > limit else None
    return DatasetsAnswer(datasets=[answered(one) for one in found[:limit]], next=after)


def _asked_for(request: DatasetsRequest, states: tuple[State, ...]) -> Search:
    """Return what a request looks for, and one more than its page: whether there is one."""
    return Search(request.q, states, request.scenario, int(request.after or 0), request.limit + 1)


def _sees(caller: Caller, dataset: Dataset) -> bool:
    return dataset.holder == caller.account or bool(caller.scopes & {Scope.OPERATE, Scope.AUDIT})


async def _public(titles: Titles, dataset: Dataset) -> Dataset:
    """Return an entry that anybody may see; one that was given up before its publicity never was public."""
    is_given_up = dataset.state is State.REVOKED and not await asked(titles.register.was_published(dataset.number))
    if dataset.state in SECRET or is_given_up:
        raise RequestError(UNKNOWN_DATASET)
    return dataset


async def _entry(titles: Titles, said: dict[str, Any], now_ns: int) -> Entry:
    """Return the entry that was sent; refuse one that is malformed, or whose quality vector does not count."""
    try:
        entry = decode(msgspec.json.encode(said))
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise RequestError(bad_entry(str(error))) from None
    if entry.quality is not None:
        signers = await asked(titles.register.signers())
        evaluators = {one.name: one.public_key for one in signers if one.kind == EVALUATOR}
        problem = quality_fault(entry.quality, entry.root, evaluators, now_ns)
        if problem:
            raise RequestError(bad_quality(problem))
    return entry


async def _changed(titles: Titles, found: Dataset, move: Move, request: DatasetMove, now_ns: int) -> Entry:
    if request.entry is None or move not in _WITH_ENTRY:
        raise RequestError(NEEDS_ENTRY)
    entry = await _entry(titles, request.entry, now_ns)
    is_fixed = move is Move.CHANGE or bool(await asked(titles.licences.series_of(found.number)))
    if entry.origin != found.entry.origin or (is_fixed and not keeps_fixed(found.entry, entry)):
        raise RequestError(FIXED_FIELDS)
    return entry


def _receiver(desk: Desk, account: int) -> int:
    if not account:
        raise RequestError(NEEDS_RECEIVER)
    if desk.exchange.registry.account_at(account) is None:
        raise RequestError(UNKNOWN_ACCOUNT)
    return account


async def _append(
    titles: Titles,
    number: int,
    previous: int,
    move: Move,
    state: State,
    holder: int,
    caller: Caller,
    entry: Entry,
    note: str = "",
) -> DatasetAnswer:
    change = Change(number, previous, move, state, holder, caller.account, caller.call.now_ns, entry, note)
    await asked(titles.register.append(change))
    return answered(await find(titles, number_text(number)))


async def _align(desk: Desk, before: Dataset, state: State, move: Move) -> None:
    """Bring the books to what the register says now; what a crash cuts off here the clerk makes good."""
    if state is before.state and move is not Move.LIST:  # which opens again what was halted meanwhile
        return
    for series in await asked(titles_of(desk).licences.series_of(before.number)):
        instrument = desk.exchange.registry.instrument_at(series.instrument)
        assert instrument is not None
        for command in opening(instrument) if state is State.LISTED else closing(state, instrument):
            await submit(desk, command)


def _venue_document(signers: list[Signer], sealed: SealedAnswer) -> dict[str, Any]:
    venue = sealed.document.get("venue")
    key = next((one.public_key for one in signers if (one.name, one.kind) == (venue, "venue")), None)
    if key is None:
        raise RequestError(bad_certificate("its venue's key is not known here"))
    try:
        document = opened(sealed.model_dump(), CERTIFICATE, key)
    except SignatureError as error:
        raise RequestError(bad_certificate(str(error))) from None
    if not isinstance(document.get("entry"), dict) or not isinstance(document.get("number"), str):
        raise RequestError(bad_certificate("it has no entry or no number"))
    return document


def _row(moved: Moved) -> HistoryRow:
    return HistoryRow(
        row=moved.row,
        act=moved.act,
        move=moved.move,
        state=moved.state,
        holder=moved.holder,
        account=moved.account,
        time=moved.time_ns // MILLISECOND_NS,
        document=msgspec.json.decode(moved.document),
        previous_hash=moved.previous_hash.hex(),
        hash=moved.hash.hex(),
    )


_ISSUE, _OPERATE = (Scope.ISSUE,), (Scope.OPERATE,)
_ANY = (Scope.OPERATE, Scope.ISSUE, Scope.READ, Scope.TRADE)
_SEE = (Scope.OPERATE, Scope.AUDIT, Scope.ISSUE, Scope.READ)
ACTIONS = (
    Action("POST", "/v1/datasets", draft, NewDataset, DatasetAnswer, _ISSUE, 10, ENTRY_BYTES_MAX),
    Action("GET", "/v1/datasets", search, DatasetsRequest, DatasetsAnswer, weight=10),
    Action("GET", "/v1/own-datasets", own, DatasetsRequest, DatasetsAnswer, _SEE, 10),
    Action("POST", "/v1/dataset-moves", make_move, DatasetMove, DatasetAnswer, _ANY, 10, ENTRY_BYTES_MAX),
    Action("GET", "/v1/dataset-history", history, HistoryRequest, HistoryAnswer, weight=20),
    Action("GET", "/v1/dataset-certificates", certify, DatasetRequest, SealedAnswer, weight=10),
    Action("POST", "/v1/dataset-certificates", take_over, SealedAnswer, DatasetAnswer, _OPERATE, 10, ENTRY_BYTES_MAX),
    Action("GET", "/v1/croissant", show_croissant, DatasetRequest, Json, weight=10),
    Action("POST", "/v1/signers", add_signer, NewSigner, SignersAnswer, _OPERATE),
    Action("GET", "/v1/signers", list_signers, Nothing, SignersAnswer, weight=5),
)
