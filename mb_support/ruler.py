"""How well a model knows the scale of a trajectory, and what knowing it better would be worth.

Each trajectory is standardised before the encoder sees it, which takes its scale away. Two things
in it tell the scale all the same: the shape of the valleys that it visits, for which the order of
the frames does not matter; and the noise between neighbouring frames, whose size the temperature
fixes: a ruler laid along the whole trajectory. ``python -m mb_support.ruler`` measures how well
the scale can be read from the encodings of the committed checkpoints, and keeps the answer in
``results/ruler``.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from . import paths
from .datasets import DENSE_FRAMES, make_dataset
from .inference import checkpoint_sizes, evaluating, load_checkpoint, rows_per_batch, weights_digest
from .records import keep, run_study
from .states import assign_states

RESULTS = paths.ROOT / "results" / "ruler"
#: Frames between the two ends of the displacements that serve as a ruler.
LAGS = (1, 2, 4)


@dataclass(frozen=True)
class RulerSettings:
    """On which trajectories the scale is read: validation seeds, as nothing is scored here.

    Parameters
    ----------
    n : int
        Trajectories of full length.
    index : int
        Which seed of the family "validation".
    """

    n: int = 600
    index: int = 5


def log_scales(trajectories):
    """What standardisation takes away: log standard deviation of each coordinate, (n, 2)."""
    return np.log(_checked(trajectories).std(axis=1))


def displacement_features(trajectories, lags=LAGS):
    """Size of the noise between frames, as a model can see it.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) ndarray
    lags : tuple of int
        Frames between the two ends of a displacement.

    Returns
    -------
    (n, 2 * len(lags)) ndarray
        Log root mean square displacement, in units of the trajectory's standard deviation.

    Raises
    ------
    ValueError
        If the shape is wrong, a coordinate does not move, or a lag is not shorter than that.
    """
    trajectories = _checked(trajectories)
    if min(lags) < 1 or max(lags) >= trajectories.shape[1]:
        raise ValueError(f"lags must lie in 1..{trajectories.shape[1] - 1}; got {lags}")
    scale = trajectories.std(axis=1)
    moved = [trajectories[:, lag:] - trajectories[:, :-lag] for lag in lags]
    return np.concatenate([np.log(np.sqrt((d**2).mean(axis=1)) / scale) for d in moved], axis=1)


def scale_error(features, trajectories, n_folds=8):
    """How far off the log scale is that is read from features by a linear fit.

    Parameters
    ----------
    features : (n, n_features) ndarray
    trajectories : (n, n_frames, 2) ndarray
    n_folds : int
        Each trajectory is read with a fit to the other folds.

    Returns
    -------
    error, standard_error : float
        Root mean square over trajectories and both coordinates; 0.05 is five per cent.

    Raises
    ------
    ValueError
        If there are fewer trajectories than folds, or numbers that do not agree.
    """
    features, truth = np.asarray(features, dtype=float), log_scales(trajectories)
    if features.ndim != 2 or len(features) != len(truth) or len(truth) < n_folds:
        raise ValueError(
            f"features must be (n, n_features) for the n = {len(truth)} trajectories, and "
            f"n >= {n_folds}; got {features.shape}"
        )
    fit = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-4, 4, 17)))
    read = [cross_val_predict(fit, features, scale, cv=n_folds) for scale in truth.T]
    squares = ((np.transpose(read) - truth) ** 2).mean(axis=1)
    error = np.sqrt(squares.mean())
    return float(error), float(squares.std(ddof=1) / np.sqrt(len(squares)) / (2 * error))


def accuracy_with_scale_error(trajectories, error, n_draws=64, seed=0):
    """Accuracy of someone who knows all of a trajectory but its scale.

    The first frame, as far from the trajectory's mean as the wrong scale makes it, decides.

    Parameters
    ----------
    trajectories : (n, n_frames, 2) ndarray
    error : float
        Standard deviation of the error of the log scale of each coordinate, at least 0.
    n_draws : int
        Errors drawn for each trajectory.
    seed : int

    Returns
    -------
    float
    """
    if not error >= 0:
        raise ValueError(f"error must be at least 0; got {error}")
    trajectories = _checked(trajectories)
    first, mean = trajectories[:, 0], trajectories.mean(axis=1)
    drawn = np.random.default_rng(seed).standard_normal((n_draws, *first.shape))
    believed = mean + np.exp(error * drawn) * (first - mean)
    return float((assign_states(believed) == assign_states(first)).mean())


def pooled_encodings(model, trajectories):
    """Mean of a model's encodings over frames, which its classifier sees: (n, hidden_size)."""
    inputs = torch.from_numpy(np.ascontiguousarray(trajectories, dtype=np.float32))
    with evaluating(model):
        pooled = [
            model(batch).encodings.mean(dim=1)
            for batch in inputs.split(rows_per_batch(inputs.shape[1]))
        ]
    return torch.cat(pooled).numpy()


def shuffled(trajectories, n_kept=DENSE_FRAMES, seed=0):
    """Trajectories with their frames in random order, but for the first `n_kept`.

    Valleys look as before; noise between neighbouring frames can no longer be told. All
    trajectories are shuffled alike.
    """
    trajectories = _checked(trajectories)
    order = np.random.default_rng(seed).permutation(np.arange(n_kept, trajectories.shape[1]))
    return trajectories[:, np.r_[:n_kept, order]]


def _checked(trajectories):
    trajectories = np.asarray(trajectories, dtype=float)
    if trajectories.ndim != 3 or trajectories.shape[-1] != 2 or trajectories.shape[1] < 2:
        raise ValueError(
            f"trajectories must have shape (n, n_frames >= 2, 2); got {trajectories.shape}"
        )
    if not np.isfinite(trajectories).all() or not trajectories.std(axis=1).all():
        raise ValueError("trajectories must be finite and move in both coordinates")
    return trajectories


def make_size(size, settings=None, folder=RESULTS, report=print):
    """Measure one checkpoint and keep the answer, unless it is there and up to date."""
    settings, model = settings or RulerSettings(), load_checkpoint(size)

    def make():
        data = make_dataset(settings.n, "validation", settings.index)
        found, right = {}, {}
        for name, shown in (
            ("in order", data.trajectories),
            ("shuffled", shuffled(data.trajectories)),
        ):
            pooled = pooled_encodings(model, shown)
            error, standard_error = scale_error(pooled, data.trajectories)
            logits = model.state_classifier(torch.from_numpy(pooled)).detach().numpy()
            right[name] = logits.argmax(axis=1) == data.labels
            found[name] = {
                "error": error,
                "standard_error": standard_error,
                "accuracy": float(right[name].mean()),
            }
        lost = right["in order"].astype(float) - right["shuffled"]
        found["lost"] = float(lost.mean())
        found["lost_standard_error"] = float(lost.std(ddof=1) / np.sqrt(len(lost)))
        return found

    made_for = {"settings": asdict(settings), "weights": weights_digest(model)}
    keep(folder / f"{size}.json", made_for, make, report=report)


def load_answers(models, folder=RESULTS):
    """Kept answers for models as they are, {size: content}.

    Of the trajectories "in order" and "shuffled": "error" and "standard_error" of the scale, and
    "accuracy"; and the accuracy "lost" by shuffling, with "lost_standard_error".

    Parameters
    ----------
    models : dict of str to TrajectoryTransformer
    folder : path

    Raises
    ------
    ValueError
        If one was measured with other weights, or not at all.
    """
    found = {}
    for size, model in models.items():
        path = folder / f"{size}.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        if kept.get("weights") != weights_digest(model):
            raise ValueError(
                f"{path} does not hold the answer for these weights: run python -m "
                f"mb_support.ruler {size}"
            )
        found[size] = kept
    return found


def main(arguments=None):
    """Command line: see the module."""
    run_study(__doc__.splitlines()[0], make_size, checkpoint_sizes(), arguments)


if __name__ == "__main__":
    main()
