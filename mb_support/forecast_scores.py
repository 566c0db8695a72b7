"""How good forecasts and generated trajectories are, beside exact answers and cheap ones."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .generation import checked_integer, is_standing_still
from .states import STATE_B, assign_states


@dataclass(frozen=True)
class ExactForecast:
    """The best possible forecasts from given points, of the exact dynamics.

    Attributes
    ----------
    horizons : (n_horizons,) ndarray of int
        How many frames ahead.
    means : (n, n_horizons, 2) ndarray
        Conditional means E[x_{t+h} | x_t].
    variances : (n, n_horizons, 2) ndarray
        Variances of x and y given x_t, length^2. No forecast has a smaller expected squared
        distance than their sum.
    """

    horizons: np.ndarray
    means: np.ndarray
    variances: np.ndarray


def forecast_horizons(n_steps, n_horizons):
    """At most `n_horizons` numbers of frames ahead, from 1 to `n_steps`, evenly in logarithm."""
    n_steps, n_horizons = (
        checked_integer("n_steps", n_steps, 1),
        checked_integer("n_horizons", n_horizons, 1),
    )
    return np.unique(np.geomspace(1, n_steps, n_horizons).round().astype(int))


def exact_forecast(solver, points, frame_time, horizons):
    """Exact conditional means and variances of later positions.

    By the Markov property the last frame of a prompt holds all that its frames say of the
    future, so this is the best forecast from any prompt that ends in these points.

    Parameters
    ----------
    solver : GridSolver
    points : (n, 2) array_like
        Last frames of the prompts, reduced length.
    frame_time : float
        Time from one frame to the next.
    horizons : (n_horizons,) array_like of int
        How many frames ahead, ascending, at least 1.

    Returns
    -------
    ExactForecast

    Raises
    ------
    ValueError
        If horizons do not ascend from 1 or more, or a point lies outside the grid.
    """
    horizons = np.asarray(horizons)
    if horizons.ndim != 1 or not np.issubdtype(horizons.dtype, np.integer) or len(horizons) == 0:
        raise ValueError(f"horizons must be a sequence of integers; got {horizons!r}")
    if horizons[0] < 1 or (np.diff(horizons) <= 0).any():
        raise ValueError(f"horizons must ascend from 1 or more; got {horizons.tolist()}")
    x, y = solver.positions[..., 0], solver.positions[..., 1]
    fields, values = np.stack([x, y, x**2, y**2]), []
    for n_frames in np.diff(horizons, prepend=0):
        fields = solver.propagate(fields, n_frames * frame_time)
        values.append(solver.interpolate(fields, points))
    moments = np.array(values).transpose(2, 0, 1)  # (n, n_horizons, 4)
    means = moments[..., :2]
    variances = moments[..., 2:] - means**2
    return ExactForecast(horizons, means, np.maximum(variances, 0.0))


def baseline_forecasts(prompt, n_steps):
    """Forecasts that need no model: the last frame, and the mean of the prompt.

    Parameters
    ----------
    prompt : (n, n_prompt, 2) ndarray
    n_steps : int

    Returns
    -------
    dict of str to (n, n_steps, 2) ndarray
    """
    shape = (len(prompt), n_steps, 2)
    return {
        "last frame": np.broadcast_to(prompt[:, -1:], shape),
        "mean of the prompt": np.broadcast_to(prompt.mean(axis=1, keepdims=True), shape),
    }


def squared_errors(forecast, actual):
    """Squared distance between forecast and actual frames, (n, n_steps), length^2."""
    forecast, actual = np.asarray(forecast, float), np.asarray(actual, float)
    if forecast.shape != actual.shape or forecast.shape[-1] != 2:
        raise ValueError(
            "forecast and actual must have one shape (n, n_steps, 2); got "
            f"{forecast.shape} and {actual.shape}"
        )
    return ((forecast - actual) ** 2).sum(axis=-1)


def mean_with_band(values, n_bootstrap=1000, confidence=0.95, seed=0):
    """Mean over trajectories with a bootstrap interval.

    Parameters
    ----------
    values : (n, ...) ndarray
        One row per trajectory; trajectories are resampled, so correlation within one is kept.
    n_bootstrap : int
    confidence : float
    seed : int

    Returns
    -------
    mean, low, high : (...) ndarray

    Raises
    ------
    ValueError
        If there are fewer than two trajectories.
    """
    values = np.asarray(values, float)
    if values.ndim == 0 or len(values) < 2:
        raise ValueError(f"values must hold two trajectories or more; got shape {values.shape}")
    n = len(values)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_bootstrap) / n
    means = np.tensordot(counts, values, axes=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
    return values.mean(axis=0), low, high


def error_growth(forecast, actual, horizons):
    """Mean squared error with its bootstrap band at several horizons.

    Parameters
    ----------
    forecast, actual : (n, n_steps, 2) ndarray
    horizons : (n_horizons,) ndarray of int
        Frames ahead, from 1.

    Returns
    -------
    mean, low, high : (n_horizons,) ndarray
        length^2.
    """
    return mean_with_band(squared_errors(forecast, actual)[:, np.asarray(horizons) - 1])


def skill(forecast, reference, actual):
    """By how much a forecast beats a reference, as a share of the reference's error.

    Parameters
    ----------
    forecast, reference, actual : (n, 2) ndarray

    Returns
    -------
    value, low, high : float
        1 - (mean squared error of the forecast) / (that of the reference), with a bootstrap
        interval over trajectories: both see the same ones. 1 is perfect, below 0 is worse.
    """
    errors = squared_errors(np.stack([forecast, reference], axis=1), np.stack([actual] * 2, axis=1))
    n, rng = len(errors), np.random.default_rng(0)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=2000)
    drawn = counts @ errors
    low, high = np.quantile(1 - drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    value = 1 - errors[:, 0].sum() / errors[:, 1].sum()
    return float(value), float(low), float(high)


def is_off_the_map(solver, frames):
    """Whether frames lie outside the rectangle of the solver's nodes.

    Parameters
    ----------
    solver : GridSolver
    frames : (..., 2) ndarray

    Returns
    -------
    (...) ndarray of bool
    """
    inside = (frames >= [solver.x[0], solver.y[0]]) & (frames <= [solver.x[-1], solver.y[-1]])
    return ~inside.all(axis=-1)


def long_run_table(solver, runs, n_last=100, bin_width=0.08):
    """What long trajectories do, one row for each kind.

    Parameters
    ----------
    solver : GridSolver
    runs : dict of str to (n, n_frames, 2) ndarray
        Generated frames without their prompts, and actual ones.
    n_last : int
        Frames at the end over which spread is measured.
    bin_width : float
        Of the histograms compared with the Boltzmann weight, reduced length.

    Returns
    -------
    DataFrame
        "spread", the root mean square deviation from the mean over the last frames, median of the
        trajectories, length; "standing still", share of trajectories that have stopped; "off the
        map", share of frames outside the rectangle of the solver's nodes; "crossings", changes of
        state in a thousand frames; "share of B", of all frames; "distance from Boltzmann", see
        `distance_from_boltzmann`.
    """
    coarsening = max(1, round(bin_width / solver.grid_step))
    rows = {}
    for name, frames in runs.items():
        states = assign_states(frames)
        crossings = (states[:, 1:] != states[:, :-1]).mean() * 1000
        spread = np.median(np.sqrt(frames[:, -n_last:].var(axis=1).sum(axis=-1)))
        rows[name] = {
            "spread": float(spread),
            "standing still": float(is_standing_still(frames, n_last).mean()),
            "off the map": float(is_off_the_map(solver, frames).mean()),
            "crossings": float(crossings),
            "share of B": float((states == STATE_B).mean()),
            "distance from Boltzmann": distance_from_boltzmann(solver, frames, coarsening),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def coordinate_densities(solver, coordinate, coarsening=2, **frames):
    """Densities of one coordinate: exact, and as histograms of frames over the same bins.

    Parameters
    ----------
    solver : GridSolver
        Its stationary density is the exact one.
    coordinate : {0, 1}
        0 for x, 1 for y.
    coarsening : int
        Width of a bin in grid steps.
    **frames : (..., 2) ndarray
        Points, by name.

    Returns
    -------
    edges : (n_bins + 1,) ndarray
    exact : (n_bins,) ndarray
        1/length.
    histograms : dict of str to (n_bins,) ndarray
        1/length; points outside the grid count in the norm.

    Raises
    ------
    ValueError
        If `coordinate` is neither 0 nor 1, or `coarsening` is below 1.
    """
    coordinate = checked_integer("coordinate", coordinate, 0, 1)
    coarsening = checked_integer("coarsening", coarsening, 1)
    nodes = (solver.x, solver.y)[coordinate]
    share = solver.stationary_density().sum(axis=1 - coordinate) * solver.cell_area
    n_bins = len(nodes) // coarsening
    exact = share[: n_bins * coarsening].reshape(n_bins, coarsening).sum(axis=1)
    width = coarsening * solver.grid_step
    edges = nodes[0] - solver.grid_step / 2 + width * np.arange(n_bins + 1)
    histograms = {}
    for name, points in frames.items():
        values = np.asarray(points, float)[..., coordinate].ravel()
        histograms[name] = np.histogram(values, edges)[0] / (len(values) * width)
    return edges, exact / width, histograms


def distance_from_boltzmann(solver, frames, coarsening=1):
    """Jensen-Shannon divergence between a histogram of frames and the Boltzmann weight.

    Parameters
    ----------
    solver : GridSolver
        Its stationary density is the reference.
    frames : (..., 2) ndarray
        Points (x, y); those outside the grid count as a cell of their own.
    coarsening : int
        Width of a bin in grid steps.

    Returns
    -------
    float
        Divergence (not its root) in bits: 0 for equal distributions, 1 for disjoint ones. A
        finite sample of the exact distribution is not at 0 either: compare with one.

    Raises
    ------
    ValueError
        If there are no frames or `coarsening` is below 1.
    """
    coarsening = checked_integer("coarsening", coarsening, 1)
    points = np.asarray(frames, float).reshape(-1, 2)
    if len(points) == 0:
        raise ValueError("frames must hold at least one point; got none")
    exact = solver.stationary_density() * solver.cell_area
    n_x, n_y = (-(-n // coarsening) for n in exact.shape)
    nodes = np.indices(exact.shape) // coarsening
    p = np.bincount((nodes[0] * n_y + nodes[1]).ravel(), exact.ravel(), minlength=n_x * n_y + 1)
    with np.errstate(invalid="ignore"):
        cells = np.floor((points - [solver.x[0], solver.y[0]]) / solver.grid_step + 0.5)
        cells = np.floor(cells / coarsening)
        inside = ((cells >= 0) & (cells < [n_x, n_y])).all(axis=1)
    index = np.full(len(points), n_x * n_y)
    index[inside] = cells[inside].astype(int) @ [n_y, 1]
    q = np.bincount(index, minlength=n_x * n_y + 1) / len(points)
    return float(_entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2)


def _entropy(p):
    p = p[p > 0]
    return -(p * np.log2(p)).sum()
