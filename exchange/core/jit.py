"""The only compile decorators, and the machine operations numba does not offer.

`kernel` is for small helpers in a command's path: forced into their caller, they cost no call. `routine` is for what
is called once a command or less: kept apart, or the compile explodes. `entry` is what Python calls: cached on disk
and without the GIL. `brief` is an entry that keeps the GIL: to give it away and back takes longer than one command.
Records carry no reference counts, so every one of them takes the state as one record.
With NUMBA_DISABLE_JIT=1 all of them are plain Python, which is how coverage and the debugger see the core.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import config as _config
from numba.core.typing.templates import Signature
from numba.extending import intrinsic, overload

from exchange.core.linking import install

install()  # once, before anything is compiled
config: Any = _config  # its members are made at run time
JIT_ENABLED = not config.DISABLE_JIT


def _cache_directory() -> str:
    """Return where compiled kernels are kept: a folder for exactly these sources, with or without checks of bounds.

    numba itself only notices a change of the file that holds the entry, not of the files that it inlines.
    """
    total = hashlib.sha256(b"checked" if config.BOUNDSCHECK else b"")
    for source in sorted(Path(__file__).parent.glob("*.py")):
        total.update(source.read_bytes())
    base = config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return str(Path(base) / "tokenbourse" / f"kernels-{total.hexdigest()[:16]}")


config.CACHE_DIR = _cache_directory()

_INNER: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # called by kernels alone, so no wrappers
kernel = njit(forceinline=True, **_INNER)
routine = njit(forceinline=False, **_INNER)  # said, else it takes after the kernel that calls it first
entry = njit(cache=True, nogil=True)
brief = njit(cache=True)

Record: TypeAlias = Any  # a row of a numpy record array, its fields as attributes: no type checker knows it
int64 = cast("Callable[[Any], int]", np.int64)  # widens a narrow field, so that kernels see one kind of integer


class PlainRecord(np.record):  # type: ignore[misc]  # a stub says it is final
    """A row without the compiler: its fields go before numpy's own attributes of the same name, such as `flags`."""

    def __getattribute__(self, name: str) -> Any:
        """Return a field, or else an attribute."""
        fields = np.void.__getattribute__(self, "dtype").fields
        return np.void.__getitem__(self, name) if name in fields else np.record.__getattribute__(self, name)


ROW = np.record if JIT_ENABLED else PlainRecord  # what an element of a record array is

_SCATTER = 0x9E3779B97F4A7C15  # 2**64 / golden ratio, Knuth's multiplicative hashing
_WORD = (1 << 64) - 1


@intrinsic
def _trailing_zeros(_context: Any, _mask: Any) -> tuple[Signature, Any]:
    """Count zero bits below the lowest set bit of a uint64 that is not 0."""

    def code(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), code


@intrinsic
def _leading_zeros(_context: Any, _mask: Any) -> tuple[Signature, Any]:
    """Count zero bits above the highest set bit of a uint64 that is not 0."""

    def code(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), code


@intrinsic
def _prefetch(_context: Any, record: Any) -> tuple[Signature, Any]:
    """Ask for the cache line in which a record begins, to write."""

    def code(target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], shape)
        write, keep, data = ir.Constant(word, 1), ir.Constant(word, 3), ir.Constant(word, 1)
        builder.call(function, [builder.bitcast(arguments[0], byte), write, keep, data])
        return target.get_dummy_value()

    return types.void(record), code


@intrinsic
def _record_at(_context: Any, address: Any, dtype: Any) -> tuple[Signature, Any]:
    """Take an address for that of a record."""
    record = dtype.dtype

    def code(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(record))

    return record(address, dtype), code


class _Memory:
    """Bytes that stand somewhere, as numpy asks for them."""

    def __init__(self, address: int, size: int) -> None:
        self.__array_interface__ = {"data": (address, False), "shape": (size,), "typestr": "|u1", "version": 3}


def record_at(address: int, dtype: np.dtype[Any]) -> Record:
    """Return the record of a layout that stands at an address, which its owner keeps."""
    return np.asarray(_Memory(int(address), dtype.itemsize)).view(dtype)[0]


def prefetch(record: Record) -> None:
    """Ask the processor for a record that will be needed soon; nothing else depends on it."""


def lowest_bit(mask: int) -> int:
    """Return the index of the lowest set bit of a uint64 that is not 0."""
    return (int(mask) & -int(mask)).bit_length() - 1


def highest_bit(mask: int) -> int:
    """Return the index of the highest set bit of a uint64 that is not 0."""
    return int(mask).bit_length() - 1


def scatter(key: int, bits: int) -> int:
    """Spread an int64 key over 2**bits places."""
    return ((int(key) * _SCATTER) & _WORD) >> (64 - int(bits))


def blend(hash_: int, word: int) -> int:
    """Mix one int64 word into an int64 hash (the finaliser of splitmix64, one round a word)."""
    mixed = ((int(hash_) ^ int(word)) * 0xBF58476D1CE4E5B9) & _WORD
    mixed = ((mixed ^ (mixed >> 31)) * 0x94D049BB133111EB) & _WORD
    mixed ^= mixed >> 29
    return mixed - (1 << 64) if mixed >> 63 else mixed


@overload(record_at, strict=False)
def _record_from(address: Any, dtype: Any) -> Any:
    return lambda address, dtype: _record_at(address, dtype)  # type: ignore[call-arg]  # noqa: PLW0108


@overload(prefetch, strict=False)
def _prefetch_record(record: Any) -> Any:
    return lambda record: _prefetch(record)  # type: ignore[call-arg]  # noqa: PLW0108 - numba inlines functions


@overload(lowest_bit, strict=False)
def _lowest_bit(mask: Any) -> Any:
    return lambda mask: _trailing_zeros(mask)  # type: ignore[call-arg]  # noqa: PLW0108 - numba inlines functions


@overload(highest_bit, strict=False)
def _highest_bit(mask: Any) -> Any:
    return lambda mask: 63 - _leading_zeros(mask)  # type: ignore[call-arg]


@overload(scatter, strict=False)
def _scatter(key: Any, bits: Any) -> Any:
    def code(key: Any, bits: Any) -> Any:
        return np.int64((np.uint64(key) * np.uint64(_SCATTER)) >> np.uint64(64 - bits))

    return code


@overload(blend, strict=False)
def _blend(hash_: Any, word: Any) -> Any:
    def code(hash_: Any, word: Any) -> Any:
        mixed = (np.uint64(hash_) ^ np.uint64(word)) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0x94D049BB133111EB)
        return np.int64(mixed ^ (mixed >> np.uint64(29)))

    return code
