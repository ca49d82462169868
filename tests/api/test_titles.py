"""What an entitlement says, and that it is sealed with the venue's own key."""

import json

from api.signing import ENTITLEMENT, opened
from api.titles import Titles, described
from api.vault import Vault
from exchange.registry.dataset import State
from exchange.registry.documents import AccountNamed, ParticipantCreated, Role
from exchange.registry.escrow import Escrow
from settlement.entitlements import Entitlement
from settlement.licences import Case, EscrowRow
from settlement.register import Register
from tests.exchange.registry.builders import registry_of
from tests.settlement.registers import SERIES

MADE = Entitlement(3, 7, 1, 5, None, 2_000_000, 9, 1_000_000, "")
CASE = Case(EscrowRow(9, 4, 8, 1, 7, 1, 2, 5, 1, 500, 0, 2, Escrow.HELD, 1), SERIES, State.LISTED, 1)
SAID = {
    "venue": "tokenbourse",
    "entitlement": 3,
    "series": SERIES.symbol,
    "dataset": "0000000001",
    "root": SERIES.root,
    "right": "USE",
    "scenario": "FT",
    "buyer": "alice",
    "account": 1,
    "seats": 5,
    "quota_tokens": None,
    "valid_from": 1,
    "valid_until": 2,
    "trade": 4,
    "event": 9,
    "sequence": 8,
}


def test_an_entitlement_says_who_may_read_what_until_when() -> None:
    assert described(MADE, CASE, "alice") == SAID


def test_it_is_sealed_with_the_key_of_the_vault(tmp_path) -> None:
    registry = registry_of(ParticipantCreated("house", Role.TRADER), AccountNamed(1, "alice", "house", Role.TRADER))
    titles = Titles.of(Register(None), registry, Vault.open(tmp_path))
    sealed = json.loads(titles.entitlements._write(MADE, CASE))
    assert opened(sealed, ENTITLEMENT, titles.notary.public_key) == SAID | {"kind": ENTITLEMENT}
    again = Titles.of(Register(None), registry, Vault.open(tmp_path))
    assert again.notary.public_key == titles.notary.public_key
