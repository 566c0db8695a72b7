"""How far a model's next-frame error lies above, or below, the best possible without the answer.

The poster's encoder is bidirectional: at every position but the last, the frame it is asked for
is in its own input. The yardstick is the exact conditional mean of the next frame. For any
forecast f of x', with m = E[x' | x] and noise n = x' - m,

|f - x'|^2 = |n|^2 + |f - m|^2 - 2 (f - m) . n .

An honest forecast cannot be correlated with the noise, so the last term averages to zero and its
error is at least |n|^2. How much of n is in f is therefore the measure of the leak. Drawing the
next frame anew tells by which path n came into f: see `noise_by_path`.
"""

from dataclasses import replace

import numpy as np
import torch

from ...files.cache import cached
from ...model.inference import as_trajectories, evaluating, rows_per_batch
from ...reference.forecast import simulated_moments
from ...reference.solver import GridSolver
from ...simulation.langevin import simulate
from ...simulation.settings import REGIMES
from ...statistics import mean_with_error, ratio_with_error

#: First positions left out of the interior: there trajectories still slide down the walls.
N_RELAX = 5
#: Positions counted from the end, 1 being the last, at which errors are given one by one.
DISTANCES = (1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45)


class ExactNextFrame:
    """Exact mean and variance of the next simulated frame of the regime "metastable"."""

    def __init__(self, grid_step=0.02):
        self.config = config = replace(REGIMES["metastable"], n_frames=2)
        self.solver = GridSolver(config.beta, config.diffusion, grid_step)

        def compute():
            mean, covariance = simulated_moments(self.solver, config)
            return {"mean": mean, "covariance": covariance}

        key = {"config": config.to_dict(), "grid_step": grid_step}
        moments = cached("next_frame", key, compute, source=simulated_moments)
        self._fields = np.concatenate([moments["mean"], moments["covariance"][[0, 1], [0, 1]]])

    def moments(self, frames):
        """Conditional mean and variance of the frames that follow `frames`, each (..., 2)."""
        values = np.moveaxis(self.solver.interpolate(self._fields, frames), 0, -1)
        return values[..., :2], values[..., 2:]


def predict_next_frames(model, trajectories, statistics_of=None):
    """Predictions of every frame but the first, the last one withheld, (n, n_frames - 1, 2) raw;
    the statistics that standardise may be those of other trajectories."""
    others = trajectories if statistics_of is None else statistics_of
    shown, others = (as_trajectories("trajectories", t)[:, :-1] for t in (trajectories, others))
    rows, parts = rows_per_batch(shown.shape[1]), []
    with evaluating(model):
        for frames, measured in zip(shown.split(rows), others.split(rows), strict=True):
            _, mean, std = model.standardise(measured)
            encodings = model.encode((frames - mean) / std)
            parts.append(mean + std * model.feature_predictor(encodings))
    return torch.cat(parts).float().numpy()


def frame_errors(predicted, trajectories, exact, standardised=False):
    """Squared errors of next-frame predictions, {name: (n, n_frames - 1)}, of each trajectory.

    Position t is the output that is compared with frame t + 1; the last is the only one whose frame
    the encoder was not shown. "model", |f - x'|^2; "exact", |m - x'|^2, that of the exact
    conditional mean; "floor", its expectation, the conditional variance; "copy", |x - x'|^2;
    "overlap", (f - m) . (x' - m), zero on average for every honest forecast. In length^2, or if
    `standardised` in units of the trajectory's variance, which depends on the noise itself: then no
    exact floor.
    """
    trajectories = np.asarray(trajectories, dtype=float)
    shown, target = trajectories[:, :-1], trajectories[:, 1:]
    mean, variance = exact.moments(shown)
    unit = shown.std(axis=1, keepdims=True) if standardised else 1.0
    forecasts = {"model": predicted, "exact": mean, "copy": shown}
    errors = {n: (((f - target) / unit) ** 2).sum(axis=-1) for n, f in forecasts.items()}
    overlap = ((predicted - mean) * (target - mean) / unit**2).sum(axis=-1)
    return errors | {"floor": (variance / unit**2).sum(axis=-1), "overlap": overlap}


def over(errors, positions):
    """`frame_errors` at some positions (slice or array of indices)."""
    return {name: values[:, positions] for name, values in errors.items()}


def summarise(errors):
    """Means of `frame_errors` over positions and trajectories: {name: (value, standard error)}.

    "ratio", model / exact: below one means that the future was seen; "noise_seen", the regression
    of the prediction on the noise of the frame: 0 for a forecast and 1 for a copy of the answer.
    """
    means = {name: values.mean(axis=1) for name, values in errors.items()}
    return {
        **{name: mean_with_error(means[name]) for name in ("model", "exact", "floor", "copy")},
        "ratio": ratio_with_error(means["model"], means["exact"]),
        "noise_seen": ratio_with_error(means["overlap"], means["exact"]),
    }


def measure(model, trajectories, exact):
    """`summarise` in the "interior", without the first `N_RELAX` positions (of short windows half
    at most), at the "last" position, and "by_distance" from the end."""
    errors = frame_errors(predict_next_frames(model, trajectories), trajectories, exact)
    n = trajectories.shape[1] - 1
    first = min(N_RELAX, n // 2)
    return {
        "n_frames": n + 1,
        "n": len(trajectories),
        "interior": summarise(over(errors, slice(first, n - 1))),
        "last": summarise(over(errors, slice(n - 1, n))),
        "by_distance": [
            {"distance": d} | summarise(over(errors, slice(n - d, n - d + 1)))
            for d in DISTANCES
            if d <= n - first
        ],
    }


def drawn_again(trajectories, frames, exact, seed):
    """Trajectories in which some `frames`, no neighbours and not the first, are replaced by other
    successors of the frame before; float32."""
    changed = np.array(trajectories, np.float32)
    before = changed[:, np.asarray(frames) - 1]
    after = simulate(exact.config, before.reshape(-1, 2), seed)[:, 1]
    changed[:, frames] = after.reshape(before.shape)
    return changed


def noise_by_path(model, trajectories, exact, seed=0):
    """By which path the noise of a next frame comes into its prediction, (value, standard error).

    Every eighth next frame is drawn again, in the encoder's input alone, then in mean and standard
    deviation too: what the prediction loses was seen on that path ("frame", "statistics"), what is
    left in "later" frames. These shares sum to "total", the "noise_seen" of the positions. "ratio",
    "ratio_redrawn" and "ratio_unseen" are error over exact error in the three cases.
    """
    positions = np.arange(N_RELAX, trajectories.shape[1] - 2, 8)
    other = drawn_again(trajectories, positions + 1, exact, seed)
    inputs = {"": (trajectories, None), "_redrawn": (other, trajectories), "_unseen": (other, None)}
    found, seen = {}, {}
    for name, given in inputs.items():
        predicted = predict_next_frames(model, *given)
        errors = over(frame_errors(predicted, trajectories, exact), positions)
        means = {key: values.mean(axis=1) for key, values in errors.items()}
        seen[name] = means["overlap"]
        found[f"ratio{name}"] = ratio_with_error(means["model"], means["exact"])
    paths = {
        "frame": seen[""] - seen["_redrawn"],
        "statistics": seen["_redrawn"] - seen["_unseen"],
        "later": seen["_unseen"],
        "total": seen[""],
    }
    return found | {name: ratio_with_error(v, means["exact"]) for name, v in paths.items()}


def by_position(errors):
    """Error over floor at each position and its standard error, both (n_positions,). The floor, the
    mean conditional variance, has hardly any scatter, unlike exact errors of frames."""
    model, floor = errors["model"], errors["floor"].mean(axis=0)
    return model.mean(axis=0) / floor, model.std(axis=0, ddof=1) / np.sqrt(len(model)) / floor
