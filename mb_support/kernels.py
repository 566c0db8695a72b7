"""Compiled inner loops of the simulator: random numbers, force, integrators.

Read `run_block` last: it is the one entry from `simulation`; everything above serves it.

How it is fast. A block of `LANES` trajectories advances together, and the innermost loop of every
function runs over them, so that the compiler turns it into vector instructions. Logarithm,
exponential, sine and cosine are short polynomials, because a call into the mathematical library
would stop that. Noise is drawn for `BATCH` steps at a time, in loops of its own.

How it is reproducible. Every deviate is addressed by (seed, trajectory, step) through a
counter-based generator, and every multiply-add that should be fused is written as `fma`; nothing
is left to the compiler's licence to reorder. A trajectory's bytes therefore depend on neither
threads, block size, chunking nor vector width.

References
----------
.. [1] J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, SC'11 (2011), section 3.3 (Philox).
.. [2] G. E. P. Box and M. E. Muller, Ann. Math. Stat. 29, 610 (1958).
.. [3] B. Leimkuhler and C. Matthews, Appl. Math. Res. Express 2013, 34 (2013): BAOAB, and its
   overdamped limit.
"""

from typing import NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

LANES = 128  # most trajectories that advance together
VECTOR = 16  # the number that do is a multiple of this: every lane runs the vector code
BATCH = 4  # steps of noise drawn at a time: an even number, one Philox call serves two steps
STAGE = 8  # frames collected before they are copied out: one cache line of a trajectory
FINITE_RANGE = 10.0  # |x|, |y| beyond this: the trajectory has escaped

EULER, LEIMKUHLER_MATTHEWS, BAOAB = 0, 1, 2
DYNAMICS, STARTS, VELOCITIES = 0, 1, 2  # what a random number is for: independent streams


def _compiled(function=None, **options):
    """`njit` that releases the GIL and caches on disk where some folder can be written."""
    if function is None:
        return lambda f: _compiled(f, **options)
    try:
        return njit(nogil=True, error_model="numpy", cache=True, **options)(function)
    except RuntimeError:  # neither the package folder nor the user's cache can be written
        return njit(nogil=True, error_model="numpy", **options)(function)


_inlined = njit(nogil=True, error_model="numpy", forceinline=True)


# --- what Python has no word for: fused multiply-add, bits of a float, conversion by example ---


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


_bits32 = _reinterpret(types.float32, types.int32)
_float32 = _reinterpret(types.int32, types.float32)
_bits64 = _reinterpret(types.float64, types.int64)
_float64 = _reinterpret(types.int64, types.float64)


# --- random numbers ---------------------------------------------------------------------------

_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint32)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@_inlined
def philox(c0, c1, c2, c3, k0, k1, m0, m1):
    """Philox 4x32-10 [1]_: four words for a counter of four and a key of two, all as uint64.

    The upper half of a returned word is undefined; the lower half is the 32-bit result. The
    multipliers are arguments, read from an array, because the compiler turns products with
    constants into slower ones where it can merge a later shift.
    """
    for _ in range(10):
        p0 = (c0 & _LOW) * m0
        p1 = (c2 & _LOW) * m1
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1, (p0 >> _32) ^ c3 ^ k1, p0
        k0 = (k0 + _WEYL_0) & _LOW
        k1 = (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@_compiled
def philox_words(counter, key, words):
    """Philox 4x32-10 of each row: (n, 4) and (n, 2) uint32 to (n, 4) uint32."""
    m0, m1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
    for i in range(len(counter)):
        c, k = counter[i], key[i]
        a, b, c, d = philox(
            np.uint64(c[0]),
            np.uint64(c[1]),
            np.uint64(c[2]),
            np.uint64(c[3]),
            np.uint64(k[0]),
            np.uint64(k[1]),
            m0,
            m1,
        )
        words[i, 0], words[i, 1] = np.uint32(a & _LOW), np.uint32(b & _LOW)
        words[i, 2], words[i, 3] = np.uint32(c & _LOW), np.uint32(d & _LOW)


@_compiled
def draw_words(packed, multipliers, width, seed, stream, trajectory, pair, n_pairs):
    """Random words of `n_pairs` pairs of steps, for `width` trajectories from `trajectory` on.

    The counter is (pair, trajectory, pair >> 32 and stream, trajectory >> 32), the key the seed.
    The pair index sits where the first rounds multiply: the same for all lanes, those products
    are computed once. Two neighbouring trajectories share a packed 64-bit word, so the array,
    seen as uint32, is (radius or angle, step, lane) on a little-endian machine.
    The caller keeps a block from straddling a multiple of 2**32.
    """
    m0, m1 = np.uint64(multipliers[0]), np.uint64(multipliers[1])
    k0, k1 = seed & _LOW, seed >> _32
    low, high = trajectory & _LOW, trajectory >> _32
    half = width // 2
    radius, angle = packed[: 2 * n_pairs * half], packed[2 * n_pairs * half :]
    for q in range(n_pairs):
        c0 = (pair + np.uint64(q)) & _LOW
        c2 = ((pair + np.uint64(q)) >> _32) | (np.uint64(stream) << np.uint64(24))
        r = radius[2 * q * half : 2 * (q + 1) * half]
        t = angle[2 * q * half : 2 * (q + 1) * half]
        for i in range(half):
            lane = low + np.uint64(2) * np.uint64(i)
            a0, a1, a2, a3 = philox(c0, lane, c2, high, k0, k1, m0, m1)
            b0, b1, b2, b3 = philox(c0, lane + np.uint64(1), c2, high, k0, k1, m0, m1)
            r[i] = (a0 & _LOW) | (b0 << _32)
            t[i] = (a1 & _LOW) | (b1 << _32)
            r[i + half] = (a2 & _LOW) | (b2 << _32)
            t[i + half] = (a3 & _LOW) | (b3 << _32)


# Minimax polynomials, lowest order first.
# log2(1 + f) / f on [-1/4, 1/2]: relative error of the logarithm at most 4e-7
_LOG = tuple(
    np.float32(c)
    for c in (
        1.442698218332165966,
        -0.7213114838830497683,
        0.4805291859586257728,
        -0.3619598150245680604,
        0.2996510608850282586,
        -0.2409609486691799965,
        0.1150538978427348806,
    )
)
# sin(2 pi t) / t and cos(2 pi t) in t^2, |t| <= 1/4: absolute errors at most 4e-9 and 5e-8
_SIN = tuple(
    np.float32(c)
    for c in (
        6.283185162175324615,
        -41.34165537021158591,
        81.60102087129233582,
        -76.55010770433545832,
        39.53886857596771807,
    )
)
_COS = tuple(
    np.float32(c)
    for c in (
        0.9999999534666967417,
        -19.73917143470251381,
        64.93459062661534033,
        -85.24033031671743999,
        56.24238040857315119,
    )
)
_HALF, _ONE = np.float32(0.5), np.float32(1)
_THREE_QUARTERS, _EXPONENT, _SIGN = np.int32(0x3F400000), np.int32(-(2**23)), np.int32(-(2**31))
_MINUS_2_LN_2 = np.float32(-2 * np.log(2))


@_inlined
def log2_of_word(word):
    """log2((word + 1/2) / 2^32), at most 0; relative error at most 5e-7."""
    value = np.float32(word) + _HALF
    # value = 2^k (1 + f) with 1 + f in [3/4, 3/2); `exponent` is k in the exponent field
    exponent = np.int32(np.int32(_bits32(value) - _THREE_QUARTERS) & _EXPONENT)
    f = _float32(np.int32(_bits32(value) - exponent)) - _ONE
    p = fma(_LOG[6], f, _LOG[5])
    p = fma(p, f, _LOG[4])
    p = fma(p, f, _LOG[3])
    p = fma(p, f, _LOG[2])
    p = fma(p, f, _LOG[1])
    p = fma(p, f, _LOG[0])
    k = fma(np.float32(exponent), np.float32(2.0**-23), np.float32(-32))
    return fma(p, f, k)


@_inlined
def normal_pair(radius_word, angle_word):
    """Two independent standard normal deviates from two random words [2]_, at most 6.76 long.

    The top bit of the angle word turns the pair by half a circle; the other 31 bits choose an
    angle in the right half plane. Absolute error against exact arithmetic at most 2e-6.
    """
    radius = np.sqrt(log2_of_word(radius_word) * _MINUS_2_LN_2)
    radius = _float32(np.int32(_bits32(radius) ^ np.int32(np.int32(angle_word) & _SIGN)))
    t = np.float32(np.int32(np.int32(angle_word) << np.int32(1))) * np.float32(2.0**-33)
    t2 = t * t
    s = fma(_SIN[4], t2, _SIN[3])
    s = fma(s, t2, _SIN[2])
    s = fma(s, t2, _SIN[1])
    s = fma(s, t2, _SIN[0])
    c = fma(_COS[4], t2, _COS[3])
    c = fma(c, t2, _COS[2])
    c = fma(c, t2, _COS[1])
    c = fma(c, t2, _COS[0])
    return radius * c, radius * (s * t)


@_compiled
def normals_of_words(words, normals, n):
    """Turn random words (radius or angle, n) into normals (x or y, n)."""
    radius, angle, along_x, along_y = words[:n], words[n : 2 * n], normals[:n], normals[n : 2 * n]
    for i in range(n):
        along_x[i], along_y[i] = normal_pair(radius[i], angle[i])


# --- forces -----------------------------------------------------------------------------------

# 2^r on [-1/2, 1/2]: relative error at most 8e-8, and 3e-16 for the longer one
_EXP = tuple(
    np.float32(c)
    for c in (
        1.000000071654641638,
        0.6931469670652649276,
        0.2402211972396917805,
        0.05550713272875391178,
        0.009675541331021391145,
        0.001327647216781994333,
    )
)
_EXP_DOUBLE = (
    1.000000000000000066,
    0.6931471805599497751,
    0.2402265069590876777,
    0.05550410866445883136,
    0.009618129108034597006,
    0.001333355822856176589,
    0.000154035299611270757,
    0.00001525265811640985448,
    1.321566283595923945e-6,
    1.020853792965740437e-7,
    7.037278846726900879e-9,
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
        return _float32(np.int32(_bits32(p) + np.int32(_bits32(rounded) << np.int32(23))))

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
        return _float64(_bits64(p) + (_bits64(rounded) << 52))

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


# --- integrators: state is (x, y, then what the integrator carries), each LANES long ------------


@_inlined
def euler_maruyama(state, normals, width, first, last, field, c):
    """x += scaled force + c.noise z."""
    for step in range(first, last):
        along_x = normals[width * step : width * (step + 1)]
        along_y = normals[width * (BATCH + step) : width * (BATCH + step + 1)]
        for i in range(width):
            x, y = state[i], state[i + LANES]
            fx, fy = scaled_force(x, y, field)
            state[i] = fma(c.noise, like(x, along_x[i]), x + fx)
            state[i + LANES] = fma(c.noise, like(y, along_y[i]), y + fy)


@_inlined
def leimkuhler_matthews(state, normals, width, first, last, field, c):
    """x += scaled force + c.noise (z_n + z_{n+1}) [3]_; z_n is carried in rows 2 and 3."""
    for step in range(first, last):
        along_x = normals[width * step : width * (step + 1)]
        along_y = normals[width * (BATCH + step) : width * (BATCH + step + 1)]
        for i in range(width):
            x, y = state[i], state[i + LANES]
            zx, zy = like(x, along_x[i]), like(y, along_y[i])
            fx, fy = scaled_force(x, y, field)
            state[i] = fma(c.noise, state[i + 2 * LANES] + zx, x + fx)
            state[i + LANES] = fma(c.noise, state[i + 3 * LANES] + zy, y + fy)
            state[i + 2 * LANES] = zx
            state[i + 3 * LANES] = zy


@_inlined
def baoab(state, normals, width, first, last, field, c):
    """Kick, drift, thermostat, drift, kick [3]_; rows 2, 3 velocity, 4, 5 the last half kick."""
    for step in range(first, last):
        along_x = normals[width * step : width * (step + 1)]
        along_y = normals[width * (BATCH + step) : width * (BATCH + step + 1)]
        for i in range(width):
            x, vx, fx = state[i], state[i + 2 * LANES], state[i + 4 * LANES]
            y, vy, fy = state[i + LANES], state[i + 3 * LANES], state[i + 5 * LANES]
            vx, vy = vx + fx, vy + fy
            x, y = fma(c.half_step, vx, x), fma(c.half_step, vy, y)
            vx = fma(c.noise, like(x, along_x[i]), c.memory * vx)
            vy = fma(c.noise, like(y, along_y[i]), c.memory * vy)
            x, y = fma(c.half_step, vx, x), fma(c.half_step, vy, y)
            fx, fy = scaled_force(x, y, field)
            state[i], state[i + 2 * LANES], state[i + 4 * LANES] = x, vx + fx, fx
            state[i + LANES], state[i + 3 * LANES], state[i + 5 * LANES] = y, vy + fy, fy


class Coefficients(NamedTuple):
    """What an integrator needs besides the force, all of one floating-point type."""

    noise: float
    half_step: float
    memory: float


@_compiled
def has_escaped(state, n_lanes):
    """Whether any of the first lanes is outside the finite range, or not a number."""
    limit = like(state[0], FINITE_RANGE)
    n_inside = np.int32(0)
    for i in range(n_lanes):
        is_inside = (abs(state[i]) < limit) & (abs(state[i + LANES]) < limit)
        n_inside = np.int32(n_inside + np.int32(is_inside))
    return n_inside < n_lanes


@_compiled
def stage_frame(state, width, row):
    """Write (x, y) of every lane, rounded to float32, to `row`."""
    for i in range(width):
        row[2 * i] = np.float32(state[i])
        row[2 * i + 1] = np.float32(state[i + LANES])


@_compiled
def flush(stage, n_staged, out, frame):
    """Copy staged frames, (frame, lane), to out[:, frame:frame + n_staged]; points as uint64."""
    for lane in range(len(out)):
        for k in range(n_staged):
            out[lane, frame + k] = stage[LANES * k + lane]


@_compiled
def note_hits(state, target, frame, hits):
    """Write `frame` for lanes first seen in the disk (x, y, radius); how many are still out."""
    n_out = 0
    for lane in range(len(hits)):
        if hits[lane] < 0:
            dx, dy = state[lane] - target[0], state[lane + LANES] - target[1]
            if dx * dx + dy * dy <= target[2] * target[2]:
                hits[lane] = frame
            else:
                n_out += 1
    return n_out


class Workspace(NamedTuple):
    """Buffers of one block, each starting at a cache line, and the generator's multipliers."""

    packed: np.ndarray  # (BATCH * LANES,) uint64: random words, two to an element
    words: np.ndarray  # the same memory as (2 * BATCH * LANES,) uint32
    multipliers: np.ndarray  # MULTIPLIERS
    normals: np.ndarray  # (2 * BATCH * LANES,) float32
    stage: np.ndarray  # (2 * STAGE * LANES,) float32: frames not yet copied out
    points: np.ndarray  # the same memory as (STAGE * LANES,) uint64, a point (x, y) each


@_compiled
def draw_normals(work, width, seed, trajectory, batch):
    """Normals of the steps batch * BATCH to (batch + 1) * BATCH."""
    pair = np.uint64(batch * (BATCH // 2))
    draw_words(
        work.packed, work.multipliers, width, seed, DYNAMICS, trajectory, pair, BATCH // 2
    )  # fmt: skip
    normals_of_words(work.words, work.normals, BATCH * width)


@_compiled
def run_block(
    scheme, field, c, seed, trajectory, step, stride, n_frames, state, work, out, target, hits
):  # fmt: skip
    """Advance one block by `n_frames` frames, each `stride` steps after the last.

    Parameters
    ----------
    scheme : int
        EULER, LEIMKUHLER_MATTHEWS or BAOAB.
    field : MuellerBrown or Well
        Constants of the force, scaled for the integrator.
    c : Coefficients
        Noise amplitude and, for BAOAB, half the time step and the velocity's memory.
    seed, trajectory : uint64
        Address of the first lane's random numbers.
    step : int
        Number of steps taken before; addresses the random numbers too.
    stride, n_frames : int
        Steps from one frame to the next, and number of frames.
    state : (6 * LANES,) ndarray of float32 or float64
        Positions, and velocities for BAOAB, at `step`; advanced in place.
    work : Workspace
        Buffers.
    out : (n_lanes, n_frames) or (n_lanes, 0) ndarray of uint64
        Frames are written here, each element the bytes of a point (x, y) in float32; with no
        room for any, first hits are looked for instead.
    target : (3,) ndarray of float64
        Disk (x, y, radius) that a trajectory may hit.
    hits : (n_lanes,) ndarray of int64
        Frame of each lane's first hit; lanes that have none hold -1. The run ends early when
        all have one.

    Returns
    -------
    frame : int
        The first frame in which a trajectory had escaped, or -1.
    """
    n_lanes = len(out)
    width = (n_lanes + VECTOR - 1) // VECTOR * VECTOR
    is_recording = out.shape[1] > 0
    shift = 1 if scheme == LEIMKUHLER_MATTHEWS else 0  # it looks one deviate ahead
    if scheme == LEIMKUHLER_MATTHEWS:
        draw_normals(work, width, seed, trajectory, step // BATCH)
        first = width * (step % BATCH)
        for i in range(width):
            state[i + 2 * LANES] = work.normals[first + i]
            state[i + 3 * LANES] = work.normals[first + width * BATCH + i]
    if scheme == BAOAB:
        for i in range(width):
            fx, fy = scaled_force(state[i], state[i + LANES], field)
            state[i + 4 * LANES], state[i + 5 * LANES] = fx, fy

    position = step + shift  # of the next deviate
    next_frame = position + stride
    frame = 0
    n_staged = 0
    while frame < n_frames:
        batch = position // BATCH
        draw_normals(work, width, seed, trajectory, batch)
        batch_end = (batch + 1) * BATCH
        while position < batch_end and frame < n_frames:
            stop = min(batch_end, next_frame)
            first, last = position - batch * BATCH, stop - batch * BATCH
            if scheme == EULER:
                euler_maruyama(state, work.normals, width, first, last, field, c)
            elif scheme == LEIMKUHLER_MATTHEWS:
                leimkuhler_matthews(state, work.normals, width, first, last, field, c)
            else:
                baoab(state, work.normals, width, first, last, field, c)
            position = stop
            if position == next_frame:
                next_frame += stride
                frame += 1
                if has_escaped(state, n_lanes):
                    return frame - 1
                if is_recording:
                    stage_frame(state, width, work.stage[2 * LANES * n_staged :])
                    n_staged += 1
                    if n_staged == STAGE or frame == n_frames:
                        flush(work.points, n_staged, out, frame - n_staged)
                        n_staged = 0
                elif note_hits(state, target, frame - 1, hits) == 0:
                    return -1
    return -1
