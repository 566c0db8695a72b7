"""How the package's inner loops are compiled and kept, and what Python has no word for.

Compiled code holds, inlined, what its file imports. numba's own cache does not know; here code is
kept under a digest of all of that.
"""

import hashlib
import pickle
import shutil
from functools import cached_property
from pathlib import Path

from numba import config, njit, types
from numba.core.caching import FunctionCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.extending import intrinsic

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
