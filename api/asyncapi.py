"""AsyncAPI 3: every stream and every method of the websockets, made from the tables and the Structs that serve them.

The exchange is the one that is described: what it sends are its streams, what it receives are requests. Schemas are
those of the Structs that our own client reads; parameters of methods are those of the endpoints behind them.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import msgspec

from api.auth import RECV_WINDOW_MS
from api.binance.requests import Nothing
from api.binance.rest import ENDPOINTS
from api.binance.streams import Kind
from api.binance.wsapi import METHODS, OWN_METHODS
from api.door import Endpoint
from api.examples import KEY, SIGNATURE, SYMBOL, TIME, example
from api.messages import account, allowances, books, market, phases, private, published, talk
from api.openapi import inlined
from api.refusals import of_endpoint
from api.stream.protocol import METHODS as TALK_METHODS
from api.version import own_version
from exchange.marketdata.intervals import Interval

Document = dict[str, Any]
PATH = "/asyncapi.json"
VERSION = "3.0.0"
JSON = "application/json"
_PARTS = "#/components/schemas/"
_LOWER = SYMBOL.lower()


class Described(NamedTuple):
    """One kind of stream: its address below /ws/, what it says, and what it tells whom."""

    address: str
    payloads: tuple[Any, ...]
    text: str
    many: bool = False  # a message is a list of payloads


STREAMS: Mapping[Kind, Described] = {
    Kind.TRADE: Described("{symbol}@trade", (market.TradeMessage,), "Every trade, at once."),
    Kind.AGGREGATE_TRADE: Described("{symbol}@aggTrade", (market.AggregateTradeMessage,), "Every trade, at once."),
    Kind.DEPTH: Described(
        "{symbol}@depth{pace}", (market.DepthMessage,), "Changes of the depth, to put on a snapshot."
    ),
    Kind.PARTIAL_DEPTH: Described("{symbol}@depth{levels}{rate}", (market.LevelsMessage,), "The best levels."),
    Kind.BOOK_TICKER: Described("{symbol}@bookTicker", (market.BookTickerMessage,), "The best level of each side."),
    Kind.CANDLE: Described("{symbol}@kline_{interval}", (market.CandleMessage,), "The running candle, and its close."),
    Kind.MINI_TICKER: Described("{symbol}@miniTicker", (market.MiniTickerMessage,), "24 hours in short, each second."),
    Kind.TICKER: Described("{symbol}@ticker", (market.TickerMessage,), "24 hours, each second."),
    Kind.AVERAGE_PRICE: Described("{symbol}@avgPrice", (market.AveragePriceMessage,), "The average price."),
    Kind.BOOK: Described(
        "{symbol}@book{rate}", (books.BookSnapshot, books.BookUpdate), "Levels: a snapshot, then every change of them."
    ),
    Kind.ORDERS: Described(
        "{symbol}@orders", (books.OrdersSnapshot, books.OrdersUpdate), "Single orders: a snapshot, then every change."
    ),
    Kind.PHASE: Described(
        "{symbol}@phase", (phases.PhaseStatus, phases.Notice, phases.AuctionIndication), "Phases of an instrument."
    ),
    Kind.ALL_MINI_TICKERS: Described(
        "!miniTicker@arr{filter}", (market.MiniTickerMessage,), "24 hours of those that traded.", many=True
    ),
    Kind.ALL_TICKERS: Described("!ticker@arr{filter}", (market.TickerMessage,), "The same in full.", many=True),
    Kind.ALL_BOOK_TICKERS: Described(
        "!bookTicker@arr{filter}", (market.BookTickerMessage,), "Best levels that changed.", many=True
    ),
    Kind.PHASES: Described("!phases", (phases.Notice, phases.AuctionIndication), "Phases of all instruments."),
    Kind.INSTRUMENTS: Described(
        "!instruments", (phases.InstrumentsFrom, phases.InstrumentChanged), "Instruments that changed, as they are now."
    ),
    Kind.ANNOUNCEMENTS: Described(
        "!announcements",
        (phases.AnnouncementsFrom, phases.Announcement, phases.Listed, phases.TradingStateSet),
        "What is announced, listed, halted.",
    ),
    Kind.INDICES: Described("!indices", (published.PublishedIndex,), "Indices of days that are over.", many=True),
    Kind.SETTLEMENT_PRICES: Described(
        "!settlementPrices", (published.PublishedSettlement,), "Settlement prices of days that are over.", many=True
    ),
}
_PARAMETERS: Mapping[str, Document] = {
    "symbol": {"description": "Symbol of the instrument, in any case.", "examples": [_LOWER]},
    "pace": {"description": "How often it speaks; empty: at the stream's own pace.", "enum": ["", "@0ms", "@100ms"]},
    "rate": {"description": "Empty, or every 100 ms.", "enum": ["", "@100ms"]},
    "levels": {"description": "Levels of each side.", "enum": ["5", "10", "20"]},
    "interval": {"description": "Length of a candle.", "enum": [interval.value for interval in Interval]},
    "filter": {
        "description": "Empty, or a pace, or a pace and patterns of symbols.",
        "examples": ["", "@100ms", "@1000ms@TA.*,DL.0001*"],
    },
}
_SESSION: Mapping[str, tuple[str, Document]] = {
    "session.logon": ("Log on once instead of signing every request.", {"cancelOnDisconnect": {"type": "boolean"}}),
    "session.status": ("Say who is logged on.", {}),
    "session.logout": ("Log off.", {}),
    "session.subscriptions": ("List what this connection hears of accounts.", {}),
    "userDataStream.subscribe": (
        "Hear what happens on the account that is logged on, from an event on if one is named.",
        {"from": {"type": "integer"}},
    ),
    "userDataStream.subscribe.signature": (
        "Hear what happens on an account, by a signature of its own.",
        {"from": {"type": "integer"}},
    ),
    "userDataStream.unsubscribe": ("Hear of one account no more, or of all.", {"subscriptionId": {"type": "integer"}}),
}
_API = """Requests and their answers, and what happens on accounts.

Binary messages are frames of many commands at once; their layout is described in docs/binary-frames.md."""
_NOTICES = (talk.Conflated, talk.ServerShutdown, talk.StreamFault)
_ACCOUNT = (account.AccountEvent, talk.Conflated, talk.ServerShutdown, talk.StreamFault)
_ALLOWANCES = (
    allowances.Allowances,
    allowances.AllowancesChanged,
    talk.Conflated,
    talk.ServerShutdown,
    talk.StreamFault,
)
_ALLOWANCES_TEXT = """What API keys have left: how things stand, then what changed, slow readers hearing the sum of it.

Whoever holds keys hears what stands behind them; an issuer's metering key what any key has of its series. The handshake
is signed like any GET. `after` of a message is `sequence` of the one before."""
_PRIVATE = (private.Welcome, private.PrivateEvent, private.Balances, talk.ServerShutdown, talk.StreamFault)


@cache
def document() -> bytes:
    """Return the document as JSON; made once, when it is first asked for."""
    return msgspec.json.encode(made())


def made() -> Document:
    """Return the document."""
    structs = [one for stream in STREAMS.values() for one in _members(stream.payloads)]
    structs += [
        *_NOTICES,
        *_members(_ACCOUNT),
        *_PRIVATE,
        *_ALLOWANCES,
        talk.StreamRequest,
        talk.StreamResult,
        talk.ApiAnswer,
    ]
    _, schemas = msgspec.json.schema_components(list(dict.fromkeys(structs)), ref_template=_PARTS + "{name}")
    _entitle(schemas, structs)
    parts = _Parts(schemas)
    for kind, stream in STREAMS.items():
        parts.stream(kind, stream)
    parts.talk()
    parts.private()
    parts.allowances()
    for method, key in METHODS.items():
        parts.method(method, ENDPOINTS[key])
    for method in OWN_METHODS:
        parts.own_method(method, *_SESSION.get(method, ("", {})))
    parts.api_events()
    return parts.document()


class _Parts:
    """The document as it grows."""

    def __init__(self, schemas: Document) -> None:
        self._schemas = schemas
        self._messages: Document = {}
        self._channels: Document = {
            "streams": _channel("/stream", "Any streams, each message wrapped with the name of its stream.", {}),
            "private": _channel("/v1/private", "An account's own stream; the handshake is signed like any GET.", {}),
            "allowances": _channel("/v1/allowances", _ALLOWANCES_TEXT, {}),
            "api": _channel("/ws-api/v3", _API, {}),
        }
        self._operations: Document = {}
        self._channels["private"]["bindings"] = {"ws": {"method": "GET", "query": _HANDSHAKE}}
        self._channels["allowances"]["bindings"] = {"ws": {"method": "GET", "query": _READER_HANDSHAKE}}

    def stream(self, kind: Kind, stream: Described) -> None:
        """Add a kind of stream."""
        names = [name for name in _PARAMETERS if f"{{{name}}}" in stream.address]
        channel = self._channels[kind.name] = _channel(f"/ws/{stream.address}", stream.text, {})
        channel["parameters"] = {name: _PARAMETERS[name] for name in names}
        structs = _members(stream.payloads)
        for struct in structs:
            name = f"{struct.__name__}List" if stream.many else struct.__name__
            reference = {"$ref": _PARTS + struct.__name__}
            self._message(name, {"type": "array", "items": reference} if stream.many else reference, struct.__doc__)
            channel["messages"][name] = _message_ref(name)
        self._operation(f"stream.{kind.name}", "send", kind.name, list(channel["messages"]), stream.text)

    def talk(self) -> None:
        """Add what is said on the connections of streams beside the streams."""
        for struct in (talk.StreamRequest, talk.StreamResult, *_NOTICES):
            self._struct("streams", struct)
        for method in TALK_METHODS:
            self._operation(f"streams.{method}", "receive", "streams", ["StreamRequest"], f"Ask: {method}.")
            reply = {"channel": {"$ref": "#/channels/streams"}, "messages": _refs("streams", _NAMES_OF_REPLIES)}
            self._operations[f"streams.{method}"]["reply"] = reply
        self._operation("streams.notices", "send", "streams", [one.__name__ for one in _NOTICES], "Notices.")

    def private(self) -> None:
        """Add our own private stream."""
        for struct in _PRIVATE:
            self._struct("private", struct)
        self._operation("private", "send", "private", [one.__name__ for one in _PRIVATE], "Events of an account.")

    def allowances(self) -> None:
        """Add the stream of what keys have left."""
        for struct in _ALLOWANCES:
            self._struct("allowances", struct)
        names = [one.__name__ for one in _ALLOWANCES]
        self._operation("allowances", "send", "allowances", names, "What API keys have left, and each change of it.")

    def api_events(self) -> None:
        """Add what the websocket API says unasked."""
        for struct in _ACCOUNT:
            self._struct("api", struct)
        self._operation("api.events", "send", "api", [one.__name__ for one in _ACCOUNT], "What happens on accounts.")

    def method(self, method: str, endpoint: Endpoint) -> None:
        """Add a method that an endpoint of the REST API serves."""
        schema = inlined(endpoint.request.model_json_schema(by_alias=True))
        text = endpoint.handler.__doc__ or ""
        errors = [{"status": one.status, "code": one.code, "msg": one.message} for one in of_endpoint(endpoint)]
        params = _params(schema, is_keyed=endpoint.scope is not None, is_signed=endpoint.is_signed)
        self._ask(method, params, text.partition("\n")[0])
        scope = None if endpoint.scope is None else endpoint.scope.value
        facts = {"x-weight": endpoint.weight, "x-scope": scope, "x-errors": errors}
        self._operations[f"api.{method}"] |= {name: fact for name, fact in facts.items() if fact is not None}

    def own_method(self, method: str, text: str, properties: Document) -> None:
        """Add a method that is about the connection's own session."""
        is_signed = method in {"session.logon", "userDataStream.subscribe.signature"}
        schema = inlined(Nothing.model_json_schema()) | {"properties": properties}
        self._ask(method, _params(schema, is_keyed=is_signed, is_signed=is_signed), text)

    def document(self) -> Document:
        """Return the whole."""
        return {
            "asyncapi": VERSION,
            "info": {"title": "tokenbourse", "version": own_version(), "description": __doc__},
            "defaultContentType": JSON,
            "servers": {"exchange": {"host": "127.0.0.1:8080", "protocol": "ws"}},
            "channels": self._channels,
            "operations": self._operations,
            "components": {"messages": self._messages, "schemas": self._schemas},
        }

    def _ask(self, method: str, params: Document, text: str) -> None:
        name = f"{method}.request"
        payload = {
            "type": "object",
            "required": ["id", "method"],
            "properties": {
                "id": {"type": ["string", "integer", "null"]},
                "method": {"const": method},
                "params": params,
            },
        }
        known = {"apiKey": KEY, "signature": SIGNATURE, "timestamp": TIME}
        given = {one: known.get(one) or example(params["properties"][one], {}, one) for one in params["required"]}
        self._message(name, payload, text, {"id": 1, "method": method, "params": given})
        self._channels["api"]["messages"][name] = _message_ref(name)
        self._struct("api", talk.ApiAnswer)
        self._operation(f"api.{method}", "receive", "api", [name], text)
        reply = {"channel": {"$ref": "#/channels/api"}, "messages": _refs("api", ["ApiAnswer"])}
        self._operations[f"api.{method}"]["reply"] = reply

    def _struct(self, channel: str, struct: type) -> None:
        self._message(struct.__name__, {"$ref": _PARTS + struct.__name__}, struct.__doc__)
        self._channels[channel]["messages"][struct.__name__] = _message_ref(struct.__name__)

    def _message(self, name: str, payload: Document, text: str | None, told: Document | None = None) -> None:
        made = {"name": name, "contentType": JSON, "payload": payload, "summary": (text or "").partition("\n")[0]}
        plain = told if told is not None else example(payload, self._schemas)
        self._messages[name] = made | {"examples": [{"payload": plain}]}

    def _operation(self, name: str, action: str, channel: str, messages: Sequence[str], text: str) -> None:
        self._operations[name] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel}"},
            "messages": _refs(channel, messages),
            "summary": text,
        }


_NAMES_OF_REPLIES = ("StreamResult", "StreamFault")
_SIGNED: Document = {
    "timestamp": {"type": "integer", "description": "When the request was made, in milliseconds since 1970."},
    "recvWindow": {"type": "number", "default": RECV_WINDOW_MS},
    "signature": {
        "type": "string",
        "description": "Of all other parameters, sorted by name and joined as in a query. Not after a log-on.",
    },
}
_HANDSHAKE: Document = {
    "type": "object",
    "required": ["timestamp", "signature"],
    "properties": {
        "key": {"type": "string", "description": "The API key, if it is not in the header X-MBX-APIKEY."},
        "from": {"type": "integer", "description": "The last event that is known: what came behind it is told again."},
        "cancel_on_disconnect": {"type": "boolean"},
        **_SIGNED,
    },
}

_READER_HANDSHAKE: Document = {
    "type": "object",
    "required": ["timestamp", "signature"],
    "properties": {
        "key": _HANDSHAKE["properties"]["key"],
        "keys": {"type": "string", "description": "Keys of which alone is to be told, with commas between."},
        **_SIGNED,
    },
}


def _params(schema: Document, *, is_keyed: bool, is_signed: bool) -> Document:
    properties = dict(schema.get("properties", {}))
    required = list(schema.get("required", []))
    if is_keyed:
        properties["apiKey"] = {"type": "string", "description": "Not needed after a log-on."}
    if is_signed:
        properties |= _SIGNED
        required.append("timestamp")
    return {"type": "object", "properties": properties, "required": required}


def _entitle(schemas: Document, structs: Sequence[type]) -> None:
    """Say in words what the letters on the line stand for."""
    for struct in structs:
        for field in msgspec.structs.fields(struct):
            if field.encode_name != field.name:
                schemas[struct.__name__]["properties"][field.encode_name]["title"] = field.name.replace("_", " ")


def _members(kinds: Sequence[Any]) -> list[type]:
    """Return the Structs among some types, those in unions too."""
    return [one for kind in kinds for one in getattr(kind, "__args__", (kind,))]


def _channel(address: str, text: str, messages: Document) -> Document:
    return {"address": address, "description": text, "messages": messages}


def _message_ref(name: str) -> Document:
    return {"$ref": f"#/components/messages/{name}"}


def _refs(channel: str, names: Sequence[str]) -> list[Document]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]
