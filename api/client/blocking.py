"""Websockets for clients that block."""

import ssl
from typing import Any

from websockets.sync.client import ClientConnection, connect


def open_websocket(url: str, **options: Any) -> ClientConnection:  # noqa: ANN401 - whatever `connect` has
    """Open a connection; raises what `websockets.sync.client.connect` does.

    It reads in a thread of its own. Python's TLS loses what is written while the tickets that TLS 1.3 sends behind its
    handshake are read in another thread: about one opening in five hundred waited in vain. TLS 1.2 sends nothing then.
    """
    if url.startswith("wss:"):
        context = ssl.create_default_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        options["ssl"] = context
    connection: ClientConnection = connect(url, **options)
    return connection
