"""Tunnels: no side reads faster than the other takes, and the end of one is the end of both."""

import asyncio

from api.gateways import tunnel
from api.gateways.tunnel import LINE_BYTES_MAX, Pipe, TunnelEnd, first_line


class Wire:
    """In the place of a transport: keeps what is done to it."""

    def __init__(self):
        self.done = []

    def __getattr__(self, name):
        return lambda *arguments: self.done.append((name, *arguments))

    def is_closing(self):
        return False


def test_bytes_pass_and_a_full_side_stops_the_other():
    async def scenario():
        here, there = Wire(), Wire()
        pipe = Pipe(there, 0.02)
        pipe.connection_made(here)
        pipe.data_received(b"abc")
        pipe.pause_writing()
        pipe.resume_writing()
        pipe.connection_lost(None)
        await asyncio.sleep(0.05)
        return here.done, there.done

    told = [("write", b"abc"), ("pause_reading",), ("resume_reading",), ("close",)]
    assert asyncio.run(scenario()) == ([], told)


def test_a_side_that_takes_nothing_is_hung_up_on(monkeypatch):
    async def scenario():
        here, there = Wire(), Wire()
        pipe = Pipe(there, 0.01)
        pipe.connection_made(here)
        pipe.pause_writing()
        await asyncio.sleep(0.05)
        pipe.connection_lost(None)
        await asyncio.sleep(0.05)
        return here.done, there.done

    monkeypatch.setattr(tunnel, "LAST_S", 0.01)
    assert asyncio.run(scenario()) == ([("abort",)], [("pause_reading",), ("close",), ("abort",)])


def test_the_first_line_says_whose_connection_it_is():
    end = object.__new__(TunnelEnd)
    end.client, end._head = None, b""
    line = first_line(("2001:db8::1", 443))
    assert len(line) <= LINE_BYTES_MAX
    for place in range(len(line)):
        assert end.client is None
        TunnelEnd.data_received(end, line[place : place + 1])
    assert (end.client, end._address) == (("2001:db8::1", 443), "2001:db8::1")


def test_a_first_line_that_is_none_ends_the_connection():
    end = object.__new__(TunnelEnd)
    end.client, end._head, end.transport = None, b"", Wire()
    for data in (b"GET / HTTP/1.1\n", b"x" * (LINE_BYTES_MAX + 1)):
        end._head = b""
        TunnelEnd.data_received(end, data)
    assert end.transport.done == [("abort",)] * 2
