"""Messages between processes: whole and in order, however the bytes were cut."""

from hypothesis import given
from hypothesis import strategies as st

from api.call import Answer
from api.gateways.link import HEAD, MESSAGE_BYTES_MAX, Kind, Link, Request, decode_answer, decode_request, encode


class Wire:
    """In the place of a transport: keeps what is written."""

    def __init__(self):
        self.written = b""
        self.aborted = False

    def write(self, data):
        self.written += data

    def abort(self):
        self.aborted = True


def linked():
    heard, gone = [], []
    link = Link(lambda _: None, lambda _, *message: heard.append(message), gone.append)
    wire = Wire()
    link.connection_made(wire)
    return link, wire, heard, gone


messages = st.lists(st.tuples(st.sampled_from(Kind), st.integers(0, 2**64 - 1), st.binary(max_size=50)), max_size=8)


@given(messages, st.integers(1, 40))
def test_messages_arrive_whole_and_in_order(sent, step):
    link, wire, _, _ = linked()
    for message in sent:
        link.send(*message)
    receiver, _, heard, _ = linked()
    for begin in range(0, len(wire.written), step):
        receiver.data_received(wire.written[begin : begin + step])
    assert heard == sent


def test_a_message_without_measure_ends_the_line():
    link, wire, heard, gone = linked()
    link.data_received(HEAD.pack(MESSAGE_BYTES_MAX + 1, 1, 1))
    assert wire.aborted
    assert not heard
    link.connection_lost(None)
    assert gone == [link]


def test_requests_and_answers_come_out_as_they_went_in():
    request = Request("GET", "/a b", b"/a%20b", b"x=1", [(b"name", b"\xff")], ("::1", 7), b"\0")
    assert decode_request(encode(request)) == request
    answer = Answer(200, b"{}", [(b"a", b"b")])
    assert decode_answer(encode(answer)) == answer
