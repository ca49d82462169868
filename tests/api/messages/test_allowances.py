"""Messages about allowances are told apart by their type, and amounts are exact."""

from decimal import Decimal

import msgspec

from api.messages.allowances import Allowances, AllowancesChanged, Remaining, RemainingChanged

ROW = {"key": "k", "asset": "TA", "available": "0.000001", "until": 5}


def test_the_type_tells_what_it_is() -> None:
    decoder = msgspec.json.Decoder(Allowances | AllowancesChanged)
    first = {"type": "ALLOWANCES", "sequence": 1, "time": 2, "rows": [ROW]}
    assert decoder.decode(msgspec.json.encode(first)) == Allowances(
        1, 2, [Remaining("k", "TA", Decimal("0.000001"), 5)]
    )
    row = ROW | {"changes": {"USED": "-1"}}
    changed = {"type": "CHANGED", "after": 1, "sequence": 3, "time": 2, "rows": [row]}
    told = RemainingChanged("k", "TA", Decimal("0.000001"), 5, {"USED": Decimal(-1)})
    assert decoder.decode(msgspec.json.encode(changed)) == AllowancesChanged(1, 3, 2, [told])
