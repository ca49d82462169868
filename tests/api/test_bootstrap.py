"""The first start: the operator's key and the yuan, made once and again where they are missing."""

import asyncio
import json
from pathlib import Path

from api.bootstrap import OPERATOR_FILE, SCOPES, prepare
from api.vault import Vault
from exchange.config import Config
from exchange.core.state import TEST
from exchange.server import Exchange

SMALL = Config(capacity=TEST, journal_segment_bytes=1 << 20)


def _start(directory: Path) -> dict[str, object]:
    """Start and stop once; return what the operator finds, and how many keys there are."""

    async def main() -> dict[str, object]:
        vault = Vault.open(directory)
        exchange = Exchange.open(directory, SMALL)
        exchange.start(asyncio.get_running_loop())
        path = await prepare(exchange, vault, directory)
        written = json.loads(path.read_text())
        key = exchange.registry.key(written["key"])
        assert key is not None
        assert vault.decrypt(key.encrypted_secret).decode() == written["secret"]
        assert key.scopes == frozenset(SCOPES)
        await exchange.stop()
        return written | {
            "keys": len(exchange.registry.keys_of(0)),
            "assets": [a.name for a in exchange.registry.assets],
        }

    return asyncio.run(main())


def test_the_first_start_makes_key_and_cash_and_later_ones_keep_them(tmp_path: Path) -> None:
    first = _start(tmp_path)
    assert (first["keys"], first["assets"], first["account"]) == (1, ["CNY"], 0)
    assert (tmp_path / OPERATOR_FILE).stat().st_mode & 0o777 == 0o600
    assert _start(tmp_path) == first


def test_a_key_that_is_lost_or_foreign_is_replaced(tmp_path: Path) -> None:
    first = _start(tmp_path)
    (tmp_path / OPERATOR_FILE).unlink()
    second = _start(tmp_path)
    assert second["key"] != first["key"]
    (tmp_path / OPERATOR_FILE).write_text(json.dumps({"key": "k" * 64, "secret": "s"}))
    third = _start(tmp_path)
    assert third["keys"] == 3
    assert not list(tmp_path.glob("*.draft"))
