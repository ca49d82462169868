"""The command line of operators: `tokenbourse operator halt`, `resume`, `phase`, `kill`, `bust`, `set`, `acts`, ...

Every act says why; the exchange writes it down with who and when before it does it.
"""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from api import completion
from api.cataloguecli import URL, Address, reaching
from api.demo.client import Rest, open_http
from api.demo.market import operator_key
from api.ledgercli import DATA, AsJson, Directory, out

RULES = {
    "fees": "/v1/fees",
    "fee-schedule": "/v1/fee-schedule",
    "tier": "/v1/tier",
    "account-tier": "/v1/account-tier",
    "band": "/v1/price-band",
    "guards": "/v1/guards",
    "mode": "/v1/trading-mode",
    "instrument-limits": "/v1/instrument-limits",
    "account-limits": "/v1/account-limits",
    "venue-rules": "/v1/venue-rules",
}
Why = Annotated[str, typer.Option("--why", help="Why it is done: kept for the auditor.", show_default=False)]
Number = Annotated[int, typer.Argument(min=1, help="Number of a proposal.")]
Symbol = Annotated[str, typer.Argument(help="Symbol of the instrument.", autocompletion=completion.symbols)]
Behind = Annotated[int, typer.Option("--after", min=0, help="Only those behind this number.")]
group = typer.Typer(help="Run the market: every act is written down with its reason.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of operators."""
    app.add_typer(group, name="operator")


@group.command()
def halt(
    why: Why,
    symbols: Annotated[
        list[str] | None,
        typer.Argument(help="Symbols of instruments; none: all that trade.", autocompletion=completion.symbols),
    ] = None,
    data: Directory = DATA,
    url: Address = URL,
) -> None:
    """Halt instruments: orders rest and can be cancelled, nothing trades."""
    _act(data, url, why, "POST", "/v1/halt", symbols=symbols or [])


@group.command()
def resume(symbol: Symbol, why: Why, data: Directory = DATA, url: Address = URL) -> None:
    """Let an instrument trade continuously again."""
    _act(data, url, why, "PUT", "/v1/trading-state", symbol=symbol, state="CONTINUOUS")


@group.command()
def phase(
    symbol: Symbol,
    state: Annotated[str, typer.Argument(help="CLOSED, PRE_OPEN, CALL_OPEN, CONTINUOUS, ...")],
    why: Why,
    data: Directory = DATA,
    url: Address = URL,
) -> None:
    """Put an instrument into a trading state."""
    _act(data, url, why, "PUT", "/v1/trading-state", symbol=symbol, state=state)


@group.command()
def uncross(symbol: Symbol, why: Why, data: Directory = DATA, url: Address = URL) -> None:
    """Trade what a call collected at one price, and go on continuously."""
    _act(data, url, why, "POST", "/v1/uncross", symbol=symbol)


@group.command()
def kill(
    account: Annotated[int, typer.Argument(min=1, help="Account to suspend.")],
    why: Why,
    data: Directory = DATA,
    url: Address = URL,
) -> None:
    """Suspend an account and end its open orders."""
    _act(data, url, why, "POST", "/v1/kill-switch", account=account)


@group.command()
def bust(
    event: Annotated[int, typer.Argument(min=1, help="Number of the trade's event, its entry in the ledger.")],
    why: Why,
    data: Directory = DATA,
    url: Address = URL,
) -> None:
    """Take a trade back."""
    _act(data, url, why, "POST", "/v1/busts", event=event)


@group.command("set")
def set_rule(
    rule: Annotated[str, typer.Argument(help=f"One of {', '.join(RULES)}.")],
    why: Why,
    terms: Annotated[list[str], typer.Argument(help="NAME=VALUE, as the API names them.")],
    data: Directory = DATA,
    url: Address = URL,
) -> None:
    """Change a rule of an instrument or an account."""
    if rule not in RULES:
        raise typer.BadParameter(f"one of {', '.join(RULES)}", param_hint="RULE")
    _act(data, url, why, "PUT", RULES[rule], **dict(map(_term, terms)))


@group.command()
def propose(
    act: Annotated[str, typer.Argument(help="Method and path, as 'PUT /v1/fees'.")],
    terms: Annotated[list[str], typer.Argument(help="NAME=VALUE, as the API names them.")],
    why: Why,
    data: Directory = DATA,
    url: Address = URL,
) -> None:
    """Ask another operator to approve an act that moves money or changes rules."""
    _act(data, url, why, "POST", "/v1/proposals", act=act, body=json.dumps(dict(map(_term, terms))))


@group.command()
def approve(number: Number, why: Why, data: Directory = DATA, url: Address = URL) -> None:
    """Approve another operator's proposal: it is done at once."""
    _act(data, url, why, "POST", "/v1/decisions", number=number, approve=True)


@group.command()
def decline(number: Number, why: Why, data: Directory = DATA, url: Address = URL) -> None:
    """Refuse another operator's proposal."""
    _act(data, url, why, "POST", "/v1/decisions", number=number, approve=False)


@group.command()
def proposals(data: Directory = DATA, url: Address = URL, after: Behind = 0, as_json: AsJson = False) -> None:  # noqa: FBT002
    """List what operators propose to each other, why, and what became of it."""
    columns = ("number", "act", "body", "by", "why", "state", "decided_by", "code")
    _show(_call(data, url, "GET", "/v1/proposals", after=after)["proposals"], columns, as_json)


@group.command()
def decide(
    case: Annotated[str, typer.Argument(help="A case of surveillance.")],
    state: Annotated[str, typer.Argument(help="OPEN, REVIEW, REPORTED or DISMISSED.")],
    why: Why,
    data: Directory = DATA,
    url: Address = URL,
) -> None:
    """Write down what is thought of a case; the reason is its note, too."""
    _act(data, url, why, "PUT", "/v1/cases", case=case, state=state, note=why)


@group.command()
def acts(data: Directory = DATA, url: Address = URL, after: Behind = 0, as_json: AsJson = False) -> None:  # noqa: FBT002
    """List what operators did: who, when, why."""
    _show(
        _call(data, url, "GET", "/v1/acts", after=after)["acts"], ("number", "time", "account", "act", "why"), as_json
    )


@group.command()
def alerts(data: Directory = DATA, url: Address = URL, after: Behind = 0, as_json: AsJson = False) -> None:  # noqa: FBT002
    """List what surveillance found."""
    columns = ("number", "kind", "accounts", "symbol", "first_sequence", "last_sequence", "found")
    _show(_call(data, url, "GET", "/v1/alerts", after=after)["alerts"], columns, as_json)


@group.command()
def cases(data: Directory = DATA, url: Address = URL, as_json: AsJson = False) -> None:  # noqa: FBT002 - a switch
    """List the cases that alerts make, and what was decided about them."""
    _show(_call(data, url, "GET", "/v1/cases")["cases"], ("case", "state", "note", "decided_by"), as_json)


def _term(text: str) -> tuple[str, Any]:
    name, is_given, value = text.partition("=")
    if not is_given:
        raise typer.BadParameter("terms are NAME=VALUE", param_hint="TERMS")
    if value in {"true", "false", "null"} or value.startswith("["):
        return name, _value(value)
    return name, int(value) if value.removeprefix("-").isdecimal() else value


def _value(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise typer.BadParameter(f"no JSON list: {text}", param_hint="TERMS") from None


def _act(data: Path, url: str, why: str, method: str, path: str, /, **terms: Any) -> None:  # noqa: ANN401
    """Do something, and print what the exchange says."""
    if not why.strip():
        raise typer.BadParameter("say why", param_hint="--why")
    out.print_json(json.dumps(_call(data, url, method, path, why, **terms)))


def _call(data: Path, url: str, method: str, path: str, why: str = "", /, **terms: Any) -> dict[str, Any]:  # noqa: ANN401
    async def call() -> dict[str, Any]:
        async with open_http(url) as http:
            desk = Rest(http, operator_key(data))
            found: dict[str, Any]
            if method == "GET":
                found = await desk.signed(method, path, **terms)
            else:
                found = await desk.json(method, path, terms, reason=why)
            return found

    with reaching(url, data):
        return asyncio.run(call())


def _show(rows: list[dict[str, Any]], columns: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - a switch
    if as_json:
        out.print_json(json.dumps(rows))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*[str(row[column]) for column in columns])
    out.print(table)
