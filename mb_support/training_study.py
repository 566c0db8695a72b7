"""What the trainings were and cost: curves, scatter over seeds, fixed against fresh data.

Reads the records that ``python -m mb_support.training --all`` keeps in ``results/trainings``.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from . import paths
from .datasets import make_dataset
from .model import SIZES
from .training.recipes import DATA_CURVE, FIXED_SET, N_SEEDS, RECIPES, TrainingConfig

#: The author's recipe, as his script has it.
AUTHOR_RECIPE = {
    "initial weights": "random (standard deviation 0.02)",
    "loss": "L_traj + cross-entropy",
    "optimiser": "AdamW, weight decay 0.01",
    "peak learning rate": "1e-4",
    "schedule": "linear warm-up (25/50/50 epochs), linear decay",
    "trajectories": "1000, fixed, in the same order",
    "shown": "1000 times each",
    "frames shown": "full length",
    "batch": "6 per GPU",
    "gradient clip": "1.0",
    "dropout": "0.1",
    "precision": "float16, mixed",
    "validation set": "none",
}


def load_records(folder=None):
    """Records of all trainings of the book that have been made.

    Parameters
    ----------
    folder : path, optional
        By default ``results/trainings``.

    Returns
    -------
    dict of str to dict
        Names as in `training.recipes.trainings`; content of their ``training.json``.
    """
    folder = Path(folder or paths.RESULTS / "trainings")
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def seeds_of(records, size, kind=""):
    """The records of one kind of training, by seed.

    Parameters
    ----------
    records : dict of str to dict
        From `load_records`.
    size : str
    kind : {"", "fixed", "wild", "easy_starts"}
        "" is the recipe itself.

    Returns
    -------
    dict of int to dict
        Seed to record, those that have been made.
    """
    prefix = f"{size}-{kind}-" if kind else f"{size}-"
    found = {}
    for name, record in records.items():
        seed = name.removeprefix(prefix)
        if name.startswith(prefix) and seed.isdigit():
            found[int(seed)] = record
    return dict(sorted(found.items()))


def recipe_table():
    """The author's recipe and ours for each size, one column each, as a DataFrame of text."""
    columns = {"author": AUTHOR_RECIPE}
    for size, config in RECIPES.items():
        lengths = ", then ".join(
            f"{n_frames} ({n * config.batch_size:,} trajectories)" for n_frames, n in config.steps
        )
        columns[size] = {
            "initial weights": "random; positions begin as sinusoids",
            "loss": "L_traj + cross-entropy",
            "optimiser": f"AdamW, weight decay {config.weight_decay:g}",
            "peak learning rate": f"{config.learning_rate:g}",
            "schedule": f"linear warm-up ({config.warmup_steps} steps), cosine decay",
            "trajectories": f"{config.trajectories_seen:,}, all fresh",
            "shown": "once each",
            "frames shown": lengths,
            "batch": str(config.batch_size),
            "gradient clip": f"{config.max_grad_norm:.1f}",
            "dropout": "none",
            "precision": "float32",
            "validation set": f"{config.n_validation} trajectories",
        }
    return pd.DataFrame(columns).loc[list(AUTHOR_RECIPE)]


def accuracy_with_error(accuracy, n):
    """An accuracy over `n` trajectories and its binomial standard error.

    Parameters
    ----------
    accuracy : float or array_like
    n : int

    Returns
    -------
    accuracy, standard_error : float or ndarray
    """
    accuracy = np.asarray(accuracy, dtype=float)
    return accuracy, np.sqrt(accuracy * (1 - accuracy) / n)


def final_scores(record):
    """Accuracy and cross-entropy on the validation trajectories at the end of a training."""
    scored = [entry for entry in record["curve"] if "eval_accuracy" in entry]
    return scored[-1]["eval_accuracy"], scored[-1]["eval_loss"]


def scatter_table(records):
    """Validation accuracy of each size at the end, with its scatter over seeds.

    Parameters
    ----------
    records : dict of str to dict
        From `load_records`.

    Returns
    -------
    DataFrame of str
        One row a size: seeds, mean accuracy, standard deviation over seeds, the seeds one by one,
        and the standard error that the number of validation trajectories leaves to all alike.
    """
    rows = {}
    for size in SIZES:
        seeds = seeds_of(records, size)
        if not seeds:
            continue
        found = np.array([final_scores(record)[0] for record in seeds.values()])
        n = next(iter(seeds.values()))["config"]["n_validation"]
        spread = f"{found.std(ddof=1):.4f}" if len(found) > 1 else "-"
        rows[size] = {
            "seeds": str(len(found)),
            "mean accuracy": f"{found.mean():.4f}",
            "scatter over seeds": spread,
            "each seed": ", ".join(f"{value:.3f}" for value in found),
            f"error ({n} trajectories)": f"{accuracy_with_error(found.mean(), n)[1]:.4f}",
        }
    return pd.DataFrame(rows).T


def cost_table(records):
    """What the training of each size saw and took.

    Parameters
    ----------
    records : dict of str to dict
        From `load_records`.

    Returns
    -------
    DataFrame of str
        One row a size: trajectories and frames seen by one training, minutes (mean over seeds),
        and the machine.
    """
    rows = {}
    for size in SIZES:
        seeds = list(seeds_of(records, size).values())
        if not seeds:
            continue
        minutes = np.mean([record["wall_time_s"] for record in seeds]) / 60
        rows[size] = {
            "trajectories": f"{seeds[0]['trajectories_seen']:,}",
            "frames": f"{seeds[0]['frames_seen'] / 1e6:.0f} million",
            "minutes": f"{minutes:.1f}",
            "machine": "; ".join(sorted({record["machine"] for record in seeds})),
        }
    return pd.DataFrame(rows).T


def learning_curve(record):
    """Losses and scores of a training against the trajectories shown.

    Parameters
    ----------
    record : dict
        Content of a ``training.json``.

    Returns
    -------
    dict of str to ndarray
        "shown", "trajectory_loss" and "classification_loss" (means since the entry before);
        "scored", "accuracy", "accuracy_error" and "cross_entropy", on the validation trajectories;
        "stage_ends", trajectories shown where a stage of the recipe ends.
    """
    config = TrainingConfig.from_dict(record["config"])
    losses = [entry for entry in record["curve"] if "trajectory_loss" in entry]
    scored = [entry for entry in record["curve"] if "eval_accuracy" in entry]
    accuracy, error = accuracy_with_error(
        [entry["eval_accuracy"] for entry in scored], config.n_validation
    )
    batch = config.batch_size
    return {
        "shown": batch * np.array([entry["step"] for entry in losses]),
        "trajectory_loss": np.array([entry["trajectory_loss"] for entry in losses]),
        "classification_loss": np.array([entry["classification_loss"] for entry in losses]),
        "scored": batch * np.array([entry["step"] for entry in scored]),
        "accuracy": accuracy,
        "accuracy_error": error,
        "cross_entropy": np.array([entry["eval_loss"] for entry in scored]),
        "stage_ends": batch * np.cumsum([n for _, n in config.steps]),
    }


def fixed_set_table(records):
    """Fixed against fresh trajectories: where validation was best, and where it ended.

    Parameters
    ----------
    records : dict of str to dict
        From `load_records`.

    Returns
    -------
    DataFrame of str
        One row a size: seeds, passes, the best validation accuracy on the way (which only hindsight
        finds) and the pass of the lowest validation cross-entropy; accuracy and cross-entropy at
        the end; cross-entropy on the training set at the end. Means over seeds.
    """
    rows = {}
    for size in FIXED_SET:
        seeds = list(seeds_of(records, size, "fixed").values())
        if not seeds:
            continue
        curves = [learning_curve(record) for record in seeds]
        n_distinct = seeds[0]["config"]["n_distinct"]
        lowest = [c["scored"][c["cross_entropy"].argmin()] / n_distinct for c in curves]
        rows[size] = {
            "seeds": str(len(seeds)),
            "passes": f"{curves[0]['scored'][-1] / n_distinct:.0f}",
            "best accuracy": _mean_of(max(c["accuracy"]) for c in curves),
            "lowest cross-entropy at pass": f"{np.mean(lowest):.0f}",
            "final accuracy": _mean_of(c["accuracy"][-1] for c in curves),
            "final cross-entropy": f"{np.mean([c['cross_entropy'][-1] for c in curves]):.3f}",
            "final training cross-entropy": f"{_last_mean(curves):.3f}",
        }
    return pd.DataFrame(rows).T


def _mean_of(values):
    # mean, with the standard deviation over seeds where there are several
    values = np.array(list(values))
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"


def _last_mean(curves, n=10):
    return float(np.mean([c["classification_loss"][-n:].mean() for c in curves]))


def data_curve(records):
    """Validation accuracy of the small model against the number of distinct trajectories.

    Parameters
    ----------
    records : dict of str to dict
        From `load_records`.

    Returns
    -------
    DataFrame
        "n_distinct" (infinite for the recipe, in which each trajectory is fresh), "accuracy",
        "error" (binomial), "cross_entropy", "n_seeds"; ascending.
    """
    rows = []
    found = {n: [records[f"small-data-{n}"]] for n in DATA_CURVE if f"small-data-{n}" in records}
    found[np.inf] = list(seeds_of(records, "small").values())
    for n_distinct, of_size in found.items():
        if not of_size:
            continue
        scores = np.array([final_scores(record) for record in of_size])
        accuracy, error = accuracy_with_error(
            scores[:, 0].mean(), of_size[0]["config"]["n_validation"]
        )
        rows.append((n_distinct, float(accuracy), float(error), scores[:, 1].mean(), len(scores)))
    names = ["n_distinct", "accuracy", "error", "cross_entropy", "n_seeds"]
    return pd.DataFrame(rows, columns=names)


def data_sets_table(records):
    """The recipe of the small model on other data sets: validation accuracy of each.

    Returns
    -------
    DataFrame of str
        Rows "metastable", "easy_starts", "wild": n of trainings, accuracy with standard errors.
    """
    rows = {}
    for kind in ("", "easy_starts", "wild"):
        seeds = list(seeds_of(records, "small", kind).values())
        if seeds:
            scores = np.array([final_scores(record) for record in seeds])
            n = seeds[0]["config"]["n_validation"]
            accuracy, error = accuracy_with_error(scores[:, 0].mean(), n)
            rows[kind or "metastable"] = {
                "seeds": str(len(seeds)),
                "validation accuracy": f"{accuracy:.3f} ± {error:.3f}",
                "cross-entropy": f"{scores[:, 1].mean():.3f}",
            }
    return pd.DataFrame(rows).T


def missing(records):
    """Names of trainings of the recipes that have no record, as a list."""
    return [
        f"{size}-{seed}"
        for size, n in N_SEEDS.items()
        for seed in range(n)
        if f"{size}-{seed}" not in records
    ]


def live_config(stage, seed):
    """The recipe of the small model, shortened to run while the book is built.

    Parameters
    ----------
    stage : (n_frames, n_steps)
    seed : int
        Of the initial weights and of the trajectories.

    Returns
    -------
    TrainingConfig
    """
    n_frames, n_steps = stage
    return replace(
        RECIPES["small"],
        stages=((n_frames, n_steps * RECIPES["small"].batch_size),),
        seed=seed,
        warmup_steps=max(1, n_steps // 20),
        n_validation=20,
        eval_every=n_steps,
        save_every=n_steps,
    )


def majority_share(labels):
    """Accuracy of always guessing the more frequent of two states.

    Parameters
    ----------
    labels : (n,) ndarray of int

    Returns
    -------
    float
    """
    share = float(np.mean(labels))
    return max(share, 1 - share)


def held_out(n_trajectories, n_frames):
    """The first frames of validation trajectories; the label, of frame 0, is that of the whole."""
    return make_dataset(n_trajectories, "validation", index=1, n_frames=n_frames)
