"""What a perfect forecaster knows, from the grid solver: labels, next frames, memory.

Times are physical: a frame is `SimulationConfig.frame_time`. By the Markov property everything
that a stretch of trajectory tells of what came before it is told by its first frame x_t, and
everything that it tells of what follows by its last one.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..checks import checked_count, checked_positive
from ..states import assign_states
from .grid import box_coverage
from .propagation import slide_time

_SUBCELLS = 8  # along each side, to share a cell between the two states
_VISITED = 1e-9  # share of the highest density above which a node counts, between two frames
_DECAYED = 1e-3  # what may be left of an eigenmode that is left out


def state_share(solver):
    """Share of each node's cell that belongs to each state, (n_states, n_x, n_y)."""
    states = assign_states(solver.positions, solver.potential)
    numbers = np.arange(solver.potential.n_states)
    shares = (states == numbers[:, None, None]).astype(float)
    # Only cells whose neighbours differ are cut by the dividing line.
    cut = np.zeros(solver.shape, dtype=bool)
    for axis in (0, 1):
        for shift in (1, -1):
            cut |= states != np.roll(states, shift, axis=axis)
    cut |= np.roll(cut, 1, axis=0) | np.roll(cut, -1, axis=0)
    offsets = ((np.arange(_SUBCELLS) + 0.5) / _SUBCELLS - 0.5) * solver.grid_step
    inner = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), axis=-1).reshape(-1, 2)
    around = assign_states(solver.positions[cut][:, None] + inner, solver.potential)
    shares[:, cut] = (around == numbers[:, None, None]).mean(axis=-1)
    return shares


def start_density(solver):
    """Uniform density over the box of starts, split by their state, (n_states, n_x, n_y), integral
    1; `ValueError` if the solver leaves out part of the box."""
    box = solver.potential.box
    if solver.potential.periodic:
        return np.ones(solver.shape) / np.prod(box[1] - box[0]) * state_share(solver)
    coverage = box_coverage(solver.x, solver.y, box)
    inside = coverage[solver.active].sum() * solver.cell_area
    if inside < (1 - 1e-9) * np.prod(box[1] - box[0]):
        raise ValueError(
            "starts must lie within the active region of the solver; it covers "
            f"{inside:.4g} of {np.prod(box[1] - box[0]):.4g} of their box"
        )
    return coverage / inside * state_share(solver)


@dataclass(frozen=True)
class LabelPosterior:
    """What frame t alone, or everything from frame t on, says of the first frame's state.

    `joint` is (n, n_states, n_x, n_y), the density of x_t together with each label at each of the
    `frames`; `accuracy` (n,) the share of trajectories that the best guess from x_t gets right.
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


def _checked_frames(frames, name="frames", least=0):
    frames = np.atleast_1d(np.asarray(frames))
    if frames.ndim != 1 or not np.issubdtype(frames.dtype, np.integer) or (frames < least).any():
        raise ValueError(f"{name} must be integers of at least {least}; got {frames!r}")
    if (np.diff(frames) <= 0).any():
        raise ValueError(f"{name} must ascend without repeats; got {frames.tolist()}")
    return frames


def label_posterior(solver, frames, frame_time):
    """P(label | x_t) for the state of the first frame, starts being uniform over their box.

    The two halves of the start density are carried forward; where they overlap, the label is
    ambiguous: P(y | x_t) = rho_y(x_t) / (rho_0(x_t) + rho_1(x_t)).

    Parameters
    ----------
    solver : GridSolver
    frames : (n,) array_like of int
        Frames t, ascending; 0 is the start.
    frame_time : float
        Time between frames.

    Returns
    -------
    LabelPosterior
    """
    frames = _checked_frames(frames)
    carried = _carried(solver, start_density(solver), frames, frame_time)
    joint = np.array([np.maximum(density, 0) for density in carried])
    accuracy = joint.max(axis=1).sum(axis=(1, 2)) * solver.cell_area
    # Cells that the dividing line cuts are told apart at the start.
    if frames[0] == 0:
        accuracy[0] = 1.0
    return LabelPosterior(frames, joint, accuracy)


def _carried(solver, density, frames, frame_time):
    # the density of frame 0 at each of some frames
    frame_time, now = checked_positive("frame_time", frame_time), 0
    for frame in frames:
        settled = now * frame_time > slide_time(solver.grid)
        density = solver.propagate_density(density, (frame - now) * frame_time, settled)
        now = frame
        yield density


def last_state_accuracy(solver, frames, n_frames, frame_time):
    """Share of trajectories whose last state the best guess from frame t alone gets right, (n,), at
    `frames` t that ascend from 0 to n_frames - 1."""
    frames = _checked_frames(frames)
    n_frames = checked_count("n_frames", n_frames)
    if frames[-1] >= n_frames:
        raise ValueError(f"frames must lie below n_frames = {n_frames}; got {frames[-1]}")
    shares, accuracy = state_share(solver), np.empty(len(frames))
    carried = _carried(solver, start_density(solver).sum(axis=0), frames, frame_time)
    for k, density in enumerate(carried):
        left = (n_frames - 1 - frames[k]) * frame_time
        ends = np.array([solver.propagate(share, left) for share in shares[1:]])
        best = np.maximum(ends.max(axis=0, initial=0), 1 - ends.sum(axis=0))
        accuracy[k] = solver.average(best, density)
    if frames[-1] == n_frames - 1:
        accuracy[-1] = 1.0
    return accuracy


def mean_frame_density(solver, n_frames, frame_time, density=None):
    """Density of a frame picked at random from trajectories of n_frames, (n_x, n_y); `density` is
    that of the first, by default uniform over the box of starts."""
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
    """Mean, (2, n_x, n_y), and covariance, (2, 2, n_x, n_y), of the position after a time, given
    the position now; the mean is the best forecast in the sense of squared distance."""
    return _central(solver.propagate(np.stack(_powers(solver)), time))


def _powers(solver):
    x, y = np.moveaxis(solver.positions, -1, 0)
    return x, y, x * x, x * y, y * y


def _central(powers):
    mean_x, mean_y, xx, xy, yy = powers
    mean = np.stack([mean_x, mean_y])
    return mean, np.array([[xx, xy], [xy, yy]]) - mean[:, None] * mean


def exact_forecast(solver, points, frame_time, horizons):
    """Conditional means and variances of the frames at ascending `horizons` after (n, 2) points,
    both (n, n_horizons, 2): the best forecasts, and what their squared distance is at least."""
    horizons = _checked_frames(horizons, "horizons", 1)
    x, y = np.moveaxis(solver.positions, -1, 0)
    fields, values = np.stack([x, y, x**2, y**2]), []
    for n_frames in np.diff(horizons, prepend=0):
        fields = solver.propagate(fields, n_frames * frame_time)
        values.append(solver.interpolate(fields, points))
    moments = np.array(values).transpose(2, 0, 1)  # (n, n_horizons, 4)
    means = moments[..., :2]
    return means, np.maximum(moments[..., 2:] - means**2, 0.0)


def noise_floor(solver, time, density=None):
    """Mean squared error of the best forecast for x and y, (2,), reduced length squared.

    E |x_{s+t} - E[x_{s+t} | x_s]|^2 after a `time` t: no forecaster that does not see the future
    can have less. The poster's loss sums over x and y. `density` is that of x_s, by default the
    stationary one; `mean_frame_density` for the data.
    """
    _, covariance = conditional_moments(solver, time)
    return solver.average(covariance[[0, 1], [0, 1]], density)


def interpolation_floor(solver, time, n_modes=400):
    """Mean squared error of the best guess of x and y between two frames, (2,).

    E |x_{s+t} - E[x_{s+t} | x_s, x_{s+2t}]|^2 in equilibrium, reduced length squared: by the Markov
    property, what is left to whoever sees all frames but one. The transition density is summed over
    `n_modes` eigenmodes, which have to have decayed after `time`; pairs of nodes of `solver` must
    fit into memory.

    Raises
    ------
    ValueError
        If the modes that are left out would matter.
    """
    rates, modes = solver.eigenmodes(checked_count("n_modes", n_modes))
    decay = np.exp(-rates * checked_positive("time", time))
    if decay[-1] > _DECAYED:
        raise ValueError(
            f"after time = {time:g}, {decay[-1]:.2g} of the last of {n_modes} modes is left, where "
            f"{_DECAYED:g} is allowed: choose a longer time, or more modes and a smaller grid_step"
        )
    density = solver.stationary_density()
    visited = density > _VISITED * density.max()
    weight = density[visited] / density[visited].sum()
    fields = np.concatenate([np.ones((1, len(weight))), modes[:, visited]])
    # what a sum cut short leaves below zero is in the far tails
    there = np.maximum((fields.T * np.append(1.0, decay)) @ fields, 0) * weight
    there /= there.sum(axis=1, keepdims=True)
    twice, errors = there @ there, []
    for places in solver.positions[visited].T:
        between = (there * places) @ there  # times the chance to come there, as `twice`
        explained = np.divide(between**2, twice, out=np.zeros_like(twice), where=twice > 0)
        errors.append(weight @ (places**2 - explained.sum(axis=1)))
    return np.array(errors)


def simulated_moments(solver, config):
    """As `conditional_moments`, of the next frame as simulated, time step error included.

    An Euler-Maruyama step of finite dt, f(x) -> E f(x + b dt + sqrt(2 D dt) xi), is applied
    `stride` times to x, y and their products, with quintic interpolation. Within a few grid steps
    of the outermost nodes the results mean nothing. `config` must be "overdamped" as the solver.
    """
    if config.integrator != "overdamped":
        raise ValueError(f"integrator must be 'overdamped'; got {config.integrator!r}")
    if not np.isclose([config.beta, config.diffusion], [solver.beta, solver.diffusion]).all():
        raise ValueError(
            f"solver must have the beta = {config.beta} and diffusion = {config.diffusion} of the "
            f"simulation; got {solver.beta} and {solver.diffusion}"
        )
    shift = config.beta * config.diffusion * config.dt * solver.potential.force(solver.positions)
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
    powers = []
    for field in _powers(solver):
        for _ in range(config.stride):
            for axis in (0, 1) * n_passes:
                field = ndimage.convolve1d(field, kernel, axis=axis, mode="nearest")
            field = ndimage.map_coordinates(field, places, order=5, mode="nearest")
        powers.append(field)
    return _central(powers)


def autocorrelation(solver, values, times):
    """Normalised equilibrium autocorrelation <df(0) df(t)> / <df^2>, df = f - <f>, of fields (...,
    n_x, n_y) at n times that ascend from 0 or more, (..., n)."""
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
