"""Langevin dynamics in a potential: starts, trajectories."""

import math
import os
import threading
from dataclasses import dataclass
from itertools import count

import numpy as np

from ..checks import checked_array, checked_count
from ..potential import MUELLER_BROWN
from ..potential.base import checked_potential
from . import kernels, random_numbers
from .forces import field_of
from .settings import SimulationConfig

_SCHEMES = {
    "overdamped": kernels.EULER,
    "leimkuhler_matthews": kernels.LEIMKUHLER_MATTHEWS,
    "underdamped": kernels.BAOAB,
}
_REAL = {"float32": np.float32, "float64": np.float64}

#: Corners (x, y) of the box from which `sample_starts` draws in the Müller-Brown potential.
START_BOX = MUELLER_BROWN.box
#: Seeds are 0 to MAX_SEED, trajectory indices 0 to MAX_TRAJECTORY.
MAX_SEED = 2**63 - 1
MAX_TRAJECTORY = 2**48
_MAX_STEPS = 2**55  # of a whole trajectory: what the generator's counter holds

_SLICE_STEPS = 20_000_000  # particle steps between two looks at the keyboard, about 0.05 s


class TrajectoryEscaped(RuntimeError):
    """A trajectory left the finite range: the time step is too large for where it went."""


@dataclass(frozen=True)
class SimulationState:
    """Where a simulation stopped, to full precision; pass it to `simulate` to go on.

    Positions and velocities are (n, 2) in the precision of the simulation, velocities None unless
    it is underdamped; `frame` is the index of the frame that this is.
    """

    positions: np.ndarray
    velocities: np.ndarray | None
    frame: int


def _words(seed, stream, first_trajectory, n):
    # (n, 4) uint32: the four random words of each trajectory in a stream with one draw
    words = np.empty((n, 4), np.uint32)
    index = np.uint64(first_trajectory) + np.arange(n, dtype=np.uint64)
    counter = np.empty((n, 4), np.uint32)
    counter[:, 0], counter[:, 2] = 0, stream << 24
    counter[:, 1], counter[:, 3] = index & np.uint64(0xFFFFFFFF), index >> np.uint64(32)
    key = np.empty((n, 2), np.uint32)
    key[:] = seed & 0xFFFFFFFF, seed >> 32
    random_numbers.philox_words(counter, key, words)
    return words


def sample_starts(n, seed, *, first_trajectory=0, potential=MUELLER_BROWN):
    """Draw starts uniformly over the box of a potential, by default [-1.5, 1.2] x [-0.2, 2.0].

    Parameters
    ----------
    n : int
        Number of starts.
    seed : int
        0 to 2^63 - 1. May be the seed of `simulate`: the two use different streams.
    first_trajectory : int
        Index of the first start: start i depends on `seed` and i alone, however many are drawn.
    potential : Potential

    Returns
    -------
    (n, 2) ndarray of float64
        Starts (x, y), reduced length.
    """
    checked_potential(potential)
    n = checked_count("n", n, 1, 10**12)
    seed = checked_count("seed", seed, 0, MAX_SEED)
    first_trajectory = checked_count("first_trajectory", first_trajectory, 0, MAX_TRAJECTORY)
    words = _words(seed, random_numbers.STARTS, first_trajectory, n).astype(np.uint64)
    # 53 random bits for each coordinate
    fraction = (words[:, 0::2] * 2**21 + (words[:, 1::2] >> np.uint64(11))) * 2.0**-53
    return potential.box[0] + (potential.box[1] - potential.box[0]) * fraction


def _initial_velocities(config, seed, first_trajectory, n):
    # Maxwell-Boltzmann, from a stream of its own
    words = _words(seed, random_numbers.VELOCITIES, first_trajectory, n)[:, :2].T.ravel()
    normals = np.empty(2 * n, np.float32)
    random_numbers.normals_of_words(words, normals, n)
    return normals.reshape(2, n).T / math.sqrt(config.beta * config.mass)


def _prepare(config, potential):
    # (field, coefficients, domain) of the compiled integrator, in the configuration's precision
    real = _REAL[config.precision]
    if config.integrator == "underdamped":
        memory = math.exp(-config.friction_rate * config.dt)
        noise = math.sqrt(
            -math.expm1(-2 * config.friction_rate * config.dt) / (config.beta * config.mass)
        )
        scale = config.dt / (2 * config.mass)
        values = noise, config.dt / 2, memory
    else:
        noise = math.sqrt(2 * config.diffusion * config.dt)
        if config.integrator == "leimkuhler_matthews":
            noise /= 2
        scale = config.beta * config.diffusion * config.dt
        values = noise, 0.0, 0.0
    coefficients = kernels.Coefficients(*(real(v) for v in values))
    low, period = potential.box[0], potential.extent if potential.periodic else (0.0, 0.0)
    domain = kernels.Domain(potential.finite_range, *map(float, (*low, *period)))
    return field_of(potential, scale, real), coefficients, domain


def _aligned(n, dtype):
    # one-dimensional array that starts at a cache line
    size = n * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype)


def _blocks(first_trajectory, n, n_threads):
    # (start, count) of blocks of nearly equal size, as many for each thread; none has more than
    # LANES trajectories or crosses a multiple of 2^32
    n_blocks = -(-n // kernels.LANES)
    n_blocks = min(-(-n_blocks // n_threads) * n_threads, -(-n // kernels.VECTOR))
    vectors = -(-n // (n_blocks * kernels.VECTOR))
    blocks, start = [], 0
    while start < n:
        room = 2**32 - (first_trajectory + start) % 2**32
        blocks.append((start, min(vectors * kernels.VECTOR, n - start, room)))
        start += blocks[-1][1]
    return blocks


def check_starts(config, starts, potential):
    """Positions, velocities or None, and frame of starts, which may be a `SimulationState`."""
    checked_potential(potential)
    velocities, frame, bounds = None, 0, potential.bounds
    if isinstance(starts, SimulationState):  # which may be wherever a trajectory may go
        bounds = potential.finite_range * np.array([[-1], [1]])
        starts, velocities, frame = starts.positions, starts.velocities, starts.frame
    starts = checked_array("starts", starts)
    if starts.ndim != 2 or starts.shape[1] != 2 or len(starts) == 0:
        raise ValueError(f"starts must have shape (n, 2) with n at least 1; got {starts.shape}")
    if not np.issubdtype(starts.dtype, np.floating):
        starts = starts.astype(float)
    is_inside = ((starts >= bounds[0]) & (starts <= bounds[1])).all(axis=1)
    if not is_inside.all():
        i = int(np.argmin(is_inside))
        low, high = bounds.tolist()
        raise ValueError(
            f"starts must be finite points of the box with corners {low} and {high};"
            f" starts[{i}] is {starts[i].tolist()}"
        )
    if config.integrator == "underdamped" and velocities is not None:
        if np.shape(velocities) != starts.shape or not np.isfinite(velocities).all():
            raise ValueError(
                f"velocities of the state must be finite and of shape {starts.shape};"
                f" got {np.shape(velocities)}"
            )
    return starts, velocities, frame


def default_threads():
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def checked_threads(n_threads):
    """A number of threads; by default as many as there are processors."""
    return checked_count(
        "n_threads", default_threads() if n_threads is None else n_threads, 1, 4096
    )


def simulate(
    config, starts, seed, *, first_trajectory=0, n_threads=None, return_state=False,
    potential=MUELLER_BROWN,
):  # fmt: skip
    """Simulate one trajectory from each start.

    The bytes of trajectory i depend on the configuration, its start, `seed` and
    `first_trajectory` + i only: not on threads, on how many run together, or on interruptions.

    Parameters
    ----------
    config : SimulationConfig
        Settings.
    starts : (n, 2) array_like of float, or SimulationState
        First frames (x, y), reduced length; or where an earlier call stopped.
    seed : int
        0 to 2^63 - 1.
    first_trajectory : int
        Index of the first trajectory, 0 to 2^48.
    n_threads : int, optional
        Threads to use; by default as many as there are processors.
    return_state : bool
        Also return the `SimulationState` of the last frame.
    potential : Potential
        Where the particles move; in a periodic one frames lie in its box.

    Returns
    -------
    trajectories : (n, n_frames, 2) ndarray of float32
        Frames (x, y), reduced length; the first is the start.
    state : SimulationState
        Only with `return_state`.

    Raises
    ------
    ValueError
        If an argument is impossible; the message names it, its value and what is allowed.
    TrajectoryEscaped
        If a trajectory leaves the finite range of the potential, |x| or |y| above 10 by default.
    """
    if not isinstance(config, SimulationConfig):
        raise ValueError(f"config must be a SimulationConfig; got {type(config).__name__}")
    seed = checked_count("seed", seed, 0, MAX_SEED)
    first_trajectory = checked_count("first_trajectory", first_trajectory, 0, MAX_TRAJECTORY)
    n_threads = checked_threads(n_threads)
    positions, velocities, frame = check_starts(config, starts, potential)
    config.check_dt(potential)
    last_step = (frame + config.n_frames) * config.stride
    checked_count("last step, (frame + n_frames) * stride,", last_step, 1, _MAX_STEPS)
    positions, velocities = prepare_state(config, positions, velocities, seed, first_trajectory)
    trajectories = np.empty((len(positions), config.n_frames, 2), np.float32)
    trajectories[:, 0] = positions
    run_blocks(
        config, positions, velocities, seed, first_trajectory, frame, n_threads, potential,
        out=trajectories[:, 1:],
    )  # fmt: skip
    if return_state:
        return trajectories, SimulationState(positions, velocities, frame + config.n_frames - 1)
    return trajectories


def prepare_state(config, positions, velocities, seed, first_trajectory):
    """Copies of positions and velocities in the precision of `config`; velocities are drawn from
    the Maxwell-Boltzmann distribution where there are none and there should be."""
    real = _REAL[config.precision]
    if config.integrator != "underdamped":
        return positions.astype(real), None
    if velocities is None:
        velocities = _initial_velocities(config, seed, first_trajectory, len(positions))
    return positions.astype(real), velocities.astype(real)


def _workspace():
    batch, lanes = kernels.BATCH, kernels.LANES
    packed = _aligned(batch * lanes, np.uint64)
    normals = _aligned(2 * batch * lanes, np.float32)
    stage = _aligned(2 * kernels.STAGE * lanes, np.float32)
    return kernels.Workspace(
        packed, packed.view(np.uint32), random_numbers.MULTIPLIERS, normals, stage,
        stage.view(np.uint64),
    )  # fmt: skip


def run_blocks(
    config, positions, velocities, seed, first_trajectory, first_frame, n_threads, potential, *,
    out=None, target=None, n_frames=None,
):  # fmt: skip
    """Advance positions and velocities in place, filling `out` or looking for hits on a target.

    Arguments are checked, arrays in the precision of the configuration. `out` is filled with the
    frames after the first, (n, n_frames, 2); with a `target` disk (x, y, radius) a block may stop
    once all have hit it. Gives, (n,), the frames until a trajectory was first seen there, or -1.
    """
    field, coefficients, domain = _prepare(config, potential)
    n, width = len(positions), kernels.LANES
    blocks = _blocks(first_trajectory, n, n_threads)
    hits = np.full(n, -1)
    if target is None:
        target, n_frames = np.zeros(3), out.shape[1]
    nowhere = np.empty((n, 0), np.uint64)
    points = nowhere if out is None else out.view(np.uint64)[..., 0]
    frames_at_once = max(1, _SLICE_STEPS // (width * config.stride))
    queue, failures = count(), []

    def advance(state, work, start, size):
        block = slice(start, start + size)
        rows = state.reshape(6, width)
        rows[:2] = potential.minima[0][:, None]  # lanes without a trajectory
        rows[:2, :size] = positions[block].T
        if velocities is not None:
            rows[2:4] = 0
            rows[2:4, :size] = velocities[block].T
        for frame in range(0, n_frames, frames_at_once):
            n_now = min(frames_at_once, n_frames - frame)
            part = points[block, frame : frame + n_now]
            found = np.full(size, -1)
            escaped = kernels.run_block(
                _SCHEMES[config.integrator], field, coefficients, np.uint64(seed),
                np.uint64(first_trajectory + start), (first_frame + frame) * config.stride,
                config.stride, n_now, state, work, part, target, found, domain,
            )  # fmt: skip
            if escaped >= 0:
                lane = int(np.argmin(np.abs(rows[:2, :size]).max(axis=0) < domain.limit))
                raise TrajectoryEscaped(
                    f"trajectory {first_trajectory + start + lane} left the finite range before"
                    f" frame {first_frame + frame + escaped + 1}: dt = {config.dt!r} is too large"
                    " for where it went; use a smaller dt or another start"
                )
            is_new = (hits[block] < 0) & (found >= 0)
            hits[block][is_new] = frame + 1 + found[is_new]
            if failures or (out is None and (hits[block] >= 0).all()):
                break
        positions[block] = rows[:2, :size].T
        if velocities is not None:
            velocities[block] = rows[2:4, :size].T

    def work_off():
        try:
            state = _aligned(6 * width, _REAL[config.precision])
            work = _workspace()
            while not failures and (k := next(queue)) < len(blocks):
                advance(state, work, *blocks[k])
        except BaseException as error:  # raised by the caller's thread, below
            failures.append(error)

    helpers = [threading.Thread(target=work_off) for _ in range(min(n_threads, len(blocks)) - 1)]
    for thread in helpers:
        thread.start()
    work_off()
    for thread in helpers:
        thread.join()
    if failures:
        raise failures[0]
    return hits
