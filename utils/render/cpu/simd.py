"""What the Numba kernels share: how they are compiled, and vectors of eight numbers.

Numba leaves it to the compiler to find vector instructions, which it does not in loops whose state
is several vectors. Here they are written down: `Floats` and `Ints` are eight float32 or int32 in a
register, `Flags` eight booleans. Any processor can run them; one with AVX2 takes one instruction.

Arrays are C-contiguous and addressed by a flat index, whatever their shape.
"""

import operator

from llvmlite import ir
from numba.core import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

from utils.compiled import FAST, JIT, SMALL, U

__all__ = ["FAST", "JIT", "SMALL", "U"]  # with the vectors, all that kernels need

WIDTH = 8
FUSE = ("contract",)  # a * b + c may be one instruction
INDEX = ir.IntType(32)


class Vector(types.Type):
    """Eight numbers of a kind."""

    def __init__(self, name: str, element: ir.Type) -> None:
        super().__init__(name=name)
        self.llvm = ir.VectorType(element, WIDTH)


class Floats(Vector):
    def __init__(self) -> None:
        super().__init__("Floats", ir.FloatType())


class Ints(Vector):
    def __init__(self) -> None:
        super().__init__("Ints", ir.IntType(32))


class Flags(Vector):
    def __init__(self) -> None:
        super().__init__("Flags", ir.IntType(1))


FLOATS, INTS, FLAGS = Floats(), Ints(), Flags()
OF_SCALAR = {types.float32: FLOATS, types.int32: INTS}


@register_model(Floats)
@register_model(Ints)
@register_model(Flags)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind) -> None:
        super().__init__(manager, kind, kind.llvm)


def _operator(function, operands, result, build) -> None:
    """Give `function` a meaning for operands of these types; build(builder, x, y) emits it."""

    @infer_global(function)
    class _Typing(AbstractTemplate):
        def generic(self, args, kws):
            return signature(result, *operands) if args == operands and not kws else None

    @lower_builtin(function, *operands)
    def _lower(context, builder, sig, args):
        return build(builder, *args)


_operator(operator.add, (FLOATS, FLOATS), FLOATS, lambda b, x, y: b.fadd(x, y, flags=FUSE))
_operator(operator.sub, (FLOATS, FLOATS), FLOATS, lambda b, x, y: b.fsub(x, y, flags=FUSE))
_operator(operator.mul, (FLOATS, FLOATS), FLOATS, lambda b, x, y: b.fmul(x, y, flags=FUSE))
_operator(operator.gt, (FLOATS, FLOATS), FLAGS, lambda b, x, y: b.fcmp_ordered(">", x, y))
_operator(operator.add, (INTS, INTS), INTS, lambda b, x, y: b.add(x, y))
_operator(operator.or_, (INTS, INTS), INTS, lambda b, x, y: b.or_(x, y))
_operator(operator.gt, (INTS, INTS), FLAGS, lambda b, x, y: b.icmp_signed(">", x, y))
_operator(operator.ge, (INTS, INTS), FLAGS, lambda b, x, y: b.icmp_signed(">=", x, y))
_operator(operator.or_, (FLAGS, FLAGS), FLAGS, lambda b, x, y: b.or_(x, y))
_operator(operator.and_, (FLAGS, FLAGS), FLAGS, lambda b, x, y: b.and_(x, y))


def _fill(builder, kind, scalar):
    """All eight numbers `scalar`."""
    start = builder.insert_element(ir.Constant(kind.llvm, ir.Undefined), scalar, INDEX(0))
    zeros = ir.Constant(ir.VectorType(INDEX, WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(start, start, zeros)


def _address(context, builder, array_type, array, index, kind):
    """Pointer to eight numbers from array's flat `index` on."""
    data = context.make_array(array_type)(context, builder, value=array).data
    return builder.bitcast(builder.gep(data, [index]), kind.llvm.as_pointer())


@intrinsic
def splat(typing_context, scalar):
    """All eight numbers `scalar` (float32 or int32)."""
    kind = OF_SCALAR[scalar]
    return signature(kind, scalar), lambda c, b, sig, args: _fill(b, kind, args[0])


@intrinsic
def ramp(typing_context, step):
    """0, step, 2 step ... 7 step."""
    kind = OF_SCALAR[step]

    def build(context, builder, sig, args):
        count = ir.Constant(kind.llvm, list(range(WIDTH)))
        multiply = builder.mul if kind is INTS else builder.fmul
        return multiply(_fill(builder, kind, args[0]), count)

    return signature(kind, step), build


@intrinsic
def opaque(typing_context, index):
    """The same index, so that the compiler cannot know it.

    It would turn a `select` between new values and those loaded, stored in their place, into a
    masked store, which is ten times slower on AMD's processors.
    """
    number = ir.IntType(64)

    def build(context, builder, sig, args):
        return builder.asm(ir.FunctionType(number, [number]), "", "=r,0", args, side_effect=False)

    return signature(types.uintp, types.uintp), build


@intrinsic
def load(typing_context, array, index):
    """array[index : index + 8]"""
    kind = OF_SCALAR[array.dtype]

    def build(context, builder, sig, args):
        return builder.load(_address(context, builder, array, *args, kind), align=4)

    return signature(kind, array, types.uintp), build


@intrinsic
def load_some(typing_context, array, index, count):
    """array[index : index + count], then zeros; what lies beyond is not touched."""
    kind = OF_SCALAR[array.dtype]

    def build(context, builder, sig, args):
        pointer = _address(context, builder, array, *args[:2], kind)
        wanted = _fill(builder, INTS, args[2])
        steps = ir.Constant(INTS.llvm, list(range(WIDTH)))
        chosen = builder.icmp_signed("<", steps, wanted)
        name = "llvm.masked.load.v8" + ("f32" if kind is FLOATS else "i32") + ".p0"
        signature_ = ir.FunctionType(kind.llvm, [pointer.type, INDEX, FLAGS.llvm, kind.llvm])
        function = builder.module.globals.get(name) or ir.Function(builder.module, signature_, name)
        zeros = ir.Constant(kind.llvm, [0] * WIDTH)
        return builder.call(function, [pointer, INDEX(4), chosen, zeros])

    return signature(kind, array, types.uintp, types.int32), build


@intrinsic
def store(typing_context, array, index, value):
    """array[index : index + 8] = value"""

    def build(context, builder, sig, args):
        pointer = _address(context, builder, array, args[0], args[1], value)
        builder.store(args[2], pointer, align=4)
        return context.get_dummy_value()

    return signature(types.none, array, types.uintp, value), build


@intrinsic
def select(typing_context, flags, yes, no):
    """`yes` where flagged, else `no`."""
    return signature(yes, flags, yes, no), lambda c, b, sig, args: b.select(*args)


@intrinsic
def some(typing_context, flags):
    """The eight flags as the bits of a number: 0 if none is set."""

    def build(context, builder, sig, args):
        bits = builder.bitcast(args[0], ir.IntType(WIDTH))
        return builder.zext(bits, ir.IntType(64))

    return signature(types.int64, flags), build


@intrinsic
def lowest(typing_context, bits):
    """The place of the lowest bit that is set in a number > 0."""

    def build(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return signature(types.int64, types.int64), build


@intrinsic
def total(typing_context, values):
    """The sum of eight floats."""

    def build(context, builder, sig, args):
        value, half = args[0], WIDTH
        while half > 1:
            half //= 2
            upper = [min(i + half, WIDTH - 1) for i in range(WIDTH)]
            order = ir.Constant(ir.VectorType(INDEX, WIDTH), upper)
            value = builder.fadd(value, builder.shuffle_vector(value, value, order))
        return builder.extract_element(value, INDEX(0))

    return signature(types.float32, values), build
