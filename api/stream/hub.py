"""Who listens to what, and one write per connection per turn of the loop.

A message reaches a connection as a frame that all its readers share. A connection gathers frames while the loop's turn
lasts and writes them at its end; one whose line is blocked keeps a backlog instead, and is cut when that grows or ages
beyond its limits: it is told so, and never left to believe that it has seen everything.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import orjson

from api.stream.backlog import Backlog, BinaryMessage, Message
from api.stream.config import StreamConfig
from api.stream.frames import FRAME_HEAD, GOING_AWAY, POLICY_VIOLATION, text_frame
from exchange.clock import Clock

MILLISECOND_NS = 1_000_000
SECOND_NS = 1_000_000_000
TOO_SLOW = -1003  # the code of everything that is too much
JOINED_READERS_MIN = 3  # of a topic whose messages are joined once for all its readers
ANSWERS = "answers"  # the stream of what is no stream
TOO_MUCH_UNREAD = "Too much unread: this connection reads more slowly than its streams speak."


class Line(Protocol):
    """The way to one client; it calls `pause` and `resume` of its connection when it is blocked and free again."""

    def write(self, frames: bytes) -> None:
        """Send whole frames."""

    def finish(self, code: int, reason: str, within_s: float) -> None:
        """Say goodbye, and hang up once the client has answered or the time is over."""


class Topic:
    """One stream and its readers: each connection with the prefix that its messages stand after.

    Messages to many readers gather until the end of the turn, and are then joined once for all who see them alike: what
    a message costs does not grow with its readers. So within a turn order holds within a stream, not between streams.
    """

    __slots__ = ("_hub", "_pending", "name", "subscribers")

    def __init__(self, hub: "Hub", name: str) -> None:
        self._hub = hub
        self._pending: list[Message] = []
        self.name = name
        self.subscribers: dict[Connection, bytes] = {}

    def publish(self, message: Message) -> None:
        """Send a message to every reader."""
        assert message.payload, "what cannot be encoded fails here, not at the end of the turn"
        if self._pending:
            self._pending.append(message)
        elif len(self.subscribers) < JOINED_READERS_MIN:
            for connection, prefix in self.subscribers.items():
                connection.push(message, prefix)
        else:
            self._pending.append(message)
            self._hub.mark_topic(self)

    def deliver(self) -> None:
        """Hand what was gathered to the readers there are."""
        if not self._pending:
            return
        messages, self._pending = self._pending, []
        joined: dict[bytes, bytes] = {}
        for connection, prefix in self.subscribers.items():
            if connection.blocked or connection.closing:
                for message in messages:
                    connection.push(message, prefix)
                continue
            frames = joined.get(prefix)
            if frames is None:
                frames = joined[prefix] = b"".join([message.frame(prefix) for message in messages])
            connection.add(frames)


class Connection:
    """One client: the frames of this turn, or the backlog while its line is blocked."""

    __slots__ = ("_frames", "_hub", "_line", "backlog", "blocked", "blocked_since_ns", "closing", "topics")

    def __init__(self, hub: "Hub", line: Line) -> None:
        self._hub = hub
        self._line = line
        self._frames: list[bytes] = []
        self.backlog = Backlog()
        self.blocked = False
        self.blocked_since_ns = 0
        self.closing = False
        self.topics: dict[str, Topic] = {}

    def push(self, message: Message, prefix: bytes = b"") -> None:
        """Send one message at the end of this turn, or keep it until the line is free."""
        if self.closing:
            return
        if self.blocked:
            self.backlog.add(message, prefix)
            if self._is_over():
                self._hub.condemn(self, TOO_MUCH_UNREAD)
            return
        if not self._frames:
            self._hub.mark(self)
        self._frames.append(message.frame(prefix))

    def add(self, frames: bytes) -> None:
        """Send frames at the end of this turn; only while the line is neither blocked nor closing."""
        if not self._frames:
            self._hub.mark(self)
        self._frames.append(frames)

    def send(self, payload: bytes) -> None:
        """Send JSON that is this client's alone: an answer."""
        if self.blocked or self.closing:
            self.push(Message(ANSWERS, orjson.Fragment(payload)))
            return
        if not self._frames:
            self._hub.mark(self)
        self._frames.append(text_frame(payload))

    def send_frames(self, frames: memoryview, ends: Sequence[int]) -> None:
        """Send frames of text that are this client's alone, each of `FRAME_HEAD` bytes and a text up to its end."""
        if self.blocked or self.closing:
            begin = 0
            for end in ends:
                self.push(Message(ANSWERS, orjson.Fragment(bytes(frames[begin + FRAME_HEAD : end]))))
                begin = end
            return
        self.add(bytes(frames))

    def send_binary(self, payload: bytes) -> None:
        """Send bytes that are this client's alone."""
        self.push(BinaryMessage(ANSWERS, payload))

    def flush(self) -> None:
        """Write what this turn gathered."""
        frames = self._frames
        if frames and not self.closing:
            data = frames[0] if len(frames) == 1 else b"".join(frames)
            frames.clear()  # before the write, which may call `pause`
            self._line.write(data)

    def pause(self) -> None:
        """Learn that the line is blocked."""
        self.blocked = True
        self.blocked_since_ns = self._hub.clock.monotonic_ns()
        self._hub.blocked[self] = None

    def resume(self) -> None:
        """Learn that the line is free: what was kept goes out."""
        self.blocked = False
        self._hub.blocked.pop(self, None)
        self.flush()  # what was gathered before the line was blocked comes first
        frames = self.backlog.take(self._hub.now_ms())
        if frames and not self.closing:
            self._line.write(b"".join(frames))

    def cut(self, text: str) -> None:
        """End a connection that takes too much or reads too little, with a message that says so."""
        reason = orjson.dumps({"error": {"code": TOO_SLOW, "msg": text}, "id": None})
        self.end(text_frame(reason), POLICY_VIOLATION, text)

    def shutdown(self) -> None:
        """End with word that the server stops."""
        word = orjson.dumps({"e": "serverShutdown", "E": self._hub.now_ms()})
        self.flush()
        self.end(text_frame(word), GOING_AWAY, "The server is shutting down.")

    def end(self, last: bytes, code: int, reason: str) -> None:
        """Write a last frame, drop what is kept, and close."""
        if self.closing:
            return
        self.closing = True
        self._frames.clear()
        self.backlog.clear()
        self._hub.blocked.pop(self, None)
        if last:
            self._line.write(last)
        self._line.finish(code, reason, self._hub.config.farewell_s)

    def _is_over(self) -> bool:
        backlog, config = self.backlog, self._hub.config
        return backlog.messages_held > config.backlog_messages_max or backlog.bytes_held > config.backlog_bytes_max


class Hub:
    """All connections and all streams that somebody reads."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], clock: Clock, config: StreamConfig) -> None:
        self._call_soon = call_soon  # of the loop: it runs what it is given once, at the end of this turn
        self._dirty: list[Connection] = []
        self._dirty_topics: list[Topic] = []
        self._condemned: dict[Connection, str] = {}
        self._scheduled = False
        self.clock = clock
        self.config = config
        self.connections: dict[Connection, None] = {}
        self.topics: dict[str, Topic] = {}
        self.blocked: dict[Connection, None] = {}

    def now_ms(self) -> int:
        """Return the time that messages are stamped with."""
        return self.clock.now_ns() // MILLISECOND_NS

    @property
    def full(self) -> bool:
        """Tell whether there is no room for another connection."""
        return len(self.connections) >= self.config.connections_max

    def join(self, line: Line) -> Connection:
        """Add a client."""
        connection = Connection(self, line)
        self.connections[connection] = None
        return connection

    def leave(self, connection: Connection) -> list[str]:
        """Forget a client; return the streams that nobody reads any more."""
        connection.closing = True
        self.connections.pop(connection, None)
        self.blocked.pop(connection, None)
        return [name for name in list(connection.topics) if self.unsubscribe(connection, name)]

    def topic(self, name: str) -> Topic:
        """Return a stream, which is made if nobody has read it so far."""
        topic = self.topics.get(name)
        if topic is None:
            topic = self.topics[name] = Topic(self, name)
        return topic

    def subscribe(self, connection: Connection, name: str, prefix: bytes = b"") -> Topic:
        """Let a connection read a stream, its messages behind a prefix; again with another prefix changes that."""
        topic = self.topic(name)
        topic.deliver()  # what was said before is not for this reader
        topic.subscribers[connection] = prefix
        connection.topics[name] = topic
        return topic

    def unsubscribe(self, connection: Connection, name: str) -> bool:
        """End that; tell whether nobody reads the stream any more."""
        topic = connection.topics.pop(name, None)
        if topic is None:
            return False
        topic.deliver()  # what was said before is
        connection.backlog.seal()  # what is said after it has come back would leave out what it has not heard
        del topic.subscribers[connection]
        if topic.subscribers:
            return False
        del self.topics[name]
        return True

    def mark(self, connection: Connection) -> None:
        """Write what this connection gathers at the end of the turn."""
        self._dirty.append(connection)
        self._schedule()

    def mark_topic(self, topic: Topic) -> None:
        """Deliver what this topic gathers at the end of the turn."""
        self._dirty_topics.append(topic)
        self._schedule()

    def condemn(self, connection: Connection, text: str) -> None:
        """Cut a connection at the end of the turn: a topic may be walking over its readers now."""
        self._condemned[connection] = text
        self._schedule()

    def flush(self) -> None:
        """Write what the turn gathered, one write a connection."""
        topics, self._dirty_topics = self._dirty_topics, []
        try:
            for topic in topics:
                topic.deliver()
        finally:
            self._scheduled = False
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()
        condemned, self._condemned = self._condemned, {}
        for connection, text in condemned.items():
            connection.cut(text)

    def cut_stalled(self) -> None:
        """Cut those who for too long have not read what cannot be merged."""
        latest_ns = self.clock.monotonic_ns() - int(self.config.stall_s * SECOND_NS)
        for connection in list(self.blocked):
            if connection.blocked_since_ns <= latest_ns and connection.backlog.messages_held:
                connection.cut(f"Nothing read for {self.config.stall_s:g} seconds.")

    def shutdown(self) -> None:
        """Tell every client that the server stops, and close."""
        self.flush()
        for connection in list(self.connections):
            connection.shutdown()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self.flush)
