"""What is compiled is compiled again when any source of it changes."""

import ast
from pathlib import Path

import pytest

from api.compiled import wording
from exchange.marketdata.folds import compiled as views
from exchange.surveillance.folds import tables

CORE = "exchange.core"  # in the name of every cache


def imported(source: Path) -> set[Path]:
    """Return the files of ours that a source imports names from, without the core's."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if not isinstance(node, ast.ImportFrom) or node.module is None or node.module.startswith(CORE):
            continue
        if node.module.split(".")[0] in {"api", "exchange"}:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            files = [Path(*name.split(".")).with_suffix(".py") for name in (node.module, *names)]
            found |= {file.resolve() for file in files if file.exists()}
    return found


@pytest.mark.parametrize(
    "sources",
    [(Path(views.__file__).parent,), tables._SOURCES, wording._SOURCES],
    ids=["views", "surveillance", "door"],
)
def test_each_cache_is_named_after_all_sources_that_go_in(sources: tuple[Path, ...]) -> None:
    folder, *besides = sources
    named = {source.resolve() for source in (*folder.glob("*.py"), *besides)}
    needed = set().union(*[imported(source) for source in folder.glob("*.py")])
    assert len(needed) > 1
    assert {str(source) for source in needed - named} == set()
