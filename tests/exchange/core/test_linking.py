"""Linking late: inner functions have no machine code of their own, entries have all of it, now and from the cache."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from llvmlite.binding import Linkage

from exchange.core import linking
from exchange.core.jit import JIT_ENABLED, entry, kernel, routine

compiled_only = pytest.mark.skipif(not JIT_ENABLED, reason="a statement about the compiled core")


@kernel
def doubled(value):
    """Return twice a number."""
    return 2 * value


@routine
def next_to_doubled(value):
    """Return a number after twice a number."""
    return doubled(value) + 1


@entry
def both(value):
    """Call what calls, and what is called."""
    return next_to_doubled(value) * 10 + doubled(value)


def library_of(function):
    """Return the only compiled library of a function."""
    (overload,) = function.overloads.values()
    return overload.library, overload.fndesc


@compiled_only
def test_machine_code_of_an_inner_function_is_never_made_and_its_entry_has_it():
    doubled.disable_compile(False)
    assert both(4) == 98
    if both.stats.cache_hits:
        both.recompile()
    inner = [library_of(function) for function in (doubled, next_to_doubled) if function.overloads]
    for library, description in inner:
        assert library.is_inner
        assert library.get_pointer_to_function(description.mangled_name) == 0
    library, description = library_of(both)
    assert library.get_pointer_to_function(description.llvm_cpython_wrapper_name) != 0


_SMALL = """
from exchange.core.jit import entry, kernel

@kernel
def halved(value):
    return value // 2

@entry
def small(value):
    return halved(value) + 100
"""
_RUN = "import small; print(small.small(41), sum(small.small.stats.cache_hits.values()))"


@compiled_only
def test_an_entry_is_loaded_from_its_cache_by_a_second_process_and_gives_the_same(tmp_path):
    (tmp_path / "small.py").write_text(_SMALL)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    settings = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": path}
    told = [
        subprocess.run([sys.executable, "-c", _RUN], env=settings, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert told == ["120 0\n", "120 1\n"]


class Library(SimpleNamespace):
    """A library of compiled code, as far as linking looks at one."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


def library(*needed: Library, **fields: object) -> Library:
    """Return a library that needs others."""
    return Library(_linking_libraries=list(needed), **fields)


def test_what_a_library_needs_is_each_once_and_callers_come_before_what_they_call():
    last = library()
    left, right = library(last), library(last)
    found = linking._closure(library(left, right, last))
    assert set(map(id, found)) == {id(left), id(right), id(last)}
    assert len(found) == 3
    assert found[-1] is last


def test_an_inner_library_is_final_as_it_is(monkeypatch):
    finalized: list[Library] = []
    monkeypatch.setattr(linking, "_finalize", finalized.append)
    inner = library(is_inner=True)
    linking._link_late(inner)
    assert (inner._finalized, finalized) == (True, [])
    below = library(library())
    outer = library(below)
    linking._link_late(outer)
    assert finalized == [outer]
    assert outer._linking_libraries == [below, below._linking_libraries[0]]


def test_what_others_cannot_call_becomes_internal_before_it_is_optimised(monkeypatch):
    optimized: list[Library] = []
    monkeypatch.setattr(linking, "_optimize", optimized.append)
    shared = SimpleNamespace(is_declaration=False, linkage=Linkage.linkonce_odr)
    declared = SimpleNamespace(is_declaration=True, linkage=Linkage.linkonce_odr)
    public = SimpleNamespace(is_declaration=False, linkage=Linkage.external)
    whole = Library(_final_module=SimpleNamespace(functions=[shared, declared, public]))
    linking._optimize_alone(whole)
    assert [shared.linkage, declared.linkage, public.linkage] == ["internal", Linkage.linkonce_odr, Linkage.external]
    assert optimized == [whole]


@pytest.mark.parametrize(("finalized", "names"), [(True, []), (False, ["wrapper"])])
def test_what_has_a_wrapper_is_made_executable_as_ever(monkeypatch, finalized, names):
    monkeypatch.setattr(linking, "_get_executable", lambda *arguments: arguments)
    functions = [SimpleNamespace(name=name) for name in names]
    made = Library(_finalized=finalized, _final_module=SimpleNamespace(functions=functions))
    description = SimpleNamespace(llvm_cpython_wrapper_name="wrapper")
    assert linking._prepare("context", made, description, "environment") == (
        "context",
        made,
        description,
        "environment",
    )
    assert not linking._is_inner(made)


def test_what_has_none_becomes_inner(monkeypatch):
    monkeypatch.setattr(linking._dynfunc, "make_function", lambda *arguments: arguments)
    made = Library(_finalized=False, _final_module=SimpleNamespace(functions=[SimpleNamespace(name="other")]))
    description = SimpleNamespace(llvm_cpython_wrapper_name="wrapper", qualname="a.b.c", lookup_module=lambda: "module")
    name, address = linking._prepare("context", made, description, "environment")[1:4:2]
    assert (name, address) == ("c", 0)
    assert linking._is_inner(made)
