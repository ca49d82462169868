"""The command line of those who trade: `markets`, `book`, `tape`, `buy`, `sell`, `cancel`, `orders`, `balance`.

The key comes from a file or from the environment, never from the command line, where others could read it. Exit codes:
0 done, 1 refused by the exchange, 2 wrongly asked or not reached, 130 interrupted; a live
view, which ends no other way, is interrupted with 0.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from api import completion, shown, views, watching
from api.client.conduct import Patience
from api.client.faults import (
    AnswerError,
    BadAddressError,
    ClientError,
    ConnectionFailedError,
    OutcomeUnknownError,
    Refused,
)
from api.client.operations import new_order_id
from api.client.rest import URL, AsyncClient, Client
from api.client.signing import KEY_FILE_VARIABLE, BadKeyError, Key, find_key
from api.client.wire import NoKeyError
from api.completion import URL_VARIABLE
from api.consoles import consoles
from api.watching import View

EXIT_REFUSED, EXIT_FAILURE, EXIT_INTERRUPTED = 1, 2, 130
MARKETS_MAX = 100  # shown at a time
BRIEF = Patience(attempts=1)  # a live view looks again anyway
out, err = consoles()

Url = Annotated[str, typer.Option("--url", envvar=URL_VARIABLE, help="Address of the exchange.")]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        envvar=KEY_FILE_VARIABLE,
        dir_okay=False,
        help="JSON file with `key` and `secret`; else TOKENBOURSE_API_KEY and TOKENBOURSE_API_SECRET are used.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one text a line.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow what changes until interrupted.")]
Symbol = Annotated[
    str, typer.Argument(help="Symbol of the instrument.", show_default=False, autocompletion=completion.symbols)
]
Quantity = Annotated[str, typer.Argument(help="Lots: of an allowance, millions of tokens.", show_default=False)]
Price = Annotated[str | None, typer.Argument(help="Limit price of a lot; without one at the market.")]
Name = Annotated[
    str | None, typer.Option("--name", help="Your own id of the order: a repeat under it is the same order.")
]
TimeInForce = Annotated[str, typer.Option("--tif", help="GTC: until cancelled, IOC: at once, FOK: all or nothing.")]
PostOnly = Annotated[bool, typer.Option("--post-only", help="Refuse rather than match on entry.")]


class _Options(NamedTuple):
    url: str
    key: Key | None
    as_json: bool


def register(app: typer.Typer) -> None:
    """Add the commands of those who trade."""
    for command in COMMANDS:
        app.command(command.__name__, rich_help_panel="Trading")(command)


def markets(
    text: Annotated[str, typer.Argument(help="Part of the symbols to show.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=MARKETS_MAX, help="How many to show.")] = 50,
    url: Url = URL,
    watch: Watch = False,  # noqa: FBT002 - a switch
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """List instruments with their state and their last 24 hours."""
    _look(_Options(url, None, as_json), views.markets(url, text, limit), watch=watch)


def book(
    symbol: Symbol,
    levels: Annotated[int, typer.Option(min=1, max=5_000, help="Levels of each side.")] = 10,
    url: Url = URL,
    watch: Watch = False,  # noqa: FBT002 - a switch
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Show the book of an instrument."""
    _look(_Options(url, None, as_json), views.book(url, symbol, levels), watch=watch)


def tape(
    symbol: Symbol,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many trades.")] = 20,
    url: Url = URL,
    watch: Watch = False,  # noqa: FBT002 - a switch
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Show the last trades of an instrument, the latest first."""
    _look(_Options(url, None, as_json), views.tape(url, symbol, limit), watch=watch)


def buy(
    symbol: Symbol,
    quantity: Quantity,
    price: Price = None,
    tif: TimeInForce = "GTC",
    name: Name = None,
    url: Url = URL,
    key_file: KeyFile = None,
    post_only: PostOnly = False,  # noqa: FBT002 - a switch
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Buy at a limit price or better, or at the market."""
    with _client(_options(url, key_file, as_json)) as client, _named(name) as own:
        order = client.buy(symbol, quantity, price, time_in_force=tif, post_only=post_only, client_order_id=own)  # type: ignore[arg-type] # the exchange says what it thinks of another time in force
        _told(order, shown.placed(order), as_json=as_json)


def sell(
    symbol: Symbol,
    quantity: Quantity,
    price: Price = None,
    tif: TimeInForce = "GTC",
    name: Name = None,
    url: Url = URL,
    key_file: KeyFile = None,
    post_only: PostOnly = False,  # noqa: FBT002 - a switch
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Sell at a limit price or better, or at the market."""
    with _client(_options(url, key_file, as_json)) as client, _named(name) as own:
        order = client.sell(symbol, quantity, price, time_in_force=tif, post_only=post_only, client_order_id=own)  # type: ignore[arg-type] # the exchange says what it thinks of another time in force
        _told(order, shown.placed(order), as_json=as_json)


def cancel(
    symbol: Symbol,
    order_id: Annotated[int | None, typer.Argument(help="Number of the order.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="Your own id of the order.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All open orders on the instrument.")] = False,  # noqa: FBT002 - a switch
    url: Url = URL,
    key_file: KeyFile = None,
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """End an open order, or all on an instrument."""
    if (order_id is not None) + (name is not None) + every != 1:
        raise typer.BadParameter("name one order, by its number or by --name, or say --all")
    with _client(_options(url, key_file, as_json)) as client:
        ended = client.cancel_all(symbol) if every else [client.cancel(symbol, order_id, name)]
        _told(ended, "\n".join(map(shown.canceled, ended)), as_json=as_json)


def orders(
    symbol: Annotated[
        str | None,
        typer.Argument(help="Symbol of the instrument; without one all.", autocompletion=completion.symbols),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,  # noqa: FBT002 - a switch
    url: Url = URL,
    key_file: KeyFile = None,
    watch: Watch = False,  # noqa: FBT002 - a switch
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """List orders, the latest first."""
    if every and symbol is None:
        raise typer.BadParameter("name an instrument to see the orders that have ended, too")
    options = _options(url, key_file, as_json)
    _look(options, views.orders(url, options.key, symbol, every=every), watch=watch)


def balance(
    url: Url = URL,
    key_file: KeyFile = None,
    watch: Watch = False,  # noqa: FBT002 - a switch
    as_json: AsJson = False,  # noqa: FBT002 - a switch
) -> None:
    """Show what the key's account owns."""
    options = _options(url, key_file, as_json)
    _look(options, views.balances(url, options.key), watch=watch)


def _options(url: str, key_file: Path | None, as_json: bool) -> _Options:  # noqa: FBT001 - a switch
    try:
        return _Options(url, find_key(key_file, os.environ), as_json)
    except BadKeyError as error:
        _fail(str(error), EXIT_FAILURE)
        raise


def _look(options: _Options, view: View, *, watch: bool) -> None:
    """Print what is seen, once, or whenever it changes."""
    with _guarded(options):
        if watch:
            client = AsyncClient(options.url, options.key, patience=BRIEF)
            with suppress(KeyboardInterrupt):
                asyncio.run(watching.watch(view, client, out, err, as_json=options.as_json))
            return
        sight = asyncio.run(watching.once(view, AsyncClient(options.url, options.key)))
        _told(sight.value, sight.table, as_json=options.as_json)


@contextmanager
def _named(name: str | None) -> Iterator[str]:
    """Yield the order's own id, and name it if nobody knows what became of the order."""
    own = name or new_order_id()
    try:
        yield own
    except (OutcomeUnknownError, KeyboardInterrupt):
        err.print(f"repeat with --name {own} to learn what became of it: it will not be placed twice", highlight=False)
        raise


@contextmanager
def _client(options: _Options) -> Iterator[Client]:
    """Yield a client."""
    with _guarded(options), Client(options.url, options.key) as client:
        yield client


@contextmanager
def _guarded(options: _Options) -> Iterator[None]:
    """Turn what goes wrong into a line and an exit code."""
    try:
        yield
    except Refused as error:
        _fail(str(error), EXIT_REFUSED)
    except NoKeyError:
        _fail(f"this needs a key: name its file by --key-file or {KEY_FILE_VARIABLE}", EXIT_FAILURE)
    except BadAddressError as error:
        _fail(str(error), EXIT_FAILURE)
    except ConnectionFailedError as error:
        _fail(f"no exchange answers at {options.url}: start it, or name its address by --url ({error})", EXIT_FAILURE)
    except AnswerError as error:
        _fail(
            f"what answers at {options.url} is no exchange that this program knows: {' '.join(str(error).split())}",
            EXIT_FAILURE,
        )
    except ClientError as error:
        _fail(f"{options.url}: {error}", EXIT_FAILURE)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _told(value: object, words: Any, *, as_json: bool) -> None:  # noqa: ANN401 - whatever rich prints
    if as_json:
        typer.echo(msgspec.json.encode(value).decode())
    else:
        out.print(words, highlight=False)


def _fail(text: str, status: int) -> None:
    err.print(text, style="bold red", highlight=False, soft_wrap=True)
    raise typer.Exit(status)


COMMANDS = (markets, book, tape, buy, sell, cancel, orders, balance)
