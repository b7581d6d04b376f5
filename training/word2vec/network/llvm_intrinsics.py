"""LLVM intrinsics for the two matrix products of a window, as SIMD instructions.

word2vec spends its time on two small matrix products per window: the scores of the input rows with the target rows,
and the updates of both from the gradients of the scores. Compiled from plain loops, each multiplication loads two
numbers. Here a tile of a few input rows by a few target rows is kept in registers, as in pWord2Vec (Ji et al. 2016,
"Parallelizing Word2Vec in Shared and Distributed Memory"), so that each number loaded is used several times. numba has
no vector type, so the products are written in LLVM's intermediate representation with `llvmlite`, and LLVM selects the
vector instructions of the processor.

Matrices are float32 [rows, width], C-contiguous, with a width that is a multiple of `WIDTH`.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _typed_intrinsic

WIDTH = 16
"""Rows are padded to a multiple of this many numbers: one 64-byte cache line."""

LANES = 16 if llvm.get_host_cpu_features().get("avx512f") else 8

intrinsic: Any = _typed_intrinsic  # untyped: callers do not pass the typing context

_FLOAT = ir.FloatType()
_INDEX = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_ZEROS = ir.Constant(_VECTOR, [0.0] * LANES)
_CACHE_LINE = 16  # numbers


def make_score_tile(rows: int, columns: int) -> Any:
    """Make an intrinsic that computes the scores of one tile.

    The intrinsic takes (inputs, input_ids, i, targets, target_ids, j, scores) and sets, for r < rows and c < columns,
    `scores[i + r, j + c] = dot(inputs[input_ids[i + r]], targets[target_ids[j + c]])`.
    """

    @intrinsic
    def tile(
        _context: Any, inputs: Any, input_ids: Any, i: Any, targets: Any, target_ids: Any, j: Any, scores: Any
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, width = _rows(context, builder, signature.args[0:2], args[0:2], args[2], rows)
            y, _ = _rows(context, builder, signature.args[3:5], args[3:5], args[5], columns)
            sums = [[cgutils.alloca_once(builder, _VECTOR) for _ in y] for _ in x]
            for row in sums:
                for total in row:
                    builder.store(_ZEROS, total)
            with _vector_loop(builder, width) as offset:
                left, right = ([_load(builder, pointer, offset) for pointer in side] for side in (x, y))
                for r, a in enumerate(left):
                    for c, b in enumerate(right):
                        total = sums[r][c]
                        builder.store(_multiply_add(builder, a, b, builder.load(total)), total)
            reduce_add = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR]), f"llvm.vector.reduce.fadd.v{LANES}f32"
            )
            cells = _cells(context, builder, signature.args[6], args[6], args[2], args[5], rows, columns)
            for r in range(rows):
                for c in range(columns):
                    parts = [ir.Constant(_FLOAT, 0.0), builder.load(sums[r][c])]
                    builder.store(builder.call(reduce_add, parts, fastmath=("fast",)), cells[r][c])
            return context.get_dummy_value()

        return types.void(inputs, input_ids, i, targets, target_ids, j, scores), codegen

    return tile


def make_update_tile(rows: int, columns: int) -> Any:
    """Make an intrinsic that takes one step of gradient descent on a tile.

    The intrinsic takes (inputs, input_ids, i, targets, target_ids, j, gradients). With a = input_ids[i + r] and
    b = target_ids[j + c] it computes, from the old rows of both matrices,
    `inputs[a] += sum_c gradients[i + r, j + c] * targets[b]` and
    `targets[b] += sum_r gradients[i + r, j + c] * inputs[a]`. A row that occurs twice in one tile keeps only its last
    update.
    """

    @intrinsic
    def tile(
        _context: Any, inputs: Any, input_ids: Any, i: Any, targets: Any, target_ids: Any, j: Any, gradients: Any
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, width = _rows(context, builder, signature.args[0:2], args[0:2], args[2], rows)
            y, _ = _rows(context, builder, signature.args[3:5], args[3:5], args[5], columns)
            cells = _cells(context, builder, signature.args[6], args[6], args[2], args[5], rows, columns)
            g = [[_broadcast(builder, builder.load(cell)) for cell in row] for row in cells]
            with _vector_loop(builder, width) as offset:
                left, right = ([_load(builder, pointer, offset) for pointer in side] for side in (x, y))
                for r, value in enumerate(left):
                    for c, b in enumerate(right):
                        value = _multiply_add(builder, g[r][c], b, value)
                    _store(builder, value, x[r], offset)
                for c, value in enumerate(right):
                    for r, a in enumerate(left):
                        value = _multiply_add(builder, g[r][c], a, value)
                    _store(builder, value, y[c], offset)
            return context.get_dummy_value()

        return types.void(inputs, input_ids, i, targets, target_ids, j, gradients), codegen

    return tile


@intrinsic
def add_row(_context: Any, matrix: Any, row: Any, other: Any, other_row: Any) -> Any:
    """Intrinsic: `matrix[row] += other[other_row]`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target, width = _row(context, builder, signature.args[0], args[0], args[1])
        source, _ = _row(context, builder, signature.args[2], args[2], args[3])
        with _vector_loop(builder, width) as offset:
            _store(
                builder, builder.fadd(_load(builder, target, offset), _load(builder, source, offset)), target, offset
            )
        return context.get_dummy_value()

    return types.void(matrix, row, other, other_row), codegen


@intrinsic
def prefetch(_context: Any, matrix: Any, row: Any) -> Any:
    """Intrinsic: prefetch `matrix[row]` for writing, as the rows of rare words are not in the cache."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start, width = _row(context, builder, signature.args[0], args[0], args[1])
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        fetch = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]), "llvm.prefetch.p0"
        )
        for_writing, keep, data = (ir.Constant(flag, number) for number in (1, 3, 1))
        with _vector_loop(builder, width, _CACHE_LINE) as offset:
            line = builder.bitcast(builder.gep(start, [offset]), byte)
            builder.call(fetch, [line, for_writing, keep, data])
        return context.get_dummy_value()

    return types.void(matrix, row), codegen


def _row(context: Any, builder: Any, kind: Any, matrix: Any, row: Any) -> tuple[Any, Any]:
    """A pointer to a row of a matrix, and the matrix's width."""
    array = context.make_array(kind)(context, builder, matrix)
    width = builder.extract_value(array.shape, 1)
    return builder.gep(array.data, [builder.mul(_to_index(builder, row), width)]), width


def _rows(context: Any, builder: Any, kinds: Any, args: Any, first: Any, count: int) -> tuple[list[Any], Any]:
    """Pointers to the rows ids[first], ids[first + 1], ... of a matrix, and the matrix's width."""
    ids = context.make_array(kinds[1])(context, builder, args[1])
    pointers = []
    for offset in range(count):
        index = builder.add(_to_index(builder, first), ir.Constant(_INDEX, offset))
        row, width = _row(context, builder, kinds[0], args[0], builder.load(builder.gep(ids.data, [index])))
        pointers.append(row)
    return pointers, width


def _cells(
    context: Any, builder: Any, kind: Any, matrix: Any, i: Any, j: Any, rows: int, columns: int
) -> list[list[Any]]:
    """Pointers to matrix[i : i + rows, j : j + columns]."""
    array = context.make_array(kind)(context, builder, matrix)
    width = builder.extract_value(array.shape, 1)
    first = builder.add(builder.mul(_to_index(builder, i), width), _to_index(builder, j))
    pointers = []
    for r in range(rows):
        start = builder.add(first, builder.mul(ir.Constant(_INDEX, r), width))
        pointers.append([builder.gep(array.data, [builder.add(start, ir.Constant(_INDEX, c))]) for c in range(columns)])
    return pointers


def _vector_loop(builder: Any, width: Any, step: int = LANES) -> Any:
    """A loop over the offsets 0, step, 2 * step, ... below `width`."""
    zero, stride = ir.Constant(_INDEX, 0), ir.Constant(_INDEX, step)
    return _Loop(cgutils.for_range_slice(builder, zero, width, stride, _INDEX))


class _Loop:
    """Context manager around `for_range_slice` that yields the index only, without the iteration count."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def __enter__(self) -> Any:
        return self._loop.__enter__()[0]

    def __exit__(self, *error: Any) -> Any:
        return self._loop.__exit__(*error)


def _load(builder: Any, row: Any, offset: Any) -> Any:
    """Load a vector from `row[offset]` on."""
    value = builder.load(builder.bitcast(builder.gep(row, [offset]), _VECTOR.as_pointer()))
    value.align = 4
    return value


def _store(builder: Any, value: Any, row: Any, offset: Any) -> None:
    """Store a vector from `row[offset]` on."""
    builder.store(value, builder.bitcast(builder.gep(row, [offset]), _VECTOR.as_pointer())).align = 4


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c, fused."""
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{LANES}f32"
    )
    return builder.call(fma, [a, b, c])


def _broadcast(builder: Any, number: Any) -> Any:
    """A vector with `number` in every lane."""
    lane = ir.IntType(32)
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    single = builder.insert_element(undefined, number, ir.Constant(lane, 0))
    return builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(lane, LANES), [0] * LANES))


def _to_index(builder: Any, number: Any) -> Any:
    """Sign-extend an integer to 64 bits."""
    return number if number.type == _INDEX else builder.sext(number, _INDEX)
