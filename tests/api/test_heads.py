"""Heads of requests, remembered by their bytes."""

from api.binance.rest import ENDPOINTS
from api.call import Call, read_headers
from api.heads import HEAD_BYTES_MAX, HEADS_MAX, SENDERS_MAX, Heads

PLACE = ENDPOINTS["POST", "/api/v3/order"]
HEAD = b"POST /api/v3/order HTTP/1.1\r\ncontent-length: 3\r\n\r\n"


def call_with(body, query=b""):
    call = Call("", query, 1)
    call.key, call.content_type, call.body = "a key", b"text", body
    return call


def test_a_head_that_was_read_once_is_known_and_makes_the_same_call():
    heads = Heads()
    heads.remember(HEAD + b"a=1", PLACE, call_with(b"a=1"), keep_alive=True)
    head = heads.find(HEAD)
    assert (head.endpoint, head.keep_alive, head.body_bytes) == (PLACE, True, 3)
    call = head.call.again("1.2.3.4", 7)
    assert (call.address, call.key, call.content_type, call.now_ns) == ("1.2.3.4", "a key", b"text", 7)


def test_everything_that_a_header_says_is_in_the_call_that_comes_again():
    names = (b"x-mbx-apikey", b"content-type", b"x-mbx-time-unit", b"if-none-match")
    call, plain = Call("", b"", 1), Call("", b"", 1)
    read_headers(call, [(name, b"MICROSECOND") for name in names])
    again = call.again("", 1)
    differing = {name for name in Call.__struct_fields__ if getattr(call, name) != getattr(plain, name)}
    assert len(differing) == len(names)
    assert all(getattr(again, name) == getattr(call, name) for name in Call.__struct_fields__)


def test_a_head_is_not_remembered_with_a_query_or_with_a_body_that_did_not_follow_it_as_it_was():
    heads = Heads()
    heads.remember(HEAD + b"a=1", PLACE, call_with(b"a=1", b"b=2"), keep_alive=True)
    heads.remember(HEAD + b"3\r\na=1\r\n0\r\n\r\n", PLACE, call_with(b"a=1"), keep_alive=True)
    heads.remember(HEAD[:-2] + b"x" * HEAD_BYTES_MAX + b"\r\n\r\n", PLACE, call_with(b""), keep_alive=True)
    assert heads.find(HEAD) is None
    assert not heads._known


def test_the_memory_is_bounded():
    heads = Heads()
    ping = ENDPOINTS["GET", "/api/v3/ping"]
    for number in range(HEADS_MAX + 1):
        heads.remember(b"GET /%d HTTP/1.1\r\n\r\n" % number, ping, call_with(b""), keep_alive=True)
    assert len(heads._known) == 1


def test_a_head_has_one_sender_for_each_address_and_not_too_many():
    heads = Heads()
    heads.remember(HEAD + b"a=1", PLACE, call_with(b"a=1"), keep_alive=True)
    head = heads.find(HEAD)
    one, other = head.sender(None, "1.2.3.4"), head.sender(None, "1.2.3.5")
    assert one is not other
    assert one is head.sender(None, "1.2.3.4")
    for number in range(SENDERS_MAX):
        head.sender(None, str(number))
    assert len(head._senders) <= SENDERS_MAX
    assert one is not head.sender(None, "1.2.3.4")
