"""The way in to the command line: whoever trades does not wait until all that makes an exchange is imported.

That takes longer than to place an order, so the commands of those who trade, and the completion of their words, are
run without it.
"""

import importlib
import os
import sys

import typer

from api import tradecli
from api.manual import illustrate


def main() -> None:
    """Run or complete the command that was typed."""
    command = "".join(_typed()[1:2])
    is_trading = command in {function.__name__ for function in tradecli.COMMANDS}
    try:
        app = trading() if is_trading else importlib.import_module("api.cli").app
        app()
    except KeyboardInterrupt:  # before there was a command that knows what to do then
        sys.exit(tradecli.EXIT_INTERRUPTED)
    except OSError as error:  # what a command does not expect: nobody takes its output
        tradecli.err.print(f"{type(error).__name__}: {error}", style="bold red", highlight=False, soft_wrap=True)
        sys.exit(tradecli.EXIT_FAILURE)


def trading() -> typer.Typer:
    """Return the commands of those who trade, as they are in the whole command line."""
    app = typer.Typer(rich_markup_mode="markdown", pretty_exceptions_show_locals=False)
    tradecli.register(app)
    illustrate(app)
    return app


def _typed() -> list[str]:
    """Return the words of the command line; the shell has them in its variables when it asks to complete them."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS")
    return line.split() if line else sys.argv


if __name__ == "__main__":
    main()
