"""What our own private stream says is what the Structs hold."""

import msgspec

from api.messages.private import Balances, HeldBalance, PrivateEvent, Welcome


def test_a_welcome_and_balances_are_known_by_their_type() -> None:
    text = b'{"type":"WELCOME","account":1,"latest":9,"earliest":2,"cancel_on_disconnect":true}'
    assert msgspec.json.decode(text, type=Welcome) == Welcome(1, 9, 2, cancel_on_disconnect=True)
    text = b'{"type":"BALANCES","after":9,"changed":1,"time":2,"balances":[{"asset":"CNY","available":"1","held":"0"}]}'
    [balance] = msgspec.json.decode(text, type=Balances).balances
    assert (balance.asset, balance.available) == ("CNY", 1)
    assert isinstance(balance, HeldBalance)


def test_an_event_holds_what_its_kind_has() -> None:
    text = b'{"type":"DEPOSITED","sequence":3,"event":7,"time":1,"asset":"CNY","amount":"5.00"}'
    event = msgspec.json.decode(text, type=PrivateEvent)
    assert (event.sequence, str(event.amount), event.order, event.fill) == (3, "5.00", None, None)
