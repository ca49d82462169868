"""The registry: what each index is called and on which terms it trades, folded from documents and events.

Names are a fold over the documents of the journal alone. Facts (fees, band, trading and account states, whether the
engine has what a document names) come from events; a fact about an index without a document is not kept, so a
start applies documents before events. `check` refuses what cannot be applied before it is journaled. Of two documents
that were checked side by side and exclude each other the first wins, live and in every replay: `apply` passes over
the second as the engine refuses its commands.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

import msgspec

from exchange.events import Event, Events
from exchange.methodology import MethodologySet, in_force
from exchange.registry.acts import ActEntries, CaseDecided, OperatorActed, add_act
from exchange.registry.allowances import add_allowance
from exchange.registry.catalogues import CataloguePlan, planned
from exchange.registry.checks import refuse
from exchange.registry.conduct import add_people
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
from exchange.registry.entries import (
    Account,
    ApiKey,
    Asset,
    Entries,
    Instrument,
    Participant,
    Rates,
    Tables,
    first_entries,
    next_announcement,
)
from exchange.registry.facts import FACTS, apply_fact
from exchange.registry.gates import Gate
from exchange.registry.keys import change
from exchange.registry.payouts import PAYMENT_EVENTS, hear_payment
from exchange.registry.people import PeopleEntries, ProposalActed, Standing
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.series import AllowanceEntries, UsageReported

ANNOUNCEMENTS_MAX = 1_000  # kept
_SNAPSHOT_DECODER = msgspec.json.Decoder(Entries)


class DocumentRefusedError(ValueError):
    """A document that must not be journaled; `reason` says why."""

    def __init__(self, reason: DocumentRefusal, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


class Registry:
    """All names of one exchange. Entries are for reading: they change with the next document or event."""

    def __init__(self) -> None:
        self._tables = Tables(first_entries())

    # --- what comes in ---

    def check(self, document: bytes) -> Document:
        """Return the decoded document if it can be the next one. Raises DocumentRefusedError."""
        try:
            decoded = decode(document)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DocumentRefusedError(DocumentRefusal.MALFORMED, str(error)) from error
        reason = refuse(self._tables, decoded)
        if reason is not None:
            raise DocumentRefusedError(reason)
        return decoded

    def apply(self, document: bytes, sequence: int = 0) -> None:
        """Apply the next document of the journal, behind command `sequence`, unless one before it excludes it."""
        decoded = decode(document)
        if refuse(self._tables, decoded) is None:
            self._add(decoded, sequence)
            if not isinstance(decoded, UsageReported | OperatorActed | CaseDecided):  # about no name
                self._tables.entries.revision += 1

    def apply_events(self, rows: Iterable[Event]) -> None:
        """Take the facts out of the next events; events that were applied before change nothing in the end."""
        events, payments = Events.of(rows), self._tables.entries.allowances.payments
        for _, event in events.chosen(FACTS):
            apply_fact(self._tables, event)
            self._tables.entries.revision += 1
        if payments.due:
            for _, event in events.chosen(PAYMENT_EVENTS):
                hear_payment(payments, event)

    def snapshot(self) -> bytes:
        """Return everything as bytes."""
        return msgspec.json.encode(self._tables.entries)

    def restore(self, data: bytes) -> None:
        """Become what a snapshot holds."""
        self._tables = Tables(_SNAPSHOT_DECODER.decode(data))

    # --- what is known ---

    @property
    def revision(self) -> int:
        """Return a number that rises with every change: what was read at one revision holds while it lasts."""
        return self._tables.entries.revision

    @property
    def instruments_sequence(self) -> int:
        """Return the command that changed an instrument last; 0 before the first."""
        changed = self._tables.changed
        return changed[next(reversed(changed))].changed_sequence if changed else 0

    def instruments_changed(self, after: int) -> list[Instrument]:
        """Return the instruments that changed behind a command, each as it is now, the latest changed last."""
        latest = reversed(self._tables.changed.values())
        return list(takewhile(lambda found: found.changed_sequence > after, latest))[::-1]

    @property
    def next_account(self) -> int:
        """Return the index of the next account to be named."""
        return len(self._tables.entries.accounts)

    @property
    def next_asset(self) -> int:
        """Return the index of the next asset to be named."""
        return len(self._tables.entries.assets) + 1

    @property
    def next_instrument(self) -> int:
        """Return the index of the next instrument to be named."""
        return len(self._tables.entries.instruments) + 1

    @property
    def participants(self) -> Sequence[Participant]:
        """Return all participants in the order of creation."""
        return self._tables.entries.participants

    @property
    def accounts(self) -> Sequence[Account]:
        """Return all accounts by index, from 0."""
        return self._tables.entries.accounts

    @property
    def assets(self) -> Sequence[Asset]:
        """Return all assets by index, from 1."""
        return self._tables.entries.assets

    @property
    def instruments(self) -> Sequence[Instrument]:
        """Return all instruments by index, from 1."""
        return self._tables.entries.instruments

    def participant(self, name: str) -> Participant | None:
        """Return a participant by name."""
        return self._tables.participants.get(name)

    def account(self, name: str) -> Account | None:
        """Return an account by name."""
        return self._tables.accounts.get(name)

    def account_at(self, index: int) -> Account | None:
        """Return an account by index."""
        return self._tables.account_at(index)

    def accounts_of(self, participant: str) -> list[Account]:
        """Return a participant's accounts by index."""
        return [account for account in self._tables.entries.accounts if account.participant == participant]

    def tier_of(self, account: Account) -> int:
        """Return the fee tier that an account is to have: its own, or its participant's."""
        if account.own_tier is not None:
            return account.own_tier
        return self._tables.participants[account.participant].tier

    def usual_rates(self, tier: int) -> Rates:
        """Return what accounts of a tier pay on most instruments."""
        common = self._tables.schedules.most_common(1)
        if not common:
            return 0, 0
        schedule = common[0][0]
        return schedule[tier] if len(schedule) > 1 else schedule[0]

    def asset(self, name: str) -> Asset | None:
        """Return an asset by name."""
        return self._tables.assets.get(name)

    def asset_at(self, index: int) -> Asset | None:
        """Return an asset by index."""
        return self._tables.asset_at(index)

    def instrument(self, symbol: str) -> Instrument | None:
        """Return an instrument by symbol, which is in upper case."""
        return self._tables.instruments.get(symbol)

    def instrument_at(self, index: int) -> Instrument | None:
        """Return an instrument by index."""
        return self._tables.instrument_at(index)

    def key(self, key: str) -> ApiKey | None:
        """Return an API key that was not revoked; whether it expired is for those who have a clock."""
        found = self._tables.keys.get(key)
        return None if found is None or found.is_revoked else found

    def any_key(self, key: str) -> ApiKey | None:
        """Return an API key, even one that was revoked."""
        return self._tables.keys.get(key)

    @property
    def keys(self) -> Sequence[ApiKey]:
        """Return all API keys in the order of creation, the revoked ones included."""
        return self._tables.entries.keys

    def keys_of(self, account: int) -> list[ApiKey]:
        """Return an account's keys in the order of creation, the revoked ones included."""
        return [key for key in self._tables.entries.keys if key.account == account]

    @property
    def gates(self) -> Mapping[int, Gate]:
        """Return the gates of all licences of registered datasets by instrument."""
        return self._tables.entries.gates

    @property
    def people(self) -> PeopleEntries:
        """Return what operators propose to each other, and whether they must."""
        return self._tables.entries.people

    @property
    def allowances(self) -> AllowanceEntries:
        """Return what is written down about series of allowances and their use."""
        return self._tables.entries.allowances

    @property
    def acts(self) -> ActEntries:
        """Return what operators did lately, and what they decided about cases."""
        return self._tables.entries.acts

    @property
    def catalogue_plan(self) -> CataloguePlan | None:
        """Return the list of instruments that is being planned or carried out."""
        return self._tables.entries.catalogue_plan

    @property
    def catalogue_ended(self) -> str:
        """Return the name of the list of instruments that was carried out last; none: no such name."""
        return self._tables.entries.catalogue_ended

    @property
    def methodologies(self) -> Sequence[MethodologySet]:
        """Return all versions of the methodology of prices, from 1."""
        return self._tables.entries.methodologies

    def methodology_on(self, day: int) -> MethodologySet:
        """Return the methodology in force on a trading day."""
        return in_force(self._tables.entries.methodologies, day)

    @property
    def announcements(self) -> Sequence[AnnouncementMade]:
        """Return the latest announcements, the oldest first."""
        return self._tables.entries.announcements

    @property
    def next_announcement(self) -> int:
        """Return the index of the next announcement."""
        return next_announcement(self._tables.entries)

    # --- how it changes ---

    def _add(self, document: Document, sequence: int) -> None:
        match document:
            case ParticipantCreated():
                standing = Standing.APPLIED if document.has_applied else Standing.ACTIVE
                participant = Participant(
                    document.name, document.role, document.description, standing, document.contact
                )
                self._tables.entries.participants.append(participant)
                self._tables.participants[participant.name] = participant
            case AccountNamed():
                self._add_account(document)
            case AssetNamed():
                self._add_asset(document)
            case InstrumentNamed():
                self._add_instrument(document)
            case CatalogueListed():
                for asset, instrument, _ in document.listings():
                    self._add_asset(asset)
                    self._add_instrument(instrument)
            case KeyCreated():
                self._add_key(document)
            case KeyRotated() | KeyConfirmed():
                change(self._tables, document)
            case KeyRevoked():
                key = self._tables.keys[document.key]
                key.is_revoked, key.revoked_ns = True, document.at_ns
                key.encrypted_secret = key.next_encrypted_secret = b""
            case LicenceGated():
                self._add_gate(document)
            case AnnouncementMade():
                self._tables.entries.announcements.append(document)
                del self._tables.entries.announcements[:-ANNOUNCEMENTS_MAX]
            case BuyerCleared():
                gate = self._tables.entries.gates[document.instrument]
                (gate.cleared.add if document.is_cleared else gate.cleared.discard)(document.account)
            case OperatorActed() | CaseDecided():
                add_act(self._tables.entries.acts, document)
            case _:
                self._add_further(document, sequence)

    def _add_further(self, document: Document, sequence: int) -> None:
        add_allowance(self._tables.entries.allowances, document)
        add_people(self._tables, document, sequence)
        if isinstance(document, CataloguePlanned | CataloguePlanEnded):
            self._tables.entries.catalogue_plan = planned(self._tables.entries.catalogue_plan, document)
        if isinstance(document, CataloguePlanEnded):
            self._tables.entries.catalogue_ended = document.name
        if isinstance(document, MethodologySet):
            self._tables.entries.methodologies.append(document)
        if isinstance(document, ProposalActed) and document.document:
            self._add(decode(document.document.encode()), sequence)

    def _add_account(self, document: AccountNamed) -> None:
        group = document.group or document.index
        account = Account(document.index, document.name, document.participant, document.role, group)
        self._tables.entries.accounts.append(account)
        self._tables.accounts[account.name] = account

    def _add_asset(self, document: AssetNamed) -> None:
        asset = Asset(
            index=document.index,
            name=document.name,
            kind=document.kind,
            decimals=document.decimals,
            issuer_account=document.issuer_account,
            description=document.description,
        )
        self._tables.entries.assets.append(asset)
        self._tables.assets[asset.name] = asset

    def _add_instrument(self, document: InstrumentNamed) -> None:
        base, quote = self._tables.asset_at(document.base), self._tables.asset_at(document.quote)
        assert base is not None
        assert quote is not None
        instrument = Instrument(
            index=document.index,
            symbol=document.symbol,
            base=document.base,
            quote=document.quote,
            base_asset=base.name,
            quote_asset=quote.name,
            tick_value=document.tick_value,
            lot_units=document.lot_units,
            price_decimals=document.price_decimals,
            price_step=document.tick_value // 10 ** (quote.decimals - document.price_decimals),
            quantity_decimals=document.quantity_decimals,
            quantity_step=document.lot_units // 10 ** (base.decimals - document.quantity_decimals),
            quantity_min=document.quantity_min,
            quantity_max=document.quantity_max,
            self_trade_prevention=document.self_trade_prevention,
            description=document.description,
        )
        self._tables.entries.instruments.append(instrument)
        self._tables.instruments[instrument.symbol] = instrument

    def _add_key(self, document: KeyCreated) -> None:
        key = ApiKey(
            key=document.key,
            encrypted_secret=document.encrypted_secret,
            account=document.account,
            scopes=frozenset(document.scopes),
            label=document.label,
            created_ns=document.created_ns,
            expires_ns=document.expires_ns,
            ip_allow=document.ip_allow,
            public_key=document.public_key,
            cancels_on_disconnect=document.cancels_on_disconnect,
        )
        self._tables.entries.keys.append(key)
        self._tables.keys[key.key] = key
        self._tables.key_counts[key.account] = self._tables.key_counts.get(key.account, 0) + 1

    def _add_gate(self, document: LicenceGated) -> None:
        instrument = self._tables.instrument_at(document.instrument)
        assert instrument is not None
        base = self._tables.asset_at(instrument.base)
        assert base is not None
        gate = Gate(instrument.index, base.issuer_account, document.may_resell)
        self._tables.entries.gates[instrument.index] = gate
