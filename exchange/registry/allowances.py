"""The fold of what is written down about allowances: what may come next, and what it changes."""

import re

from exchange.core.types import BPS, AssetKind
from exchange.registry.documents import Document
from exchange.registry.entries import Asset, Tables
from exchange.registry.payouts import PaymentsEnded, PaymentsPlanned, add_payments, refuse_payments
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.series import (
    AllowanceEntries,
    CapacityAttested,
    Certificate,
    CertificatesRegistered,
    Factors,
    FactorsSet,
    IssueBacked,
    KeptAnswer,
    OverrunChosen,
    SeriesNamed,
    UnitsRolledOver,
    UsageReported,
    capacity_key,
    coverage_bps,
    issuable,
)
from exchange.registry.units import INT64_MAX

ANSWERS_KEPT = 16  # of an issuer's latest batches
FACTOR_MAX = 100 * BPS
SERIALS_MAX = 1_000  # of one document
TOKENS_PER_MINUTE_MAX = 1 << 40
GREEN_BPS = (0, 8_000, 10_000)
HUBS = ("NAT", "JJJ", "CSJ", "YGA", "CY", "NM", "GZ", "GS", "NX", "EDGE")
_PART = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,15}").fullmatch
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}").fullmatch


def refuse_allowance(tables: Tables, document: Document) -> DocumentRefusal | None:
    """Return why a document about allowances cannot be the next one, None if it can."""
    entries = tables.entries.allowances
    match document:
        case SeriesNamed():
            return _refuse_series(tables, document)
        case CapacityAttested():
            return _refuse_capacity(tables, document)
        case CertificatesRegistered():
            return _refuse_certificates(tables, document)
        case IssueBacked():
            return _refuse_issue(tables, document)
        case UnitsRolledOver():
            known = entries.series.get(document.asset)
            follows = known is not None and known.next_asset == document.next_asset and document.amount > 0
            return None if follows else DocumentRefusal.BAD_TERMS
        case FactorsSet():
            return _refuse_factors(tables, document)
        case OverrunChosen():
            held = tables.keys.get(document.key)
            return DocumentRefusal.UNKNOWN_KEY if held is None or held.is_revoked else None
        case PaymentsPlanned() | PaymentsEnded():
            is_known = document.asset in entries.series
            return refuse_payments(entries.payments, document) if is_known else DocumentRefusal.UNKNOWN_SERIES
        case UsageReported():
            last, latest = last_batch(entries, document.issuer), entries.answers.get(document.issuer)
            repeats = document.batch == last and latest is not None and latest[-1].digest == document.digest
            return None if repeats or document.batch == last + 1 else DocumentRefusal.BATCH_NOT_NEXT
    return None


def add_allowance(entries: AllowanceEntries, document: Document) -> None:
    """Apply a document that was not refused."""
    match document:
        case SeriesNamed():
            entries.series[document.asset] = document
        case CapacityAttested():
            entries.capacity[capacity_key(document.issuer, document.hub, document.window)] = document
        case CertificatesRegistered():
            for serial, wh in document.certificates:
                entries.certificates[serial] = Certificate(document.issuer, wh)
        case IssueBacked():
            entries.issued[document.asset] = entries.issued.get(document.asset, 0) + document.amount
            for serial in document.serials:
                entries.certificates[serial].spent_for = document.asset
        case UnitsRolledOver():
            entries.issued[document.next_asset] = entries.issued.get(document.next_asset, 0) + document.amount
        case FactorsSet():
            entries.factors[document.issuer] = document.factors
        case OverrunChosen():
            entries.overrun[document.key] = document.overrun
        case PaymentsPlanned() | PaymentsEnded():
            add_payments(entries.payments, document)
        case UsageReported():
            _keep(entries.answers.setdefault(document.issuer, []), document)


def last_batch(entries: AllowanceEntries, issuer: int) -> int:
    """Return the number of an issuer's last batch, 0 before the first."""
    answers = entries.answers.get(issuer)
    return answers[-1].batch if answers else 0


def factors_of(entries: AllowanceEntries, issuer: int) -> Factors:
    """Return how an issuer's use is counted."""
    return entries.factors.get(issuer) or Factors()


def _keep(answers: list[KeptAnswer], document: UsageReported) -> None:
    if answers and answers[-1].batch == document.batch:
        answers.pop()
    answers.append(KeptAnswer(document.batch, document.digest, document.answer))
    del answers[:-ANSWERS_KEPT]


def _allowance(tables: Tables, index: int) -> Asset | None:
    asset = tables.asset_at(index)
    return asset if asset is not None and asset.kind is AssetKind.ALLOWANCE else None


def _refuse_series(tables: Tables, document: SeriesNamed) -> DocumentRefusal | None:
    asset, following = _allowance(tables, document.asset), _allowance(tables, document.next_asset)
    if asset is None or (document.next_asset and following is None):
        return DocumentRefusal.UNKNOWN_ASSET
    if document.asset in tables.entries.allowances.series:
        return DocumentRefusal.NAME_TAKEN
    if document.issuer != asset.issuer_account:
        return DocumentRefusal.BAD_TERMS
    if following is not None and (following is asset or following.issuer_account != asset.issuer_account):
        return DocumentRefusal.BAD_TERMS
    if tables.account_at(document.collateral_account) is None:
        return DocumentRefusal.UNKNOWN_ACCOUNT
    if not (_PART(document.grade) and _PART(document.window) and document.hub in HUBS):
        return DocumentRefusal.BAD_NAME
    is_sound = _are_terms(document) and _is_in_turn(tables.entries.allowances, document)
    return None if is_sound else DocumentRefusal.BAD_TERMS


def _is_in_turn(entries: AllowanceEntries, document: SeriesNamed) -> bool:
    """Tell whether a series ends before the one that follows it, and after those that it follows: no circle does."""
    following = entries.series.get(document.next_asset)
    before = [one.end_ns for one in entries.series.values() if one.next_asset == document.asset]
    return (following is None or document.end_ns < following.end_ns) and document.end_ns > max(before, default=0)


def _are_terms(document: SeriesNamed) -> bool:
    return (
        0 <= document.start_ns < document.end_ns <= INT64_MAX - document.grace_ns
        and 0 <= document.gate_ns < document.end_ns - document.start_ns
        and document.grace_ns >= 0
        and document.green_bps in GREEN_BPS
        and 0 <= document.collateral_per_lot < 1 << 53
        and 0 <= document.wh_per_lot < 1 << 53
        and 1 <= document.lot_units < 1 << 53
        and 0 <= document.rollover_bps <= BPS
        and (document.next_asset != 0 or document.rollover_bps == 0)
    )


def _refuse_capacity(tables: Tables, document: CapacityAttested) -> DocumentRefusal | None:
    if tables.account_at(document.issuer) is None:
        return DocumentRefusal.UNKNOWN_ACCOUNT
    if not (_PART(document.window) and document.hub in HUBS):
        return DocumentRefusal.BAD_NAME
    return None if 0 <= document.tokens_per_minute <= TOKENS_PER_MINUTE_MAX else DocumentRefusal.BAD_TERMS


def _refuse_certificates(tables: Tables, document: CertificatesRegistered) -> DocumentRefusal | None:
    serials = [serial for serial, _ in document.certificates]
    if tables.account_at(document.issuer) is None:
        return DocumentRefusal.UNKNOWN_ACCOUNT
    if not 1 <= len(serials) <= SERIALS_MAX:
        return DocumentRefusal.TOO_LONG
    if not all(_SERIAL(serial) for serial in serials):
        return DocumentRefusal.BAD_NAME
    if len(set(serials)) < len(serials) or not tables.entries.allowances.certificates.keys().isdisjoint(serials):
        return DocumentRefusal.NAME_TAKEN
    return None if all(0 < wh < 1 << 53 for _, wh in document.certificates) else DocumentRefusal.BAD_TERMS


def _refuse_issue(tables: Tables, document: IssueBacked) -> DocumentRefusal | None:
    entries = tables.entries.allowances
    series = entries.series.get(document.asset)
    if series is None:
        return DocumentRefusal.UNKNOWN_SERIES
    if document.amount < 1:
        return DocumentRefusal.BAD_TERMS
    if len(document.serials) > SERIALS_MAX:
        return DocumentRefusal.TOO_LONG
    if document.amount > headroom(entries, series):
        return DocumentRefusal.OVER_CAPACITY
    spent = [entries.certificates.get(serial) for serial in document.serials]
    wh = sum(known.wh for known in spent if known is not None and not known.spent_for)
    owned = all(known is not None and known.issuer == series.issuer and not known.spent_for for known in spent)
    if not owned or len(set(document.serials)) < len(document.serials):
        return DocumentRefusal.CERTIFICATE_SPENT
    covered = coverage_bps(wh, document.amount, series)
    return DocumentRefusal.NOT_GREEN_ENOUGH if covered < series.green_bps else None


def headroom(entries: AllowanceEntries, series: SeriesNamed) -> int:
    """Return how many tokens may still be issued: capacity at hub and window less all series that share it."""
    attested = entries.capacity.get(capacity_key(series.issuer, series.hub, series.window))
    if attested is None:
        return 0
    place = (series.issuer, series.hub, series.window)
    sharing = [asset for asset, one in entries.series.items() if (one.issuer, one.hub, one.window) == place]
    issued = sum(entries.issued.get(asset, 0) for asset in sharing)
    return max(0, issuable(series, attested.tokens_per_minute) - issued)


def _refuse_factors(tables: Tables, document: FactorsSet) -> DocumentRefusal | None:
    if tables.account_at(document.issuer) is None:
        return DocumentRefusal.UNKNOWN_ACCOUNT
    factors = document.factors
    rates = (
        factors.tokens_in, factors.cached, factors.image, factors.audio, factors.tokens_out, factors.reasoning,
    )  # fmt: skip
    return None if all(0 <= rate <= FACTOR_MAX for rate in rates) else DocumentRefusal.BAD_TERMS
