"""How the simulator's inner loops are compiled, and what Python has no word for.

That is: a multiply-add with one rounding, the bits of a float, and conversion by example.
"""

from numba import njit, types
from numba.extending import intrinsic


def compiled(function=None, **options):
    """`njit` that releases the GIL and caches on disk where some folder can be written."""
    if function is None:
        return lambda f: compiled(f, **options)
    try:
        return njit(nogil=True, error_model="numpy", cache=True, **options)(function)
    except RuntimeError:  # neither the package folder nor the user's cache can be written
        return njit(nogil=True, error_model="numpy", **options)(function)


inlined = njit(nogil=True, error_model="numpy", forceinline=True)


@intrinsic
def fma(typing_context, a, b, c):
    """a * b + c with one rounding."""

    def emit(context, builder, signature, args):
        return builder.fma(*args)

    return a(a, b, c), emit


@intrinsic
def like(typing_context, example, value):
    """`value` converted to the floating-point type of `example`."""

    def emit(context, builder, signature, args):
        return context.cast(builder, args[1], value, example)

    return example(example, value), emit


def _reinterpret(source, target):
    @intrinsic
    def reinterpret(typing_context, value):
        def emit(context, builder, signature, args):
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), emit

    return reinterpret


bits32 = _reinterpret(types.float32, types.int32)
float32 = _reinterpret(types.int32, types.float32)
bits64 = _reinterpret(types.float64, types.int64)
float64 = _reinterpret(types.int64, types.float64)
