"""Machine words at an address, for compiled code: loads, stores, moves, and eight decimal digits at once.

numba has no pointers in integers, so each is written as its instructions. Addresses and values are 64-bit integers;
nothing here checks a bound, which is its caller's duty. Little-endian machines only.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_I8, _I16, _I64 = ir.IntType(8), ir.IntType(16), ir.IntType(64)


def inlined(function: Any) -> Any:
    """Compile a function into those that call it; integers wrap, nothing is raised."""
    return njit(error_model="numpy", boundscheck=False)(function)


def hot(function: Any) -> Any:
    """Compile a function as `inlined` does, and see that it becomes part of its caller: a call costs more than it does."""
    return njit(error_model="numpy", boundscheck=False, forceinline=True)(function)


def _load(bits: ir.IntType, address_type: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        loaded = builder.load(builder.inttoptr(args[0], bits.as_pointer()), align=1)
        return loaded if bits is _I64 else builder.zext(loaded, _I64)

    return types.int64(types.int64), generate


@intrinsic
def byte_at(typing_context: Any, address: Any) -> Any:
    return _load(_I8, address)


@intrinsic
def two_at(typing_context: Any, address: Any) -> Any:
    return _load(_I16, address)


@intrinsic
def word_at(typing_context: Any, address: Any) -> Any:
    return _load(_I64, address)


@intrinsic
def put_word(typing_context: Any, address: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], _I64.as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def copy_word(typing_context: Any, address: Any, value: Any) -> Any:
    """Write eight bytes to an address that need not be aligned."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], _I64.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def float_at(typing_context: Any, address: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(builder.inttoptr(args[0], ir.DoubleType().as_pointer()), align=8)

    return types.float64(types.int64), generate


@intrinsic
def put_float(typing_context: Any, address: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[1], builder.inttoptr(args[0], ir.DoubleType().as_pointer()), align=8)
        return context.get_dummy_value()

    return types.void(types.int64, types.float64), generate


@intrinsic
def move(typing_context: Any, target: Any, source: Any, count: Any) -> Any:
    """Move `count` bytes; the two places may overlap."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, source_of = (builder.inttoptr(args[i], _I8.as_pointer()) for i in (0, 1))
        cgutils.raw_memmove(builder, to, source_of, args[2], 1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


def _table(builder: Any, name: str, make: Callable[[], list[int]]) -> Any:
    """Return a table of words that is part of the compiled code."""
    table = builder.module.globals.get(name)
    if table is None:
        made = make()
        values = ir.Constant(ir.ArrayType(_I64, len(made)), made)
        table = cgutils.add_global_variable(builder.module, values.type, name)
        table.linkage, table.global_constant, table.initializer = "internal", True, values
    return table


def _constant(byte: int) -> ir.Constant:
    return ir.Constant(_I64, int.from_bytes(bytes([byte]) * 8, "little"))


def _summed(builder: Any, digits: Any) -> Any:
    """Return the value of eight bytes that are digits, the first one lowest: pair by pair, then four by four, then all."""

    def pairs(value: Any, mask: int, factor: int, width: int) -> Any:
        kept = builder.and_(value, ir.Constant(_I64, mask)) if mask else value
        return builder.lshr(builder.mul(kept, ir.Constant(_I64, factor)), ir.Constant(_I64, width))

    value = pairs(digits, 0, 10 * 256 + 1, 8)
    value = pairs(value, 0x00FF00FF00FF00FF, 100 * 65_536 + 1, 16)
    return pairs(value, 0x0000FFFF0000FFFF, 10_000 * 2**32 + 1, 32)


@intrinsic
def leading_digits(typing_context: Any, word: Any) -> Any:
    """Return how many of a word's bytes are decimal digits before the first that is not, and their value times 16.

    value * 16 + count, count 0 to 8. An exclusive or with "0" turns the bytes into digits. Then 0x76 is added: a byte above
    9 carries into its highest bit. The lowest such byte is the first that is no digit (a carry runs upwards only). The
    digits are shifted to the top, zeros before them, and summed up pair by pair.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        digits = builder.xor(args[0], _constant(0x30))
        high = builder.and_(builder.or_(builder.add(digits, _constant(0x76)), digits), _constant(0x80))
        bits = builder.cttz(high, ir.Constant(ir.IntType(1), 0))
        bits = builder.and_(bits, ir.Constant(_I64, 0x78))
        none = builder.icmp_unsigned("==", bits, ir.Constant(_I64, 0))
        shift = builder.sub(ir.Constant(_I64, 64), bits)
        shift = builder.select(none, ir.Constant(_I64, 0), shift)
        top = builder.select(none, ir.Constant(_I64, 0), builder.shl(digits, shift))

        count = builder.lshr(bits, ir.Constant(_I64, 3))
        return builder.or_(builder.shl(_summed(builder, top), ir.Constant(_I64, 4)), count)

    return types.int64(types.int64), generate


@intrinsic
def quote_in(typing_context: Any, word: Any) -> Any:
    """Return the place of the first quotation mark among a word's bytes, 8 where there is none."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zeroed = builder.xor(args[0], _constant(0x22))
        found = builder.and_(builder.and_(builder.sub(zeroed, _constant(1)), builder.not_(zeroed)), _constant(0x80))
        bits = builder.cttz(found, ir.Constant(ir.IntType(1), 0))
        return builder.lshr(bits, ir.Constant(_I64, 3))

    return types.int64(types.int64), generate


STRETCH = 32


def _places(compared: str, letter: int) -> Any:
    """Return the generator of a comparison of the `STRETCH` bytes at an address: a bit for each, lowest first."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        many = ir.VectorType(_I8, STRETCH)
        found = builder.load(builder.inttoptr(args[0], many.as_pointer()), align=1)
        bits = builder.icmp_signed(compared, found, ir.Constant(many, [letter] * STRETCH))
        return builder.zext(builder.bitcast(bits, ir.IntType(STRETCH)), _I64)

    return types.int64(types.int64), generate


@intrinsic
def quotes_at(typing_context: Any, address: Any) -> Any:
    """Return a bit for each of the `STRETCH` bytes at an address, lowest first, that is a quotation mark."""
    return _places("==", 0x22)


@intrinsic
def backslashes_at(typing_context: Any, address: Any) -> Any:
    """Return a bit for each that is a backslash."""
    return _places("==", 0x5C)


@intrinsic
def others_at(typing_context: Any, address: Any) -> Any:
    """Return a bit for each that is below 32 or beyond 127, which as a signed number is below 0."""
    return _places("<", 0x20)


@intrinsic
def copy_stretch(typing_context: Any, target: Any, source: Any) -> Any:
    """Copy `STRETCH` bytes at any alignment."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, source = (builder.inttoptr(args[i], ir.VectorType(_I8, STRETCH).as_pointer()) for i in (0, 1))
        builder.store(builder.load(source, align=1), to, align=1)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def _bit_of(count: str) -> Any:
    """Return the generator of an instruction that counts zero bits of a word that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return getattr(builder, count)(args[0], ir.Constant(ir.IntType(1), 1))

    return generate


@intrinsic
def lowest_bit(typing_context: Any, word: Any) -> Any:
    return types.int64(types.int64), _bit_of("cttz")


@intrinsic
def highest_bit(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.sub(ir.Constant(_I64, 63), _bit_of("ctlz")(context, builder, signature, args))

    return types.int64(types.int64), generate


@intrinsic
def bits_in(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.int64), generate


@intrinsic
def shifted_down(typing_context: Any, word: Any, count: Any) -> Any:
    """Return a word shifted down by 0 to 63 bits, with zeros from above."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.lshr(args[0], args[1])

    return types.int64(types.int64, types.int64), generate


SHORT, SHORT_EXP_MAX = 8, 10
"""Characters that are read at once, and decimals of a scale on which as many digits surely fit 64 bits."""
_SHAPE_WORDS = 4


def _shapes() -> list[int]:
    """Return of each scale, length and place of the first point how to read a text: see `short_decimal`."""
    shapes: list[int] = []
    for exp, size, point in product(range(SHORT_EXP_MAX + 1), range(SHORT + 1), range(SHORT + 1)):
        pointed = point < size
        places = size - 1 - point if pointed else 0
        good = size > 0 and places <= exp and (not pointed or (point > 0 and places > 0))
        before = (1 << 8 * point) - 1 if pointed else -1
        shapes += [before, 64 - 8 * (size - pointed), 10 ** (exp - places), 0] if good else [-1, 0, 0, 0]
    return shapes


@intrinsic
def short_decimal(typing_context: Any, word: Any, size: Any, exp: Any) -> Any:
    """Return the value, times 10**exp, of a text of `size` characters, with or without a point; -1 where that is none.

    Up to `SHORT` characters, the lowest of the word, and `SHORT_EXP_MAX`. By scale, length and place of the point, the
    point is taken out, the remaining digits are shifted to the top, summed up as by `leading_digits`, and multiplied.
    -1, too, for a fraction finer than the scale.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word, size, exp = args
        shapes = _table(builder, "arb.shapes", _shapes)
        zeroed = builder.xor(word, _constant(0x2E))
        points = builder.and_(builder.and_(builder.sub(zeroed, _constant(1)), builder.not_(zeroed)), _constant(0x80))
        point = builder.lshr(builder.cttz(points, ir.Constant(ir.IntType(1), 0)), ir.Constant(_I64, 3))
        nine = ir.Constant(_I64, SHORT + 1)
        number = builder.add(builder.mul(builder.add(builder.mul(exp, nine), size), nine), point)
        first = builder.mul(number, ir.Constant(_I64, _SHAPE_WORDS))
        before, top, unit = (
            builder.load(
                builder.gep(shapes, [ir.Constant(_I64, 0), builder.add(first, ir.Constant(_I64, place))], inbounds=True)
            )
            for place in range(3)
        )
        after = builder.and_(builder.lshr(word, ir.Constant(_I64, 8)), builder.not_(before))
        closed = builder.or_(builder.and_(word, before), after)
        digits = builder.shl(builder.xor(closed, _constant(0x30)), top)
        high = builder.and_(builder.or_(builder.add(digits, _constant(0x76)), digits), _constant(0x80))
        zero = ir.Constant(_I64, 0)
        bad = builder.or_(builder.icmp_unsigned("!=", high, zero), builder.icmp_unsigned("==", unit, zero))
        return builder.select(bad, ir.Constant(_I64, -1), builder.mul(_summed(builder, digits), unit))

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
def alike(typing_context: Any, word: Any, low: Any, top: Any) -> Any:
    """Return the value of a text as `short_decimal` reads it, when the place of its point is known; -1: not digits.

    `low`: the bits before the point, all where there is none; `top`: by how many bits the digits are shifted to the
    top.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word, low, top = args
        ones = ir.Constant(_I64, -1)
        after = builder.and_(builder.lshr(word, ir.Constant(_I64, 8)), builder.xor(low, ones))
        closed = builder.or_(builder.and_(word, low), after)
        digits = builder.shl(builder.xor(closed, _constant(0x30)), top)
        high = builder.and_(builder.or_(builder.add(digits, _constant(0x76)), digits), _constant(0x80))
        bad = builder.icmp_unsigned("!=", high, ir.Constant(_I64, 0))
        return builder.select(bad, ones, _summed(builder, digits))

    return types.int64(types.int64, types.int64, types.int64), generate


DIGITS_MAX = 18
"""The highest power of ten that `power_of_ten` knows: numbers of so many digits surely fit 64 bits."""


@intrinsic
def power_of_ten(typing_context: Any, exponent: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        powers = _table(builder, "arb.powers_of_ten", lambda: [10**shift for shift in range(DIGITS_MAX + 1)])
        return builder.load(builder.gep(powers, [ir.Constant(_I64, 0), args[0]], inbounds=True))

    return types.int64(types.int64), generate


@intrinsic
def fetch(typing_context: Any, address: Any) -> Any:
    """Fetch the memory at an address into the processor's caches while other work continues; any address will do."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        i32 = ir.IntType(32)
        wanted = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), i32, i32, i32])
        function = cgutils.get_or_insert_function(builder.module, wanted, "llvm.prefetch.p0i8")
        hints = (ir.Constant(i32, number) for number in (1, 3, 1))  # to be written, to be kept near, data
        builder.call(function, [builder.inttoptr(args[0], _I8.as_pointer()), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), generate
