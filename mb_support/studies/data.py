"""What simulated trajectories say of densities, times and rates, beside the exact answers.

Every number comes with a standard error over independent trajectories.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from ..potential import MINIMA, SADDLES, potential
from ..reference.solver import GridSolver
from ..simulation.langevin import START_BOX, sample_starts, simulate
from ..simulation.passages import first_passage_times
from ..states import DISK_A, DISK_B, assign_states, last_visited
from .speed import load_benchmark

_DISKS = {"A": DISK_A, "B": DISK_B}


def _box_points(n_points):
    # midpoints of n_points x n_points equal boxes of the box of starts
    middle = (np.arange(n_points) + 0.5) / n_points
    return START_BOX[0] + np.stack(np.meshgrid(middle, middle), axis=-1) * np.ptp(START_BOX, 0)


def share_below_saddle(n_points=1000):
    """Share of the box of starts that lies below the upper saddle, by the midpoint rule."""
    return float((potential(_box_points(n_points)) < potential(SADDLES[0])).mean())


def share_of_b(n_points=300):
    """Share of the box of starts whose label is B, by the midpoint rule."""
    return float((assign_states(_box_points(n_points)) == 1).mean())


def in_per_cent(table):
    """`label_table` as text, "55.7 ± 1.6" per cent."""
    shares = [column for column in table if f"{column} error" in table]
    text = {
        f"{column} (%)": [
            f"{value:.1f} ± {error:.1f}"
            for value, error in zip(table[column], table[f"{column} error"], strict=True)
        ]
        for column in shares
    }
    return pd.DataFrame({"trajectories": table["trajectories"].astype(int)} | text, table.index)


def label_table(sets, early):
    """How many labels of {name: TrajectorySet} are B, and how often the state is left, in per cent
    with standard errors over trajectories."""
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
    """Frames of n trajectories that have forgotten where they started, (n, n_frames, 2), over a
    length of time and apart by a spacing."""
    stride = max(1, round(spacing / config.dt))
    n_burn, n_kept = (math.ceil(t / (stride * config.dt)) for t in (burn_in, length))
    config = replace(config, stride=stride, n_frames=n_burn + 1)
    _, state = simulate(config, sample_starts(n, seed), seed, return_state=True)
    return simulate(replace(config, n_frames=n_kept), state, seed)


def marginal(frames, axis, edges, beta):
    """Density along a coordinate (0 or 1) in equal bins: simulated, from (n, n_frames, 2) frames of
    independent trajectories, its standard error, and exact."""
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
    """Boltzmann density along one coordinate, averaged over bins, by quadrature, (n_bins,)."""
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
    """Mean first passage times between A and B at several kT, of n passages each, looked at every
    second step, and exact; deviations in standard errors."""
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
            error = times.std(ddof=1) / math.sqrt(len(times))
            rows.append((kT, f"{source} to {target}", exact, times.mean(), error))
    return _with_deviation(rows, ["kT", "passage", "exact", "simulated", "error"])


def _with_deviation(rows, columns):
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(deviation=(table["simulated"] - table["exact"]) / table["error"])


def rate_table(config, n, total_time, seed, grid_step, piece=2000):
    """Transition rates between the disks around A and B, counted in trajectories, and exact.

    A rate is the number of entries into the other disk over the time spent last in the own one.
    Half of the n (even) trajectories start in each minimum; `piece` frames are in memory at a time.
    """
    config = replace(config, n_frames=piece + 1)
    state = np.repeat(MINIMA[:2], n // 2, axis=0)
    last = np.repeat([0, 1], n // 2)
    events, duration = np.zeros((2, n)), np.zeros((2, n))
    for k in range(math.ceil(total_time / config.total_time)):
        # every piece draws from trajectory indices of its own
        frames, state = simulate(config, state, seed, first_trajectory=k * n, return_state=True)
        state = state.positions
        visited = last_visited(frames, _DISKS.values())
        visited = np.where(visited < 0, last[:, None], visited)[:, 1:]
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
    return _with_deviation(rows, ["passage", "events", "exact", "simulated", "error"])


def basin_energy(centre, radius, beta):
    """Boltzmann average of V over a disk, by quadrature in polar coordinates."""
    r = (np.arange(600) + 0.5) / 600 * radius
    a = np.arange(720) * 2 * np.pi / 720
    circle = np.stack([np.cos(a), np.sin(a)], axis=-1)
    energy = potential(np.asarray(centre) + r[:, None, None] * circle)
    weight = r[:, None] * np.exp(-beta * (energy - energy.min()))
    return float((weight * energy).sum() / weight.sum())


def step_error_table(config, integrators, steps, n, seed, radius=0.45, frame_time=0.01):
    """Error of the mean energy in a disk around A, of n trajectories from A (reduced energy)."""
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
            rows.append((integrator, dt, mean - exact, error))
    return pd.DataFrame(rows, columns=["integrator", "dt", "bias", "error"])


def measured_order(table, integrator):
    """Order of the bias in dt for one integrator, by a weighted fit, and its standard error."""
    part = table[table["integrator"] == integrator]
    weight = part["bias"].abs() / part["error"]
    coefficients, covariance = np.polyfit(
        np.log(part["dt"]), np.log(part["bias"].abs()), 1, w=weight, cov="unscaled"
    )
    return float(coefficients[0]), float(math.sqrt(covariance[0, 0]))


def speed_table(folder=None):
    """Million steps per second of our simulator and of other software; and the whole result."""
    record = load_benchmark("simulator", folder)
    rows = pd.DataFrame(record["rows"])
    table = pd.DataFrame(
        {
            "program": rows["name"],
            "million steps a second": rows["median_steps_per_s"] / 1e6,
            "a second of one core": rows["median_steps_per_core_s"] / 1e6,
            "ours takes less time by a factor of": rows["ours_is_faster_by"],
        }
    )
    return table, record


def regime_table(regimes):
    """Temperature, dynamics and frames of {name: SimulationConfig}, in reduced units."""
    rows = {
        name: {
            "kT": f"{1 / regime.beta:.4g}",
            "D": f"{1 / (regime.beta * regime.mass * regime.friction_rate):g}",
            "time step": f"{regime.dt:.6f}".rstrip("0"),
            "between frames": f"{regime.frame_time:g}",
            "frames": regime.n_frames,
            "duration": f"{regime.total_time:.3g}",
            "dynamics": regime.integrator.replace("_", " "),
        }
        for name, regime in regimes.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")
