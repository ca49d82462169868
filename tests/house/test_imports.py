"""Who may import whom: an arrow never points up."""

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.house.sources import PACKAGES, nodes, sources

STANDARD = frozenset(sys.stdlib_module_names)
OURS = frozenset(PACKAGES)

# folder: (what it may import of ours, what it may import of others); the longest folder that fits a path counts
ALLOWED = {
    "exchange/core": ({"exchange.core"}, {"numpy", "numba", "llvmlite", "sortedcontainers"}),
    "exchange/registry": (
        {"exchange.core", "exchange.registry", "exchange.config", "exchange.events", "exchange.methodology"},
        {"msgspec", "numpy"},
    ),
    "exchange/marketdata": (
        {"exchange.core", "exchange.marketdata", "exchange.config", "exchange.events", "exchange.methodology"},
        {"msgspec", "numpy", "sortedcontainers"},
    ),
    "exchange/marketdata/folds": ({"exchange.core", "exchange.marketdata.folds"}, {"numpy"}),
    "exchange/surveillance/folds": (
        {
            "exchange.core",
            "exchange.marketdata.folds",
            "exchange.surveillance.folds",
            "exchange.surveillance.thresholds",
        },
        {"numpy"},
    ),
    "exchange/journal": (
        {"exchange.core.records", "exchange.core.types", "exchange.journal", "exchange.config"},
        {"numpy", "crc32c"},
    ),
    "exchange": ({"exchange"}, {"numpy", "msgspec", "orjson", "crc32c", "structlog", "cryptography"}),
    "settlement": ({"settlement", "exchange"}, None),
    "api": ({"api", "settlement", "exchange"}, None),
}

# the core knows nothing of the outside: of the standard library only what computes
CORE_STANDARD = frozenset(
    {"collections", "dataclasses", "enum", "functools", "hashlib", "itertools", "operator", "struct", "typing"}
)

# file: what it may import besides
BESIDES = {
    "exchange/core/engine.py": {"sys"},  # whether anybody still has the events of a batch
    "exchange/core/jit.py": {"os", "pathlib"},  # where compiled kernels are kept
    "exchange/core/state.py": {"mmap"},  # the memory of the state
}

# module: where alone it may be imported
ONLY_IN = {
    "asyncpg": ("settlement",),
    "fastapi": ("api",),
    "starlette": ("api",),
    "pydantic": ("api",),
    "uvicorn": ("api",),
    "numba": ("exchange/core",),
    "llvmlite": ("exchange/core/calling.py", "exchange/core/jit.py", "exchange/core/linking.py"),
    "time": ("exchange/clock.py", "api"),
    "random": ("exchange/clock.py", "api"),
    "uuid": ("exchange/clock.py", "api"),
}


def imported(tree: ast.Module) -> Iterator[str]:
    """Yield the full name of every imported module; of `from a import b` both `a` and `a.b` stand for it."""
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(path: str, names: list[str]) -> list[str]:
    """Return the names that a file at this path may not import."""
    folder = next(folder for folder in sorted(ALLOWED, key=len, reverse=True) if path.startswith(folder + "/"))
    ours, others = ALLOWED[folder]
    asked = [name for name in names if name.split(".", 1)[0] not in BESIDES.get(path, set())]
    return [name for name in asked if not _fits(folder, name, ours, others) or not _in_its_place(path, name)]


def _fits(folder: str, name: str, ours: set[str], others: set[str] | None) -> bool:
    top = name.split(".", 1)[0]
    if top in OURS:
        return any(name == prefix or name.startswith(prefix + ".") for prefix in ours)
    if top in STANDARD:
        return folder != "exchange/core" or top in CORE_STANDARD
    return others is None or top in others


def _in_its_place(path: str, name: str) -> bool:
    places = ONLY_IN.get(name.split(".", 1)[0])
    return places is None or any(path == place or path.startswith(place + "/") for place in places)


def test_imports_point_down() -> None:
    found = {source.path: forbidden(source.path, list(imported(source.tree))) for source in sources(PACKAGES)}
    assert {path: names for path, names in found.items() if names} == {}


def test_imports_are_absolute() -> None:
    found = [(source.path, node) for source in sources(PACKAGES) for node in nodes(source.tree)]
    assert [(path, node.lineno) for path, node in found if isinstance(node, ast.ImportFrom) and node.level] == []


@pytest.mark.parametrize(
    ("path", "name", "allowed"),
    [
        ("exchange/core/engine.py", "numpy", True),
        ("exchange/core/engine.py", "exchange.core.book", True),
        ("exchange/core/engine.py", "os", False),
        ("exchange/core/engine.py", "exchange.journal.frame", False),
        ("exchange/core/engine.py", "msgspec", False),
        ("exchange/journal/frame.py", "exchange.core.records.COMMAND", True),
        ("exchange/journal/frame.py", "exchange.core.engine.Engine", False),
        ("exchange/journal/frame.py", "time", False),
        ("exchange/clock.py", "time", True),
        ("exchange/sequencer.py", "numba", False),
        ("exchange/sequencer.py", "settlement.poster", False),
        ("settlement/ledger.py", "asyncpg", True),
        ("settlement/ledger.py", "api.auth", False),
        ("settlement/ledger.py", "fastapi", False),
        ("api/app.py", "fastapi", True),
        ("api/app.py", "asyncpg", False),
        ("api/app.py", "time", True),
    ],
)
def test_the_table_says_who_may_import_whom(path: str, name: str, allowed: bool) -> None:
    assert (forbidden(path, [name]) == []) is allowed


def test_every_way_to_import_is_seen() -> None:
    tree = ast.parse("import a.b, c\nfrom d.e import f, g\ndef h():\n    import i\n")
    assert list(imported(tree)) == ["a.b", "c", "d.e.f", "d.e.g", "i"]
