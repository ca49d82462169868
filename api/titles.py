"""The titles side of the exchange: the dataset register, what follows a licence's trade, and the key that signs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from api.signing import ENTITLEMENT, Notary
from api.vault import Vault
from exchange.registry.entry import number_text
from exchange.registry.registry import Registry
from settlement.entitlements import Entitlement, Entitlements
from settlement.licences import Case, Licences
from settlement.register import Register
from settlement.seats import Seats

VENUE = "tokenbourse"
MILLISECOND_NS = 1_000_000
ESCROW_NAME = "ESCROW"  # of the account that holds proceeds until they are accepted; of the exchange's participant


class Titles(NamedTuple):
    """What the register's actions and the clerk work with."""

    register: Register
    licences: Licences
    entitlements: Entitlements
    notary: Notary
    seats: Seats

    @classmethod
    def of(cls, register: Register, registry: Registry, vault: Vault) -> "Titles":
        """Put the parts together over one pool."""
        notary = Notary(vault.derive("entitlements"))

        def write(made: Entitlement, case: Case) -> str:
            account = registry.account_at(made.holder)
            assert account is not None
            sealed = notary.seal(ENTITLEMENT, described(made, case, account.name))
            return msgspec.json.encode(sealed).decode()

        pool = register.pool
        return cls(register, Licences(pool), Entitlements(pool, write), notary, Seats(pool))


def described(made: Entitlement, case: Case, buyer: str) -> dict[str, Any]:
    """Return what an entitlement says; a quota of null is none, times are milliseconds."""
    series = case.series
    return {
        "venue": VENUE,
        "entitlement": made.number,
        "series": series.symbol,
        "dataset": number_text(series.number),
        "root": series.root,
        "right": str(series.terms.right),
        "scenario": series.scenario,
        "buyer": buyer,
        "account": made.holder,
        "seats": made.seats,
        "quota_tokens": made.quota,
        "valid_from": made.time_ns // MILLISECOND_NS,
        "valid_until": made.valid_until_ns // MILLISECOND_NS,
        "trade": case.escrow.trade_id,
        "event": case.escrow.trade,
        "sequence": case.escrow.sequence,
    }


@asynccontextmanager
async def open_titles(dsn: str, registry: Registry, vault: Vault) -> AsyncIterator[Titles]:
    """Yield the titles of a migrated database."""
    register = await Register.open(dsn)
    try:
        yield Titles.of(register, registry, vault)
    finally:
        await register.close()
