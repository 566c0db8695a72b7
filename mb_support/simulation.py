"""Langevin dynamics in the Müller-Brown potential: settings, starts, trajectories."""

import json
import math
import os
import threading
from dataclasses import asdict, dataclass, fields
from itertools import count

import numpy as np

from . import kernels
from .potential import AMPLITUDE, MINIMA, X0, Y0, A, B, C, force

INTEGRATORS = {
    "overdamped": kernels.EULER,
    "leimkuhler_matthews": kernels.LEIMKUHLER_MATTHEWS,
    "underdamped": kernels.BAOAB,
}
PRECISIONS = {"float32": np.float32, "float64": np.float64}

#: Corners (x, y) of the box from which `sample_starts` draws.
START_BOX = np.array([[-1.5, -0.2], [1.2, 2.0]])
#: Corners of the box outside which a start is refused. The valley towards the upper left is
#: shallow: at kT = 154 a trajectory does come to (-3, 3).
SIMULATION_BOX = np.array([[-4.0, -2.5], [2.5, 4.0]])
#: Seeds are 0 to MAX_SEED, trajectory indices 0 to MAX_TRAJECTORY.
MAX_SEED = 2**63 - 1
MAX_TRAJECTORY = 2**48
_MAX_STEPS = 2**55  # of a whole trajectory: what the generator's counter holds

_SLICE_STEPS = 20_000_000  # particle steps between two looks at the keyboard, about 0.05 s


class TrajectoryEscaped(RuntimeError):
    """A trajectory left the finite range: the time step is too large for where it went."""


def _stiffest_curvature():
    # Largest eigenvalue of the Hessian of V over the three minima, by central differences
    h = 1e-5
    steps = h * np.eye(2)
    hessians = np.stack([force(MINIMA - s) - force(MINIMA + s) for s in steps], axis=-1) / (2 * h)
    return float(np.linalg.eigvalsh((hessians + hessians.swapaxes(1, 2)) / 2).max())


_CURVATURE = _stiffest_curvature()


def _require_number(name, value, *, allow_zero=False):
    is_number = isinstance(value, int | float | np.integer | np.floating)
    if isinstance(value, bool) or not is_number or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number; got {value!r}")
    if value < 0 or (value == 0 and not allow_zero):
        least = "zero or positive" if allow_zero else "positive"
        raise ValueError(f"{name} must be {least}; got {value!r}")


def _require_integer(name, value, least, most):
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"{name} must be an integer from {least} to {most}; got {value!r}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be from {least} to {most}; got {value!r}")
    return int(value)


@dataclass(frozen=True)
class SimulationConfig:
    """Settings of a simulation, checked when they are made.

    Attributes
    ----------
    beta : float
        Inverse temperature 1/kT, 1/energy.
    diffusion : float or None
        Diffusion constant D, length^2/time. With the integrator "underdamped" it only serves to
        set a missing `friction`, and may be None when `friction` is given.
    dt : float
        Time step.
    stride : int
        Steps from one saved frame to the next.
    n_frames : int
        Saved frames of a trajectory; the first is the start.
    integrator : str
        "overdamped" (Euler-Maruyama), "leimkuhler_matthews" (overdamped; configurational averages
        of second order) or "underdamped" (BAOAB).
    mass : float
        Mass, energy time^2/length^2; "underdamped" only.
    friction : float or None
        Friction rate, 1/time; "underdamped" only. None means 1 / (beta mass D), with which the
        long-time diffusion constant of a free particle is D.
    precision : str
        "float32" or "float64": arithmetic of positions, velocities and forces. Both see the same
        random numbers. Saved frames are float32 in both cases.

    Raises
    ------
    ValueError
        If a setting is impossible, or `dt` so large that the integrator is unstable in the
        stiffest minimum: beta D dt V'' or dt sqrt(V''/mass) must not exceed 1.

    Notes
    -----
    Overdamped: dx = -beta D grad V dt + sqrt(2 D) dW. Underdamped: dx = v dt,
    dv = -grad V / mass dt - friction v dt + sqrt(2 friction / (beta mass)) dW.
    """

    beta: float
    diffusion: float | None
    dt: float
    stride: int
    n_frames: int
    integrator: str = "overdamped"
    mass: float = 1.0
    friction: float | None = None
    precision: str = "float32"

    def __post_init__(self):
        if self.integrator not in INTEGRATORS:
            raise ValueError(
                f"integrator must be one of {sorted(INTEGRATORS)}; got {self.integrator!r}"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be one of {sorted(PRECISIONS)}; got {self.precision!r}"
            )
        _require_number("beta", self.beta)
        _require_number("dt", self.dt)
        _require_number("mass", self.mass)
        if self.friction is not None:
            _require_number("friction", self.friction, allow_zero=True)
        if self.diffusion is not None:
            _require_number("diffusion", self.diffusion)
        elif self.integrator != "underdamped":
            raise ValueError(f"diffusion must be a positive number for {self.integrator!r}")
        elif self.friction is None:
            raise ValueError("friction must be given where diffusion is None; both are None")
        _require_integer("stride", self.stride, 1, 10**9)
        _require_integer("n_frames", self.n_frames, 1, 10**9)
        if self.dt > self.largest_dt:
            raise ValueError(
                f"dt must be at most {self.largest_dt:.3g} for {self.integrator!r} with these"
                f" settings, else the integrator explodes; got {self.dt!r}"
            )

    @property
    def largest_dt(self):
        """Largest time step accepted, from the stiffest minimum of the potential."""
        if self.integrator == "underdamped":
            return math.sqrt(self.mass / _CURVATURE)
        return 1 / (self.beta * self.diffusion * _CURVATURE)

    @property
    def friction_rate(self):
        """Friction rate of the underdamped dynamics, 1/time."""
        if self.friction is not None:
            return self.friction
        return 1 / (self.beta * self.mass * self.diffusion)

    @property
    def frame_time(self):
        """Time from one saved frame to the next."""
        return self.stride * self.dt

    @property
    def total_time(self):
        """Time from the first saved frame to the last."""
        return self.frame_time * (self.n_frames - 1)

    def to_dict(self):
        """All settings as a dictionary of plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, settings):
        """Settings from a dictionary; `ValueError` names keys that are unknown or missing."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(settings) - known)
        missing = sorted({"beta", "diffusion", "dt", "stride", "n_frames"} - set(settings))
        if unknown or missing:
            raise ValueError(
                f"settings have unknown keys {unknown} and lack {missing};"
                f" allowed are {sorted(known)}"
            )
        return cls(**settings)

    def to_json(self, path=None):
        """All settings as JSON text, also written to `path` if given."""
        text = json.dumps(self.to_dict(), indent=2) + "\n"
        if path is not None:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return text

    @classmethod
    def from_json(cls, text):
        """Settings from JSON text, as `to_json` writes it; `ValueError` if it is none."""
        settings = json.loads(text)
        if not isinstance(settings, dict):
            raise ValueError(f"settings must be a JSON object; got {type(settings).__name__}")
        return cls.from_dict(settings)


#: The regimes of the book. "underdamped" has the temperature of "metastable" and so little
#: friction that the velocity outlives a frame: there positions alone are not Markov.
REGIMES = {
    "metastable": SimulationConfig(beta=1 / 15, diffusion=1.0, dt=1e-4, stride=50, n_frames=1000),
    "wild": SimulationConfig(beta=0.0065, diffusion=100.0, dt=1e-5, stride=10, n_frames=1000),
    "underdamped": SimulationConfig(
        beta=1 / 15,
        diffusion=None,
        dt=1e-3,
        stride=20,
        n_frames=1000,
        integrator="underdamped",
        mass=1.0,
        friction=10.0,
    ),
}


@dataclass(frozen=True)
class SimulationState:
    """Where a simulation stopped, to full precision; pass it to `simulate` to go on.

    Attributes
    ----------
    positions : (n, 2) ndarray
        In the precision of the simulation.
    velocities : (n, 2) ndarray or None
        "underdamped" only.
    frame : int
        Index of the frame that this is.
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
    kernels.philox_words(counter, key, words)
    return words


def sample_starts(n, seed, *, first_trajectory=0):
    """Draw starts uniformly over [-1.5, 1.2] x [-0.2, 2.0].

    Parameters
    ----------
    n : int
        Number of starts.
    seed : int
        0 to 2^63 - 1. May be the seed of `simulate`: the two use different streams.
    first_trajectory : int
        Index of the first start: start i depends on `seed` and i alone, however many are drawn.

    Returns
    -------
    (n, 2) ndarray of float64
        Starts (x, y), reduced length.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    n = _require_integer("n", n, 1, 10**12)
    seed = _require_integer("seed", seed, 0, MAX_SEED)
    first_trajectory = _require_integer("first_trajectory", first_trajectory, 0, MAX_TRAJECTORY)
    words = _words(seed, kernels.STARTS, first_trajectory, n).astype(np.uint64)
    # 53 random bits for each coordinate
    fraction = (words[:, 0::2] * 2**21 + (words[:, 1::2] >> np.uint64(11))) * 2.0**-53
    return START_BOX[0] + (START_BOX[1] - START_BOX[0]) * fraction


def _initial_velocities(config, seed, first_trajectory, n):
    # Maxwell-Boltzmann, from a stream of its own
    radius, angle = _words(seed, kernels.VELOCITIES, first_trajectory, n)[:, :2].T
    words, normals = np.empty(2 * kernels.LANES, np.uint32), np.empty(2 * kernels.LANES, np.float32)
    velocities = np.empty((n, 2))
    for i in range(0, n, kernels.LANES):
        m = min(kernels.LANES, n - i)
        words[:m], words[kernels.LANES : kernels.LANES + m] = radius[i : i + m], angle[i : i + m]
        kernels.normals_of_words(words, normals)
        velocities[i : i + m] = normals.reshape(2, -1)[:, :m].T
    return velocities / math.sqrt(config.beta * config.mass)


def mueller_brown_field(scale, real):
    """Constants of the Müller-Brown force times `scale`, in the floating-point type `real`."""
    log2_e = math.log2(math.e)
    offset = np.log2(np.abs(AMPLITUDE) * 2 * math.log(2) * scale)
    largest = 126 if real is np.float32 else 1022
    values = kernels.MuellerBrown(
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
    return kernels.MuellerBrown(*(real(v) for v in values))


def harmonic_field(stiffness_x, stiffness_y):
    """A maker of fields, like `mueller_brown_field`, for V = (kx x^2 + ky y^2) / 2 (tests)."""

    def make(scale, real):
        return kernels.Harmonic(real(stiffness_x * scale), real(stiffness_y * scale))

    return make


def _prepare(config, make_field):
    # (field, coefficients) of the compiled integrator, in the precision of the configuration
    real = PRECISIONS[config.precision]
    if config.integrator == "underdamped":
        memory = math.exp(-config.friction_rate * config.dt)
        noise = math.sqrt((1 - memory**2) / (config.beta * config.mass))
        scale = config.dt / (2 * config.mass)
        values = noise, config.dt / 2, memory
    else:
        noise = math.sqrt(2 * config.diffusion * config.dt)
        if config.integrator == "leimkuhler_matthews":
            noise /= 2
        scale = config.beta * config.diffusion * config.dt
        values = noise, 0.0, 0.0
    return make_field(scale, real), kernels.Coefficients(*(real(v) for v in values))


def _aligned(n, dtype):
    # one-dimensional array that starts at a cache line
    size = n * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype)


def _blocks(first_trajectory, n):
    # (start, count): at most LANES trajectories each, none across a multiple of 2^32
    start = 0
    while start < n:
        room = 2**32 - (first_trajectory + start) % 2**32
        size = min(kernels.LANES, n - start, room)
        yield start, size
        start += size


def _checked_starts(config, starts, first_frame):
    # (positions, velocities or None, first_frame); `starts` may be a SimulationState
    velocities = None
    if isinstance(starts, SimulationState):
        starts, velocities, first_frame = starts.positions, starts.velocities, starts.frame
    elif config.integrator == "underdamped" and first_frame > 0:
        raise ValueError(
            "first_frame must be 0 for 'underdamped', unless starts is a SimulationState, which"
            f" holds velocities; got {first_frame}"
        )
    starts = np.asarray(starts)
    if starts.ndim != 2 or starts.shape[1] != 2 or len(starts) == 0:
        raise ValueError(f"starts must have shape (n, 2) with n at least 1; got {starts.shape}")
    if not np.issubdtype(starts.dtype, np.floating):
        starts = starts.astype(float)
    is_inside = ((starts >= SIMULATION_BOX[0]) & (starts <= SIMULATION_BOX[1])).all(axis=1)
    if not is_inside.all():
        i = int(np.argmin(is_inside))
        low, high = SIMULATION_BOX.tolist()
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
    return starts, velocities, first_frame


def default_threads():
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def simulate(
    config,
    starts,
    seed,
    *,
    first_trajectory=0,
    first_frame=0,
    n_threads=None,
    out=None,
    return_state=False,
    make_field=mueller_brown_field,
):
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
    first_frame : int
        Index of the frame that `starts` is, to continue an overdamped float32 trajectory from
        its own frame: ``simulate(config, full[:, 500], seed, first_frame=500)`` goes on as `full`
        does. float64 and underdamped runs are continued from a `SimulationState`.
    n_threads : int, optional
        Threads to use; by default as many as there are processors.
    out : (n, n_frames, 2) ndarray of float32, optional
        C-contiguous array to write to, for example a memory map.
    return_state : bool
        Also return the `SimulationState` of the last frame.
    make_field : callable, optional
        Makes the force; other than Müller-Brown for tests only.

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
        If a trajectory leaves the finite range, |x| or |y| above 10.
    """
    if not isinstance(config, SimulationConfig):
        raise ValueError(f"config must be a SimulationConfig; got {type(config).__name__}")
    seed = _require_integer("seed", seed, 0, MAX_SEED)
    first_trajectory = _require_integer("first_trajectory", first_trajectory, 0, MAX_TRAJECTORY)
    first_frame = _require_integer("first_frame", first_frame, 0, 2**48)
    n_threads = _require_integer(
        "n_threads", default_threads() if n_threads is None else n_threads, 1, 4096
    )
    positions, velocities, first_frame = _checked_starts(config, starts, first_frame)
    n = len(positions)
    last_step = (first_frame + config.n_frames) * config.stride
    _require_integer("last step, (first_frame + n_frames) * stride,", last_step, 1, _MAX_STEPS)
    if out is None:
        out = np.empty((n, config.n_frames, 2), np.float32)
    elif out.shape != (n, config.n_frames, 2) or out.dtype != np.float32:
        raise ValueError(
            f"out must be float32 of shape {(n, config.n_frames, 2)}; got {out.dtype} {out.shape}"
        )
    elif not out.flags.c_contiguous:
        raise ValueError("out must be C-contiguous; got an array with gaps")
    real = PRECISIONS[config.precision]
    positions = positions.astype(real)
    if config.integrator == "underdamped":
        if velocities is None:
            velocities = _initial_velocities(config, seed, first_trajectory, n)
        velocities = velocities.astype(real)
    out[:, 0] = positions
    _run(
        config, out, positions, velocities, seed, first_trajectory, first_frame, n_threads,
        make_field,
    )  # fmt: skip
    if return_state:
        return out, SimulationState(positions, velocities, first_frame + config.n_frames - 1)
    return out


class _Workspace:
    """Buffers of one thread, used for one block after the other."""

    def __init__(self, real):
        lanes = kernels.LANES
        self.state = _aligned(6 * lanes, real)
        self.rows = self.state.reshape(6, lanes)
        self.packed = _aligned(kernels.BATCH * lanes, np.uint64)
        self.normals = _aligned(2 * kernels.BATCH * lanes, np.float32)
        self.stage = _aligned(2 * kernels.STAGE * lanes, np.float32)


def _run(
    config, out, positions, velocities, seed, first_trajectory, first_frame, n_threads, make_field
):
    # Fill out[:, 1:], leaving the last positions and velocities in their arrays
    scheme = INTEGRATORS[config.integrator]
    field, coefficients = _prepare(config, make_field)
    blocks = list(_blocks(first_trajectory, len(out)))
    frames_at_once = max(1, _SLICE_STEPS // (kernels.LANES * config.stride))
    queue, failures = count(), []

    def advance(work, start, size):
        rows = work.rows
        rows[:2] = MINIMA[0][:, None]  # lanes without a trajectory
        rows[:2, :size] = positions[start : start + size].T
        if velocities is not None:
            rows[2:4] = 0
            rows[2:4, :size] = velocities[start : start + size].T
        for frame in range(1, config.n_frames, frames_at_once):
            escaped = kernels.run_block(
                scheme, field, coefficients, np.uint64(seed), np.uint64(first_trajectory + start),
                (first_frame + frame - 1) * config.stride, config.stride,
                work.state, work.packed, kernels.MULTIPLIERS, work.normals, work.stage,
                out[start : start + size, frame : frame + frames_at_once],
            )  # fmt: skip
            if escaped >= 0:
                is_inside = np.abs(rows[:2, :size]).max(axis=0) < kernels.FINITE_RANGE
                index = start + int(np.argmin(is_inside))
                failures.append(
                    TrajectoryEscaped(
                        f"trajectory {first_trajectory + index}, started at"
                        f" {out[index, 0].tolist()}, left the finite range before frame"
                        f" {first_frame + frame + escaped}: dt = {config.dt!r} is too large for"
                        " where it went; use a smaller dt or another start"
                    )
                )
            if failures:
                return
        positions[start : start + size] = rows[:2, :size].T
        if velocities is not None:
            velocities[start : start + size] = rows[2:4, :size].T

    def work():
        try:
            workspace = _Workspace(PRECISIONS[config.precision])
            while not failures and (k := next(queue)) < len(blocks):
                advance(workspace, *blocks[k])
        except BaseException as error:  # raised by the caller's thread, below
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(min(n_threads, len(blocks)) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def first_passage_times(config, starts, seed, centre, radius, *, max_time, n_threads=None):
    """Time at which trajectories first come within a radius of a point.

    Parameters
    ----------
    config : SimulationConfig
        Settings. The distance is looked at in every frame, so `stride` steps apart: a passage is
        noticed late by about half of `frame_time`, and later when a visit falls between frames.
        `n_frames` is the length of the pieces in which the simulation is carried out.
    starts : (n, 2) array_like of float
        One start for each passage, reduced length.
    seed : int
        0 to 2^63 - 1.
    centre : (2,) array_like of float
        Centre of the target, reduced length.
    radius : float
        Radius of the target, reduced length.
    max_time : float
        Time after which a trajectory that has not arrived is an error.
    n_threads : int, optional
        Threads to use; by default as many as there are processors.

    Returns
    -------
    (n,) ndarray of float64
        First passage times, zero for a start in the target.

    Raises
    ------
    ValueError
        If an argument is impossible.
    RuntimeError
        If a trajectory has not arrived by `max_time`: leaving it out would bias the mean.
    """
    centre = np.asarray(centre, dtype=float)
    if centre.shape != (2,) or not np.isfinite(centre).all():
        raise ValueError(f"centre must be a finite point (x, y); got {centre.tolist()}")
    _require_number("radius", radius)
    _require_number("max_time", max_time)
    _require_integer("n_frames", config.n_frames, 2, 10**9)
    starts = np.asarray(starts)
    times = np.full(len(starts), np.nan)
    running, where = np.arange(len(starts)), starts
    elapsed, used = 0.0, 0
    while len(running):
        if elapsed >= max_time:
            raise RuntimeError(
                f"{len(running)} of {len(starts)} trajectories have not arrived within max_time ="
                f" {max_time!r}"
            )
        # Pieces draw from fresh trajectory indices, so those still running can close ranks
        frames, state = simulate(
            config, where, seed, first_trajectory=used, n_threads=n_threads, return_state=True
        )
        used += len(running)
        hits = np.empty(len(running), np.int64)
        kernels.hit_frames(frames, centre, float(radius), hits)
        arrived = hits >= 0
        times[running[arrived]] = elapsed + hits[arrived] * config.frame_time
        running = running[~arrived]
        elapsed += config.total_time
        velocities = None if state.velocities is None else state.velocities[~arrived]
        where = SimulationState(state.positions[~arrived], velocities, 0)
    return times
