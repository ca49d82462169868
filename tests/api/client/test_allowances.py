"""What keys have left is kept from what is heard, begins anew with each connection, and nothing may be missing."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.client.allowances import AllowanceFeed
from api.client.faults import Refused
from api.client.feed import Joined, Parted
from api.client.signing import Key

KEY = Key.of("mine", "secret")


def feed(*keys: str) -> AllowanceFeed:
    return AllowanceFeed("http://h", KEY, lambda: 77, keys)


def row(asset: str, available: str, **more: Any) -> dict[str, Any]:
    return {"key": "k", "asset": asset, "available": available, "until": 0} | more


def standing(sequence: int, *rows: dict[str, Any]) -> str:
    return json.dumps({"type": "ALLOWANCES", "sequence": sequence, "time": 1, "rows": rows})


def changed(after: int, sequence: int, *rows: dict[str, Any]) -> str:
    return json.dumps({"type": "CHANGED", "after": after, "sequence": sequence, "time": 1, "rows": rows})


def test_the_address_is_signed_and_names_the_keys() -> None:
    parts = urlsplit(feed("a", "b").address())
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.path, query["keys"], query["timestamp"]) == ("ws", "/v1/allowances", ["a,b"], ["77"])
    signature = query.pop("signature")
    assert signature == [KEY.signer.sign(parts.query.rpartition("&signature=")[0].encode())]
    assert "keys" not in parse_qs(urlsplit(feed().address()).query)


def test_it_knows_what_is_left_as_of_a_command() -> None:
    own = feed()
    assert own.opened() == [Joined()]
    assert own.is_stale
    own.heard(standing(5, row("A", "2"), row("B", "1")))
    own.heard(changed(5, 9, row("A", "1.5", changes={"USED": "-0.5"})))
    assert (own.remaining, own.sequence, own.is_stale) == (
        {("k", "A"): Decimal("1.5"), ("k", "B"): Decimal(1)},
        9,
        False,
    )
    with pytest.raises(AssertionError, match="missing"):
        own.heard(changed(8, 10, row("A", "1", changes={})))


def test_a_new_connection_begins_anew() -> None:
    own = feed()
    own.heard(standing(5, row("A", "2"), row("B", "1")))
    assert own.lost("gone") == [Parted("gone")]
    assert own.is_stale
    own.heard(standing(9, row("A", "1")))
    assert own.remaining == {("k", "A"): Decimal(1)}


def test_notices_are_told_and_refusals_by_whether_waiting_helps() -> None:
    own = feed()
    assert own.heard('{"e":"conflated","E":1,"streams":{"allowances 1":3}}')[0].streams == {"allowances 1": 3}
    assert own.heard('{"error":{"code":-1003,"msg":"slow"},"id":null}') == []
    assert isinstance(own.refused(503, b'{"code":-8025,"msg":"full"}')[0], Parted)
    with pytest.raises(Refused):
        own.refused(403, b'{"code":-8044,"msg":"not yours"}')
