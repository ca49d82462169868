"""How much anybody may ask: request weight per address and per key, orders per account, connections, size of a body.

Each limit is a token bucket: it holds `limit` tokens and refills at `limit` per interval, so nobody waits for the turn
of a minute, and what is announced as used is what is missing from the bucket. Who goes on asking after a refusal is
banned for a while that doubles with each ban.
"""

from collections.abc import Callable, Hashable
from enum import IntEnum
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from api.errors import (
    BODY_TOO_LARGE,
    TOO_MANY_CONNECTIONS,
    Problem,
    RequestError,
    banned,
    orders_exceeded,
    weight_exceeded,
)
from api.replays import SIGNATURES_MAX

SECOND_NS = 1_000_000_000
WEIGHT_INTERVAL_NS = 60 * SECOND_NS
ORDERS_INTERVAL_NS = 10 * SECOND_NS

Key = TypeVar("Key", bound=Hashable)


class Counted(IntEnum):
    """What several processes count together."""

    WEIGHT = 0  # of an address
    KEY_WEIGHT = 1
    ORDERS = 2  # of an account
    REFUSALS = 3  # of an address
    BAN = 4  # of an address, in seconds
    CONNECTIONS = 5  # of an address: opened, less closed


Tell = Callable[[Counted, Any, int], None]  # whose, and how much


class Limits(NamedTuple):
    """The limits of one door."""

    weight_per_minute: int = 3_000_000  # of one address
    orders_per_10s: int = 250_000  # of one account
    key_weight_per_minute: int = 3_000_000  # of one key, from wherever it is used
    head_bytes_max: int = 64 * 1024  # of a request's address and headers
    body_bytes_max: int = 64 * 1024
    drain_bytes_max: int = 32 * 1024 * 1024  # of a body too large, read and thrown away so that its sender hears why
    connections_max: int = 10_000  # at once, of all addresses
    connections_per_address_max: int = 2_000
    refusals_before_ban: int = 1_000  # of one address within a minute
    ban_s_min: int = 120
    ban_s_max: int = 3 * 24 * 3600
    addresses_max: int = 100_000  # remembered at once; beyond that the quietest are forgotten
    receive_s_max: int = 30  # from the opening of a connection, or the first byte of a request, to the request's last
    rest_s_max: int = 120  # of a connection between two requests
    signatures_max: int = SIGNATURES_MAX  # signed requests remembered at once while they are good; 0: none


class Bucket:
    """Tokens of one key: `level` of them at `time_ns`, refilled evenly up to the limit."""

    __slots__ = ("level", "time_ns")

    def __init__(self, level: float, time_ns: int) -> None:
        self.level = level
        self.time_ns = time_ns


class Buckets(Generic[Key]):
    """One token bucket per key, full when first seen; only those that are not full need to be kept."""

    def __init__(self, limit: int, interval_ns: int, keys_max: int) -> None:
        """Hold `limit` tokens per key, refilled over one interval."""
        self.limit = limit
        self._interval_ns = interval_ns
        self._keys_max = keys_max
        self._rate = limit / interval_ns
        self._buckets: dict[Key, Bucket] = {}
        self.tell: Callable[[Key, int], None] | None = None  # what was taken, for those who count along

    def take(self, key: Key, tokens: int, now_ns: int) -> int:
        """Take tokens; return how many are used, or -1 if there were too few, and then take none."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._add(key, now_ns)
        elif now_ns > bucket.time_ns:
            level = bucket.level + (now_ns - bucket.time_ns) * self._rate
            bucket.level = min(level, self.limit)
            bucket.time_ns = now_ns
        level = bucket.level - tokens
        if level < 0:
            return -1
        bucket.level = level
        if self.tell is not None:
            self.tell(key, tokens)
        return int(self.limit - level)

    def has(self, key: Key, tokens: int, now_ns: int) -> bool:
        """Tell whether so many tokens could be taken."""
        bucket = self._buckets.get(key)
        if bucket is None:
            return self.limit >= tokens
        return bucket.level >= tokens or self._level(bucket, now_ns) >= tokens

    def note(self, key: Key, tokens: int, now_ns: int) -> None:
        """Count tokens that were taken elsewhere, though there be too few: then it takes longer until there are any."""
        bucket = self._buckets.get(key) or self._add(key, now_ns)
        bucket.level = max(-self.limit, self._level(bucket, now_ns) - tokens)
        bucket.time_ns = max(bucket.time_ns, now_ns)

    def standing(self, now_ns: int) -> list[tuple[Key, int]]:
        """Return what is used of each bucket that is not full."""
        used = [(key, int(self.limit - self._level(bucket, now_ns))) for key, bucket in self._buckets.items()]
        return [(key, tokens) for key, tokens in used if tokens]

    def used(self, key: Key, now_ns: int) -> int:
        """Return how many tokens are used."""
        bucket = self._buckets.get(key)
        return 0 if bucket is None else int(self.limit - self._level(bucket, now_ns))

    def wait_s(self, key: Key, tokens: int, now_ns: int) -> int:
        """Return in how many whole seconds so many tokens will be there, at least 1."""
        bucket = self._buckets.get(key)
        lacking = 0 if bucket is None else min(tokens, self.limit) - self._level(bucket, now_ns)
        return max(1, -int(-lacking / self._rate // SECOND_NS))

    def _level(self, bucket: Bucket, now_ns: int) -> float:
        return min(self.limit, bucket.level + max(0, now_ns - bucket.time_ns) * self._rate)

    def _add(self, key: Key, now_ns: int) -> Bucket:
        if len(self._buckets) >= self._keys_max:
            self._forget(now_ns)
        bucket = self._buckets[key] = Bucket(self.limit, now_ns)
        return bucket

    def _forget(self, now_ns: int) -> None:
        """Drop the fuller half: a full bucket is the same as none."""
        fullest_last = sorted(self._buckets, key=lambda key: self._level(self._buckets[key], now_ns))
        for key in fullest_last[len(fullest_last) // 2 :]:
            del self._buckets[key]


class Ban(NamedTuple):
    """An address shut out: until when, and for how long, which the next one doubles."""

    until_ns: int
    duration_s: int


class Limiter:
    """Counts what addresses and accounts use, and refuses what is too much."""

    def __init__(self, limits: Limits) -> None:
        """Start with nothing used."""
        self.limits = limits
        self._weights: Buckets[str] = Buckets(limits.weight_per_minute, WEIGHT_INTERVAL_NS, limits.addresses_max)
        self._keys: Buckets[str] = Buckets(limits.key_weight_per_minute, WEIGHT_INTERVAL_NS, limits.addresses_max)
        self._orders: Buckets[int] = Buckets(limits.orders_per_10s, ORDERS_INTERVAL_NS, limits.addresses_max)
        self._patience: Buckets[str] = Buckets(limits.refusals_before_ban, WEIGHT_INTERVAL_NS, limits.addresses_max)
        self._bans: dict[str, Ban] = {}
        self._shared: dict[Counted, Buckets[Any]] = {
            Counted.WEIGHT: self._weights,
            Counted.KEY_WEIGHT: self._keys,
            Counted.ORDERS: self._orders,
            Counted.REFUSALS: self._patience,
        }
        self._tell: Tell | None = None
        self._connections: dict[str, int] = {}
        self._connection_count = 0

    def take_weight(self, address: str, weight: int, now_ns: int) -> int:
        """Count a request of an address; return the weight used, or refuse with 429 or 418."""
        if self._bans:
            self._refuse_banned(address, now_ns)
        used = self._weights.take(address, weight, now_ns)
        if used < 0:
            raise RequestError(self._refused(address, self._weights, address, weight, now_ns))
        return used

    def take_key_weight(self, key: str, address: str, weight: int, now_ns: int) -> int:
        """Count a request of a key; return the weight used, or refuse with 429 or 418."""
        used = self._keys.take(key, weight, now_ns)
        if used < 0:
            raise RequestError(self._refused(address, self._keys, key, weight, now_ns))
        return used

    def take_orders(self, account: int, count: int, now_ns: int) -> int:
        """Count orders of an account; return how many it sent in the last ten seconds, or refuse."""
        used = self._orders.take(account, count, now_ns)
        if used < 0:
            raise RequestError(orders_exceeded(self._orders.limit, self._orders.wait_s(account, count, now_ns)))
        return used

    def take_many(self, address: str, key: str, account: int, count: int, now_ns: int) -> tuple[int, int, int] | None:
        """Count so many orders of weight 1; return what is used of address, key and account, None if it is too much."""
        ban = self._bans.get(address)
        if ban is not None and now_ns < ban.until_ns:
            return None
        if not (
            self._weights.has(address, count, now_ns)
            and self._keys.has(key, count, now_ns)
            and self._orders.has(account, count, now_ns)
        ):
            return None
        return (
            self._weights.take(address, count, now_ns),
            self._keys.take(key, count, now_ns),
            self._orders.take(account, count, now_ns),
        )

    def orders_used(self, account: int, now_ns: int) -> int:
        """Return how many orders of the limit an account has used."""
        return self._orders.used(account, now_ns)

    def refuse_body(self, size_bytes: int) -> None:
        """Refuse a body that is too large."""
        if size_bytes > self.limits.body_bytes_max:
            message = BODY_TOO_LARGE.message.format(self.limits.body_bytes_max)
            raise RequestError(BODY_TOO_LARGE._replace(message=message))

    def open_connection(self, address: str) -> Problem | None:
        """Count a connection; return why it must be closed at once, or None. Each opened one is closed once."""
        self._connect(address, 1)
        limits = self.limits
        full = self._connections[address] > limits.connections_per_address_max
        if full or self._connection_count > limits.connections_max:
            limit = limits.connections_per_address_max if full else limits.connections_max
            return TOO_MANY_CONNECTIONS._replace(message=TOO_MANY_CONNECTIONS.message.format(limit))
        return None

    def close_connection(self, address: str) -> None:
        """Count a connection out."""
        self._connect(address, -1)

    def tell(self, tell: Tell) -> None:
        """Tell somebody from now on what is taken here, and who is banned."""
        self._tell = tell
        for counted, buckets in self._shared.items():
            buckets.tell = partial(tell, counted)

    def note(self, counted: Counted, key: Any, amount: int, now_ns: int) -> None:  # noqa: ANN401 - an address or account
        """Count what was taken elsewhere, or shut out who was banned there."""
        if counted is Counted.BAN:
            self._shut_out(key, amount, now_ns)
        elif counted is Counted.CONNECTIONS:
            self._count(key, amount)
        else:
            self._shared[counted].note(key, amount, now_ns)

    def standing(self, now_ns: int) -> list[tuple[Counted, Any, int]]:
        """Return all that is used, and the bans that are not over, as `note` takes them."""
        used = [(counted, *one) for counted, buckets in self._shared.items() for one in buckets.standing(now_ns)]
        rest_s = {address: -((now_ns - ban.until_ns) // SECOND_NS) for address, ban in self._bans.items()}
        used += [(Counted.CONNECTIONS, address, count) for address, count in self._connections.items()]
        return used + [(Counted.BAN, address, seconds) for address, seconds in rest_s.items() if seconds > 0]

    def _connect(self, address: str, change: int) -> None:
        """Count a connection of this process's own in or out."""
        self._count(address, change)
        if self._tell is not None:
            self._tell(Counted.CONNECTIONS, address, change)

    def _count(self, address: str, change: int) -> None:
        self._connection_count += change
        count = self._connections.get(address, 0) + change
        if count:
            self._connections[address] = count
        else:
            self._connections.pop(address, None)

    def _refuse_banned(self, address: str, now_ns: int) -> None:
        ban = self._bans.get(address)
        if ban is not None and now_ns < ban.until_ns:
            seconds = -((now_ns - ban.until_ns) // SECOND_NS)
            raise RequestError(banned(ban.until_ns // 1_000_000, seconds))

    def _refused(self, address: str, buckets: Buckets[str], key: str, weight: int, now_ns: int) -> Problem:
        if self._patience.take(address, 1, now_ns) < 0:
            return self._ban(address, now_ns)
        return weight_exceeded(buckets.limit, buckets.wait_s(key, weight, now_ns))

    def _ban(self, address: str, now_ns: int) -> Problem:
        limits = self.limits
        before = self._bans.get(address)
        duration_s = limits.ban_s_min if before is None else min(2 * before.duration_s, limits.ban_s_max)
        self._shut_out(address, duration_s, now_ns)
        if self._tell is not None:
            self._tell(Counted.BAN, address, duration_s)
        return banned((now_ns + duration_s * SECOND_NS) // 1_000_000, duration_s)

    def _shut_out(self, address: str, duration_s: int, now_ns: int) -> None:
        if len(self._bans) >= self.limits.addresses_max:
            self._bans = {key: ban for key, ban in self._bans.items() if ban.until_ns > now_ns}
        self._bans[address] = Ban(now_ns + duration_s * SECOND_NS, duration_s)
