"""Vertical counters over 512 fingerprints at once, in the processor's vector registers.

Numba vectorizes loops over arrays, but not a loop whose counters have to stay in registers while columns are picked from all over a
table. So this one loop is built of LLVM's vectors of eight words; LLVM turns them into what the processor has (one AVX-512
register, two of AVX2, four of NEON), with the same result everywhere, since all of it is logic on bits.

What is counted is what a fingerprint *lacks* of a query's bits. Counters start so high that they overflow with the first lack too many;
whoever has overflowed is out, and counting ends when all are. No count has to be compared with a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

WORDS: Final = 8
"""Words in one column of a block."""
BITS: Final = 8
"""Levels of the counters of :func:`count_lanes`: up to 255 bits may be lacking."""
LEVELS: Final = 17
"""Levels that anything may be counted with, enough for fingerprints of up to 65,536 bits; the mask comes after them."""
FEW_BITS: Final = 5
"""Levels of the counters of :func:`count_lanes_of_few`: up to 31 bits may be lacking."""
_WORD: Final = ir.IntType(64)
_VECTOR: Final = ir.VectorType(_WORD, WORDS)


@intrinsic
def count_lanes(typing: Any, blocks: Any, positions: Any, span: Any, allowed: Any, out: Any) -> Any:  # noqa: ANN401, ARG001 - numba's form
    """Count how many of a query's bits each of 512 fingerprints lacks, and find those that lack no more than allowed.

    Args:
        typing: Numba's.
        blocks: What fingerprints lack, uint64, shape (blocks, (size + 1) * 8): of each block the eight words of position 0, then of
            position 1, and so on.
        positions: Bits of all queries, int32 or uint16; those of this one are a multiple of eight, filled up with a position of zeros.
        span: Block to count in, first and last place of this query's positions, three int64.
        allowed: Most bits that may be lacking, int64, from 0 to 255.
        out: Filled if any fingerprint lacks no more, uint64, shape (18 * 8,): eight levels of a number for each, and in the last eight words as bits which these
            are; the number, of these alone, is how many more they might lack.

    Returns:
        Whether any does, as a word that is then not 0. Counting ends once all lack too many, so give positions of rare bits
        first.
    """
    return types.uint64(blocks, positions, span, allowed, out), _builder(BITS)


@intrinsic
def count_lanes_of_few(typing: Any, blocks: Any, positions: Any, span: Any, allowed: Any, out: Any) -> Any:  # noqa: ANN401, ARG001 - numba's form
    """What :func:`count_lanes` does, with fewer levels to carry through, where at most 31 bits may be lacking; fills five of them."""
    return types.uint64(blocks, positions, span, allowed, out), _builder(FEW_BITS)


def _builder(levels: int) -> Callable[[Any, ir.IRBuilder, Any, Any], ir.Value]:
    def build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:  # noqa: ANN401 - numba's form
        blocks, positions, out = (context.make_array(signature.args[k])(context, builder, args[k]) for k in (0, 1, 4))
        which, first, last = (builder.extract_value(args[2], k) for k in range(3))
        columns = builder.gep(blocks.data, [builder.mul(which, builder.extract_value(blocks.shape, 1))])
        start = builder.sub(ir.Constant(_WORD, (1 << levels) - 1), args[3])
        counters = [cgutils.alloca_once(builder, _VECTOR) for _ in range(levels)]
        for k, counter in enumerate(counters):
            bit = builder.and_(builder.lshr(start, ir.Constant(_WORD, k)), ir.Constant(_WORD, 1))
            builder.store(_everywhere(builder, builder.neg(bit)), counter)
        lost, done = (
            cgutils.alloca_once_value(builder, ir.Constant(_VECTOR, [0] * WORDS)),
            builder.append_basic_block("done"),
        )
        with _groups(builder, first, last) as place:
            carry = _count(builder, counters, [_column(builder, columns, positions.data, place, k) for k in range(8)])
            builder.store(builder.or_(builder.load(lost), carry), lost)
            hopeless = _leave_if_none(builder, builder.not_(builder.load(lost)), done)
        _write(builder, {k: builder.not_(builder.load(counter)) for k, counter in enumerate(counters)}, out.data)
        _write(builder, {LEVELS: builder.not_(builder.load(lost))}, out.data)
        counted = builder.basic_block
        builder.branch(done)
        builder.position_at_end(done)
        result = builder.phi(_WORD)
        result.add_incoming(ir.Constant(_WORD, 1), counted)
        result.add_incoming(ir.Constant(_WORD, 0), hopeless)
        return result

    return build


def _write(builder: ir.IRBuilder, vectors: dict[int, ir.Value], out: ir.Value) -> None:
    for k, vector in vectors.items():
        target = builder.gep(out, [ir.Constant(_WORD, k * WORDS)])
        builder.store(vector, builder.bitcast(target, _VECTOR.as_pointer()), align=8)


@intrinsic
def lowest_bit(typing: Any, word: Any) -> Any:  # noqa: ANN401, ARG001 - numba's form
    """Place of the lowest bit that is set in a word (uint64, not 0), as int64."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:  # noqa: ANN401, ARG001 - numba's form
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


@intrinsic
def ones(typing: Any, word: Any) -> Any:  # noqa: ANN401, ARG001 - numba's form
    """How many bits are set in a word (uint64), as int64."""

    def build(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:  # noqa: ANN401, ARG001 - numba's form
        return builder.ctpop(args[0])

    return types.int64(types.uint64), build


@numba.njit(cache=True)
def shared_bits(words: np.ndarray, row: int, own: np.ndarray) -> int:
    """Bits that fingerprint ``row`` of ``words`` (uint64, shape (m, size / 64)) has in common with ``own`` (uint64, shape (size / 64,))."""
    both = 0
    for k in range(len(own)):
        both += ones(words[row, k] & own[k])
    return both


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


def _leave_if_none(builder: ir.IRBuilder, mask: ir.Value, to: ir.Block) -> ir.Block:
    """Go to ``to`` if no bit is set; gives the block left."""
    words = builder.icmp_unsigned("!=", mask, ir.Constant(_VECTOR, [0] * WORDS))
    some = builder.icmp_unsigned("!=", builder.bitcast(words, ir.IntType(WORDS)), ir.Constant(ir.IntType(WORDS), 0))
    here, more = builder.basic_block, builder.append_basic_block("groups.more")
    builder.cbranch(some, more, to)
    builder.position_at_end(more)
    return here


def _column(builder: ir.IRBuilder, columns: ir.Value, positions: ir.Value, place: ir.Value, k: int) -> ir.Value:
    """The eight words of the k-th position from ``place`` on."""
    at = builder.load(builder.gep(positions, [builder.add(place, ir.Constant(_WORD, k))]))
    start = builder.mul(builder.zext(at, _WORD), ir.Constant(_WORD, WORDS))
    return builder.load(builder.bitcast(builder.gep(columns, [start]), _VECTOR.as_pointer()), align=8)


def _count(builder: ir.IRBuilder, counters: list[ir.Value], rows: list[ir.Value]) -> ir.Value:
    """Add eight columns to the counters: full adders in a tree, then the carry through the upper levels; gives what overflows."""
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
    return carry


def _full_adder(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> tuple[ir.Value, ir.Value]:
    either = builder.xor(a, b)
    return builder.xor(either, c), builder.or_(builder.and_(a, b), builder.and_(either, c))


def _everywhere(builder: ir.IRBuilder, word: ir.Value) -> ir.Value:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), word, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WORDS), [0] * WORDS)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), zeros)


__all__ = ["BITS", "FEW_BITS", "LEVELS", "WORDS"]
