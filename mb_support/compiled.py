"""How the package's inner loops are compiled and kept, and what Python has no word for.

Compiled code holds, inlined, what its file imports. numba's own cache does not know; here code is
kept under a digest of all of that.
"""

import hashlib
import math
import pickle
import shutil
from functools import cached_property
from pathlib import Path

import numpy as np
from numba import config, njit, types
from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.extending import intrinsic, overload

from .files import cache, paths, sources


def compiled(function=None, **options):
    """`numba.njit` that releases the GIL and keeps what it compiled on disk."""
    if function is None:
        return lambda f: compiled(f, **options)
    dispatcher = njit(**{"nogil": True, "error_model": "numpy"} | options)(function)
    dispatcher._cache = _CompiledCode(function)
    return dispatcher


inlined = njit(nogil=True, error_model="numpy", forceinline=True)


class _CompiledCode(FunctionCache):
    """Machine code of one function, one file for each signature and processor."""

    def __init__(self, function):
        self._py_func = function

    @cached_property
    def _digest(self):
        return sources.digest(self._py_func.__module__)

    @cached_property
    def _folder(self):
        base = Path(config.CACHE_DIR or paths.CACHE / "compiled")
        return base / f"{self._py_func.__module__}-{self._digest}"

    @property
    def cache_path(self):
        return str(self._folder)

    def flush(self):
        shutil.rmtree(self._folder, ignore_errors=True)

    def load_overload(self, sig, target_context):
        target_context.refresh()
        name = self._name_of(sig, target_context.codegen())
        content = None if name is None else cache.fetch(self._folder, name)
        if content is None:
            return None
        return CompileResult._rebuild(target_context, *pickle.loads(content))

    def save_overload(self, sig, data):
        name = self._name_of(sig, data.codegen)
        if name is None or data.lifted or data.library.has_dynamic_globals:
            return
        is_new = not self._folder.exists()
        cache.keep(self._folder, name, dumps(data._reduce()))
        if is_new:  # the code of an earlier text is of no more use
            for old in self._folder.parent.glob(f"{self._py_func.__module__}-*"):
                if old != self._folder:
                    shutil.rmtree(old, ignore_errors=True)

    def _name_of(self, sig, codegen):
        # None for what no other process can know: changed text, functions made on the spot
        key = repr(self._index_key(sig, codegen))
        if self._digest is None or " at 0x" in key:
            return None
        function = self._py_func.__qualname__.replace("<locals>.", "")
        return f"{function}-{hashlib.sha256(key.encode()).hexdigest()[:20]}"


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


# ---- functions that a compiler turns into vector instructions, which those of libraries stop -----

# 2^r on [-1/2, 1/2], lowest order first: relative error at most 8e-8, and 3e-16 for the longer one
_EXP = tuple(
    np.float32(number)
    for number in """1.000000071654641638 0.6931469670652649276 0.2402211972396917805
    0.05550713272875391178 0.009675541331021391145 0.001327647216781994333""".split()
)
_EXP_DOUBLE = tuple(
    float(number)
    for number in """1.000000000000000066 0.6931471805599497751 0.2402265069590876777
    0.05550410866445883136 0.009618129108034597006 0.001333355822856176589
    0.000154035299611270757 0.00001525265811640985448 1.321566283595923945e-6
    1.020853792965740437e-7 7.037278846726900879e-9""".split()
)
# adding 1.5 * 2^(mantissa bits) rounds to an integer and leaves it in the lowest bits
_ROUND, _ROUND_DOUBLE = np.float32(1.5 * 2**23), 1.5 * 2**52
# coefficients of sin(r) / r in r^2, highest but one first
_FACTORS = tuple((-1) ** (k // 2) / math.factorial(k + 1) for k in range(12, -1, -2))


def exp2(e):
    """2^e for e from -126 to 126 (float32) or -1022 to 1022 (float64)."""
    raise NotImplementedError("compiled code only")


@overload(exp2, jit_options={"forceinline": True, "error_model": "numpy"})
def _exp2(e):
    def single(e):
        rounded = e + _ROUND
        r = e - (rounded - _ROUND)
        p = fma(_EXP[5], r, _EXP[4])
        p = fma(p, r, _EXP[3])
        p = fma(p, r, _EXP[2])
        p = fma(p, r, _EXP[1])
        p = fma(p, r, _EXP[0])
        return float32(np.int32(bits32(p) + np.int32(bits32(rounded) << np.int32(23))))

    def double(e):
        rounded = e + _ROUND_DOUBLE
        r = e - (rounded - _ROUND_DOUBLE)
        p = fma(_EXP_DOUBLE[10], r, _EXP_DOUBLE[9])
        p = fma(p, r, _EXP_DOUBLE[8])
        p = fma(p, r, _EXP_DOUBLE[7])
        p = fma(p, r, _EXP_DOUBLE[6])
        p = fma(p, r, _EXP_DOUBLE[5])
        p = fma(p, r, _EXP_DOUBLE[4])
        p = fma(p, r, _EXP_DOUBLE[3])
        p = fma(p, r, _EXP_DOUBLE[2])
        p = fma(p, r, _EXP_DOUBLE[1])
        p = fma(p, r, _EXP_DOUBLE[0])
        return float64(bits64(p) + (bits64(rounded) << 52))

    return single if e == types.float32 else double


@inlined
def exponential(u):
    """e^u in double precision, for u between -708 and 708; beyond, the value there."""
    e = u * 1.4426950408889634
    e = e if e > -1022.0 else -1022.0
    return exp2(e if e < 1022.0 else 1022.0)


@inlined
def sine(u):
    """sin(u) in double precision, to 1e-11, for |u| up to some thousands."""
    turns = np.floor(u * 0.3183098861837907 + 0.5)
    r = u - turns * math.pi
    sign = 1.0 - 2.0 * (turns - 2.0 * np.floor(turns * 0.5))
    s, value = r * r, -1 / 1307674368000
    for n in _FACTORS:
        value = value * s + n
    return sign * r * value


@inlined
def cosine(u):
    """cos(u) in double precision, to 1e-11, for |u| up to some thousands."""
    return sine(u + 1.5707963267948966)
