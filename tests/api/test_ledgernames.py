"""Names of accounts and assets, read from a journal beside its exchange."""

from pathlib import Path

import pytest

from api.ledgernames import names
from settlement.differences import Difference
from tests.api.v1.office import SYMBOL, office


def test_names_are_those_of_the_exchange_running_or_not(tmp_path: Path) -> None:
    with office(tmp_path) as served:
        issuer, buyer = served.furnish()
        account = served.exchange.registry.account_at(buyer.account)
        assert account is not None
        while_running = names(tmp_path)
    for registry in (while_running, names(tmp_path)):
        found, asset = registry.account(account.name), registry.asset(SYMBOL)
        assert found is not None
        assert asset is not None
        assert (found.index, found.index != issuer.account, asset.index) == (buyer.account, True, 2)
        assert registry.account("nobody") is None


def test_a_directory_without_a_journal_has_none(tmp_path: Path) -> None:
    with pytest.raises(Difference, match="no journal"):
        names(tmp_path)
