"""Asking the processor for memory ahead of its use, where ids lead to places that it cannot guess.

A loop over gathered rows spends most of its time waiting for them. Asked for a few rows ahead, they arrive while
the loop works on others. A prefetch changes no result, and a wrong address would only cost time.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from negatives.kernels.jit.compile import compiler, inner_kernel
from negatives.kernels.threads import LINE

AHEAD = 8
"""Rows that a loop asks for before it works on the first of them."""
_NEAR = 3
"""Keep the line in all caches."""


def _line(typing_context, table, place):
    """The cache line at ``table[place]``; ``place`` is a tuple of integers."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind, places = signature.args
        view = context.make_array(kind)(context, builder, values[0])
        parts = cgutils.unpack_tuple(builder, values[1], len(places))
        at = [context.cast(builder, part, given, types.intp) for part, given in zip(parts, places, strict=True)]
        where = cgutils.get_item_pointer(context, builder, kind, view, at, wraparound=False)
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        shape = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", (pointer,), shape)
        read, data = number(0), number(1)
        builder.call(prefetch, [builder.bitcast(where, pointer), read, number(_NEAR), data])
        return context.get_dummy_value()

    return types.void(table, place), generate


def _nothing(table, place):
    """What stands for a prefetch where nothing is compiled."""


_fetch: Any = _nothing if compiler.config.DISABLE_JIT else intrinsic(_line)


@inner_kernel
def fetch_row(table, i):
    """Row ``i`` of a float32 table."""
    for c in range(0, table.shape[1], LINE):
        _fetch(table, (i, c))


@inner_kernel
def fetch_byte(bytes, i):
    """The text that begins at byte ``i``."""
    _fetch(bytes, (i,))


@inner_kernel
def fetch_cell(table, i):
    """Row ``i`` of a table with rows shorter than a cache line."""
    _fetch(table, (i, 0))
