"""Inner products of a few queries with a few dozen items, held in the processor's registers.

Each product is one chain of fused multiply-adds over the dimensions in their order, ``s = fma(q[c], x[c], s)`` from
``s = 0``, whatever the shape of the tile and the width of the registers: the vectors run over items, not over
dimensions. So a pair's score has the same bits in every batch, on every thread and processor.

Compilers do not keep a tile of sums in registers by themselves, so that its loop is written as LLVM's instructions.
Method: Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, 2008.
"""
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from negatives.kernels.jit.compile import compiler, inner_kernel
from negatives.kernels.jit.prefetch import fetch_row

_HAS = binding.get_host_cpu_features()
LANES = 16 if _HAS.get("avx512f") else 8 if _HAS.get("avx") else 4
"""float32 numbers in a register."""
_REGISTERS = 2 if LANES == 8 else 4
"""Registers of items in a tile; with AVX2 there are 16 for all, else 32."""
WIDTH = _REGISTERS * LANES
"""Items in a tile."""
TALL = 6
"""Queries in a tile."""
AHEAD = 24
"""Items that are asked for before they are needed."""

_FLOAT, _WORD, _BIT = ir.FloatType(), ir.IntType(64), ir.IntType(1)
_LANES = ir.VectorType(_FLOAT, LANES)
_ALIGN = 4


def _views(context: Any, builder: Any, signature: Any, values: Any) -> list[Any]:
    """Arrays as structures of pointer and shape, and whole numbers as 64 bits."""
    return [
        context.make_array(kind)(context, builder, value)
        if isinstance(kind, types.Array)
        else context.cast(builder, value, kind, types.int64)
        for kind, value in zip(signature.args, values, strict=True)
    ]


def _width(builder: Any, table: Any) -> Any:
    return cgutils.unpack_tuple(builder, table.shape)[1]


def _lanes(builder: Any, start: Any) -> Any:
    return builder.bitcast(start, _LANES.as_pointer())


def _spread(builder: Any, number: Any) -> Any:
    """One number in every lane."""
    first = builder.insert_element(ir.Constant(_LANES, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _any(builder: Any, bits: Any) -> Any:
    """Whether a bit is set in one of the lanes, as a word of 0 or 1."""
    whole = builder.bitcast(bits, ir.IntType(LANES))
    return builder.zext(builder.icmp_unsigned("!=", whole, ir.Constant(whole.type, 0)), _WORD)


def _products(tall: int, registers: int) -> Any:
    def typed(typing_context, queries, first, last, panel, least, scores):
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            queries, first, last, panel, least, scores = _views(context, builder, signature, values)
            shape = ir.FunctionType(_LANES, [_LANES] * 3)
            fma = cgutils.get_or_insert_function(builder.module, shape, f"llvm.fma.v{LANES}f32")
            d, end = _width(builder, queries), builder.sub(last, _WORD(1))
            rows = [builder.add(first, _WORD(i)) for i in range(tall)]
            rows = [builder.select(builder.icmp_signed("<", row, last), row, end) for row in rows]
            starts = [builder.gep(queries.data, [builder.mul(row, d)]) for row in rows]
            zero = ir.Constant(_LANES, [0.0] * LANES)
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(registers)] for _ in range(tall)]
            with cgutils.for_range(builder, d) as loop:
                line = builder.mul(loop.index, _WORD(registers * LANES))
                places = [builder.gep(panel.data, [builder.add(line, _WORD(v * LANES))]) for v in range(registers)]
                items = [builder.load(_lanes(builder, place), align=_ALIGN) for place in places]
                for start, row in zip(starts, sums, strict=True):
                    query = _spread(builder, builder.load(builder.gep(start, [loop.index])))
                    for item, total in zip(items, row, strict=True):
                        builder.store(builder.call(fma, [query, item, builder.load(total)]), total)
            marks = _WORD(0)
            for i in range(tall):
                limit = _spread(builder, builder.load(builder.gep(least.data, [rows[i]])))
                above = ir.Constant(ir.VectorType(_BIT, LANES), [False] * LANES)
                for v, total in enumerate(sums[i]):
                    found, at = builder.load(total), _WORD((i * registers + v) * LANES)
                    builder.store(found, _lanes(builder, builder.gep(scores.data, [at])), align=_ALIGN)
                    above = builder.or_(above, builder.fcmp_ordered(">=", found, limit))
                marks = builder.or_(marks, builder.shl(_any(builder, above), _WORD(i)))
            return marks

        return types.int64(queries, first, last, panel, least, scores), generate

    return typed


def _exchange(builder: Any, square: list[Any], unit: int, side: int) -> list[Any]:
    """A round of transposing squares of ``side`` vectors and as many units of lanes each.

    A round moves the upper bit of one number, of vectors or of units, to the lower end of the other.
    """
    kind, turned = ir.VectorType(ir.IntType(32), LANES), list(square)
    for upper in range(2):
        whole, half = unit * side, unit * side // 2
        units = [start + upper * half + at for start in range(0, LANES, whole) for at in range(0, half, unit)]
        mask = ir.Constant(kind, [at + other + i for at in units for other in (0, LANES) for i in range(unit)])
        for first in range(LANES // side):
            first = first * side if unit == 1 else first
            for g in range(side // 2):
                pair = square[first + unit * g], square[first + unit * (g + side // 2)]
                turned[first + unit * (2 * g + upper)] = builder.shuffle_vector(*pair, mask)
    return turned


def _transposed(typing_context, items, which, at, column, panel):
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        items, which, at, column, panel = _views(context, builder, signature, values)
        d, square = _width(builder, items), []
        for i in range(LANES):
            row = builder.load(builder.gep(which.data, [builder.add(at, _WORD(i))]))
            start = builder.gep(items.data, [builder.add(builder.mul(row, d), column)])
            square.append(builder.load(_lanes(builder, start), align=_ALIGN))
        for unit, side in ((1, 4), (1, 4), *((4, LANES // 4),) * ((LANES // 4).bit_length() - 1)):
            square = _exchange(builder, square, unit, side)
        for i, lanes in enumerate(square):
            place = builder.add(builder.mul(builder.add(column, _WORD(i)), _width(builder, panel)), at)
            builder.store(lanes, _lanes(builder, builder.gep(panel.data, [place])), align=_ALIGN)
        return context.get_dummy_value()

    return types.void(items, which, at, column, panel), generate


def _uncompiled(tall: int) -> Any:
    def products(queries, first, last, panel, least, scores):
        marks = 0
        for i in range(tall):
            row, total = min(first + i, last - 1), np.zeros(panel.shape[1], np.float32)
            for c in range(queries.shape[1]):
                total = (total + np.float64(queries[row, c]) * panel[c].astype(np.float64)).astype(np.float32)
            scores[i] = total
            marks |= int((total >= least[row]).any()) << i
        return marks

    return products


def _transposed_uncompiled(items, which, at, column, panel):
    square = slice(at, at + LANES), slice(column, column + LANES)
    panel[square[1], square[0]] = items[which[square[0]], square[1]].T


_OFF = compiler.config.DISABLE_JIT
tile: Any = _uncompiled(TALL) if _OFF else intrinsic(_products(TALL, _REGISTERS))
"""Scores ``(TALL, WIDTH)`` of queries from ``first`` on with a panel ``(d, WIDTH)``, and marks: bit ``i`` is set where
one of them reaches ``least`` of its query. Queries from ``last`` on stand for the one before it."""
line: Any = _uncompiled(1) if _OFF else intrinsic(_products(1, 1))
""":data:`tile` of one query with a panel ``(d, LANES)``, which stays in the first cache whatever ``d`` is."""
_square: Any = _transposed_uncompiled if _OFF else intrinsic(_transposed)


@inner_kernel
def pack(items, which, panel):
    """Lay items side by side: ``panel[c, j] = items[which[j], c]``.

    ``which`` also names the ``AHEAD`` items that come next. They are asked for one by one, in the order in which they
    lie: memory is slower at the order of the squares, and at many at once.
    """
    d, width = panel.shape
    ahead, due = AHEAD, 0
    for at in range(0, width, LANES):
        if d < LANES:
            for j in range(at, at + LANES):
                for c in range(d):
                    panel[c, j] = items[which[j], c]
            continue
        for c in range(0, d, LANES):
            due += LANES * min(LANES, d - c)
            while due >= d:
                fetch_row(items, which[ahead])
                ahead, due = ahead + 1, due - d
            _square(items, which, at, min(c, d - LANES), panel)  # at the end some columns are copied twice
