"""Forces as the inner loop of the simulator takes them: constants made ready, short polynomials.

A force is a named tuple of constants, an expression in `scaled_force`, and a maker of the
constants, which folds in what the integrator multiplies the force by.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from ..compiled import bits32, bits64, float32, float64, fma
from ..potential import AMPLITUDE, X0, Y0, A, B, C

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


class Well(NamedTuple):
    """Constants of a scaled force -(stiffness + quartic u^2) u along each coordinate u (tests)."""

    stiffness_x: float
    stiffness_y: float
    quartic: float


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

    def well(x, y, field):
        along_x = -fma(field.quartic, x * x, field.stiffness_x) * x
        along_y = -fma(field.quartic, y * y, field.stiffness_y) * y
        return along_x, along_y

    return mueller_brown if field.instance_class is MuellerBrown else well


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


def well_field(stiffness_x, stiffness_y, quartic=0.0):
    """A maker of fields, like `mueller_brown_field`, for wells with known averages (tests).

    V = (stiffness_x x^2 + stiffness_y y^2) / 2 + quartic (x^4 + y^4) / 4.
    """

    def make(scale, real):
        return Well(*(real(v * scale) for v in (stiffness_x, stiffness_y, quartic)))

    return make
