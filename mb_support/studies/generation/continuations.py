"""Forecasts of one frame, and what becomes of continuations: how they end, what they echo."""

import numpy as np

from ...checks import checked_count
from ...generation import generate
from ...potential import MINIMA

#: Standard deviation of a coordinate, in reduced length, below which a generator stands still: a
#: tenth of that of a particle in a valley.
STANDSTILL = 0.015
#: Frames at the end of a continuation over which that is measured.
N_LAST = 20
#: How a continuation may end: on the map at rest or moving, or off it, by how it left.
ENDS = ("at rest", "moving", "drifted off", "jumped off")


def squared_errors(forecast, actual):
    """Squared distance between forecast and actual frames, (..., 2) to (...), length^2."""
    return (np.subtract(forecast, actual, dtype=float) ** 2).sum(axis=-1)


def one_step_forecasts(model, trajectories, last_frame, lengths):
    """Forecasts of frame `last_frame` + 1 from windows of several lengths, (n_lengths, n, 2)."""
    forecasts = []
    for length in lengths:
        length = checked_count("lengths", length, 2, last_frame + 1)
        window = trajectories[:, last_frame + 1 - length : last_frame + 1]
        forecasts.append(generate(model, window, 1, progress=False)[:, -1])
    return np.array(forecasts)


def echo(generated, n_prompt, frames_per_step, shift=0):
    """Correlations, (n,), of the first k - `shift` frames appended with the last of the prompt.

    The k = `frames_per_step` outputs appended at once sit on the last k frames of the prompt (shift
    0) and were asked for the frames after these (shift 1), all but the last of which are in view
    too.
    """
    k = frames_per_step - shift
    shown, appended = (
        part - part.mean(axis=1, keepdims=True)
        for part in (
            generated[:, n_prompt - k : n_prompt].astype(float),
            generated[:, n_prompt : n_prompt + k].astype(float),
        )
    )
    norms = np.sqrt((shown**2).sum(axis=(1, 2)) * (appended**2).sum(axis=(1, 2)))
    return (shown * appended).sum(axis=(1, 2)) / np.maximum(norms, 1e-12)


def is_standing_still(generated, n_frames=N_LAST):
    """Which of (n, ..., 2) spread less than `STANDSTILL` in x and y over the last `n_frames`."""
    return (generated[:, -n_frames:].std(axis=1) < STANDSTILL).all(axis=-1)


def how_they_end(solver, generated, n_prompt, largest_step):
    """How each continuation ends, and how it left the map, the solver's rectangle: {name: (n,)}.

    "end": one of `ENDS`. Whoever leaves with a step larger than `largest_step`, that of actual
    trajectories, jumped off; else it drifted off. "left": frames generated before that, -1 for
    never. "off": share of generated frames off the map. "from_minimum": distance of the last frame.
    """
    low, high = (solver.x[0], solver.y[0]), (solver.x[-1], solver.y[-1])
    new = generated[:, n_prompt:]
    off = ~((new >= low) & (new <= high)).all(axis=-1)
    left = np.where(off.any(axis=1), off.argmax(axis=1), -1)
    here, rows = n_prompt + np.maximum(left, 0), np.arange(len(generated))
    step = np.linalg.norm(generated[rows, here] - generated[rows, here - 1], axis=-1)
    off_by = np.where(step > largest_step, ENDS[3], ENDS[2])
    still = np.where(is_standing_still(generated), ENDS[0], ENDS[1])
    apart = np.linalg.norm(generated[:, -1, None] - MINIMA, axis=-1)
    return {
        "end": np.where(left >= 0, off_by, still),
        "left": left,
        "off": off.mean(axis=1),
        "from_minimum": apart.min(axis=1),
    }
