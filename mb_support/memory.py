"""Does a longer window tell more? Windows of past frames, and the most they say of what comes next.

In overdamped dynamics the present position is all there is to know: given x_t, past and future
are independent, so no window of frames ..., x_{t-1}, x_t forecasts better than x_t alone. In
underdamped dynamics the present is (x_t, v_t), and earlier positions tell of the velocity:

    H(future | x_t, v_t)  <=  H(future | x_{t-w+1}, ..., x_t)  <=  H(future | x_t),

for every window w, because the future is independent of the past given (x_t, v_t). Both ends are
estimated here without a model, by shooting many simulations from the same point; the middle is
what a learner makes of windows (`memory_curves`). In overdamped dynamics both ends coincide.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_toeplitz
from scipy.special import digamma

from .simulation import SimulationState, simulate

_HIT_STEPS = {"underdamped": 2}  # integrator steps between two looks at the disks
_PIECE = 100  # looks in a piece of simulation


@dataclass(frozen=True)
class Arrivals:
    """Windows of equilibrium trajectories that end in the transition region, and their futures.

    Attributes
    ----------
    windows : (n, n_frames, 2) ndarray of float32
        The past; the last frame is the present.
    velocities : (n, 2) ndarray or None
        Present velocity; "underdamped" only.
    next_frames : (n, 2) ndarray of float32
        One frame later.
    outcomes : (n,) ndarray of int64
        1 where the target disk is reached before the source disk, else 0.
    """

    windows: np.ndarray
    velocities: np.ndarray | None
    next_frames: np.ndarray
    outcomes: np.ndarray

    def __len__(self):
        return len(self.windows)


def transition_points(solver, committor, n, generator, low=0.2, high=0.8):
    """Draw points from the Boltzmann density where low < committor < high.

    Parameters
    ----------
    solver : GridSolver
    committor : (n_x, n_y) ndarray
    n : int
    generator : numpy.random.Generator
    low, high : float

    Returns
    -------
    (n, 2) ndarray
        A node is drawn and the point moved at random within its cell.

    Raises
    ------
    ValueError
        If no node has such a committor.
    """
    weight = np.where((committor > low) & (committor < high), solver.stationary_density(), 0.0)
    if not weight.sum() > 0:
        raise ValueError(f"no node of the grid has a committor between {low!r} and {high!r}")
    nodes = generator.choice(weight.size, size=n, p=weight.ravel() / weight.sum())
    offsets = (generator.random((n, 2)) - 0.5) * solver.grid_step
    return solver.positions.reshape(-1, 2)[nodes] + offsets


def thermal_velocities(config, n, generator):
    """Maxwell-Boltzmann velocities, (n, 2); None if the dynamics has no velocities."""
    if config.integrator != "underdamped":
        return None
    return generator.normal(size=(n, 2)) / np.sqrt(config.beta * config.mass)


def first_reached(config, points, velocities, source, target, seed, max_time=50.0):
    """Which of two disks each trajectory reaches first: 0 for the source, 1 for the target.

    Parameters
    ----------
    config : SimulationConfig
    points : (n, 2) ndarray
    velocities : (n, 2) ndarray or None
    source, target : (centre, radius)
        Disks, reduced length.
    seed : int
    max_time : float
        Time after which a trajectory that has reached neither is an error.

    Returns
    -------
    (n,) ndarray of int64

    Raises
    ------
    RuntimeError
        If a trajectory has reached neither disk by `max_time`: leaving it out would be a bias.
    """
    stride = _HIT_STEPS.get(config.integrator, 5)
    config = replace(config, stride=stride, n_frames=_PIECE + 1)
    outcome = np.full(len(points), -1, dtype=np.int64)
    running, state = np.arange(len(points)), SimulationState(points, velocities, 0)
    elapsed, used = 0.0, 0
    while len(running):
        if elapsed >= max_time:
            raise RuntimeError(
                f"{len(running)} of {len(points)} trajectories reached neither disk within "
                f"max_time = {max_time!r}"
            )
        # A fresh index for each piece: those still running can close ranks
        frames, end = simulate(config, state, seed, first_trajectory=used, return_state=True)
        used += len(running)
        elapsed += config.total_time
        reached = _reached_at(frames, source, target)
        first = (reached >= 0).argmax(axis=1)
        outcome[running] = reached[np.arange(len(running)), first]
        going = outcome[running] < 0
        running = running[going]
        left = None if velocities is None else end.velocities[going]
        state = SimulationState(end.positions[going], left, 0)
    return outcome


def sample_arrivals(config, solver, committor, source, target, n, n_frames, seed, **region):
    """Draw windows of equilibrium trajectories whose last frame is in the transition region.

    Waiting for such frames would waste nearly all simulation. Instead the present is drawn from
    the Boltzmann distribution, and the past is a simulation run *backwards*: equilibrium
    trajectories look the same in reverse once velocities change sign, so the frames of a
    simulation from (x_t, -v_t), read from last to first, are a past of (x_t, v_t).

    Parameters
    ----------
    config : SimulationConfig
    solver : GridSolver
        At the temperature of `config`.
    committor : (n_x, n_y) ndarray
        Overdamped committor, which only says where the transition region is.
    source, target : (centre, radius)
    n : int
    n_frames : int
        Length of the windows, at least 2.
    seed : int
        Of everything drawn.
    **region
        `low` and `high` of `transition_points`.

    Returns
    -------
    Arrivals

    Raises
    ------
    ValueError
        If the temperatures differ, or as `transition_points` and `simulate`.
    """
    if not np.isclose(config.beta, solver.beta):
        raise ValueError(f"solver must have beta {config.beta!r}; got {solver.beta!r}")
    generator = np.random.default_rng(seed)
    points = transition_points(solver, committor, n, generator, **region)
    velocities = thermal_velocities(config, n, generator)
    past, future, end = (int(s) for s in generator.integers(2**62, size=3))
    reverse = SimulationState(points, None if velocities is None else -velocities, 0)
    windows = simulate(replace(config, n_frames=n_frames), reverse, past)[:, ::-1]
    present = SimulationState(points, velocities, 0)
    next_frames, after = simulate(replace(config, n_frames=2), present, future, return_state=True)
    # The outcome belongs to the same future as the next frame, unless a disk is reached before
    early = _reached_at(next_frames[:, 1], source, target)
    outcomes = first_reached(config, after.positions, after.velocities, source, target, end)
    outcomes = np.where(early >= 0, early, outcomes)
    return Arrivals(np.ascontiguousarray(windows), velocities, next_frames[:, 1], outcomes)


def _reached_at(positions, source, target):
    inside = [
        np.square(positions - np.asarray(centre, dtype=positions.dtype)).sum(axis=-1) <= radius**2
        for centre, radius in (source, target)
    ]
    return np.where(inside[0], 0, np.where(inside[1], 1, -1))


def binomial_entropy(successes, n_shots):
    """Entropy of a coin, in nats, from its throws, with little bias even for few of them.

    Parameters
    ----------
    successes : (...) array_like of int
    n_shots : int

    Returns
    -------
    (...) ndarray

    References
    ----------
    .. [1] P. Grassberger, Phys. Lett. A 128, 369 (1988): digamma in place of the logarithm.
    """
    counts = np.stack([successes, n_shots - np.asarray(successes)]).astype(float)
    terms = np.where(counts > 0, counts * digamma(np.maximum(counts, 1)), 0.0)
    return digamma(n_shots) - terms.sum(axis=0) / n_shots


def shooting_bounds(config, points, velocities, source, target, n_shots, seed):
    """What can be known of the future, given the positions, or positions and velocities.

    Parameters
    ----------
    config : SimulationConfig
    points : (n, 2) ndarray
        Present positions.
    velocities : (n, 2) ndarray or None
        Present velocities that every shot shares; None draws new ones for every shot, or says
        that the dynamics has none.
    source, target : (centre, radius)
    n_shots : int
        Simulations from each point, at least 2.
    seed : int

    Returns
    -------
    dict
        `outcome` and `outcome_error`: mean entropy (nats) of which disk is reached first, and its
        standard error over points; `next_frame` and `next_frame_error`: the same for the variance
        of the next frame (length^2, both coordinates together); `committor`: (n,) share of shots
        that reach the target.
    """
    generator = np.random.default_rng(seed)
    starts = np.repeat(points, n_shots, axis=0)
    if velocities is None:
        velocities = thermal_velocities(config, len(starts), generator)
    else:
        velocities = np.repeat(velocities, n_shots, axis=0)
    step_seed, end_seed = (int(s) for s in generator.integers(2**62, size=2))
    reached = first_reached(config, starts, velocities, source, target, end_seed)
    reached = reached.reshape(-1, n_shots).sum(axis=1)
    entropy = binomial_entropy(reached, n_shots)
    state = SimulationState(starts, velocities, 0)
    frames = simulate(replace(config, n_frames=2), state, step_seed)[:, 1].astype(float)
    variance = frames.reshape(-1, n_shots, 2).var(axis=1, ddof=1).sum(axis=-1)
    root = np.sqrt(len(points))
    return {
        "outcome": float(entropy.mean()),
        "outcome_error": float(entropy.std(ddof=1) / root),
        "next_frame": float(variance.mean()),
        "next_frame_error": float(variance.std(ddof=1) / root),
        "committor": reached / n_shots,
    }


def free_flight_error(config, window_length):
    """Exact error of the best forecast from w positions, where there is no force.

    Displacements of a free particle with friction are a stationary Gaussian sequence, so the best
    forecast is linear and its error follows from their covariances.

    Parameters
    ----------
    config : SimulationConfig
        Underdamped.
    window_length : int or None
        Positions known, at least 1; None if the present velocity is known.

    Returns
    -------
    float
        Expected squared distance between forecast and next frame, length^2.

    Raises
    ------
    ValueError
        If the dynamics is not underdamped or the window holds no frame.

    References
    ----------
    .. [1] G. E. Uhlenbeck and L. S. Ornstein, Phys. Rev. 36, 823 (1930).
    """
    if config.integrator != "underdamped":
        raise ValueError(f"config must be underdamped; got {config.integrator!r}")
    if window_length is not None and window_length < 1:
        raise ValueError(f"window_length must be at least 1; got {window_length!r}")
    friction = config.friction_rate
    g = friction * config.frame_time
    scale = 2 / (config.beta * config.mass * friction**2)  # two coordinates
    if window_length is None:
        return float(scale * (2 * g - 3 + 4 * np.exp(-g) - np.exp(-2 * g)))
    variance = 2 * (g - 1 + np.exp(-g))
    lags = np.arange(1, window_length)
    covariance = (1 - np.exp(-g)) ** 2 * np.exp(-g * (lags - 1))
    if window_length == 1:
        return float(scale * variance)
    first_row = np.concatenate([[variance], covariance[:-1]])
    return float(scale * (variance - covariance @ solve_toeplitz(first_row, covariance)))
