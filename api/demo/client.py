"""A small signed client for the demo: REST over HTTP and orders over websocket, as any user's program would do it."""

import hashlib
import hmac
import itertools
import json
import time
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
from websockets.asyncio.client import ClientConnection, connect

from api.client.faults import AnswerError

_TIMEOUT_S = 10
RECV_WINDOW_MS = 30_000


class Key(NamedTuple):
    """An API key, its secret and the account it acts for."""

    key: str
    secret: str
    account: int


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """The exchange said no: its status, its code and its words."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


def sign(secret: str, payload: str) -> str:
    """Return the HMAC-SHA256 of a text, in hex."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def _now_us() -> int:
    return time.time_ns() // 1_000


class Rest:
    """Requests of one key against one server."""

    def __init__(self, http: httpx.AsyncClient, key: Key | None = None) -> None:
        self._http = http
        self._key = key

    async def public(self, path: str, **parameters: object) -> Any:
        """GET without a signature."""
        return _answer(await self._http.get(path, params={k: str(v) for k, v in parameters.items()}))

    async def signed(self, method: str, path: str, **parameters: object) -> Any:
        """Send parameters signed in the query, as the Binance dialect has it. Raises Refused."""
        return _answer(await self._http.request(method, f"{path}?{self._query(parameters)}", headers=self._headers()))

    async def json(self, method: str, path: str, body: object, **parameters: object) -> Any:
        """Send a JSON body, signed together with the query. Raises Refused."""
        content = json.dumps(body)
        query = self._query(parameters, content)
        headers = {**self._headers(), "content-type": "application/json"}
        return _answer(await self._http.request(method, f"{path}?{query}", content=content, headers=headers))

    def _headers(self) -> dict[str, str]:
        assert self._key is not None, "a signed request needs a key"
        return {"X-MBX-APIKEY": self._key.key}

    def _query(self, parameters: dict[str, object], body: str = "") -> str:
        assert self._key is not None, "a signed request needs a key"
        query = urlencode({**parameters, "recvWindow": RECV_WINDOW_MS, "timestamp": _now_us()})
        return f"{query}&signature={sign(self._key.secret, query + body)}"


def _answer(response: httpx.Response) -> Any:
    try:
        answer = response.json()
    except ValueError:
        raise AnswerError(f"{response.status_code} and no JSON from {response.url.host}") from None
    if response.status_code >= 400:
        raise Refused(response.status_code, answer.get("code", 0), answer.get("msg", ""))
    return answer


def open_http(base_url: str) -> httpx.AsyncClient:
    """Return a connection pool to a server."""
    return httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT_S)


class OrderSocket:
    """Orders of one key over one websocket connection, one request at a time."""

    def __init__(self, socket: ClientConnection, key: Key) -> None:
        self._socket = socket
        self._key = key
        self._ids = itertools.count(1)

    @classmethod
    async def open(cls, base_url: str, key: Key) -> "OrderSocket":
        """Connect to the websocket API of a server given by its http URL."""
        url = base_url.replace("http", "ws", 1) + "/ws-api/v3"
        return cls(await connect(url, compression=None, open_timeout=_TIMEOUT_S), key)

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()

    async def call(self, method: str, **parameters: object) -> Any:
        """Send a signed request and return its result. Raises Refused, or ConnectionClosed when the server goes."""
        number = str(next(self._ids))
        signed = {**parameters, "apiKey": self._key.key, "recvWindow": RECV_WINDOW_MS, "timestamp": _now_us()}
        payload = "&".join(f"{name}={signed[name]}" for name in sorted(signed))
        signed["signature"] = sign(self._key.secret, payload)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": signed}))
        while True:
            answer = json.loads(await self._socket.recv())
            if answer.get("id") == number:
                break
        if answer["status"] >= 400:
            raise Refused(answer["status"], answer["error"]["code"], answer["error"]["msg"])
        return answer["result"]
