"""The light way into the kernel, for one command: no more than it takes to apply it and to hand out its events.

Where one command is applied at a time, what surrounds the kernel costs more than the kernel: finding out the types
of arguments, turning integers into machine words, giving the interpreter's lock away and back. Here the compiled
function is called as the C function that it is. It takes two bytes objects as they stand in memory, where the engine
has its things and what to apply, and makes a third of the events.
"""

from collections.abc import Callable
from functools import cache, partial
from struct import Struct
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.typing.templates import Signature
from numba.extending import NativeValue, intrinsic, models, register_model, unbox

from exchange.core.jit import JIT_ENABLED, brief, int64, record_at
from exchange.core.records import COMMAND, EVENT
from exchange.core.state import EVENTS_MAX, OUTPUT

Inside: TypeAlias = Any  # numba has no types for its insides
Program = Callable[[int, int, int, int, int], int]  # of engine._program

EVENTS_START = OUTPUT.itemsize - EVENTS_MAX * EVENT.itemsize
_EVENT_BYTES = EVENT.itemsize
_CALL = np.dtype([("program", "<i8"), ("state", "<i8"), ("output", "<i8")])  # addresses
_CALL_STRUCT = Struct("<3q")
_HEAD = bytes.__basicsize__ - 1  # what stands before the first byte of a bytes object
_BYTES = types.Bytes(types.uint8, 1, "C", readonly=True)
_WORDS = (types.int64,) * 5
_WORD = ir.IntType(64)


class Held(types.Opaque):
    """A Python object that the caller holds during the call, as compiled code sees it: an address."""


register_model(Held)(models.OpaqueModel)
_HELD = Held("Held")


@unbox(Held)  # type: ignore[no-untyped-call]
def _take(_type: Inside, value: Inside, _context: Inside) -> Inside:
    return NativeValue(value)  # type: ignore[no-untyped-call]


@intrinsic
def _first_byte(_context: Inside, held: Inside) -> tuple[Signature, Inside]:
    """Return where the content of a bytes object begins."""

    def code(_target: Inside, builder: Inside, _signature: Inside, arguments: Inside) -> Inside:
        return builder.add(builder.ptrtoint(arguments[0], _WORD), ir.Constant(_WORD, _HEAD))

    return types.int64(held), code


@intrinsic
def _run(_context: Inside, program: Inside, state: Inside, command: Inside, output: Inside) -> tuple[Signature, Inside]:
    """Call a compiled program, by its address, for one command; what it raises goes on to the caller."""

    def code(target: Inside, builder: Inside, _signature: Inside, arguments: Inside) -> Inside:
        at, state_at, command_at, output_at = arguments
        words = state_at, command_at, ir.Constant(_WORD, 0), ir.Constant(_WORD, 1), output_at
        convention = target.call_conv
        callee = builder.inttoptr(at, convention.get_function_type(types.int64, _WORDS).as_pointer())
        status, done = convention.call_function(builder, callee, types.int64, _WORDS, words)
        with builder.if_then(status.is_error, likely=False):
            convention.return_status_propagate(builder, status)
        return done

    return types.int64(program, state, command, output), code


@intrinsic
def _bytes_at(_context: Inside, address: Inside, size: Inside) -> tuple[Signature, Inside]:
    """Take memory for the content of a bytes object, which becomes a copy when it is handed to Python."""

    def code(target: Inside, builder: Inside, _signature: Inside, arguments: Inside) -> Inside:
        made = target.make_helper(builder, _BYTES)
        made.data = builder.inttoptr(arguments[0], made.data.type)
        made.nitems = arguments[1]
        made.itemsize = ir.Constant(_WORD, 1)
        made.meminfo, made.parent = (ir.Constant(field.type, None) for field in (made.meminfo, made.parent))
        return made._getvalue()  # noqa: SLF001 - as every maker of such a value does

    return _BYTES(address, size), code


@brief
def _apply_one(call: Inside, command: Inside) -> Inside:
    """Apply one command, whose events always fit; return them."""
    places = record_at(_first_byte(call), _CALL)  # type: ignore[call-arg]
    _run(places.program, places.state, _first_byte(command), places.output)
    size = int64(record_at(places.output, OUTPUT).count) * _EVENT_BYTES
    return _bytes_at(places.output + EVENTS_START, size)


@cache
def _entry_point() -> Callable[[bytes, bytes], bytes]:
    function: Any = _apply_one
    entry_point: Callable[[bytes, bytes], bytes] = function.compile((_HELD, _HELD))
    return entry_point


def _address(program: Inside) -> int:
    """Return where the machine code of a compiled program is."""
    program.compile(_WORDS)
    compiled = program.overloads[_WORDS]
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


def caller(program: Program, state_at: int, output_at: int, output: bytearray) -> Callable[[bytes], bytes]:
    """Return what applies one command, a bytes object and nothing else, and returns its events."""
    if not JIT_ENABLED:
        return partial(_apply_one_plainly, program, state_at, output_at, output)
    return partial(_entry_point(), _CALL_STRUCT.pack(_address(program), state_at, output_at))


def _apply_one_plainly(program: Program, state_at: int, output_at: int, output: bytearray, command: bytes) -> bytes:
    """Do the same without the compiler."""
    program(state_at, np.frombuffer(command, COMMAND).ctypes.data, 0, 1, output_at)
    count = int.from_bytes(output[:4], "little")
    return bytes(output[EVENTS_START : EVENTS_START + count * _EVENT_BYTES])
