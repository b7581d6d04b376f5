"""The arithmetic of word2vec on the CPU, in vector registers.

All of word2vec's time goes into two small matrix products per window: the scores of its input rows with its target
rows, and the update of both by the scores' gradients. Written as plain loops a compiler loads two numbers for each
multiplication. Here a tile of a few input rows by a few target rows is held in registers at once, as in pWord2Vec
(Ji et al. 2016, "Parallelizing Word2Vec in Shared and Distributed Memory"), so that each number that is loaded serves
several multiplications. numba has no vector type, so the two products are written in LLVM's own language: `llvmlite`
emits vector instructions that LLVM makes fit the processor.

Tables are float32 [rows, width], C-contiguous, with a width that is a multiple of `WIDTH`.
"""

from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic as _annotated_as_python

WIDTH = 16
"""Rows are padded to a multiple of this many numbers: one 64-byte line of the cache."""

LANES = 16 if llvm.get_host_cpu_features().get("avx512f") else 8

intrinsic: Any = _annotated_as_python  # its calls have no argument for the typing context

_FLOAT = ir.FloatType()
_INDEX = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_ZEROS = ir.Constant(_VECTOR, [0.0] * LANES)
_LINE = 16


def dots(rows: int, columns: int) -> Any:
    """Make a function that writes the scores of one tile: `scores[i + r, j + c] = inputs[a] . targets[b]`.

    The function takes (inputs, input_ids, i, targets, target_ids, j, scores) with a = input_ids[i + r] and
    b = target_ids[j + c], for r below `rows` and c below `columns`.
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
            with _lanes(builder, width) as at:
                left, right = ([_load(builder, pointer, at) for pointer in side] for side in (x, y))
                for r, a in enumerate(left):
                    for c, b in enumerate(right):
                        total = sums[r][c]
                        builder.store(_multiply_add(builder, a, b, builder.load(total)), total)
            add_up = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(_FLOAT, [_FLOAT, _VECTOR]), f"llvm.vector.reduce.fadd.v{LANES}f32"
            )
            cells = _cells(context, builder, signature.args[6], args[6], args[2], args[5], rows, columns)
            for r in range(rows):
                for c in range(columns):
                    parts = [ir.Constant(_FLOAT, 0.0), builder.load(sums[r][c])]
                    builder.store(builder.call(add_up, parts, fastmath=("fast",)), cells[r][c])
            return context.get_dummy_value()

        return types.void(inputs, input_ids, i, targets, target_ids, j, scores), codegen

    return tile


def step(rows: int, columns: int) -> Any:
    """Make a function that takes one step of gradient descent on a tile, with both tables' old rows on either side.

    `inputs[a] += sum_c gradients[i + r, j + c] * targets[b]` and
    `targets[b] += sum_r gradients[i + r, j + c] * inputs[a]`, arguments and indices as those of `dots`. A row that
    stands twice in one tile keeps only its last change.
    """

    @intrinsic
    def tile(
        _context: Any, inputs: Any, input_ids: Any, i: Any, targets: Any, target_ids: Any, j: Any, gradients: Any
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            x, width = _rows(context, builder, signature.args[0:2], args[0:2], args[2], rows)
            y, _ = _rows(context, builder, signature.args[3:5], args[3:5], args[5], columns)
            cells = _cells(context, builder, signature.args[6], args[6], args[2], args[5], rows, columns)
            g = [[_spread(builder, builder.load(cell)) for cell in row] for row in cells]
            with _lanes(builder, width) as at:
                left, right = ([_load(builder, pointer, at) for pointer in side] for side in (x, y))
                for r, value in enumerate(left):
                    for c, b in enumerate(right):
                        value = _multiply_add(builder, g[r][c], b, value)
                    _store(builder, value, x[r], at)
                for c, value in enumerate(right):
                    for r, a in enumerate(left):
                        value = _multiply_add(builder, g[r][c], a, value)
                    _store(builder, value, y[c], at)
            return context.get_dummy_value()

        return types.void(inputs, input_ids, i, targets, target_ids, j, gradients), codegen

    return tile


@intrinsic
def add_row(_context: Any, table: Any, row: Any, other: Any, other_row: Any) -> Any:
    """`table[row] += other[other_row]`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, width = _row(context, builder, signature.args[0], args[0], args[1])
        source, _ = _row(context, builder, signature.args[2], args[2], args[3])
        with _lanes(builder, width) as at:
            _store(builder, builder.fadd(_load(builder, to, at), _load(builder, source, at)), to, at)
        return context.get_dummy_value()

    return types.void(table, row, other, other_row), codegen


@intrinsic
def prefetch(_context: Any, table: Any, row: Any) -> Any:
    """Ask for `table[row]` to be brought into the cache: rows of rare words are slow to come from memory."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        start, width = _row(context, builder, signature.args[0], args[0], args[1])
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        fetch = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]), "llvm.prefetch.p0"
        )
        for_writing, keep, data = (ir.Constant(flag, number) for number in (1, 3, 1))
        with _lanes(builder, width, _LINE) as at:
            line = builder.bitcast(builder.gep(start, [at]), byte)
            builder.call(fetch, [line, for_writing, keep, data])
        return context.get_dummy_value()

    return types.void(table, row), codegen


def _row(context: Any, builder: Any, kind: Any, table: Any, row: Any) -> tuple[Any, Any]:
    """A pointer to a row of a table, and the table's width."""
    array = context.make_array(kind)(context, builder, table)
    width = builder.extract_value(array.shape, 1)
    return builder.gep(array.data, [builder.mul(_to_index(builder, row), width)]), width


def _rows(context: Any, builder: Any, kinds: Any, args: Any, first: Any, count: int) -> tuple[list[Any], Any]:
    """Pointers to the rows ids[first], ids[first + 1], ... of a table, and the table's width."""
    ids = context.make_array(kinds[1])(context, builder, args[1])
    pointers = []
    for offset in range(count):
        place = builder.add(_to_index(builder, first), ir.Constant(_INDEX, offset))
        row, width = _row(context, builder, kinds[0], args[0], builder.load(builder.gep(ids.data, [place])))
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


def _lanes(builder: Any, width: Any, step: int = LANES) -> Any:
    """A loop over a row; its value is where the next numbers begin."""
    zero, stride = ir.Constant(_INDEX, 0), ir.Constant(_INDEX, step)
    return _Loop(cgutils.for_range_slice(builder, zero, width, stride, _INDEX))


class _Loop:
    """`for_range_slice`, without the count that it yields beside the index."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def __enter__(self) -> Any:
        return self._loop.__enter__()[0]

    def __exit__(self, *error: Any) -> Any:
        return self._loop.__exit__(*error)


def _load(builder: Any, row: Any, at: Any) -> Any:
    value = builder.load(builder.bitcast(builder.gep(row, [at]), _VECTOR.as_pointer()))
    value.align = 4
    return value


def _store(builder: Any, value: Any, row: Any, at: Any) -> None:
    builder.store(value, builder.bitcast(builder.gep(row, [at]), _VECTOR.as_pointer())).align = 4


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    fma = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fma.v{LANES}f32"
    )
    return builder.call(fma, [a, b, c])


def _spread(builder: Any, number: Any) -> Any:
    """A vector of one number."""
    lane = ir.IntType(32)
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    single = builder.insert_element(undefined, number, ir.Constant(lane, 0))
    return builder.shuffle_vector(single, undefined, ir.Constant(ir.VectorType(lane, LANES), [0] * LANES))


def _to_index(builder: Any, number: Any) -> Any:
    return number if number.type == _INDEX else builder.sext(number, _INDEX)
