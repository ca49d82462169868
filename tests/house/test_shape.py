"""Short functions, short files, a docstring on all that is public, imports at the top, no swallowed exception."""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from tests.house.sources import (
    FOLDERS,
    PACKAGES,
    Function,
    Source,
    code_lines,
    function_length,
    functions,
    nodes,
    sources,
)

FUNCTION_LINES_MAX = 40
FILE_LINES_MAX = 500
BLANKET = {"Exception", "BaseException"}


def _source(text: str) -> Source:
    return Source("exchange/example.py", text, ast.parse(text))


def long_functions(source: Source) -> list[str]:
    tall = [function for function in functions(source.tree) if _height(function) > FUNCTION_LINES_MAX]
    code = code_lines(source) if tall else frozenset()  # which takes longer than all the rest
    lengths = [(function.name, function_length(function, code)) for function in tall]
    return [f"{source.path}: {name} has {length}" for name, length in lengths if length > FUNCTION_LINES_MAX]


def _height(function: Function) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def undocumented(source: Source) -> list[str]:
    missing = [] if ast.get_docstring(source.tree) else [f"{source.path}: the module"]
    return missing + [f"{source.path}: {name}" for name, node in _public(source.tree) if not ast.get_docstring(node)]


def late_imports(source: Source) -> list[str]:
    if all(node in source.tree.body for node in nodes(source.tree) if isinstance(node, ast.Import | ast.ImportFrom)):
        return []  # as in almost every file, and quickly seen
    inner = [node for function in functions(source.tree) for node in ast.walk(function)]
    inner += [node for branch in source.tree.body if isinstance(branch, ast.If | ast.Try) for node in ast.walk(branch)]
    lines = {node.lineno for node in inner if isinstance(node, ast.Import | ast.ImportFrom)}
    return [f"{source.path}:{line}" for line in sorted(lines)]


def swallowed(source: Source) -> list[str]:
    found = [node for node in nodes(source.tree) if _swallows(node)]
    return [f"{source.path}:{node.lineno}" for node in found]


def changed_globals(source: Source) -> list[str]:
    return [f"{source.path}:{node.lineno}" for node in nodes(source.tree) if isinstance(node, ast.Global)]


def without_a_test(source: Source) -> list[str]:
    names = [function.name for function in functions(source.tree)]
    tests = any(name.startswith("test_") for name in names) or ".TestCase" in source.text
    return [] if tests else [source.path]


def left_over(source: Source, texts: Mapping[str, int]) -> list[str]:
    """Name the constants that no line but their own has; `texts` counts the words of all files."""
    targets = [target for node in source.tree.body for target in _assigned(node)]
    wanted = [name for name in targets if not name.startswith(("__", "Test"))]  # pytest finds the latter
    return [f"{source.path}: {name}" for name in wanted if texts[name] < 2]


def _assigned(node: ast.stmt) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _words(texts: Iterable[str]) -> Counter[str]:
    return Counter(word for text in texts for word in re.findall(r"\w+", text))


def _swallows(node: ast.AST) -> bool:
    """Tell whether a handler does nothing at all, or goes on after whatever it was."""
    if isinstance(node, ast.ExceptHandler):
        empty = all(isinstance(statement, ast.Pass) or _is_ellipsis(statement) for statement in node.body)
        goes_on = all(isinstance(statement, ast.Continue) for statement in node.body)
        return node.type is None or empty or (goes_on and ast.unparse(node.type) in BLANKET)
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"suppress", "contextlib.suppress"}:
        return bool(BLANKET & {ast.unparse(argument) for argument in node.args})
    return False


def _is_ellipsis(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _public(tree: ast.Module | ast.ClassDef) -> Iterator[tuple[str, Function | ast.ClassDef]]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                yield from ((f"{node.name}.{name}", member) for name, member in _public(node))


def _offences(rule: Callable[[Source], list[str]], folders: tuple[str, ...] = FOLDERS) -> list[str]:
    return [offence for source in sources(folders) for offence in rule(source)]


def test_no_function_is_longer_than_its_limit() -> None:
    assert _offences(long_functions) == []


def test_no_file_is_longer_than_its_limit() -> None:
    lengths = {source.path: source.text.count("\n") for source in sources()}
    assert {path: length for path, length in lengths.items() if length > FILE_LINES_MAX} == {}


def test_all_that_is_public_has_a_docstring() -> None:
    assert _offences(undocumented, (*PACKAGES, "benchmarks")) == []


def test_every_test_file_says_what_it_is_about() -> None:
    assert [source.path for source in sources(("tests",)) if not ast.get_docstring(source.tree)] == []


def test_every_test_file_tests_something() -> None:
    files = [source for source in sources(("tests",)) if source.path.rpartition("/")[2].startswith("test_")]
    assert [path for source in files for path in without_a_test(source)] == []


def test_no_constant_is_left_over() -> None:
    texts = [source.text for source in sources()]
    everywhere = _words(texts)
    assert [offence for source in sources() for offence in left_over(source, everywhere)] == []


def test_imports_stand_at_the_top() -> None:
    assert _offences(late_imports) == []


def test_no_exception_is_swallowed() -> None:
    assert _offences(swallowed) == []


def test_no_global_changes() -> None:
    assert _offences(changed_globals) == []


def test_the_rules_find_what_they_look_for() -> None:
    body = "\n".join(f"    x{n} = {n}  # why" for n in range(FUNCTION_LINES_MAX))
    assert long_functions(_source(f'def f():\n    """Say."""\n\n{body}\n'))
    assert not long_functions(_source(f'def f():\n    """Say."""\n\n{body}\n'.replace("    x0 = 0  # why\n", "")))
    assert undocumented(_source('"""Say."""\nclass A:\n    """Say."""\n    def f(self): ...\n'))
    assert not undocumented(_source('"""Say."""\ndef _f(): ...\n'))
    assert late_imports(_source("def f():\n    import os\n"))
    assert swallowed(_source("try:\n    f()\nexcept ValueError:\n    pass\n"))
    assert swallowed(_source("for x in y:\n    try:\n        f()\n    except Exception:\n        continue\n"))
    assert not swallowed(_source("for x in y:\n    try:\n        f()\n    except KeyError:\n        continue\n"))
    assert swallowed(_source("with suppress(Exception):\n    f()\n"))
    assert not swallowed(_source("with suppress(ProcessLookupError):\n    f()\n"))
    assert without_a_test(_source("def check(): ...\n"))
    assert left_over(_source("SPARE = 1\nUSED = 2\nf(USED)\n"), _words(["SPARE = 1\nUSED = 2\nf(USED)\n"]))
    assert changed_globals(_source("def f():\n    global x\n    x = 1\n"))
