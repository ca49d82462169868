"""The exchange's end of the lines: what it tells of a command that is refused, and of an application that fails."""

import asyncio
from types import SimpleNamespace

import pytest

from api.gateways.link import Kind, Refusal, Request, decode_answer, encode
from api.gateways.office import Office, asked
from api.limits import Limiter, Limits
from exchange.clock import SystemClock
from exchange.sequencer import Overloaded, Stopped

REQUEST = Request("POST", "/there", b"/there", b"x=1", [(b"a", b"b")], ("1.2.3.4", 5), b"body")


class Line:
    """In the place of a link: keeps what was sent."""

    def __init__(self):
        self.sent = []

    def send(self, kind, number=0, payload=b""):
        self.sent.append((kind, number, payload))


def office(application, submit=None):
    exchange = SimpleNamespace(
        add_listener=lambda _: None,
        submit_many=submit,
        registry=SimpleNamespace(snapshot=lambda: b"names"),
        clock=SystemClock(),
    )
    application.services = SimpleNamespace(exchange=exchange, limiter=Limiter(Limits()))
    return Office(application)


class Application:
    """In the place of the application: echoes, or fails."""

    def __init__(self, failure=None):
        self.failure = failure

    async def __call__(self, scope, receive, send):
        if self.failure is not None:
            raise self.failure
        body = (await receive())["body"] + scope["query_string"] + scope["client"][0].encode()
        await send({"type": "http.response.start", "status": 201, "headers": [(b"n", b"v")]})
        await send({"type": "http.response.body", "body": body[:4], "more_body": True})
        await send({"type": "http.response.body", "body": body[4:]})


def test_a_request_is_answered_by_the_application_as_asgi_has_it():
    answer = asyncio.run(asked(Application(), REQUEST))
    assert answer == (201, b"bodyx=11.2.3.4", [(b"n", b"v")])


@pytest.mark.parametrize(("failure", "status"), [(Stopped("x"), 503), (ZeroDivisionError(), 500)])
def test_an_application_that_fails_is_answered_for(failure, status):
    async def main():
        line, one = Line(), office(Application(failure))
        one._hear(line, Kind.REQUEST, 9, encode(REQUEST))
        await one.close()
        return line.sent

    ((kind, number, payload),) = asyncio.run(main())
    assert (kind, number, decode_answer(payload).status) == (Kind.ANSWER, 9, status)


@pytest.mark.parametrize(
    ("failure", "refusal"), [(Overloaded("x"), Refusal.OVERLOADED), (Stopped("x"), Refusal.STOPPED)]
)
def test_commands_that_are_not_taken_are_refused_by_number(failure, refusal):
    def submit(_):
        raise failure

    line = Line()
    office(Application(), submit)._hear(line, Kind.ORDERS, 4, b"commands")
    assert line.sent == [(Kind.REFUSED, 4, bytes((refusal,)))]


def test_commands_of_an_exchange_that_fails_are_unknown():
    async def main():
        line, future = Line(), asyncio.get_running_loop().create_future()
        office(Application(), lambda _: future)._hear(line, Kind.ORDERS, 4, b"commands")
        future.set_exception(Stopped("x"))
        await asyncio.sleep(0)
        return line.sent

    assert asyncio.run(main()) == [(Kind.REFUSED, 4, bytes((Refusal.UNKNOWN,)))]


def test_a_gateway_hears_the_names_first():
    line, one = Line(), office(Application())
    one._greet(line)
    assert line.sent[0] == (Kind.REGISTRY, 0, b"names")
    assert [kind for kind, *_ in line.sent] == [Kind.REGISTRY, Kind.USED]
