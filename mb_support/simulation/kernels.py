"""Compiled inner loops of the simulator: integrators, and blocks of trajectories.

A block of `LANES` trajectories advances together, and every innermost loop runs over them, so that
the compiler turns it into vector instructions; logarithm, exponential, sine and cosine are short
polynomials, because a call into a library would stop that. Noise is drawn `BATCH` steps at a time.

Every deviate is addressed by (seed, trajectory, step), and every multiply-add that should be fused
is written as `fma`: a trajectory's bytes depend on neither threads, block size nor vector width.

The integrators: B. Leimkuhler and C. Matthews, Appl. Math. Res. Express 2013, 34 (2013), BAOAB and
its overdamped limit.
"""

from typing import NamedTuple

import numpy as np

from ..compiled import compiled, fma, inlined, like
from .forces import scaled_force
from .random_numbers import DYNAMICS, draw_words, normals_of_words

LANES = 128  # most trajectories that advance together
VECTOR = 16  # the number that do is a multiple of this: every lane runs the vector code
BATCH = 4  # steps of noise drawn at a time: an even number, one Philox call serves two steps
STAGE = 8  # frames collected before they are copied out: one cache line of a trajectory

EULER, LEIMKUHLER_MATTHEWS, BAOAB = 0, 1, 2

# --- integrators: state is (x, y, then what the integrator carries), each LANES long ------------


@inlined
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


@inlined
def leimkuhler_matthews(state, normals, width, first, last, field, c):
    """x += scaled force + c.noise (z_n + z_{n+1}); z_n is carried in rows 2 and 3."""
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


@inlined
def baoab(state, normals, width, first, last, field, c):
    """Kick, drift, thermostat, drift, kick; rows 2, 3 velocity, 4, 5 the last half kick."""
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
            state[i + LANES], state[i + 3 * LANES], state[i + 5 * LANES] = (y, vy + fy, fy)


class Coefficients(NamedTuple):
    """What an integrator needs besides the force, all of one floating-point type."""

    noise: float
    half_step: float
    memory: float


class Domain(NamedTuple):
    """Where particles can be: |x|, |y| below `limit`; with periods, from a corner on, or zeros."""

    limit: float
    low_x: float
    low_y: float
    period_x: float
    period_y: float


@compiled
def has_escaped(state, n_lanes, limit):
    """Whether any of the first lanes is outside the finite range, or not a number."""
    limit = like(state[0], limit)
    n_inside = np.int32(0)
    for i in range(n_lanes):
        is_inside = (abs(state[i]) < limit) & (abs(state[i + LANES]) < limit)
        n_inside = np.int32(n_inside + np.int32(is_inside))
    return n_inside < n_lanes


@compiled
def wrap(state, width, domain):
    """Move every lane into the box of a periodic potential."""
    for i in range(width):
        x, y = np.float64(state[i]), np.float64(state[i + LANES])
        x -= domain.period_x * np.floor((x - domain.low_x) / domain.period_x)
        y -= domain.period_y * np.floor((y - domain.low_y) / domain.period_y)
        state[i], state[i + LANES] = like(state[0], x), like(state[0], y)


@compiled
def stage_frame(state, width, row):
    """Write (x, y) of every lane, rounded to float32, to `row`."""
    for i in range(width):
        row[2 * i] = np.float32(state[i])
        row[2 * i + 1] = np.float32(state[i + LANES])


@compiled
def flush(stage, n_staged, out, frame):
    """Copy staged frames, (frame, lane), to out[:, frame:frame + n_staged]; points as uint64."""
    for lane in range(len(out)):
        for k in range(n_staged):
            out[lane, frame + k] = stage[LANES * k + lane]


@compiled
def note_hits(state, target, frame, hits, domain):
    """Write `frame` for lanes first seen in the disk (x, y, radius); how many are still out."""
    n_out = 0
    for lane in range(len(hits)):
        if hits[lane] < 0:
            dx, dy = state[lane] - target[0], state[lane + LANES] - target[1]
            if domain.period_x > 0:
                dx -= domain.period_x * np.round(dx / domain.period_x)
                dy -= domain.period_y * np.round(dy / domain.period_y)
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


@compiled
def draw_normals(work, width, seed, trajectory, batch):
    """Normals of the steps batch * BATCH to (batch + 1) * BATCH."""
    pair = np.uint64(batch * (BATCH // 2))
    draw_words(
        work.packed, work.multipliers, width, seed, DYNAMICS, trajectory, pair, BATCH // 2
    )  # fmt: skip
    normals_of_words(work.words, work.normals, BATCH * width)


@compiled
def run_block(
    scheme, field, c, seed, trajectory, step, stride, n_frames, state, work, out, target, hits,
    domain,
):  # fmt: skip
    """Advance a block by `n_frames` frames of `stride` steps; the frame of an escape, or -1.

    `state`, (6 * LANES,), positions and velocities at `step`, is advanced in place. Frames go to
    `out`, (n_lanes, n_frames) uint64, each the bytes of a float32 point; where that is empty, first
    hits on `target`, (x, y, radius), to `hits`, and the run ends when all lanes have one.
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
                if domain.period_x > 0:
                    wrap(state, width, domain)
                if has_escaped(state, n_lanes, domain.limit):
                    return frame - 1
                if is_recording:
                    stage_frame(state, width, work.stage[2 * LANES * n_staged :])
                    n_staged += 1
                    if n_staged == STAGE or frame == n_frames:
                        flush(work.points, n_staged, out, frame - n_staged)
                        n_staged = 0
                elif note_hits(state, target, frame - 1, hits, domain) == 0:
                    return -1
    return -1
