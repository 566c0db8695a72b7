"""What a perfect forecaster knows, from the grid solver: labels, next frames, memory.

All functions take a `reference.GridSolver`. Times are physical: a frame is
`SimulationConfig.frame_time`. By the Markov property everything that a stretch of trajectory
tells of what came before it is told by its first frame x_t.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .grid import box_coverage, checked_count, checked_positive
from .potential import force
from .propagation import slide_time
from .simulation import START_BOX
from .states import assign_states

_SUBCELLS = 8  # along each side, to share a cell between the two states


def state_share(solver):
    """Share of each node's cell that belongs to state 0 and to state 1.

    Parameters
    ----------
    solver : GridSolver

    Returns
    -------
    (2, n_x, n_y) ndarray
        Between 0 and 1; sums to 1 over the states.
    """
    states = assign_states(solver.positions)
    in_b = states.astype(float)
    # Only cells whose neighbours differ are cut by the dividing line.
    cut = np.zeros(solver.shape, dtype=bool)
    for axis in (0, 1):
        for shift in (1, -1):
            cut |= states != np.roll(states, shift, axis=axis)
    cut |= np.roll(cut, 1, axis=0) | np.roll(cut, -1, axis=0)
    offsets = ((np.arange(_SUBCELLS) + 0.5) / _SUBCELLS - 0.5) * solver.grid_step
    inner = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), axis=-1).reshape(-1, 2)
    in_b[cut] = assign_states(solver.positions[cut][:, None] + inner).mean(axis=-1)
    return np.stack([1 - in_b, in_b])


def start_density(solver, box=START_BOX):
    """Uniform density over the box of starts, split by state.

    Parameters
    ----------
    solver : GridSolver
    box : (2, 2) array_like
        Corners (x_min, y_min) and (x_max, y_max).

    Returns
    -------
    (2, n_x, n_y) ndarray
        Density of starts in state 0 and in state 1; together they integrate to 1.

    Raises
    ------
    ValueError
        If the box does not lie within the active region of the solver.
    """
    box = np.asarray(box, dtype=float)
    if box.shape != (2, 2) or not np.isfinite(box).all() or (box[0] >= box[1]).any():
        raise ValueError(f"box must be corners (x_min, y_min), (x_max, y_max); got {box.tolist()}")
    coverage = box_coverage(solver.x, solver.y, box)
    inside = coverage[solver.active].sum() * solver.cell_area
    if inside < (1 - 1e-9) * np.prod(box[1] - box[0]):
        raise ValueError(f"box must lie within the active region; got {box.tolist()}")
    return coverage / inside * state_share(solver)


@dataclass(frozen=True)
class LabelPosterior:
    """What frame t alone, or everything from frame t on, says of the first frame's state.

    Attributes
    ----------
    frames : (n,) ndarray of int
    joint : (n, 2, n_x, n_y) ndarray
        Density of x_t together with label 0 and label 1.
    accuracy : (n,) ndarray
        Share of trajectories the best guess from x_t gets right.
    """

    frames: np.ndarray
    joint: np.ndarray
    accuracy: np.ndarray

    @property
    def probability(self):
        """P(label = 1 | x_t), (n, n_x, n_y); one half where no trajectory ever comes."""
        total = self.joint.sum(axis=1)
        share = np.divide(self.joint[:, 1], total, out=np.zeros_like(total), where=total > 0)
        return np.where(total > 1e-290, np.clip(share, 0, 1), 0.5)


def _checked_frames(frames):
    frames = np.atleast_1d(np.asarray(frames))
    if frames.ndim != 1 or not np.issubdtype(frames.dtype, np.integer) or (frames < 0).any():
        raise ValueError(f"frames must be integers of at least 0; got {frames!r}")
    if (np.diff(frames) <= 0).any():
        raise ValueError("frames must ascend without repeats")
    return frames


def label_posterior(solver, frames, frame_time, box=START_BOX):
    """P(label | x_t) for the state of the first frame, starts being uniform over a box.

    The two halves of the start density are carried forward; where they overlap, the label is
    ambiguous: P(y | x_t) = rho_y(x_t) / (rho_0(x_t) + rho_1(x_t)).

    Parameters
    ----------
    solver : GridSolver
    frames : (n,) array_like of int
        Frames t, ascending; 0 is the start.
    frame_time : float
        Time between frames.
    box : (2, 2) array_like
        Corners of the box of starts.

    Returns
    -------
    LabelPosterior

    Raises
    ------
    ValueError
        If frames are not ascending non-negative integers, or `frame_time` is not positive.
    """
    frames = _checked_frames(frames)
    frame_time = checked_positive("frame_time", frame_time)
    joint = []
    now, density = 0, start_density(solver, box)
    for frame in frames:
        density = _carried(solver, density, now, frame, frame_time)
        now = frame
        joint.append(np.maximum(density, 0))
    joint = np.array(joint)
    accuracy = joint.max(axis=1).sum(axis=(1, 2)) * solver.cell_area
    # Cells that the dividing line cuts are told apart at the start.
    if frames[0] == 0:
        accuracy[0] = 1.0
    return LabelPosterior(frames, joint, accuracy)


def _carried(solver, density, now, frame, frame_time):
    settled = now * frame_time > slide_time(solver.grid)
    return solver.propagate_density(density, (frame - now) * frame_time, settled)


def last_state_accuracy(solver, frames, n_frames, frame_time, box=START_BOX):
    """Share of trajectories whose last state the best guess from frame t alone gets right.

    Parameters
    ----------
    solver : GridSolver
    frames : (n,) array_like of int
        Frames t, ascending, below `n_frames`.
    n_frames : int
        Frames of a trajectory; the label is the state of frame n_frames - 1.
    frame_time : float
        Time between frames.
    box : (2, 2) array_like
        Corners of the box of starts.

    Returns
    -------
    (n,) ndarray

    Raises
    ------
    ValueError
        If frames are not ascending integers from 0 to n_frames - 1.
    """
    frames = _checked_frames(frames)
    n_frames = checked_count("n_frames", n_frames)
    frame_time = checked_positive("frame_time", frame_time)
    if frames[-1] >= n_frames:
        raise ValueError(f"frames must lie below n_frames = {n_frames}; got {frames[-1]}")
    in_b = state_share(solver)[1]
    accuracy = np.empty(len(frames))
    now, density = 0, start_density(solver, box).sum(axis=0)
    for k, frame in enumerate(frames):
        density = _carried(solver, density, now, frame, frame_time)
        now = frame
        ends_in_b = solver.propagate(in_b, (n_frames - 1 - frame) * frame_time)
        accuracy[k] = solver.average(np.maximum(ends_in_b, 1 - ends_in_b), density)
    if frames[-1] == n_frames - 1:
        accuracy[-1] = 1.0
    return accuracy


def mean_frame_density(solver, n_frames, frame_time, density=None):
    """Density of a frame picked at random from trajectories of n_frames frames.

    Parameters
    ----------
    solver : GridSolver
    n_frames : int
    frame_time : float
        Time between frames.
    density : (n_x, n_y) ndarray, optional
        Density of the first frame; by default uniform over the box of starts.

    Returns
    -------
    (n_x, n_y) ndarray
        Average of the densities of frames 0 to n_frames - 1.

    Raises
    ------
    ValueError
        If `n_frames` is not a positive integer or `frame_time` not positive.
    """
    n_frames = checked_count("n_frames", n_frames)
    frame_time = checked_positive("frame_time", frame_time)
    first = start_density(solver).sum(axis=0) if density is None else np.asarray(density)
    total, n = first, 1
    # S_2n = S_n + P^n S_n and S_n+1 = S_1 + P S_n, along the binary digits of n_frames
    for digit in bin(n_frames)[3:]:
        total = total + solver.propagate_density(total, n * frame_time)
        n *= 2
        if digit == "1":
            total = first + solver.propagate_density(total, frame_time)
            n += 1
    return total / n_frames


def conditional_moments(solver, time):
    """Mean and covariance of the position after a time, given the position now.

    The mean is the best forecast in the sense of squared distance.

    Parameters
    ----------
    solver : GridSolver
    time : float

    Returns
    -------
    mean : (2, n_x, n_y) ndarray
        E[x_t | x_0], reduced length.
    covariance : (2, 2, n_x, n_y) ndarray
        Covariance of x_t given x_0, reduced length squared.

    Raises
    ------
    ValueError
        If `time` is negative or not finite.
    """
    x, y = np.moveaxis(solver.positions, -1, 0)
    return _central(solver.propagate(np.stack([x, y, x * x, x * y, y * y]), time))


def noise_floor(solver, times, density=None):
    """Mean squared error of the best forecast, for each coordinate.

    E |x_{s+t} - E[x_{s+t} | x_s]|^2: no forecaster that does not see the future can have less.

    Parameters
    ----------
    solver : GridSolver
    times : float or (n,) array_like
        How far ahead the forecast looks; one `frame_time` for the next frame.
    density : (n_x, n_y) ndarray, optional
        Density of x_s, by default the stationary one; `mean_frame_density` for the data.

    Returns
    -------
    (2,) or (n, 2) ndarray
        For x and y, reduced length squared. The poster's loss sums over them.

    Raises
    ------
    ValueError
        If a time is negative or not finite.
    """
    floors = []
    for time in np.atleast_1d(times):
        _, covariance = conditional_moments(solver, float(time))
        floors.append(solver.average(covariance[[0, 1], [0, 1]], density))
    return np.array(floors) if np.ndim(times) else floors[0]


def simulated_moments(solver, config):
    """Mean and covariance of the next frame as simulated, time step error included.

    Parameters
    ----------
    solver : GridSolver
        Of the same beta and diffusion; gives the nodes.
    config : SimulationConfig
        With the integrator "overdamped".

    Returns
    -------
    mean : (2, n_x, n_y) ndarray
    covariance : (2, 2, n_x, n_y) ndarray
        As `conditional_moments` for one frame.

    Raises
    ------
    ValueError
        As `simulated_expectations`.
    """
    x, y = np.moveaxis(solver.positions, -1, 0)
    return _central(simulated_expectations(solver, config, [x, y, x * x, x * y, y * y]))


def simulated_expectations(solver, config, fields):
    """E[f(next frame) | this frame] of the simulated chain, for smooth f.

    `GridSolver.propagate` holds for continuous time. Euler-Maruyama steps of finite dt spread a
    frame slightly more; here one such step, f(x) -> E f(x + b dt + sqrt(2 D dt) xi), is applied
    `stride` times with quintic interpolation between the nodes.

    Parameters
    ----------
    solver : GridSolver
        Of the same beta and diffusion; gives the nodes.
    config : SimulationConfig
        With the integrator "overdamped".
    fields : sequence of (n_x, n_y) ndarray

    Returns
    -------
    list of (n_x, n_y) ndarray
        Within a few grid steps of the outermost nodes they mean nothing.

    Raises
    ------
    ValueError
        If the integrator is another, or beta or diffusion differ from the solver's.
    """
    if config.integrator != "overdamped":
        raise ValueError(f"integrator must be 'overdamped'; got {config.integrator!r}")
    if not np.isclose([config.beta, config.diffusion], [solver.beta, solver.diffusion]).all():
        raise ValueError(
            f"solver must have the beta = {config.beta} and diffusion = {config.diffusion} of the "
            f"simulation; got {solver.beta} and {solver.diffusion}"
        )
    shift = config.beta * config.diffusion * config.dt * force(solver.positions)
    # Walls outside the active region must not throw points across the grid.
    shift = np.clip(shift, -0.2, 0.2)
    places = np.moveaxis(solver.positions + shift - solver.positions[0, 0], -1, 0)
    places = places / solver.grid_step
    # Five weights that have the variance and the fourth moment of the noise; wide noise is split
    # into passes, because beyond about one grid step the weights turn negative.
    spread = 2 * config.diffusion * config.dt / solver.grid_step**2
    n_passes = int(np.ceil(spread / 0.6))
    spread /= n_passes
    outer = (3 * spread**2 - spread) / 24
    inner = (spread - 8 * outer) / 2
    kernel = np.array([outer, inner, 1 - 2 * inner - 2 * outer, inner, outer])
    results = []
    for field in fields:
        for _ in range(config.stride):
            for axis in (0, 1) * n_passes:
                field = ndimage.convolve1d(field, kernel, axis=axis, mode="nearest")
            field = ndimage.map_coordinates(field, places, order=5, mode="nearest")
        results.append(field)
    return results


def _central(fields):
    mean_x, mean_y, xx, xy, yy = fields
    mean = np.stack([mean_x, mean_y])
    return mean, np.array([[xx, xy], [xy, yy]]) - mean[:, None] * mean


def autocorrelation(solver, values, times):
    """Normalised equilibrium autocorrelation function of fields.

    C(t) = <(f(0) - <f>) (f(t) - <f>)> / <(f - <f>)^2>

    Parameters
    ----------
    solver : GridSolver
    values : (..., n_x, n_y) ndarray
    times : (n,) array_like
        Ascending, at least 0.

    Returns
    -------
    (..., n) ndarray
        1 at time 0.

    Raises
    ------
    ValueError
        If times do not ascend, or shapes do not fit.
    """
    times = np.atleast_1d(np.asarray(times, dtype=float))
    if not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) < 0).any():
        raise ValueError(f"times must ascend from at least 0; got {times!r}")
    values = np.asarray(values, dtype=float)
    now = fluctuation = values - np.asarray(solver.average(values))[..., None, None]
    variance = solver.average(fluctuation**2)
    curves, before = [], 0.0
    for time in times:
        now = solver.propagate(now, time - before)
        before = time
        curves.append(solver.average(fluctuation * now) / variance)
    return np.moveaxis(np.array(curves), 0, -1)
