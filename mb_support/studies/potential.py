"""Tables of exact results for the chapters, kept on disk between runs."""

from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pandas as pd

from ..files.cache import cached
from ..potential import MINIMA, SADDLES, force, potential
from ..reference.forecast import (
    label_posterior,
    last_state_accuracy,
    mean_frame_density,
    simulated_moments,
)
from ..reference.solver import GridSolver
from ..states import DISK_A, DISK_B, assign_states

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
    """Minima and saddles with their energy and the length of the force that is left there."""
    points = np.concatenate([MINIMA, SADDLES])
    table = pd.DataFrame(points, columns=["x", "y"], index=["A", "B", "C", "A to C", "C to B"])
    table["energy"] = potential(points)
    table["force"] = np.linalg.norm(force(points), axis=-1)
    return table


def compare_with_published(grid_step):
    """The solver's values beside others: kT, quantity, finite elements, ours, difference."""

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
    table = pd.DataFrame(rows, columns=["kT", "quantity", "finite elements"])
    table["ours"] = cached("published", {"grid_step": grid_step}, compute)["ours"]
    table["difference"] = table["ours"] - table["finite elements"]
    return table


def kinetics_table(regimes, grid_step, n_timescales=4):
    """Passage times from the minima to the other disk, rates between the disks, and implied
    timescales, a column for each {name: SimulationConfig}."""

    def summary(beta, diffusion, grid_step):
        solver = GridSolver(beta, diffusion, grid_step)
        paths = solver.transition_path_theory(DISK_A, DISK_B)
        to_a, to_b = (solver.mean_first_passage_time(disk) for disk in (DISK_A, DISK_B))
        rows = {
            "mean first passage time A to B": solver.interpolate(to_b, MINIMA[0]),
            "mean first passage time B to A": solver.interpolate(to_a, MINIMA[1]),
            "rate A to B": paths.rate,
            "rate B to A": paths.flux / paths.probability_last_in_target,
            "reactive flux": paths.flux,
            "P(last in A)": paths.probability_last_in_source,
        }
        times = solver.implied_timescales(n_timescales)
        return rows | {f"timescale {k}": time for k, time in enumerate(times, start=1)}

    columns = {}
    for name, config in regimes.items():
        key = {"beta": config.beta, "diffusion": config.diffusion, "grid_step": grid_step}
        compute = partial(summary, **key)
        columns[name] = cached(
            "kinetics", key | {"n_timescales": n_timescales}, compute, source=kinetics_table
        )
    return pd.DataFrame(columns).astype(float)


def refinement(beta, diffusion, steps):
    """Relative changes of results when the grid step is halved, from step to step of three or more;
    of the committor, the root mean square change over 300 points of the start box."""
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


def forecast_errors(solver, frames, frame_time):
    """Mean squared error of forecasts in equilibrium by how many frames they look ahead, length^2:
    the conditional mean ("exact floor"), the "last frame" and the "mean"."""
    # By detailed balance all of them follow from the autocorrelation of the position at one and
    # two times the horizon, which costs far less than the conditional moments at every node.
    density, position = solver.stationary_density(), np.moveaxis(solver.positions, -1, 0)
    offset = position - solver.average(position)[:, None, None]
    variance = solver.average(offset**2).sum()
    now, memory = density * offset, {0: variance}
    steps = np.unique(np.outer([0, 1, 2], frames))
    for before, step in zip(steps[:-1], steps[1:], strict=True):
        now = solver.propagate_density(now, (step - before) * frame_time, settled=True)
        memory[step] = (now * offset).sum() * solver.cell_area
    rows = [(variance - memory[2 * k], 2 * (variance - memory[k]), variance) for k in frames]
    return pd.DataFrame(
        rows,
        columns=["exact floor", "last frame", "mean"],
        index=pd.Index(frames, name="frames ahead"),
    )


def floor_table(config, grid_step):
    """Noise floor of one frame, length^2, where it starts in "equilibrium", or as frames of the
    "data" but the last do; and the latter "as simulated", with the error of the time step."""
    if config.stride % 2:
        raise ValueError(f"stride must be even; got {config.stride}")

    def compute():
        solver = GridSolver(config.beta, config.diffusion, grid_step)
        data = mean_frame_density(solver, config.n_frames - 1, config.frame_time)
        chains = (replace(config, dt=config.dt * k, stride=config.stride // k) for k in (1, 2))
        simulated, doubled = (simulated_moments(solver, chain)[1] for chain in chains)
        # The simulated chain is of first order in its time step; its two steps extrapolate to
        # continuous time with less error than the grid's own propagator has at this grid step.
        exact = (2 * simulated - doubled)[[0, 1], [0, 1]]
        return {
            "equilibrium": solver.average(exact),
            "data": solver.average(exact, data),
            "data, as simulated": solver.average(simulated[[0, 1], [0, 1]], data),
        }

    key = asdict(config) | {"grid_step": grid_step}
    table = pd.DataFrame(cached("floors", key, compute), index=["x", "y"]).T
    return table.assign(sum=table.sum(axis=1))


def spread_frames(n_frames, n_early, late=(0.9, 0.98, 0.995)):
    """The first frame, many early ones, evenly in logarithm, and few `late` ones (shares)."""
    if n_frames < 2:
        raise ValueError(f"n_frames must be at least 2; got {n_frames}")
    last = n_frames - 1
    early = np.geomspace(1, last, n_early).round()
    late = np.round(last * np.array(late, dtype=float))
    return np.unique(np.concatenate([[0], early, late])).astype(int)


def label_curves(solver, config, frames, trajectories):
    """Best accuracy from frame t on for the first and the last state, two dicts: exact, and
    simulated, the first state only, as a pair of accuracy and two standard errors."""
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
    exact = {"first frame's state": posterior.accuracy, "last frame's state": last}
    return exact, {"first frame's state": (accuracy, error)}
