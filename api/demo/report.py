"""What happened in the demo, as tables, and whether every check held."""

from decimal import Decimal
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from api.demo.actors import Facts
from api.demo.world import Listing

PROOF = "journal = engine = ledger = tape"


class Check(NamedTuple):
    """Something that must hold."""

    claim: str
    holds: bool
    detail: str


def show(console: Console, facts: Facts, listings: list[Listing], checks: list[Check]) -> None:
    """Print the market, the day's figures, and the checks."""
    console.print(_market(facts, listings))
    console.print(_figures(facts))
    table = Table("check", "", "seen", title="Checks")
    for check in checks:
        holds = Text("holds", "green") if check.holds else Text("FAILS", "red")
        table.add_row(check.claim, holds, check.detail)
    console.print(table)
    if all(check.holds for check in checks):
        console.print(PROOF, style="bold green")
    else:
        console.print("not proved: see the checks that fail", style="bold red")


def _market(facts: Facts, listings: list[Listing]) -> Table:
    table = Table(title="The market (prices in yuan per lot; an allowance's lot is 1 M tokens)")
    for heading in ("instrument", "list price", "last", "low", "high", "lots", "trades"):
        table.add_column(heading, justify="left" if heading == "instrument" else "right", no_wrap=True)
    for listing in listings:
        rows = [facts.trades[number] for number in sorted(facts.trades) if facts.trades[number][0] == listing.symbol]
        prices = [price for _, price, _ in rows]
        seen = [f"{price.normalize():f}" for price in (prices[-1], min(prices), max(prices))] if prices else ["-"] * 3
        lots = sum((lots for _, _, lots in rows), Decimal(0))
        table.add_row(listing.symbol, f"{listing.price.normalize():f}", *seen, f"{lots:,.0f}", f"{len(rows):,}")
    return table


def _figures(facts: Facts) -> Table:
    tokens = sum(lots for symbol, _, lots in facts.trades.values() if symbol.startswith("TA."))
    table = Table("", "", title="The day", show_header=False)
    table.add_row("orders acknowledged", f"{len(facts.acknowledged):,}")
    table.add_row("trades on the tape", f"{len(facts.trades):,}")
    table.add_row("tokens traded", f"{tokens:,.0f} million")
    table.add_row("tokens redeemed", f"{facts.usage_tokens:,}")
    table.add_row("usage records applied / repeated", f"{facts.usage_applied:,} / {facts.usage_duplicates:,}")
    table.add_row("requests sent again after the kill", f"{facts.interruptions:,}")
    table.add_row("refusals by code", ", ".join(f"{code}: {n}" for code, n in sorted(facts.refusals.items())) or "none")
    for name, times in (("REST order", facts.rest_ms), ("websocket order", facts.socket_ms)):
        table.add_row(f"{name}, p50 / p90 / p99 ms", " / ".join(f"{_percentile(times, p):.2f}" for p in (50, 90, 99)))
    return table


def _percentile(times: list[float], percent: int) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else float("nan")
