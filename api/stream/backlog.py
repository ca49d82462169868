"""Messages, and what a reader that cannot keep up has yet to get.

A message is encoded once, however many read it. What a slow reader has not read of depth, tickers and candles is
merged into one message a stream; trades, reports and answers wait in full, up to a limit that ends the connection.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson

from api.stream.frames import binary_frame, text_frame

Merge = Callable[[Any, Any], Any]  # (older body, newer body) -> the one body that says both


def latest(older: object, newer: object) -> object:  # noqa: ARG001 - a Merge has two parameters
    """Merge by forgetting what is older: for messages that say how things stand."""
    return newer


class Message:
    """What one stream says at one moment; `merge` is None if a reader must get each such message."""

    __slots__ = ("_encode", "_frames", "_payload", "body", "merge", "stream")

    def __init__(
        self, stream: str, body: object, merge: Merge | None = None, encode: Callable[[Any], bytes] = orjson.dumps
    ) -> None:
        self.stream = stream
        self.body = body
        self.merge = merge
        self._encode = encode
        self._payload = b""
        self._frames: dict[bytes, bytes] = {}

    @property
    def payload(self) -> bytes:
        """Return the body as JSON."""
        if not self._payload:
            self._payload = self._encode(self.body)
        return self._payload

    def merged(self, body: object) -> "Message":
        """Return the message that says this one and others."""
        return Message(self.stream, body, self.merge, self._encode)

    def frame(self, prefix: bytes) -> bytes:
        """Return the frame for readers who see the message as the end of a JSON object that `prefix` opens, or bare."""
        frame = self._frames.get(prefix)
        if frame is None:
            frame = text_frame(prefix + self.payload + b"}" if prefix else self.payload)
            self._frames[prefix] = frame
        return frame


class BinaryMessage(Message):
    """An answer that is no JSON; each must be got."""

    __slots__ = ()

    def __init__(self, stream: str, payload: bytes) -> None:
        super().__init__(stream, None)
        self._payload = payload

    def frame(self, prefix: bytes) -> bytes:  # noqa: ARG002 - a prefix opens JSON
        """Return the frame."""
        return binary_frame(self._payload)


class Backlog:
    """One reader's unread messages, in order; of each stream that merges, only the last entry may still change."""

    __slots__ = ("_entries", "_mergeable", "bytes_held", "merged", "messages_held")

    def __init__(self) -> None:
        self._entries: list[tuple[Message, bytes]] = []
        self._mergeable: dict[str, int] = {}  # stream: index of its entry
        self.merged: Counter[str] = Counter()  # stream: messages that became part of another
        self.messages_held = 0  # of those that do not merge, as the bytes are
        self.bytes_held = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, message: Message, prefix: bytes) -> None:
        """Put a message behind those held, or into the one held of its stream."""
        if message.merge is None:
            self._mergeable.pop(message.stream, None)  # what comes later must not overtake this one
            self._entries.append((message, prefix))
            self.messages_held += 1
            self.bytes_held += len(message.payload)
            return
        index = self._mergeable.get(message.stream)
        if index is None:
            self._mergeable[message.stream] = len(self._entries)
            self._entries.append((message, prefix))
            return
        held = self._entries[index][0]
        body = message.merge(held.body, message.body)
        self._entries[index] = (message.merged(body), prefix)
        self.merged[message.stream] += 1

    def seal(self) -> None:
        """Let nothing that comes from now on become part of what is held."""
        self._mergeable.clear()

    def take(self, now_ms: int) -> list[bytes]:
        """Return all as frames, after them word of what was merged, and begin anew."""
        frames = [message.frame(prefix) for message, prefix in self._entries]
        if self.merged:
            notice = {"e": "conflated", "E": now_ms, "streams": dict(self.merged)}
            frames.append(text_frame(orjson.dumps(notice)))
        self.clear()
        return frames

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
        self._mergeable.clear()
        self.merged.clear()
        self.messages_held = 0
        self.bytes_held = 0
