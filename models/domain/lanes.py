"""Vertical counters over 512 fingerprints at once, in the processor's vector registers.

Numba vectorizes loops over arrays, but not a loop whose counters have to stay in registers while columns are picked from all over a
table. So this one loop is built of LLVM's vectors of eight words; LLVM turns them into what the processor has (one AVX-512
register, two of AVX2, four of NEON), with the same result everywhere, since all of it is logic on bits.
"""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WORDS: Final = 8
"""Words in one column of a block."""
BITS: Final = 8
"""Levels of the counters: counts up to 255."""
_WORD: Final = ir.IntType(64)
_VECTOR: Final = ir.VectorType(_WORD, WORDS)


@intrinsic
def count_lanes(typing: Any, block: Any, positions: Any, span: Any, bound: Any, out: Any) -> Any:  # noqa: ANN401, ARG001 - numba's form
    """Count shared bits of a query with 512 fingerprints and find those that reach a bound.

    Args:
        typing: Numba's.
        block: Columns of the fingerprints, uint64, shape ((size + 1) * 8,): the eight words of position 0, then of position 1, and so on.
        positions: Bits of all queries, int32; those of this one are a multiple of eight, at most 255 of them set.
        span: First and last place of this query's positions, two int64.
        bound: Least count wanted, int64, at most 255.
        out: Filled, uint64, shape (9 * 8,): eight levels of the counters, then the fingerprints that reach ``bound``, as bits.

    Returns:
        Whether any does, as a word that is then not 0.
    """
    signature = types.uint64(block, positions, span, bound, out)
    return signature, _build


def _build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:  # noqa: ANN401 - numba's form
    arrays = [context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1, 4)]
    columns, positions, out = arrays
    first, last = (builder.extract_value(args[2], k) for k in (0, 1))
    counters = [cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, [0] * WORDS)) for _ in range(BITS)]
    step = ir.Constant(_WORD, 8)
    with cgutils.for_range_slice(builder, first, last, step, intp=_WORD) as (place, _):
        rows = [_column(builder, columns, positions, place, k) for k in range(8)]
        _count(builder, counters, rows)
    found = [builder.load(counter) for counter in counters]
    mask = _reaching(builder, found, args[3])
    for k, vector in enumerate([*found, mask]):
        target = builder.gep(out, [ir.Constant(_WORD, k * WORDS)])
        builder.store(vector, builder.bitcast(target, _VECTOR.as_pointer()), align=8)
    words = [builder.extract_element(mask, ir.Constant(ir.IntType(32), k)) for k in range(WORDS)]
    any_word = words[0]
    for word in words[1:]:
        any_word = builder.or_(any_word, word)
    return any_word


def _column(builder: ir.IRBuilder, columns: ir.Value, positions: ir.Value, place: ir.Value, k: int) -> ir.Value:
    """The eight words of the k-th position from ``place`` on."""
    at = builder.load(builder.gep(positions, [builder.add(place, ir.Constant(_WORD, k))]))
    start = builder.mul(builder.sext(at, _WORD), ir.Constant(_WORD, WORDS))
    return builder.load(builder.bitcast(builder.gep(columns, [start]), _VECTOR.as_pointer()), align=8)


def _count(builder: ir.IRBuilder, counters: list[ir.Value], rows: list[ir.Value]) -> None:
    """Add eight columns to the counters: full adders in a tree, then the carry through the upper levels."""
    carries = rows
    for level in range(3):
        total, found = builder.load(counters[level]), []
        for k in range(0, len(carries), 2):
            total, carry = _full_adder(builder, total, carries[k], carries[k + 1])
            found.append(carry)
        builder.store(total, counters[level])
        carries = found
    (carry,) = carries
    for counter in counters[3:]:
        value = builder.load(counter)
        builder.store(builder.xor(value, carry), counter)
        carry = builder.and_(value, carry)


def _full_adder(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> tuple[ir.Value, ir.Value]:
    either = builder.xor(a, b)
    return builder.xor(either, c), builder.or_(builder.and_(a, b), builder.and_(either, c))


def _reaching(builder: ir.IRBuilder, levels: list[ir.Value], bound: ir.Value) -> ir.Value:
    """Bits of the counts that are at least ``bound``, compared level by level from the top."""
    ones = ir.Constant(_VECTOR, [(1 << 64) - 1] * WORDS)
    above, equal = ir.Constant(_VECTOR, [0] * WORDS), ones
    for k in range(BITS - 1, -1, -1):
        bit = builder.and_(builder.lshr(bound, ir.Constant(_WORD, k)), ir.Constant(_WORD, 1))
        wanted = _everywhere(builder, builder.sub(ir.Constant(_WORD, 0), bit))
        larger = builder.and_(levels[k], builder.xor(wanted, ones))
        above = builder.or_(above, builder.and_(equal, larger))
        equal = builder.and_(equal, builder.xor(builder.xor(levels[k], wanted), ones))
    return builder.or_(above, equal)


def _everywhere(builder: ir.IRBuilder, word: ir.Value) -> ir.Value:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), word, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WORDS), [0] * WORDS)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), zeros)


__all__ = ["BITS", "WORDS"]
