"""Vertical counters over 512 fingerprints at once, in the processor's vector registers.

Numba vectorizes loops over arrays, but not a loop whose counters have to stay in registers while columns are picked from all over a
table. So this one loop is built of LLVM's vectors of eight words; LLVM turns them into what the processor has (one AVX-512
register, two of AVX2, four of NEON), with the same result everywhere, since all of it is logic on bits.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WORDS: Final = 8
"""Words in one column of a block."""
BITS: Final = 8
"""Levels of the counters: counts up to 255."""
_TESTED: Final = 4
"""Levels below that of the largest count asked for along the way, 16."""
_WORD: Final = ir.IntType(64)
_VECTOR: Final = ir.VectorType(_WORD, WORDS)


@intrinsic
def count_lanes(typing: Any, block: Any, positions: Any, span: Any, bound: Any, out: Any) -> Any:  # noqa: ANN401, ARG001 - numba's form
    """Count shared bits of a query with 512 fingerprints and find those that reach a bound.

    Args:
        typing: Numba's.
        block: Columns of the fingerprints, uint64, shape ((size + 1) * 8,): the eight words of position 0, then of position 1, and so on.
        positions: Bits of all queries, int32; those of this one are a multiple of eight, at most 255 of them set.
        span: First and last place of this query's positions, and how many of them are set, three int64.
        bound: Least count wanted, int64, at most 255.
        out: Filled if any does, uint64, shape (9 * 8,): eight levels of the counters, then the fingerprints that reach ``bound``,
            as bits.

    Returns:
        Whether any does, as a word that is then not 0. Counting ends before the last position once no count can reach ``bound``
        any more, so give positions of rare bits first.
    """
    signature = types.uint64(block, positions, span, bound, out)
    return signature, _build


def _build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:  # noqa: ANN401 - numba's form
    arrays = [context.make_array(signature.args[k])(context, builder, args[k]).data for k in (0, 1, 4)]
    columns, positions, out = arrays
    first, last, total = (builder.extract_value(args[2], k) for k in range(3))
    counters = [cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, [0] * WORDS)) for _ in range(BITS)]
    done, none = builder.append_basic_block("done"), ir.Constant(_WORD, 0)
    with _groups(builder, first, last) as place:
        rows = [_column(builder, columns, positions, place, k) for k in range(8)]
        _count(builder, counters, rows)
        ahead = builder.sub(builder.add(first, total), builder.add(place, ir.Constant(_WORD, 8)))
        ahead = builder.select(builder.icmp_signed(">", ahead, none), ahead, none)  # the last eight may be filled up
        hopeless = _leave_if_hopeless(builder, counters, builder.sub(args[3], ahead), done)
    found = [builder.load(counter) for counter in counters]
    mask = _reaching(builder, found, args[3])
    _write(builder, [*found, mask], out)
    some, counted = builder.zext(_any(builder, mask), _WORD), builder.basic_block
    builder.branch(done)
    builder.position_at_end(done)
    result = builder.phi(_WORD)
    result.add_incoming(some, counted)
    result.add_incoming(none, hopeless)
    return result


def _write(builder: ir.IRBuilder, vectors: list[ir.Value], out: ir.Value) -> None:
    for k, vector in enumerate(vectors):
        target = builder.gep(out, [ir.Constant(_WORD, k * WORDS)])
        builder.store(vector, builder.bitcast(target, _VECTOR.as_pointer()), align=8)


@intrinsic
def lowest_bit(typing: Any, word: Any) -> Any:  # noqa: ANN401, ARG001 - numba's form
    """Place of the lowest bit that is set in a word (uint64, not 0), as int64."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:  # noqa: ANN401, ARG001 - numba's form
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


@contextmanager
def _groups(builder: ir.IRBuilder, first: ir.Value, last: ir.Value) -> Iterator[ir.Value]:
    """A loop over the places from ``first`` to ``last`` in steps of eight; gives the place."""
    check, body, after = (builder.append_basic_block(f"groups.{part}") for part in ("check", "body", "after"))
    start = builder.basic_block
    builder.branch(check)
    builder.position_at_end(check)
    place = builder.phi(_WORD)
    place.add_incoming(first, start)
    builder.cbranch(builder.icmp_signed("<", place, last), body, after)
    builder.position_at_end(body)
    yield place
    place.add_incoming(builder.add(place, ir.Constant(_WORD, 8)), builder.basic_block)
    builder.branch(check)
    builder.position_at_end(after)


def _leave_if_hopeless(builder: ir.IRBuilder, counters: list[ir.Value], needed: ir.Value, to: ir.Block) -> ir.Block:
    """Go to ``to`` if no count so far is ``needed``, or rather the next lower of 0, 1, 2, 4, 8 and 16; gives the block left."""
    levels = [builder.load(counter) for counter in counters]
    chosen = some = functools.reduce(builder.or_, levels[_TESTED:])
    for k in range(_TESTED - 1, -1, -1):
        some = builder.or_(some, levels[k])
        chosen = builder.select(builder.icmp_signed("<", needed, ir.Constant(_WORD, 2 << k)), some, chosen)
    hope = builder.or_(_any(builder, chosen), builder.icmp_signed("<=", needed, ir.Constant(_WORD, 0)))
    here, more = builder.basic_block, builder.append_basic_block("groups.more")
    builder.cbranch(hope, more, to)
    builder.position_at_end(more)
    return here


def _any(builder: ir.IRBuilder, mask: ir.Value) -> ir.Value:
    """Whether any bit is set, one bit."""
    words = builder.icmp_unsigned("!=", mask, ir.Constant(_VECTOR, [0] * WORDS))
    return builder.icmp_unsigned("!=", builder.bitcast(words, ir.IntType(WORDS)), ir.Constant(ir.IntType(WORDS), 0))


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
