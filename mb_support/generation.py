"""Trajectories continued by the model, one window after another.

The poster's three steps: feed the model a window of frames, append what it predicts to the
trajectory, move the window on by as many frames, and begin again.
"""

import torch
from tqdm import tqdm

from .checks import checked_count
from .model.inference import as_numbers, checked_model, evaluating, rows_per_batch
from .model.inputs import check_values

#: What a window may be standardised by.
STATISTICS = ("window", "prompt")


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
    prompt : (batch, n_prompt, n_features) array_like or Tensor
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
    (batch, n_prompt + n_steps, n_features) ndarray or Tensor of float32 or float64
        The prompt and what follows, in the prompt's precision; a Tensor on its device if the
        prompt is one.

    Raises
    ------
    ValueError
        If the prompt or a setting is out of range, or the prompt has other features than the model.

    Notes
    -----
    Of the outputs for a window x_1 .. x_N only the last, f_N, is a forecast; with
    ``frames_per_step=1`` nothing else is used. The outputs f_{N-k+1} .. f_{N-1} are the model's
    version of frames that it was shown: appending the last k outputs appends an echo of k - 1
    frames and one forecast.

    The generator has no noise and may run into a fixed point, where the window is constant; its
    standard deviation is then held at the rounding of its coordinates. That is not an error.

    The author's code appends k outputs too, but then moves its window on by one frame. Here the
    window always ends at the last frame there is.

    References
    ----------
    .. [1] A. Leban, AR_MD, https://github.com/andleb/AR_MD (2025), `predict_trajectory`.

    Examples
    --------
    >>> generate(model, trajectories[:, :100], n_steps=200).shape
    (8, 300, 2)
    """
    frames = _checked_prompt(prompt, checked_model(model).config.n_features)
    batch, n_prompt, n_features = frames.shape
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
    _check_values("prompt, its last window_length frames", frames[:, -seen_first:])
    if statistics not in STATISTICS:
        raise ValueError(f"statistics must be one of {list(STATISTICS)}; got {statistics!r}")

    device = next(model.parameters()).device
    whole = torch.empty(batch, n_prompt + n_steps, n_features, dtype=frames.dtype, device=device)
    whole[:, :n_prompt] = frames.to(device)
    parts = whole.split(rows_per_batch(window_length))
    passes = range(n_prompt, n_prompt + n_steps, frames_per_step)
    bar = tqdm(
        total=len(parts) * len(passes),
        desc="generating",
        unit="pass",
        delay=3,
        disable=not progress,
    )
    with evaluating(model), bar:
        for part in parts:
            location = None
            if statistics == "prompt":
                location = model.standardise(part[:, n_prompt - seen_first : n_prompt])[1:]
            for now in passes:
                window = part[:, max(0, now - window_length) : now]
                new = _outputs(model, window, location)[:, -frames_per_step:]
                part[:, now : now + frames_per_step] = new[:, : whole.shape[1] - now]
                bar.update()
    return whole.to(prompt.device) if isinstance(prompt, torch.Tensor) else whole.cpu().numpy()


def _checked_prompt(prompt, n_features):
    frames = as_numbers("prompt", prompt)
    if frames.ndim != 3 or frames.shape[0] == 0 or frames.shape[1] < 2:
        raise ValueError(
            f"prompt must have shape (batch, n_prompt, {n_features}), with at least one trajectory "
            f"of at least 2 frames; got {tuple(frames.shape)}"
        )
    if frames.shape[-1] != n_features:
        raise ValueError(
            f"prompt has {frames.shape[-1]} features in each frame, but the model was made for "
            f"{n_features}; got shape {tuple(frames.shape)}"
        )
    _check_values("prompt", frames)
    return frames


def _check_values(name, frames):
    try:
        check_values(frames)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _outputs(model, window, location=None):
    # f of every frame in raw coordinates. Not model(window): that refuses a constant trajectory,
    # and costs a classification.
    standardised, mean, std = model.standardise(window)
    if location is not None:
        mean, std = location
        standardised = (window - mean) / std
    return mean + std * model.feature_predictor(model.encode(standardised))
