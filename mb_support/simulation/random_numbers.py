"""Random numbers with an address: any of them can be had without those before it.

Every deviate is a function of (seed, what for, trajectory, step) through Philox, a counter-based
generator (J. K. Salmon, M. A. Moraes, R. O. Dror and D. E. Shaw, SC'11, 2011, section 3.3), and the
transform of G. E. P. Box and M. E. Muller (Ann. Math. Stat. 29, 610, 1958) with logarithm, sine and
cosine as short polynomials: a call into the mathematical library would stop the compiler from
turning loops over trajectories into vector instructions.
"""

import numpy as np

from ..compiled import bits32, compiled, float32, fma, inlined

DYNAMICS, STARTS, VELOCITIES = (0, 1, 2)  # what a random number is for: independent streams
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint32)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@inlined
def philox(c0, c1, c2, c3, k0, k1, m0, m1):
    """Philox 4x32-10: words for a counter of four and a key of two; upper halves undefined.

    The multipliers are arguments, read from an array, because the compiler turns products with
    constants into slower ones where it can merge a later shift.
    """
    for _ in range(10):
        p0 = (c0 & _LOW) * m0
        p1 = (c2 & _LOW) * m1
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1, (p0 >> _32) ^ c3 ^ k1, p0
        k0 = (k0 + _WEYL_0) & _LOW
        k1 = (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@compiled
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


@compiled
def draw_words(packed, multipliers, width, seed, stream, trajectory, pair, n_pairs):
    """Random words of `n_pairs` pairs of steps, for `width` trajectories from `trajectory` on.

    The counter is (pair, trajectory, pair >> 32 and stream, trajectory >> 32), the key the seed:
    the pair index, the same for all lanes, sits where the first rounds multiply. Two neighbouring
    trajectories share a 64-bit word, so that the array, seen as uint32, is (radius or angle, step,
    lane) on a little-endian machine. A block must not straddle a multiple of 2**32.
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


# Minimax polynomials, lowest order first. The first is log2(1 + f) / f on [-1/4, 1/2], with a
# relative error of the logarithm of at most 4e-7; then sin(2 pi t) / t and cos(2 pi t) in t^2,
# |t| <= 1/4, with absolute errors of at most 4e-9 and 5e-8.
_LOG, _SIN, _COS = (
    tuple(np.float32(number) for number in text.split())
    for text in (
        """1.442698218332165966 -0.7213114838830497683 0.4805291859586257728 -0.3619598150245680604
        0.2996510608850282586 -0.2409609486691799965 0.1150538978427348806""",
        """6.283185162175324615 -41.34165537021158591 81.60102087129233582 -76.55010770433545832
        39.53886857596771807""",
        """0.9999999534666967417 -19.73917143470251381 64.93459062661534033 -85.24033031671743999
        56.24238040857315119""",
    )
)
_HALF, _ONE = np.float32(0.5), np.float32(1)
_THREE_QUARTERS, _EXPONENT, _SIGN = (np.int32(0x3F400000), np.int32(-(2**23)), np.int32(-(2**31)))
_MINUS_2_LN_2 = np.float32(-2 * np.log(2))


@inlined
def log2_of_word(word):
    """log2((word + 1/2) / 2^32), at most 0; relative error at most 5e-7."""
    value = np.float32(word) + _HALF
    # value = 2^k (1 + f) with 1 + f in [3/4, 3/2); `exponent` is k in the exponent field
    exponent = np.int32(np.int32(bits32(value) - _THREE_QUARTERS) & _EXPONENT)
    f = float32(np.int32(bits32(value) - exponent)) - _ONE
    p = fma(_LOG[6], f, _LOG[5])
    p = fma(p, f, _LOG[4])
    p = fma(p, f, _LOG[3])
    p = fma(p, f, _LOG[2])
    p = fma(p, f, _LOG[1])
    p = fma(p, f, _LOG[0])
    k = fma(np.float32(exponent), np.float32(2.0**-23), np.float32(-32))
    return fma(p, f, k)


@inlined
def normal_pair(radius_word, angle_word):
    """Two independent standard normal deviates, at most 6.76 long and right to 2e-6, from two
    words: the top bit of the angle turns the pair by half a circle, the rest is an angle in the
    right half."""
    radius = np.sqrt(log2_of_word(radius_word) * _MINUS_2_LN_2)
    radius = float32(np.int32(bits32(radius) ^ np.int32(np.int32(angle_word) & _SIGN)))
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


@compiled
def normals_of_words(words, normals, n):
    """Turn random words (radius or angle, n) into normals (x or y, n)."""
    radius, angle, along_x, along_y = (words[:n], words[n : 2 * n], normals[:n], normals[n : 2 * n])
    for i in range(n):
        along_x[i], along_y[i] = normal_pair(radius[i], angle[i])
