"""Tables of exact results for the chapters, kept on disk between runs."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .cache import cached
from .forecast import (
    conditional_moments,
    label_posterior,
    last_state_accuracy,
    mean_frame_density,
    simulated_moments,
)
from .potential import MINIMA, SADDLES, force, potential
from .reference import DISK_A, DISK_B, GridSolver
from .states import assign_states

#: Finite-element values at beta = 0.1, D = kT between `DISK_A` and `DISK_B`, from M. Cameron's
#: transition path theory code.
PUBLISHED_FLUX = 0.00492646
PUBLISHED_LAST_IN_A = 0.974587
#: Points, and the committor from A to B there at each kT, recorded before this solver was written.
COMMITTOR_POINTS = np.array([(-0.8034, 0.5983), (-0.0494, 0.4622), (0.2017, 0.2991)])
PUBLISHED_COMMITTORS = {
    10: (0.4026, 0.9482, 0.9769),
    20: (0.3003, 0.8050, 0.8992),
    30: (0.2805, 0.7179, 0.8414),
}


def stationary_points():
    """Minima and saddles with their energy and the force that is left there.

    Returns
    -------
    DataFrame
        Columns x, y, energy, force (its length); rows named A, B, C, "A to C", "C to B".
    """
    points = np.concatenate([MINIMA, SADDLES])
    table = pd.DataFrame(points, columns=["x", "y"], index=["A", "B", "C", "A to C", "C to B"])
    table["energy"] = potential(points)
    table["force"] = np.linalg.norm(force(points), axis=-1)
    return table


def compare_with_published(grid_step):
    """The solver's values beside published ones.

    Parameters
    ----------
    grid_step : float

    Returns
    -------
    DataFrame
        Columns kT, quantity, published, ours, difference (ours minus published).
    """

    def compute():
        first = GridSolver(0.1, 10.0, grid_step).transition_path_theory(DISK_A, DISK_B)
        ours = [first.flux, first.probability_last_in_source]
        for kT in PUBLISHED_COMMITTORS:
            solver = GridSolver(1 / kT, kT, grid_step)
            committor = solver.committor(DISK_A, DISK_B)
            ours.extend(solver.interpolate(committor, COMMITTOR_POINTS))
        return {"ours": np.array(ours)}

    rows = [(10, "reactive flux", PUBLISHED_FLUX), (10, "P(last in A)", PUBLISHED_LAST_IN_A)]
    for kT, values in PUBLISHED_COMMITTORS.items():
        for point, value in zip(COMMITTOR_POINTS, values, strict=True):
            rows.append((kT, f"committor at ({point[0]}, {point[1]})", value))
    table = pd.DataFrame(rows, columns=["kT", "quantity", "published"])
    table["ours"] = cached("published", {"grid_step": grid_step}, compute)["ours"]
    table["difference"] = table["ours"] - table["published"]
    return table


def kinetics_table(regimes, grid_step, n_timescales=4):
    """Passage times, rates and implied timescales of several regimes.

    Parameters
    ----------
    regimes : dict of str to SimulationConfig
    grid_step : float
    n_timescales : int

    Returns
    -------
    DataFrame
        One column for each regime. Rows: passage times from the minima to the other state's
        disk, rates between the disks, reactive flux, P(last in A), the slowest timescales, and
        the share of A in equilibrium (the committor below one half). Times in reduced units.
    """

    def summary(config):
        solver = GridSolver(config.beta, config.diffusion, grid_step)
        paths = solver.transition_path_theory(DISK_A, DISK_B)
        back = paths.flux / paths.probability_last_in_target
        rows = {
            "mean first passage time A to B": solver.interpolate(
                solver.mean_first_passage_time(DISK_B), MINIMA[0]
            ),
            "mean first passage time B to A": solver.interpolate(
                solver.mean_first_passage_time(DISK_A), MINIMA[1]
            ),
            "rate A to B": paths.rate,
            "rate B to A": back,
            "reactive flux": paths.flux,
            "P(last in A)": paths.probability_last_in_source,
        }
        times = solver.implied_timescales(n_timescales)
        rows |= {f"timescale {k + 1}": time for k, time in enumerate(times)}
        return pd.Series(rows, dtype=float)

    columns = {}
    for name, config in regimes.items():
        key = {"beta": config.beta, "diffusion": config.diffusion, "grid_step": grid_step}
        key["n_timescales"] = n_timescales
        stored = cached(
            "kinetics",
            key,
            lambda config=config: {k: np.array(v) for k, v in summary(config).items()},
        )
        columns[name] = pd.Series({key: float(value) for key, value in stored.items()})
    return pd.DataFrame(columns)


def refinement(beta, diffusion, steps):
    """How much results change when the grid step is halved.

    Parameters
    ----------
    beta, diffusion : float
    steps : sequence of float
        Grid steps, each half of the one before; at least three.

    Returns
    -------
    DataFrame
        Indexed by all steps but the last: the relative change from this step to the next of the
        reactive flux, the passage time from A to B and the slowest timescale, and the root mean
        square change of the committor over points of the start box.
    """
    points = np.random.default_rng(0).uniform([-1.3, 0.0], [0.9, 1.8], (300, 2))

    def compute():
        scalars, committors = [], []
        for step in steps:
            solver = GridSolver(beta, diffusion, step)
            paths = solver.transition_path_theory(DISK_A, DISK_B)
            passage = solver.interpolate(solver.mean_first_passage_time(DISK_B), MINIMA[0])
            scalars.append([paths.flux, float(passage), solver.implied_timescales(1)[0]])
            committors.append(solver.interpolate(paths.committor, points))
        return {"scalars": np.array(scalars), "committors": np.array(committors)}

    key = {"beta": beta, "diffusion": diffusion, "steps": list(steps)}
    stored = cached("refinement", key, compute)
    scalars, committors = stored["scalars"], stored["committors"]
    table = pd.DataFrame(
        np.abs(np.diff(scalars, axis=0)) / scalars[-1],
        columns=["reactive flux", "passage time A to B", "slowest timescale"],
        index=pd.Index(steps[:-1], name="grid step"),
    )
    table["committor"] = np.sqrt(np.mean(np.diff(committors, axis=0) ** 2, axis=1))
    return table


def observed_orders(changes):
    """Order of convergence of each column of `refinement`, from its last two rows."""
    return np.log2(changes.iloc[-2] / changes.iloc[-1])


def forecast_errors(solver, frames, frame_time, density=None):
    """Mean squared error of forecasts by how many frames they look ahead.

    Parameters
    ----------
    solver : GridSolver
    frames : sequence of int
        Frames ahead.
    frame_time : float
    density : (n_x, n_y) ndarray, optional
        Density of the frame from which one looks ahead, by default the stationary one.

    Returns
    -------
    DataFrame
        Indexed by frames ahead, reduced length squared, summed over x and y: "exact floor" (the
        conditional mean), "last frame" (the particle stays) and "mean" (the equilibrium mean,
        with its own bias if `density` is another).
    """
    position = np.moveaxis(solver.positions, -1, 0)
    centre = solver.average(position)[:, None, None]
    rows = []
    for frame in frames:
        mean, covariance = conditional_moments(solver, frame * frame_time)
        floor = covariance[[0, 1], [0, 1]]
        parts = (floor, floor + (mean - position) ** 2, floor + (mean - centre) ** 2)
        rows.append([solver.average(part, density).sum() for part in parts])
    return pd.DataFrame(
        rows,
        columns=["exact floor", "last frame", "mean"],
        index=pd.Index(frames, name="frames ahead"),
    )


def floor_table(solver, config):
    """Noise floor of one frame for several distributions of the frame it starts from.

    Parameters
    ----------
    solver : GridSolver
    config : SimulationConfig
        Overdamped, of the solver's beta and diffusion, with an even stride.

    Returns
    -------
    DataFrame
        Columns x, y and sum, reduced length squared. Rows: "equilibrium"; "data" (starts uniform
        over the box, all frames but the last alike); "data, as simulated" (with the error of the
        simulation's time step).

    Raises
    ------
    ValueError
        If the stride is odd.
    """
    if config.stride % 2:
        raise ValueError(f"stride must be even; got {config.stride}")
    data = mean_frame_density(solver, config.n_frames - 1, config.frame_time)
    simulated, doubled = (
        simulated_moments(solver, replace(config, dt=config.dt * k, stride=config.stride // k))[1]
        for k in (1, 2)
    )
    # The simulated chain is of first order in its time step; its two steps extrapolate to
    # continuous time with less error than the grid's own propagator has at this grid step.
    exact = (2 * simulated - doubled)[[0, 1], [0, 1]]
    rows = {
        "equilibrium": solver.average(exact),
        "data": solver.average(exact, data),
        "data, as simulated": solver.average(simulated[[0, 1], [0, 1]], data),
    }
    table = pd.DataFrame(rows, index=["x", "y"]).T
    return table.assign(sum=table.sum(axis=1))


def spread_frames(n_frames, n_early, late=(0.9, 0.98, 0.995)):
    """Frames at which curves over a trajectory are worth knowing: the first, many early, few late.

    Parameters
    ----------
    n_frames : int
        Length of the trajectories, at least 2.
    n_early : int
        Frames spaced evenly in their logarithm, from 1 to the last.
    late : sequence of float
        Places near the end, as shares of the length.

    Returns
    -------
    (n,) ndarray of int
        Ascending, without repetitions, from 0 to n_frames - 1.

    Raises
    ------
    ValueError
        If there are fewer than two frames.
    """
    if n_frames < 2:
        raise ValueError(f"n_frames must be at least 2; got {n_frames}")
    last = n_frames - 1
    early = np.geomspace(1, last, n_early).round()
    late = np.round(last * np.array(late, dtype=float))
    return np.unique(np.concatenate([[0], early, late])).astype(int)


@dataclass(frozen=True)
class LabelCurves:
    """Accuracies of best guesses, by name of the label.

    Attributes
    ----------
    exact : dict of str to (n,) ndarray
    simulated : dict of str to pair of (n,) ndarray
        Accuracy on simulated trajectories, and two standard errors.
    """

    exact: dict
    simulated: dict


def label_curves(solver, config, frames, trajectories):
    """Best accuracy from frame t on for the first and the last state, exact and simulated.

    Parameters
    ----------
    solver : GridSolver
    config : SimulationConfig
    frames : (n,) array_like of int
        Ascending, from 0 to config.n_frames - 1.
    trajectories : (n_trajectories, n, 2) array_like
        Simulated trajectories at these frames.

    Returns
    -------
    LabelCurves
        With the names "first frame's state" and "last frame's state"; simulated for the former.
    """
    posterior = label_posterior(solver, frames, config.frame_time)
    last = last_state_accuracy(solver, frames, config.n_frames, config.frame_time)
    states = assign_states(trajectories)
    accuracy = np.empty(len(posterior.frames))
    for k, probability in enumerate(posterior.probability):
        guess = solver.interpolate(probability, trajectories[:, k], fill_value=0.5) > 0.5
        # At the start the label is seen, not inferred.
        guess = states[:, 0] if posterior.frames[k] == 0 else guess
        accuracy[k] = np.mean(guess == states[:, 0])
    error = 2 * np.sqrt(accuracy * (1 - accuracy) / len(states))
    return LabelCurves(
        {"first frame's state": posterior.accuracy, "last frame's state": last},
        {"first frame's state": (accuracy, error)},
    )
