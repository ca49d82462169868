"""An invoice needs the ledger, and is for the key's own holder; tests/system shows one."""

from collections.abc import Iterator

import pytest

from api.v1.invoices import _bought
from api.v1.problems import FOREIGN_KEY, NO_LEDGER, UNKNOWN_HOLDER
from settlement.statements import Line
from tests.api.v1.office import SYMBOL, Office, office


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        yield served


def test_purchases_are_summed_by_instrument_fees_included(desk: Office) -> None:
    index = desk.exchange.registry.instrument(SYMBOL).index
    lines = [
        Line(1, 1, kind, index, 10, 2, amount, 0) for kind, amount in (("bought", -7), ("sold", 5), ("bought", -8))
    ]
    found = _bought(desk.desk, lines, 6)
    assert [(answer.symbol, answer.quantity, answer.amount, amount) for answer, amount in found] == [
        (SYMBOL, "4", "0.000015", 15)
    ]


def test_who_may_not_see_it_hears_why(desk: Office) -> None:
    assert desk.buyer.get("/v1/invoice", key=desk.issuer.key).json()["code"] == FOREIGN_KEY.code
    assert desk.buyer.get("/v1/invoice", key=desk.buyer.key).json()["code"] == UNKNOWN_HOLDER.code
    desk.buyer.nominate("1", asset="CNY")
    assert desk.buyer.get("/v1/invoice", key=desk.buyer.key).json()["code"] == NO_LEDGER.code
