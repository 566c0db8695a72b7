"""Forces as the inner loop of the simulator takes them, their constants made ready.

A force is a named tuple of constants and an expression in `scaled_force`; `field_of` makes the
constants and folds in what the integrator multiplies the force by. Müller and Brown's force is
written out for vector instructions; that of another `Potential` is called as it is.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from numba.extending import overload

from ..compiled import exp2, fma, like
from ..potential import MUELLER_BROWN
from ..potential.mueller_brown import AMPLITUDE, X0, Y0, A, B, C


class MuellerBrown(NamedTuple):
    """Constants of the scaled Müller-Brown force, all of one floating-point type.

    Terms 1 and 2 have the same widths and no cross term. Terms 3 and 4 have no cross term in
    s = x + y, d = x - y. With e_k the logarithm to base 2 of term k (scale included), the force
    is 2^e_k times the gradient of e_k, up to a factor that is folded into the offset of e_k.
    """

    x1: float  # centres of the four terms; y1, x2 and s4 are zero, d4 equals d3
    y2: float
    s3: float
    d34: float
    x12: float  # curvatures of e_1 and e_2 along x and y
    y12: float
    s33: float  # of e_3, and of e_4, along s and d
    d33: float
    s44: float
    d44: float
    offset1: float
    offset2: float
    offset3: float
    offset4: float
    lowest: float  # range of e in which `exp2` is valid
    highest: float


def scaled_force(x, y, field):
    """Force at (x, y) times the scale that `field` was made with."""
    raise NotImplementedError("compiled code only")


@overload(scaled_force, jit_options={"forceinline": True, "error_model": "numpy"})
def _scaled_force(x, y, field):
    def mueller_brown(x, y, field):
        s, d = x + y, x - y
        dx1, dy1, dx2, dy2 = x - field.x1, y, x, y - field.y2
        ds3, ds4, dd = s - field.s3, s, d - field.d34
        # half the gradient of each exponent
        ax1, ay1 = field.x12 * dx1, field.y12 * dy1
        ax2, ay2 = field.x12 * dx2, field.y12 * dy2
        as3, ad3 = field.s33 * ds3, field.d33 * dd
        as4, ad4 = field.s44 * ds4, field.d44 * dd
        e1 = fma(ax1, dx1, fma(ay1, dy1, field.offset1))
        e2 = fma(ax2, dx2, fma(ay2, dy2, field.offset2))
        e3 = fma(as3, ds3, fma(ad3, dd, field.offset3))
        e4 = fma(as4, ds4, fma(ad4, dd, field.offset4))
        # the first three exponents have no upper bound to reach, the fourth no lower one
        g1 = exp2(e1 if e1 > field.lowest else field.lowest)
        g2 = exp2(e2 if e2 > field.lowest else field.lowest)
        g3 = exp2(e3 if e3 > field.lowest else field.lowest)
        g4 = exp2(e4 if e4 < field.highest else field.highest)
        force_x = fma(g2, ax2, g1 * ax1)
        force_y = fma(g2, ay2, g1 * ay1)
        force_s = fma(-g4, as4, g3 * as3)
        force_d = fma(-g4, ad4, g3 * ad3)
        return force_x + (force_s + force_d), force_y + (force_s - force_d)

    if field.instance_class is MuellerBrown:
        return mueller_brown
    force = field.instance_class.force

    def of_potential(x, y, field):  # in double precision: differences of an energy need it
        along_x, along_y = force(np.float64(x), np.float64(y))
        return like(x, field.scale * along_x), like(y, field.scale * along_y)

    return of_potential


def mueller_brown_field(scale, real):
    """Constants of the Müller-Brown force times `scale`, in the floating-point type `real`."""
    log2_e = math.log2(math.e)
    offset = np.log2(np.abs(AMPLITUDE) * 2 * math.log(2) * scale)
    largest = 126 if real is np.float32 else 1022
    values = MuellerBrown(
        x1=X0[0],
        y2=Y0[1],
        s3=X0[2] + Y0[2],
        d34=X0[2] - Y0[2],
        x12=A[0] * log2_e,
        y12=C[0] * log2_e,
        s33=(A[2] / 2 + B[2] / 4) * log2_e,
        d33=(A[2] / 2 - B[2] / 4) * log2_e,
        s44=(A[3] / 2 + B[3] / 4) * log2_e,
        d44=(A[3] / 2 - B[3] / 4) * log2_e,
        offset1=offset[0],
        offset2=offset[1],
        offset3=offset[2],
        offset4=offset[3],
        lowest=-largest,
        highest=largest,
    )
    return MuellerBrown(*(real(v) for v in values))


@functools.cache
def _field_class(potential):
    # a type of its own for each potential, so that the integrator is compiled with its force
    class Field(NamedTuple):
        scale: float

    Field.__name__ += f" at 0x{id(potential):x}"  # of no use to other processes: kept nowhere
    Field.force = staticmethod(potential.compiled[1])
    return Field


def field_of(potential, scale, real):
    """What `scaled_force` takes: the force of a `Potential` times `scale`, for the type `real`."""
    if potential is MUELLER_BROWN:
        return mueller_brown_field(scale, real)
    return _field_class(potential)(float(scale))
