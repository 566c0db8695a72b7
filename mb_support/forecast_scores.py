"""How good forecasts are, beside exact answers and cheap ones, and where continuations end."""

from dataclasses import dataclass

import numpy as np

from .generation import checked_integer, is_standing_still
from .potential import MINIMA

#: How a continuation may end: on the map at rest or moving, or off it, by how it left.
ENDS = ("at rest", "moving", "drifted off", "jumped off")


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


def error_saved(errors, reference, n_bootstrap=2000, seed=0):
    """By how much a forecast beats a reference, as a share of the reference's error.

    Parameters
    ----------
    errors, reference : (n,) array_like
        Squared errors on the same trajectories.
    n_bootstrap, seed : int

    Returns
    -------
    value, low, high : float
        1 - (mean error) / (mean error of the reference), with a 95% bootstrap interval over
        trajectories. 1 is perfect, below 0 is worse.
    """
    both = np.stack([errors, reference], axis=1).astype(float)
    n, rng = len(both), np.random.default_rng(seed)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_bootstrap) @ both
    low, high = np.quantile(1 - drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return float(1 - both[:, 0].sum() / both[:, 1].sum()), float(low), float(high)


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


def how_they_end(solver, generated, n_prompt, largest_step, n_last=20):
    """How each continuation ends, and how it left the map if it did.

    Parameters
    ----------
    solver : GridSolver
        Its rectangle is the map.
    generated : (n, n_frames, 2) ndarray
        From `generation.generate`, prompts included.
    n_prompt : int
    largest_step : float
        Largest distance of two neighbouring frames of actual trajectories.
    n_last : int
        Frames at the end over which spread is measured.

    Returns
    -------
    dict of str to (n,) ndarray
        "end": one of `ENDS`. Whoever leaves the map with a step that the particle never makes
        jumped off; with smaller ones, drifted off. "left": frames generated before that, -1 for
        never. "off": share of generated frames off the map. "from_minimum": distance of the last
        frame from the nearest minimum of the potential.
    """
    n_prompt = checked_integer("n_prompt", n_prompt, 1, generated.shape[1] - 1)
    off = is_off_the_map(solver, generated[:, n_prompt:])
    left = np.where(off.any(axis=1), off.argmax(axis=1), -1)
    here = n_prompt + np.maximum(left, 0)
    rows = np.arange(len(generated))
    step = np.linalg.norm(generated[rows, here] - generated[rows, here - 1], axis=-1)
    off_by = np.where(step > largest_step, ENDS[3], ENDS[2])
    still = np.where(is_standing_still(generated, n_last), ENDS[0], ENDS[1])
    apart = np.linalg.norm(generated[:, -1, None] - MINIMA, axis=-1)
    return {
        "end": np.where(left >= 0, off_by, still),
        "left": left,
        "off": off.mean(axis=1),
        "from_minimum": apart.min(axis=1),
    }
