"""What a document must fulfil: everything the engine will ask of its commands too, and what only names ask."""

import re
from ipaddress import ip_network

from exchange.core.types import BPS, NOTIONAL_MAX, PRICE_TICKS_MAX, TICK_VALUE_MAX, AssetKind
from exchange.methodology import MethodologySet
from exchange.registry.acts import CaseDecided, OperatorActed, is_too_long
from exchange.registry.allowances import refuse_allowance
from exchange.registry.catalogues import refuse_plan
from exchange.registry.conduct import SCOPES, may_have_accounts, refuse_people
from exchange.registry.documents import (
    AccountNamed,
    AnnouncementMade,
    AssetNamed,
    BuyerCleared,
    CatalogueListed,
    CataloguePlanEnded,
    CataloguePlanned,
    Document,
    InstrumentNamed,
    KeyConfirmed,
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    LicenceGated,
    ParticipantCreated,
    decode,
)
from exchange.registry.entries import Asset, Tables, next_announcement
from exchange.registry.keys import refuse_change, refuse_proof
from exchange.registry.methodologies import refuse_methodology
from exchange.registry.people import ProposalActed
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.units import DECIMALS_MAX, INT64_MAX

DESCRIPTION_CHARACTERS_MAX = 4_000
LABEL_CHARACTERS_MAX = 100
TITLE_CHARACTERS_MAX = 200  # of an announcement
SYMBOLS_MAX = 100  # that an announcement concerns
IP_ALLOW_MAX = 32
KEYS_PER_ACCOUNT_MAX = 200  # the revoked ones included: a key is never used twice
_SYMBOL = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,39}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")


def refuse(tables: Tables, document: Document) -> DocumentRefusal | None:
    """Return why a document cannot be the next one, None if it can."""
    match document:
        case ParticipantCreated():
            return _refuse_participant(tables, document)
        case AccountNamed():
            return _refuse_account(tables, document)
        case AssetNamed():
            return _refuse_asset(tables, document)
        case InstrumentNamed():
            return _refuse_instrument(tables, document, tables.asset_at(document.base))
        case CatalogueListed():
            return _refuse_catalogue(tables, document)
        case CataloguePlanned() | CataloguePlanEnded():
            return refuse_plan(tables.entries.catalogue_plan, document)
        case KeyCreated():
            return _refuse_key(tables, document)
        case KeyRevoked():
            known = tables.keys.get(document.key)
            if known is None or known.is_revoked:
                return DocumentRefusal.UNKNOWN_KEY
            return None if 0 <= document.at_ns <= INT64_MAX else DocumentRefusal.BAD_TERMS
        case KeyRotated() | KeyConfirmed():
            return refuse_change(tables, document)
        case LicenceGated():
            return _refuse_gate(tables, document)
        case BuyerCleared():
            return _refuse_clearance(tables, document)
        case AnnouncementMade():
            return _refuse_announcement(tables, document)
        case OperatorActed() | CaseDecided():
            return DocumentRefusal.TOO_LONG if is_too_long(document) else None
        case MethodologySet():
            return refuse_methodology(tables.entries.methodologies, document)
        case ProposalActed() if document.document:
            return refuse_people(tables, document) or refuse(tables, decode(document.document.encode()))
        case _:
            return refuse_allowance(tables, document) or refuse_people(tables, document)


def _refuse_participant(tables: Tables, document: ParticipantCreated) -> DocumentRefusal | None:
    if not _NAME.fullmatch(document.name):
        return DocumentRefusal.BAD_NAME
    if document.name in tables.participants:
        return DocumentRefusal.NAME_TAKEN
    if len(document.description) > DESCRIPTION_CHARACTERS_MAX or len(document.contact) > LABEL_CHARACTERS_MAX:
        return DocumentRefusal.TOO_LONG
    return None


def _refuse_account(tables: Tables, document: AccountNamed) -> DocumentRefusal | None:
    if not _NAME.fullmatch(document.name):
        return DocumentRefusal.BAD_NAME
    if document.name in tables.accounts:
        return DocumentRefusal.NAME_TAKEN
    if document.index != len(tables.entries.accounts):
        return DocumentRefusal.INDEX_NOT_NEXT
    participant = tables.participants.get(document.participant)
    if participant is None:
        return DocumentRefusal.UNKNOWN_PARTICIPANT
    if not may_have_accounts(participant):
        return DocumentRefusal.NOT_LET_IN
    if not 0 <= document.group <= document.index:
        return DocumentRefusal.BAD_GROUP
    return None


def _refuse_asset(tables: Tables, document: AssetNamed, ahead: int = 0) -> DocumentRefusal | None:
    """Say why an asset cannot be the next one, or the one after `ahead` others."""
    if not _SYMBOL.fullmatch(document.name):
        return DocumentRefusal.BAD_NAME
    if document.name in tables.assets:
        return DocumentRefusal.NAME_TAKEN
    if document.index != len(tables.entries.assets) + 1 + ahead:
        return DocumentRefusal.INDEX_NOT_NEXT
    if len(document.description) > DESCRIPTION_CHARACTERS_MAX:
        return DocumentRefusal.TOO_LONG
    if tables.account_at(document.issuer_account) is None:
        return DocumentRefusal.UNKNOWN_ACCOUNT
    if document.kind == AssetKind.UNKNOWN:
        return DocumentRefusal.WRONG_ASSET_KIND
    if not 0 <= document.decimals <= DECIMALS_MAX:
        return DocumentRefusal.BAD_DECIMALS
    return None


def _refuse_instrument(
    tables: Tables, document: InstrumentNamed, base: Asset | None, ahead: int = 0
) -> DocumentRefusal | None:
    """Say why an instrument of a base asset cannot be the next one, or the one after `ahead` others."""
    if not _SYMBOL.fullmatch(document.symbol):
        return DocumentRefusal.BAD_NAME
    if document.symbol in tables.instruments:
        return DocumentRefusal.NAME_TAKEN
    if document.index != len(tables.entries.instruments) + 1 + ahead:
        return DocumentRefusal.INDEX_NOT_NEXT
    if len(document.description) > DESCRIPTION_CHARACTERS_MAX:
        return DocumentRefusal.TOO_LONG
    quote = tables.asset_at(document.quote)
    if base is None or quote is None:
        return DocumentRefusal.UNKNOWN_ASSET
    if base.kind == AssetKind.CASH or quote.kind != AssetKind.CASH:
        return DocumentRefusal.WRONG_ASSET_KIND
    if not _are_shown_exactly(document, base, quote):
        return DocumentRefusal.BAD_DECIMALS
    if not _are_within_limits(document):
        return DocumentRefusal.BAD_TERMS
    return None


def _refuse_catalogue(tables: Tables, document: CatalogueListed) -> DocumentRefusal | None:
    if len({row.symbol for row in document.rows}) < len(document.rows):
        return DocumentRefusal.NAME_TAKEN
    if not 0 <= document.decimals <= DECIMALS_MAX:
        return DocumentRefusal.BAD_DECIMALS
    for ahead, (asset, instrument, reference) in enumerate(document.listings()):
        base = Asset(asset.index, asset.name, asset.kind, asset.decimals, asset.issuer_account, "")
        reason = _refuse_asset(tables, asset, ahead) or _refuse_instrument(tables, instrument, base, ahead)
        if reason is not None:
            return reason
        if reference and not instrument.band_low_ticks <= reference <= instrument.band_high_ticks:
            return DocumentRefusal.BAD_TERMS
    return None


def _are_shown_exactly(document: InstrumentNamed, base: Asset, quote: Asset) -> bool:
    return _is_shown_exactly(document.tick_value, quote.decimals, document.price_decimals) and _is_shown_exactly(
        document.lot_units, base.decimals, document.quantity_decimals
    )


def _is_shown_exactly(step_units: int, decimals: int, decimals_shown: int) -> bool:
    """Tell whether a number of steps never needs more decimals than are shown."""
    if not 0 <= decimals_shown <= decimals:
        return False
    hidden: int = 10 ** (decimals - decimals_shown)
    return step_units % hidden == 0


def _are_within_limits(document: InstrumentNamed) -> bool:
    return (
        1 <= document.tick_value <= TICK_VALUE_MAX
        and 1 <= document.lot_units <= NOTIONAL_MAX
        and 1 <= document.quantity_min <= document.quantity_max <= NOTIONAL_MAX
        and 1 <= document.band_low_ticks <= document.band_high_ticks <= PRICE_TICKS_MAX
        and 0 <= document.taker_bps <= BPS
        and -document.taker_bps <= document.maker_bps <= BPS
    )


def _refuse_key(tables: Tables, document: KeyCreated) -> DocumentRefusal | None:
    if not _KEY.fullmatch(document.key):
        return DocumentRefusal.BAD_NAME
    if document.key in tables.keys:
        return DocumentRefusal.NAME_TAKEN
    if len(document.label) > LABEL_CHARACTERS_MAX or len(document.ip_allow) > IP_ALLOW_MAX:
        return DocumentRefusal.TOO_LONG
    proof = refuse_proof(document)
    if proof is not None:
        return proof
    account = tables.account_at(document.account)
    if account is None:
        return DocumentRefusal.UNKNOWN_ACCOUNT
    if not SCOPES[account.role].issuperset(document.scopes):
        return DocumentRefusal.SCOPE_OF_ANOTHER_ROLE
    if tables.key_counts.get(document.account, 0) >= KEYS_PER_ACCOUNT_MAX:
        return DocumentRefusal.TOO_MANY_KEYS
    if not (0 <= document.created_ns <= INT64_MAX and 0 <= document.expires_ns <= INT64_MAX):
        return DocumentRefusal.BAD_TERMS
    if not all(_is_network(text) for text in document.ip_allow):
        return DocumentRefusal.BAD_ADDRESS
    return None if document.scopes else DocumentRefusal.NO_SCOPE


def _refuse_gate(tables: Tables, document: LicenceGated) -> DocumentRefusal | None:
    instrument = tables.instrument_at(document.instrument)
    base = None if instrument is None else tables.asset_at(instrument.base)
    if base is None or base.kind is not AssetKind.LICENCE:
        return DocumentRefusal.NOT_A_LICENCE
    return DocumentRefusal.NAME_TAKEN if document.instrument in tables.entries.gates else None


def _refuse_clearance(tables: Tables, document: BuyerCleared) -> DocumentRefusal | None:
    if document.instrument not in tables.entries.gates:
        return DocumentRefusal.NOT_A_LICENCE
    return DocumentRefusal.UNKNOWN_ACCOUNT if tables.account_at(document.account) is None else None


def _refuse_announcement(tables: Tables, document: AnnouncementMade) -> DocumentRefusal | None:
    if document.index != next_announcement(tables.entries):
        return DocumentRefusal.INDEX_NOT_NEXT
    if (
        max(len(document.topic), len(document.title)) > TITLE_CHARACTERS_MAX
        or len(document.text) > DESCRIPTION_CHARACTERS_MAX
        or len(document.symbols) > SYMBOLS_MAX
    ):
        return DocumentRefusal.TOO_LONG
    if not document.title:
        return DocumentRefusal.BAD_NAME
    if not all(symbol in tables.instruments for symbol in document.symbols):
        return DocumentRefusal.UNKNOWN_INSTRUMENT
    times = (document.made_ns, document.begins_ns, document.ends_ns)
    are_times = all(0 <= time_ns <= INT64_MAX for time_ns in times)
    ends_first = 0 < document.ends_ns < document.begins_ns
    return None if are_times and not ends_first else DocumentRefusal.BAD_TERMS


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
