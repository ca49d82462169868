"""An example for every command of the command line, shown by its `--help`: one table, so that none is forgotten.

Each begins with the command as it is typed, between backticks; what it does may stand behind.
"""

import typer
from typer.main import get_command_name

EXAMPLES = {
    "serve": "`tokenbourse serve --data ./exchange --gateways 2` serves on http://127.0.0.1:8080 until interrupted",
    "demo": "`tokenbourse demo --seconds 5 --data ./day` shows a day, and keeps it in ./day",
    "version": "`tokenbourse version`",
    "reconcile": "`tokenbourse reconcile --data ./exchange --json` proves that all records agree, for a program",
    "audit": "`tokenbourse audit --data ./exchange` follows the chain of hashes and computes every fee again",
    "rebuild": "`tokenbourse rebuild postgresql://user@host/again --data ./exchange` makes the ledger once more",
    "statement": "`tokenbourse statement 3 --data ./exchange --asset CNY --csv` lists what happened to an account",
    "close-period": "`tokenbourse close-period 0 --data ./exchange` seals the first period",
    "markets": "`tokenbourse markets CTEL --watch` follows the instruments whose symbols contain CTEL",
    "book": "`tokenbourse book TA.CTEL.Q3.OUT.GZ.M2701.G80A --levels 20 --watch` follows the best 20 levels",
    "tape": "`tokenbourse tape TA.CTEL.Q3.OUT.GZ.M2701.G80A --json` prints the last trades for a program",
    "buy": "`tokenbourse buy TA.CTEL.Q3.OUT.GZ.M2701.G80A 5 0.2 --key-file alice.json` buys 5 lots at 0.2 or less",
    "sell": "`tokenbourse sell TA.CTEL.Q3.OUT.GZ.M2701.G80A 5 0.3 --post-only` offers 5 lots and never takes",
    "cancel": "`tokenbourse cancel TA.CTEL.Q3.OUT.GZ.M2701.G80A 4194305` or `... --name mine-7` or `... --all`",
    "orders": "`tokenbourse orders --watch` follows all open orders",
    "balance": "`tokenbourse balance --json`",
    "dataset": "`tokenbourse dataset root ./corpus` prints the content root that a register entry names",
    "dataset root": "`tokenbourse dataset root ./corpus --json`",
    "dataset prove": "`tokenbourse dataset prove ./corpus proof.json --nonce 00ff` shows the chunks that 00ff asks for",
    "dataset verify": "`tokenbourse dataset verify proof.json --root HEX --nonce 00ff` checks what `prove` wrote",
    "dataset entry": "`tokenbourse dataset entry croissant.json` prints what a register entry would say",
    "dataset check": "`tokenbourse dataset check --data ./exchange` follows the register's chain of hashes",
    "entitlement": "`tokenbourse entitlement verify entitlement.json --key HEX` checks a buyer's right to read",
    "entitlement verify": "`tokenbourse entitlement verify entitlement.json --key HEX --at 2027-01-31`",
    "catalogue": "`tokenbourse catalogue import prices.csv --rate USD=7.10 --issuer 1 --dry-run` lists nothing yet",
    "catalogue import": "`tokenbourse catalogue import prices.csv --rate USD=7.10 --issuer 1` lists a file's models",
    "index": "`tokenbourse index recompute --data ./exchange` computes every published price again",
    "index recompute": "`tokenbourse index recompute --data ./exchange --json`",
    "operator": '`tokenbourse operator halt --why "prices are stale"` halts all that trades',
    "operator halt": '`tokenbourse operator halt DL.0000123456.FT.Y1S5 --why "a wrong file"` halts one instrument',
    "operator resume": '`tokenbourse operator resume DL.0000123456.FT.Y1S5 --why "the file is right"`',
    "operator phase": '`tokenbourse operator phase DL.0000123456.FT.Y1S5 CALL_OPEN --why "the morning auction"`',
    "operator uncross": '`tokenbourse operator uncross DL.0000123456.FT.Y1S5 --why "the call is over"`',
    "operator kill": '`tokenbourse operator kill 7 --why "its programs ran wild"` suspends account 7',
    "operator bust": '`tokenbourse operator bust 118 --why "a clear error of price"` takes the trade of event 118 back',
    "operator set": '`tokenbourse operator set band symbol=TA.X price_low=0.1 price_high=0.9 --why "a new model"`',
    "operator propose": '`tokenbourse operator propose "PUT /v1/fees" symbol=TA.X maker_bps=2 taker_bps=5 --why ok`',
    "operator approve": '`tokenbourse operator approve 3 --why "as agreed"` does what proposal 3 asks for',
    "operator decline": '`tokenbourse operator decline 3 --why "the rate is wrong"`',
    "operator proposals": "`tokenbourse operator proposals --json`",
    "operator decide": '`tokenbourse operator decide spoofing-7-1 DISMISSED --why "two funds of one house"`',
    "operator acts": "`tokenbourse operator acts --after 100` lists what came behind act 100",
    "operator alerts": "`tokenbourse operator alerts --json`",
    "operator cases": "`tokenbourse operator cases --data ./exchange`",
    "usage": "`tokenbourse usage send day.parquet --key-file meter.json` reports the use in a file",
    "usage send": "`tokenbourse usage send day.csv --key sk-1 --batch 10000 --key-file meter.json`",
    "usage watch": "`tokenbourse usage watch sk-1 --once` says what one key has left",
}


def illustrate(app: typer.Typer, path: str = "") -> None:
    """Give every command its example. Raises KeyError for one that has none."""
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or get_command_name(command.callback.__name__)
        command.epilog = _example(f"{path} {name}")
    for group in app.registered_groups:
        group.epilog = _example(f"{path} {group.name}")
        assert group.typer_instance is not None
        illustrate(group.typer_instance, f"{path} {group.name}")


def _example(path: str) -> str:
    return f"**Example** {EXAMPLES[path.strip()]}"
