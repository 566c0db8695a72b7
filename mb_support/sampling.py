"""What simulated trajectories say of densities, times and rates, beside the exact answers.

Every number comes with a standard error over independent trajectories.
"""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd

from .passages import first_passage_times
from .paths import RESULTS
from .potential import MINIMA, SADDLES, potential
from .reference import DISK_A, DISK_B, GridSolver
from .simulation import START_BOX, sample_starts, simulate
from .states import assign_states

_DISKS = {"A": DISK_A, "B": DISK_B}


def share_below_saddle(n_points=1000):
    """Share of the box of starts that lies below the upper saddle, by the midpoint rule.

    Parameters
    ----------
    n_points : int
        Midpoints along each side of the box.

    Returns
    -------
    float
    """
    middle = (np.arange(n_points) + 0.5) / n_points
    points = START_BOX[0] + np.stack(np.meshgrid(middle, middle), axis=-1) * np.ptp(START_BOX, 0)
    return float((potential(points) < potential(SADDLES[0])).mean())


def label_table(sets, early):
    """What the labels of data sets say: how many are B, and how often the state is left.

    Parameters
    ----------
    sets : dict of str to datasets.TrajectorySet
        With the state of the first frame as label.
    early : int
        A frame soon after the first.

    Returns
    -------
    DataFrame
        A row for each set. Columns "label B", "other state at frame <early>" and "ends in other
        state", each in per cent and with its standard error over trajectories in a column of the
        same name and "error"; and "trajectories".

    Raises
    ------
    ValueError
        If a set's trajectories do not reach the early frame.
    """
    rows = {}
    for name, data in sets.items():
        n, n_frames = data.trajectories.shape[:2]
        if not 0 < early < n_frames:
            raise ValueError(f"early must lie in 1..{n_frames - 1} for {name!r}; got {early}")
        shares = {
            "label B": data.labels == 1,
            f"other state at frame {early}": assign_states(data.trajectories[:, early])
            != data.labels,
            "ends in other state": assign_states(data.trajectories[:, -1]) != data.labels,
        }
        rows[name] = {"trajectories": n}
        for column, is_so in shares.items():
            rows[name][column] = 100 * is_so.mean()
            rows[name][f"{column} error"] = 100 * is_so.std() / math.sqrt(n)
    return pd.DataFrame.from_dict(rows, orient="index")


def equilibrium_frames(config, n, seed, burn_in=60.0, length=40.0, spacing=0.05):
    """Frames of trajectories that have forgotten where they started.

    Parameters
    ----------
    config : SimulationConfig
        Dynamics; its stride and number of frames are replaced.
    n, seed : int
        Number of trajectories, from uniform starts, and their seed.
    burn_in, length, spacing : float
        Time dropped, time kept, time between frames.

    Returns
    -------
    (n, n_frames, 2) ndarray of float32
    """
    stride = max(1, round(spacing / config.dt))
    n_burn, n_kept = (math.ceil(t / (stride * config.dt)) for t in (burn_in, length))
    config = replace(config, stride=stride, n_frames=n_burn + 1)
    _, state = simulate(config, sample_starts(n, seed), seed, return_state=True)
    return simulate(replace(config, n_frames=n_kept), state, seed)


def marginal(frames, axis, edges, beta):
    """Density along one coordinate: simulated, its standard error, and exact.

    Parameters
    ----------
    frames : (n, n_frames, 2) ndarray
        Equilibrium frames of independent trajectories.
    axis : int
        0 for x, 1 for y.
    edges : (n_bins + 1,) ndarray
        Edges of equal bins.
    beta : float
        Inverse temperature, for the exact density.

    Returns
    -------
    DataFrame
        Columns centre, simulated, error, exact; densities per reduced length.
    """
    n, n_bins, width = len(frames), len(edges) - 1, edges[1] - edges[0]
    which = np.floor((frames[..., axis] - edges[0]) / width).astype(int)
    which = np.where((which < 0) | (which >= n_bins), n_bins, which)
    which += (n_bins + 1) * np.arange(n)[:, None]  # one histogram for each trajectory
    counts = np.bincount(which.ravel(), minlength=n * (n_bins + 1)).reshape(n, -1)[:, :-1]
    fractions = counts / frames.shape[1] / width
    return pd.DataFrame(
        {
            "centre": (edges[1:] + edges[:-1]) / 2,
            "simulated": fractions.mean(axis=0),
            "error": fractions.std(axis=0, ddof=1) / math.sqrt(n),
            "exact": exact_marginal(axis, edges, beta),
        }
    )


def exact_marginal(axis, edges, beta, n_fine=8, step=0.01):
    """Boltzmann density along one coordinate, averaged over bins, by quadrature.

    Parameters
    ----------
    axis, edges, beta
        As for `marginal`.
    n_fine : int
        Points in a bin.
    step : float
        Spacing along the other coordinate, reduced length.

    Returns
    -------
    (n_bins,) ndarray of float64
    """
    width = edges[1] - edges[0]
    inside = edges[0] + width * (np.arange(n_fine * (len(edges) - 1)) + 0.5) / n_fine
    # the whole plane, as far as the density is worth anything
    low, high = (-4.0, -2.5)[axis], (2.5, 4.0)[axis]
    everywhere = np.arange(low, high, width / n_fine) + width / (2 * n_fine)
    other = np.arange((-4.0, -2.5)[1 - axis], (2.5, 4.0)[1 - axis], step)

    def integrated(along):
        points = np.stack(np.meshgrid(along, other, indexing="ij"), axis=-1)
        points = points if axis == 0 else points[..., ::-1]
        return np.exp(-beta * (potential(points) - potential(MINIMA[0]))).sum(axis=1)

    total = integrated(everywhere).sum() * width / n_fine
    return integrated(inside).reshape(-1, n_fine).mean(axis=1) / total


def passage_table(config, temperatures, n, seed, grid_step):
    """Mean first passage times between A and B, simulated and exact.

    Parameters
    ----------
    config : SimulationConfig
        Dynamics; its temperature is replaced and every second step looked at.
    temperatures : sequence of float
        Values of kT.
    n : int
        Simulated passages for each row.
    seed : int
        First seed; each row takes the next one.
    grid_step : float
        Spacing of the exact solver, reduced length.

    Returns
    -------
    DataFrame
        Columns kT, passage, exact, simulated, error, deviation (in standard errors).
    """
    rows = []
    for kT in temperatures:
        solver = GridSolver(1 / kT, config.diffusion, grid_step)
        for source, target in (("A", "B"), ("B", "A")):
            start = MINIMA["AB".index(source)]
            field = solver.mean_first_passage_time(_DISKS[target])
            exact = float(solver.interpolate(field, start))
            times = first_passage_times(
                replace(config, beta=1 / kT, stride=2), np.tile(start, (n, 1)), seed + len(rows),
                *_DISKS[target], max_time=100 * exact,
            )  # fmt: skip
            rows.append((kT, f"{source} to {target}", exact, *_mean_and_error(times)))
    table = pd.DataFrame(rows, columns=["kT", "passage", "exact", "simulated", "error"])
    table["deviation"] = (table["simulated"] - table["exact"]) / table["error"]
    return table


def _mean_and_error(values):
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values)))


def rate_table(config, n, total_time, seed, grid_step, piece=2000):
    """Transition rates between the disks around A and B, counted in trajectories, and exact.

    A transition from A to B is counted when a trajectory that was last in the disk of A enters
    that of B; its rate is the number of them over the time spent last in A. Half the trajectories
    start in each minimum, which does not matter for either rate.

    Parameters
    ----------
    config : SimulationConfig
        Dynamics and time between looks.
    n : int
        Number of trajectories, even.
    total_time : float
        Length of each.
    seed : int
    grid_step : float
        Spacing of the exact solver, reduced length.
    piece : int
        Frames kept in memory at a time.

    Returns
    -------
    DataFrame
        Columns passage, events, exact, simulated, error, deviation (in standard errors).
    """
    config = replace(config, n_frames=piece + 1)
    state = np.repeat(MINIMA[:2], n // 2, axis=0)
    last = np.repeat([0, 1], n // 2)
    events, duration = np.zeros((2, n)), np.zeros((2, n))
    for k in range(math.ceil(total_time / config.total_time)):
        # every piece draws from trajectory indices of its own
        frames, state = simulate(config, state, seed, first_trajectory=k * n, return_state=True)
        state = state.positions
        visited = _last_visited(frames, last)
        for i in (0, 1):
            duration[i] += (visited == i).sum(axis=1) * config.frame_time
            before = np.concatenate([last[:, None], visited[:, :-1]], axis=1)
            events[i] += ((before == i) & (visited == 1 - i)).sum(axis=1)
        last = visited[:, -1]
    solver = GridSolver(config.beta, config.diffusion, grid_step)
    rows = []
    for i, (source, target) in enumerate((("A", "B"), ("B", "A"))):
        exact = float(solver.rate(_DISKS[source], _DISKS[target]))
        rate = events[i].sum() / duration[i].sum()
        scatter = events[i] - rate * duration[i]  # of a ratio of sums
        error = scatter.std(ddof=1) / duration[i].mean() / math.sqrt(n)
        rows.append((f"{source} to {target}", int(events[i].sum()), exact, rate, error))
    table = pd.DataFrame(rows, columns=["passage", "events", "exact", "simulated", "error"])
    table["deviation"] = (table["simulated"] - table["exact"]) / table["error"]
    return table


def _last_visited(frames, before):
    # (n, n_frames - 1) state, 0 or 1, whose disk was visited last; `before` holds it for frame 0
    states = np.full(frames.shape[:2], -1)
    for i, (centre, radius) in enumerate(_DISKS.values()):
        states[((frames - np.asarray(centre, np.float32)) ** 2).sum(axis=-1) <= radius**2] = i
    states[:, 0] = before
    index = np.where(states >= 0, np.arange(states.shape[1]), 0)
    np.maximum.accumulate(index, axis=1, out=index)
    return np.take_along_axis(states, index, axis=1)[:, 1:]


def basin_energy(centre, radius, beta):
    """Boltzmann average of V over a disk, by quadrature in polar coordinates."""
    r = (np.arange(600) + 0.5) / 600 * radius
    a = np.arange(720) * 2 * np.pi / 720
    circle = np.stack([np.cos(a), np.sin(a)], axis=-1)
    energy = potential(np.asarray(centre) + r[:, None, None] * circle)
    weight = r[:, None] * np.exp(-beta * (energy - energy.min()))
    return float((weight * energy).sum() / weight.sum())


def step_error_table(config, integrators, steps, n, seed, radius=0.45, frame_time=0.01):
    """Error of the mean energy in the basin of A against the time step.

    Parameters
    ----------
    config : SimulationConfig
        Dynamics; integrator, time step, stride and frames are replaced.
    integrators : sequence of str
    steps : sequence of float
        Time steps.
    n, seed : int
        Trajectories, all from A, and their seed.
    radius : float
        Of the disk around A over which is averaged, reduced length.
    frame_time : float
        Time between frames.

    Returns
    -------
    DataFrame
        Columns integrator, dt, bias and error (reduced energy), and kT for scale.
    """
    exact, rows = basin_energy(MINIMA[0], radius, config.beta), []
    for integrator in integrators:
        for dt in steps:
            settings = replace(
                config, integrator=integrator, dt=dt, stride=round(frame_time / dt), n_frames=400
            )
            frames = simulate(settings, np.tile(MINIMA[0], (n, 1)), seed)[:, 40:]
            inside = ((frames - MINIMA[0].astype(np.float32)) ** 2).sum(axis=-1) < radius**2
            energy = potential(frames)
            sums, counts = (energy * inside).sum(axis=1), inside.sum(axis=1)
            mean = sums.sum() / counts.sum()
            error = np.std(sums - mean * counts, ddof=1) / counts.mean() / math.sqrt(n)
            rows.append((integrator, dt, mean - exact, error, 1 / config.beta))
    return pd.DataFrame(rows, columns=["integrator", "dt", "bias", "error", "kT"])


def measured_order(table, integrator):
    """Order of the bias in dt for one integrator, by a weighted fit, and its standard error."""
    part = table[table["integrator"] == integrator]
    weight = part["bias"].abs() / part["error"]
    coefficients, covariance = np.polyfit(
        np.log(part["dt"]), np.log(part["bias"].abs()), 1, w=weight, cov="unscaled"
    )
    return float(coefficients[0]), float(math.sqrt(covariance[0, 0]))


def speed_table(path=None):
    """Measured steps per second of our simulator and of other software.

    Parameters
    ----------
    path : Path, optional
        What `benchmarks/simulator.py` wrote; by default the committed result.

    Returns
    -------
    table : DataFrame
        One row for each program, rates in million steps per second.
    record : dict
        The whole result: machine, versions, memory, compilation.

    Raises
    ------
    FileNotFoundError
        If the measurement is not there.
    """
    path = RESULTS / "benchmark_simulator.json" if path is None else path
    record = json.loads(path.read_text())
    rows = pd.DataFrame(record["rows"])
    table = pd.DataFrame(
        {
            "program": rows["name"],
            "elapsed": rows["median_steps_per_s"] / 1e6,
            "per core": rows["median_steps_per_core_s"] / 1e6,
            "ours faster by": rows["ours_is_faster_by"],
        }
    )
    return table, record
