"""Trajectories continued by the model, one window after another, and what becomes of them.

The poster's three steps: feed the model a window of frames, append what it predicts to the
trajectory, move the window on by as many frames, and begin again.
"""

import numpy as np
import torch
from tqdm import tqdm

from .checks import checked_count
from .model.inference import as_trajectories, evaluating, rows_per_batch
from .potential import MINIMA

#: Standard deviation of a coordinate, in reduced length, below which a generator stands still: a
#: tenth of that of a particle in a valley.
STANDSTILL = 0.015
#: Frames at the end of a continuation over which that is measured.
N_LAST = 20
#: What a window may be standardised by.
STATISTICS = ("window", "prompt")
#: How a continuation may end: on the map at rest or moving, or off it, by how it left.
ENDS = ("at rest", "moving", "drifted off", "jumped off")


def generate(
    model,
    prompt,
    n_steps,
    frames_per_step=1,
    window_length=None,
    statistics="window",
    progress=True,
):
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
    statistics : {"window", "prompt"}
        Mean and standard deviation by which a window is standardised: its own, as the model does
        with every trajectory, or always those of the first window, as in the author's code [1]_.
    progress : bool
        Show a progress bar if it takes more than a few seconds.

    Returns
    -------
    (batch, n_prompt + n_steps, 2) ndarray or Tensor of float32 or float64
        The prompt and what follows, in the prompt's precision; a Tensor on its device if the
        prompt is one.

    Raises
    ------
    ValueError
        If the prompt or a setting is out of range.

    Notes
    -----
    f at position t is trained to be frame t + 1. Of a window x_1 .. x_N only its last output,
    f_N, is a forecast: with ``frames_per_step=1`` nothing else is used. The outputs f_{N-k+1} ..
    f_{N-1} are the model's version of frames that it was shown. Appending the last k outputs, as
    one does to gain several frames per pass, therefore appends an echo of k - 1 frames of the
    window and one forecast; the chapter on generation measures what comes of it.

    The generator has no noise, so it may run into a fixed point, where the window is constant
    and its standard deviation is held at the rounding of its coordinates in the standardisation.
    That is not an error.

    The author's code also appends the last k outputs, but then moves its window on by one frame
    instead of k. Here the window always ends at the last frame there is.

    References
    ----------
    .. [1] A. Leban, AR_MD, https://github.com/andleb/AR_MD (2025), `predict_trajectory`.

    Examples
    --------
    >>> generate(model, trajectories[:, :100], n_steps=200).shape
    (8, 300, 2)
    """
    frames = as_trajectories("prompt", prompt)
    batch, n_prompt, _ = frames.shape
    n_positions = model.config.max_position_embeddings
    n_steps = checked_count("n_steps", n_steps, 1)
    if window_length is None:
        if n_prompt > n_positions:
            raise ValueError(
                f"prompt has {n_prompt} frames, but the model has positions for {n_positions}: "
                "pass a window_length"
            )
        window_length = n_prompt
    window_length = checked_count("window_length", window_length, 2, n_positions)
    seen_first = min(window_length, n_prompt)
    frames_per_step = checked_count("frames_per_step", frames_per_step, 1, seen_first)
    if seen_first < n_prompt:
        as_trajectories("prompt, its last window_length frames", frames[:, -seen_first:])

    if statistics not in STATISTICS:
        raise ValueError(f"statistics must be one of {list(STATISTICS)}; got {statistics!r}")

    device = next(model.parameters()).device
    whole = torch.empty(batch, n_prompt + n_steps, 2, dtype=frames.dtype, device=device)
    whole[:, :n_prompt] = frames.to(device)
    groups = range(0, batch, rows_per_batch(window_length))
    n_passes = -(-n_steps // frames_per_step)
    bar = tqdm(
        total=len(groups) * n_passes, desc="generating", unit="pass", delay=3, disable=not progress
    )
    with evaluating(model), bar:
        for first in groups:
            part = whole[first : first + rows_per_batch(window_length)]
            location = None
            if statistics == "prompt":
                location = model.standardise(part[:, n_prompt - seen_first : n_prompt])[1:]
            for now in range(n_prompt, n_prompt + n_steps, frames_per_step):
                window = part[:, max(0, now - window_length) : now]
                new = _outputs(model, window, location)[:, -frames_per_step:]
                part[:, now : now + frames_per_step] = new[:, : whole.shape[1] - now]
                bar.update()
    if isinstance(prompt, torch.Tensor):
        return whole.to(prompt.device)
    return whole.cpu().numpy()


def _outputs(model, window, location=None):
    # f of every frame in raw coordinates. Not model(window): that refuses a constant trajectory,
    # and costs a classification.
    standardised, mean, std = model.standardise(window)
    if location is not None:
        mean, std = location
        standardised = (window - mean) / std
    return mean + std * model.feature_predictor(model.encode(standardised))


def one_step_forecasts(model, trajectories, last_frame, lengths):
    """Forecasts of frame `last_frame` + 1 from windows of several lengths that end just before it.

    Returns (n_lengths, n, 2) of trajectories (n, n_frames, 2).
    """
    forecasts = []
    for length in lengths:
        length = checked_count("lengths", length, 2, last_frame + 1)
        window = trajectories[:, last_frame + 1 - length : last_frame + 1]
        forecasts.append(generate(model, window, 1, progress=False)[:, -1])
    return np.array(forecasts)


def echo(generated, n_prompt, frames_per_step, shift=0):
    """How far appended blocks repeat frames that the model was shown, as (n,) correlations.

    The k = `frames_per_step` outputs appended at once sit on the last k frames of the prompt and
    were asked for the frames after these, of which all but the last are in the window too.
    Correlated are the first k - `shift` frames appended with the last k - `shift` frames of the
    prompt, both less their means, over frames and coordinates: shift 0 compares with the frames
    that the outputs sit on, 1 with those they were asked for. `generated` is what `generate`
    gives; k is at least 3.
    """
    n_generated = generated.shape[1] - n_prompt
    k = checked_count("frames_per_step", frames_per_step, 3, min(n_prompt, n_generated))
    k -= checked_count("shift", shift, 0, 1)
    shown = np.asarray(generated[:, n_prompt - k : n_prompt], float)
    appended = np.asarray(generated[:, n_prompt : n_prompt + k], float)
    shown = shown - shown.mean(axis=1, keepdims=True)
    appended = appended - appended.mean(axis=1, keepdims=True)
    norms = np.sqrt((shown**2).sum(axis=(1, 2)) * (appended**2).sum(axis=(1, 2)))
    return (shown * appended).sum(axis=(1, 2)) / np.maximum(norms, 1e-12)


def is_standing_still(generated, n_frames):
    """Which of (n, ..., 2) spread less than `STANDSTILL` in x and y over the last `n_frames`."""
    return (generated[:, -n_frames:].std(axis=1) < STANDSTILL).all(axis=-1)


def is_off_the_map(solver, frames):
    """Which frames lie outside the rectangle of the solver's nodes, (..., 2) to (...) of bool."""
    inside = (frames >= [solver.x[0], solver.y[0]]) & (frames <= [solver.x[-1], solver.y[-1]])
    return ~inside.all(axis=-1)


def how_they_end(solver, generated, n_prompt, largest_step):
    """How each continuation ends, and how it left the map if it did, as {name: (n,) ndarray}.

    `generated` is what `generate` gives, prompts included; the rectangle of the solver is the map;
    `largest_step` is the largest distance of neighbouring frames of actual trajectories.

    "end": one of `ENDS`. Whoever leaves the map with a step that the particle never makes jumped
    off; with smaller ones, drifted off. "left": frames generated before that, -1 for never. "off":
    share of generated frames off the map. "from_minimum": distance of the last frame from the
    nearest minimum.
    """
    n_prompt = checked_count("n_prompt", n_prompt, 1, generated.shape[1] - 1)
    off = is_off_the_map(solver, generated[:, n_prompt:])
    left = np.where(off.any(axis=1), off.argmax(axis=1), -1)
    here = n_prompt + np.maximum(left, 0)
    rows = np.arange(len(generated))
    step = np.linalg.norm(generated[rows, here] - generated[rows, here - 1], axis=-1)
    off_by = np.where(step > largest_step, ENDS[3], ENDS[2])
    still = np.where(is_standing_still(generated, N_LAST), ENDS[0], ENDS[1])
    apart = np.linalg.norm(generated[:, -1, None] - MINIMA, axis=-1)
    return {
        "end": np.where(left >= 0, off_by, still),
        "left": left,
        "off": off.mean(axis=1),
        "from_minimum": apart.min(axis=1),
    }
