"""Compile the core as one program instead of once for every function.

numba turns each compiled function, with all that it calls, into machine code of its own before it compiles the
caller, and optimises the same code again at every step up. What has no Python wrapper can only be called by other
compiled code, so its machine code is never used. Such functions are kept as they were lowered until the entry that
Python calls takes in all of them, and are optimised once, there.
"""

from typing import Any, TypeAlias

from llvmlite.binding import Linkage
from numba import _dynfunc  # type: ignore[attr-defined]
from numba.core.codegen import JITCodeLibrary
from numba.core.cpu import CPUContext

Inside: TypeAlias = Any  # numba has no types for its insides

_finalize: Any = JITCodeLibrary.finalize
_optimize: Any = JITCodeLibrary._optimize_final_module
_get_executable: Any = CPUContext.get_executable


def _closure(library: Inside) -> list[Inside]:
    """Return the libraries that one needs, directly or through others, each once, callers before what they call.

    The order matters: the linker takes only those functions that something asks for already.
    """
    done: dict[Inside, None] = {}
    _visit(library, done)
    return list(done)[-2::-1]


def _visit(library: Inside, done: dict[Inside, None]) -> None:
    for needed in library._linking_libraries:
        if needed not in done:
            _visit(needed, done)
    done[library] = None


def _is_inner(library: Inside) -> bool:
    return getattr(library, "is_inner", False)


def _link_late(library: Inside) -> None:
    """Finalize a library: an inner one as it is, an entry with all that it needs."""
    if _is_inner(library):
        library._finalized = True
        return
    library._linking_libraries[:] = _closure(library)
    _finalize(library)


def _optimize_alone(library: Inside) -> None:
    """Optimize a library that has all its code: what others cannot call may be inlined, changed and dropped."""
    for function in library._final_module.functions:
        if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
            function.linkage = "internal"
    _optimize(library)


def _prepare(context: Inside, library: Inside, fndesc: Inside, env: Inside) -> Inside:
    """Return the Python function of a compiled one; what has no wrapper gets one that nobody may call."""
    wrapper = fndesc.llvm_cpython_wrapper_name
    if library._finalized or any(function.name == wrapper for function in library._final_module.functions):
        return _get_executable(context, library, fndesc, env)
    library.is_inner = True
    name = fndesc.qualname.split(".")[-1]
    return _dynfunc.make_function(fndesc.lookup_module(), name, "called by compiled code only", 0, env, (library,))


def install() -> None:
    """Let numba compile in this way."""
    JITCodeLibrary.finalize = _link_late  # type: ignore[method-assign]
    JITCodeLibrary._optimize_final_module = _optimize_alone  # type: ignore[method-assign]
    CPUContext.get_executable = _prepare  # type: ignore[method-assign]
