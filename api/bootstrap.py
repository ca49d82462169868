"""The first start of an exchange: the operator's key, and the yuan that everything is paid in.

Both are made where they are missing, so a start that was cut short is finished by the next one.
"""

import json
import os
from pathlib import Path

from api.auth import new_key
from api.vault import Vault
from exchange.catalogues import carry_out
from exchange.core.types import EXCHANGE_ACCOUNT, AssetKind
from exchange.payments import pay_out
from exchange.registry.documents import AssetNamed, Document, KeyCreated, Scope, commands_of, encode
from exchange.server import Exchange

OPERATOR_FILE = "operator.json"
SCOPES = (Scope.OPERATE, Scope.AUDIT, Scope.READ)
CASH, CASH_DECIMALS = "CNY", 6


async def prepare(exchange: Exchange, vault: Vault, directory: Path) -> Path:
    """Return the file with the operator's key, made if there is none that is good; the exchange is started.

    A catalogue whose listing was cut short is listed to its end first, and payments that were are made.
    """
    await carry_out(exchange.registry, exchange.submit)
    await pay_out(exchange.registry, exchange.submit)
    if exchange.registry.asset(CASH) is None:
        cash = AssetNamed(exchange.registry.next_asset, CASH, AssetKind.CASH, CASH_DECIMALS, description="yuan")
        await _register(exchange, cash)
    path = directory / OPERATOR_FILE
    if not _is_good(exchange, path):
        await _make_key(exchange, vault, path)
    return path


async def _make_key(exchange: Exchange, vault: Vault, path: Path) -> None:
    """Write the key down in the journal first: a file is then always a key that works."""
    made = new_key()
    document = KeyCreated(
        made.key,
        vault.encrypt(made.secret.encode("ascii")),
        EXCHANGE_ACCOUNT,
        SCOPES,
        "operator",
        exchange.clock.now_ns(),
    )
    await _register(exchange, document)
    content = {"key": made.key, "secret": made.secret, "account": EXCHANGE_ACCOUNT, "scopes": SCOPES}
    _write_private(path, json.dumps(content, indent=2) + "\n")


async def _register(exchange: Exchange, document: Document) -> None:
    await exchange.submit(commands_of(document), encode(document))


def _is_good(exchange: Exchange, path: Path) -> bool:
    if not path.exists():
        return False
    return exchange.registry.key(json.loads(path.read_text(encoding="utf-8"))["key"]) is not None


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, so that a crash leaves either none or a whole one."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    draft.replace(path)
