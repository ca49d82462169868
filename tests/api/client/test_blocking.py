"""Websockets for clients that block."""

import ssl
import threading
from pathlib import Path

import pytest
from websockets.sync.server import serve

from api.client.blocking import open_websocket
from tests.api.certificates import certificate


def test_nothing_comes_behind_the_handshake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    with serve(lambda line: line.send(line.recv()), "127.0.0.1", 0, ssl=context) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"wss://127.0.0.1:{server.socket.getsockname()[1]}/"
        with pytest.raises(ssl.SSLCertVerificationError):
            open_websocket(url, open_timeout=60)
        monkeypatch.setenv("SSL_CERT_FILE", str(files.certificate))
        with open_websocket(url, open_timeout=60) as line:
            line.send("again")
            assert line.recv(10) == "again"
            assert line.socket.version() == "TLSv1.2"
        server.shutdown()
