"""Loops that numba shares among cores, safe with several threads and in forked processes.

numba's plainest threading layer ("workqueue") ends the process when two threads run a parallel
loop at once, and the one built on GNU OpenMP ends a forked process that runs one after its parent
did. Loops therefore run one at a time, and on one core in such a child.
"""

import functools
import os
import threading
import types

import numba
import torch

from ..compiled import compiled

_turn = threading.Lock()
_forked_after_use = False


def run(loop, *arguments):
    """Call a function `compiled` with ``parallel=True``, on as many threads as PyTorch uses."""
    if _forked_after_use:
        _on_one_core(loop)(*arguments)
        return
    with _turn:
        numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
        loop(*arguments)


@functools.cache
def _on_one_core(loop):
    f = loop.py_func
    twin = types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
    twin.__module__ = f.__module__
    twin.__qualname__ = f"{f.__qualname__}_on_one_core"  # what is kept on disk has this name
    return compiled(twin, fastmath=loop.targetoptions.get("fastmath", False), nogil=False)


def _after_fork_in_child():
    global _turn, _forked_after_use
    _turn = threading.Lock()  # the thread that held it is not here
    try:
        numba.threading_layer()
        _forked_after_use = True
    except ValueError:  # no loop has run yet
        pass
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)  # PyTorch's other threads are not here either


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
