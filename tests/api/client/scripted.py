"""A server of websockets that says what a test tells it to: real sockets, each connection in a thread of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.server import ServerConnection, serve

Converse = Callable[[ServerConnection], None]


@contextmanager
def scripted(converse: Converse, **options: Any) -> Iterator[str]:
    """Return the HTTP address of a server; a connection ends when its conversation does, or with the server."""
    lines: list[ServerConnection] = []

    def begin(line: ServerConnection) -> None:
        lines.append(line)
        converse(line)

    with serve(begin, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            for line in lines:
                line.close()
            thread.join()
