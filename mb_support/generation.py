"""Trajectories continued by the model, one window after another, and how far off they are.

The poster's three steps: feed the model a window of frames, append what it predicts to the
trajectory, move the window on by as many frames, and begin again.
"""

from dataclasses import dataclass

import numpy as np
import torch
from tqdm import tqdm

from .inference import as_trajectories, evaluating, rows_per_batch

#: Standard deviation over a window, in reduced length, below which a generator stands still.
STANDSTILL = 1e-3


def _integer(name, value, least, most=None):
    allowed = f"at least {least}" if most is None else f"from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} must be an integer {allowed}; got {value!r}")
    if value < least or (most is not None and value > most):
        raise ValueError(f"{name} must be {allowed}; got {value}")
    return int(value)


def generate(model, prompt, n_steps, frames_per_step=1, window_length=None, progress=True):
    """Continue trajectories with a sliding window of the model's own predictions.

    Each pass encodes the last `window_length` frames, appends the last `frames_per_step` of the
    outputs f, and moves the window on to them.

    Parameters
    ----------
    model : TrajectoryTransformer
        Used in evaluation mode; left in the mode it was in.
    prompt : (batch, n_prompt, 2) array_like or Tensor
        First frames, raw coordinates.
    n_steps : int
        Frames to generate.
    frames_per_step : int
        Outputs appended in each pass, at most as many as the window has frames.
    window_length : int, optional
        Frames the model is shown, by default as many as the prompt has. With more than that, the
        window first grows; with fewer, it begins as the end of the prompt.
    progress : bool
        Show a progress bar if it takes more than a few seconds.

    Returns
    -------
    (batch, n_prompt + n_steps, 2) ndarray or Tensor of float32
        The prompt and what follows; a Tensor on its device if the prompt is one.

    Raises
    ------
    ValueError
        If the prompt has the wrong shape, a constant coordinate or values that are not finite,
        or a number is out of range.

    Notes
    -----
    f at position t is trained to be frame t + 1. Of a window x_1 .. x_N only its last output,
    f_N, is a forecast: with ``frames_per_step=1`` nothing else is used. The outputs f_{N-k+1} ..
    f_{N-1} are the model's version of frames that it was shown. Appending the last k outputs, as
    one does to gain several frames per pass, therefore appends an echo of k - 1 frames of the
    window and one forecast; the chapter on generation measures what comes of it.

    The generator has no noise, so it may run into a fixed point, where the window is constant
    and its standard deviation is held at 1e-6 in the standardisation. That is not an error.

    Examples
    --------
    >>> generate(model, trajectories[:, :100], n_steps=200).shape
    (8, 300, 2)
    """
    frames = as_trajectories("prompt", prompt)
    batch, n_prompt, _ = frames.shape
    n_positions = model.config.max_position_embeddings
    n_steps = _integer("n_steps", n_steps, 1)
    if window_length is None:
        if n_prompt > n_positions:
            raise ValueError(
                f"prompt has {n_prompt} frames, but the model has positions for {n_positions}: "
                "pass a window_length"
            )
        window_length = n_prompt
    window_length = _integer("window_length", window_length, 2, n_positions)
    seen_first = min(window_length, n_prompt)
    frames_per_step = _integer("frames_per_step", frames_per_step, 1, seen_first)
    if seen_first < n_prompt:
        as_trajectories("prompt, its last window_length frames", frames[:, -seen_first:])

    device = next(model.parameters()).device
    weights = model.inputs_to_hidden_dim.weight.dtype
    whole = torch.empty(batch, n_prompt + n_steps, 2, dtype=torch.float32, device=device)
    whole[:, :n_prompt] = frames.to(device)
    groups = range(0, batch, rows_per_batch(window_length))
    n_passes = -(-n_steps // frames_per_step)
    bar = tqdm(
        total=len(groups) * n_passes, desc="generating", unit="pass", delay=3, disable=not progress
    )
    with evaluating(model), bar:
        for first in groups:
            part = whole[first : first + rows_per_batch(window_length)]
            for now in range(n_prompt, n_prompt + n_steps, frames_per_step):
                window = part[:, max(0, now - window_length) : now].to(weights)
                new = _outputs(model, window)[:, -frames_per_step:]
                part[:, now : now + frames_per_step] = new[:, : whole.shape[1] - now].float()
                bar.update()
    if isinstance(prompt, torch.Tensor):
        return whole.to(prompt.device)
    return whole.cpu().numpy()


def _outputs(model, window):
    # f of every frame in raw coordinates. Not model(window): that refuses a constant trajectory,
    # and costs a classification.
    standardised, mean, std = model.standardise(window)
    return mean + std * model.feature_predictor(model.encode(standardised))


@dataclass(frozen=True)
class ExactForecast:
    """The best possible forecasts from given points, of the exact dynamics.

    Attributes
    ----------
    horizons : (n_horizons,) ndarray of int
        How many frames ahead.
    means : (n, n_horizons, 2) ndarray
        Conditional means E[x_{t+h} | x_t].
    variances : (n, n_horizons) ndarray
        What no forecast can beat: E[|x_{t+h} - E[x_{t+h} | x_t]|^2 | x_t], length^2.
    """

    horizons: np.ndarray
    means: np.ndarray
    variances: np.ndarray


def forecast_horizons(n_steps, n_horizons):
    """At most `n_horizons` numbers of frames ahead, from 1 to `n_steps`, evenly in logarithm."""
    n_steps, n_horizons = _integer("n_steps", n_steps, 1), _integer("n_horizons", n_horizons, 1)
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
    fields, values = np.stack([x, y, x**2 + y**2]), []
    for n_frames in np.diff(horizons, prepend=0):
        fields = solver.propagate(fields, n_frames * frame_time)
        values.append(solver.interpolate(fields, points))
    moments = np.array(values).transpose(2, 0, 1)  # (n, n_horizons, 3)
    means = moments[..., :2]
    variances = moments[..., 2] - (means**2).sum(axis=-1)
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


def echo(generated, n_prompt, frames_per_step):
    """How far an appended block repeats the block before it.

    Parameters
    ----------
    generated : (n, n_frames, 2) ndarray
        From `generate`.
    n_prompt : int
        Frames of the prompt.
    frames_per_step : int
        Frames k of a block.

    Returns
    -------
    (n,) ndarray
        For each trajectory the correlation between its first appended block and the last k
        frames of its prompt, both less their means, over frames and coordinates.

    Raises
    ------
    ValueError
        If a block has fewer than two frames or is not inside the trajectory.
    """
    k = _integer(
        "frames_per_step", frames_per_step, 2, min(n_prompt, generated.shape[1] - n_prompt)
    )
    before = np.asarray(generated[:, n_prompt - k : n_prompt], float)
    after = np.asarray(generated[:, n_prompt : n_prompt + k], float)
    before = before - before.mean(axis=1, keepdims=True)
    after = after - after.mean(axis=1, keepdims=True)
    norms = np.sqrt((before**2).sum(axis=(1, 2)) * (after**2).sum(axis=(1, 2)))
    return (before * after).sum(axis=(1, 2)) / np.maximum(norms, 1e-12)


def is_standing_still(generated, n_frames):
    """Which trajectories have stopped: hardly any spread over their last `n_frames` frames.

    Parameters
    ----------
    generated : (n, n_frames, 2) ndarray
    n_frames : int

    Returns
    -------
    (n,) ndarray of bool
        True where both coordinates spread less than `STANDSTILL`.
    """
    return (generated[:, -n_frames:].std(axis=1) < STANDSTILL).all(axis=-1)


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
    coarsening = _integer("coarsening", coarsening, 1)
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
