"""One connection to the market streams: the protocol's replies carried out on the feed and the private streams."""

from api.binance.feed import Feed
from api.private import PrivateStreams
from api.stream.backlog import Message
from api.stream.frames import text_frame
from api.stream.hub import MILLISECOND_NS, Connection, Hub
from api.stream.listenkeys import ListenKeys
from api.stream.protocol import Reply, StreamProtocol


class MarketSession:
    """What one client listens to: market streams by name, and private streams by listen key."""

    def __init__(
        self,
        hub: Hub,
        feed: Feed,
        user_data: PrivateStreams,
        listen_keys: ListenKeys,
        connection: Connection,
        *,
        combined: bool,
        unit_ns: int = MILLISECOND_NS,
    ) -> None:
        self._unit_ns = unit_ns
        self._hub = hub
        self._feed = feed
        self._user_data = user_data
        self._listen_keys = listen_keys
        self._connection = connection
        self._accounts: dict[str, int] = {}  # of the listen keys in use
        now_ns = hub.clock.monotonic_ns()
        self._protocol = StreamProtocol(self._resolve, hub.config, combined=combined, now_ns=now_ns)

    def open(self, names: list[str]) -> None:
        """Subscribe to what the connection's address names."""
        self._carry_out(self._protocol.open(names))

    async def receive(self, text: str | bytes) -> None:
        """Answer a message of the client, and do what it asks."""
        self._carry_out(self._protocol.receive(text, self._hub.clock.monotonic_ns()))

    def check_rights(self, now_ns: int) -> None:
        """End private streams whose listen key is no longer good, and say so."""
        for key, account in list(self._accounts.items()):
            if self._listen_keys.account(key, now_ns) != account:
                body = {"e": "listenKeyExpired", "E": now_ns // self._unit_ns, "listenKey": key}
                self._connection.push(Message("expired", body), self._prefix(key))
                del self._protocol.subscriptions[key]
                self._close(key)

    def gone(self) -> None:
        """Learn that the client has gone: nothing ends with a reader."""

    def _carry_out(self, reply: Reply) -> None:
        if reply.close_code:
            self._connection.end(text_frame(reply.answer), reply.close_code, "Too many messages.")
            return
        if reply.answer:
            self._connection.send(reply.answer)
        for name in reply.closed:
            self._close(name)
        for name in self._protocol.subscriptions if reply.wrapping_changed else ():
            self._hub.subscribe(self._connection, self._topic(name), self._prefix(name))
        for name in reply.opened:
            self._open(name)

    def _open(self, name: str) -> None:
        stream = self._feed.parse(name, self._unit_ns)
        if stream is not None:
            self._feed.subscribe(self._connection, stream, self._prefix(name))
            return
        account = self._listen_keys.account(name, self._hub.clock.now_ns())
        assert account is not None, "the protocol opens only what was resolved"
        self._accounts[name] = account
        self._user_data.subscribe(self._connection, account, self._prefix(name))

    def _close(self, name: str) -> None:
        topic = self._topic(name)
        account = self._accounts.pop(name, None)
        others = [key for key, other in self._accounts.items() if other == account]
        if others:  # a later key opens the same stream
            self._hub.subscribe(self._connection, topic, self._prefix(others[-1]))
            return
        is_private = account is not None
        if self._hub.unsubscribe(self._connection, topic):
            (self._user_data if is_private else self._feed).close(topic)

    def _topic(self, name: str) -> str:
        account = self._accounts.get(name)
        if account is not None:
            return self._user_data.topic_name(account)
        stream = self._feed.parse(name, self._unit_ns)
        assert stream is not None, "an instrument that was listed stays"
        return stream.topic

    def _prefix(self, name: str) -> bytes:
        return b'{"stream":"%s","data":' % name.encode() if self._protocol.combined else b""

    def _resolve(self, name: str) -> str | None:
        stream = self._feed.parse(name, self._unit_ns)
        if stream is not None:
            return stream.name
        return None if self._listen_keys.account(name, self._hub.clock.now_ns()) is None else name
