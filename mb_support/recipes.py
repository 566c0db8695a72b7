"""What the trainings were and cost: the author's recipe beside ours, curves and costs by size."""

from dataclasses import replace

import numpy as np
import pandas as pd

from . import paths
from .checkpoints import read_record
from .curriculum import RECIPES, TrainingConfig
from .datasets import make_dataset
from .inference import checkpoint_sizes
from .records import runs

#: The author's recipe: what DESIGN.md and the poster's code say of it.
AUTHOR_RECIPE = {
    "optimiser": "AdamW, weight decay 0.01",
    "peak learning rate": "1e-4",
    "schedule": "linear warm-up (25/50/50 epochs), linear decay",
    "trajectories": "1000, fixed",
    "presentations": "1000 epochs = 1,000,000",
    "frames per trajectory": "full length",
    "batch": "6",
    "gradient clip": "1.0",
    "dropout": "0.1",
    "precision": "float16, mixed",
    "extra supervision": "none",
    "first layer": "random",
    "refinement": "none",
}


def load_records(folder=paths.CHECKPOINTS):
    """Training records of the sizes that have a checkpoint, smallest first.

    Parameters
    ----------
    folder : path

    Returns
    -------
    dict of str to dict
        Size to the content of its ``training.json``.
    """
    return {size: read_record(folder / size) for size in checkpoint_sizes(folder)}


def recipe_table(records):
    """The author's recipe and those of our runs, one column each.

    Parameters
    ----------
    records : dict of str to dict
        As `load_records` gives them.

    Returns
    -------
    pandas.DataFrame
    """
    columns = {"author": AUTHOR_RECIPE}
    for size, record in records.items():
        first, *later = runs(record)
        config = TrainingConfig.from_dict(first["config"])
        seen = total(record, "trajectories_seen")
        columns[size] = {
            "optimiser": f"AdamW, weight decay {config.weight_decay:g}",
            "peak learning rate": f"{config.learning_rate:g}",
            "schedule": f"linear warm-up ({config.warmup_steps} steps), cosine decay",
            "trajectories": f"{seen:,}, all fresh",
            "presentations": f"{seen:,}",
            "frames per trajectory": _stages_in_words(config),
            "batch": str(config.batch_size),
            "gradient clip": f"{config.max_grad_norm:.1f}",
            "dropout": "none",
            "precision": "bfloat16, mixed" if config.bf16 else "float32",
            "extra supervision": f"first {config.guided_fraction:.0%} of the trajectories",
            "first layer": "two neighbour heads" if config.neighbour_heads else "random",
            "refinement": "; ".join(map(_refinement_in_words, later)) or "none",
        }
    return pd.DataFrame(columns).loc[list(AUTHOR_RECIPE)]


def _stages_in_words(config):
    return ", then ".join(
        f"{f'{kept[0]} of ' if kept else ''}{n_frames} ({n_steps:,} steps)"
        for n_frames, n_steps, *kept in config.stages_done
    )


def _refinement_in_words(run):
    config = TrainingConfig.from_dict(run["config"])
    if config.n_passes and not config.start_head:
        return (
            f"only the classifier's head: {run['trajectories_seen']:,} of the trajectories, not "
            f"guided, encoded once and shown {config.n_passes} times; rate "
            f"{config.learning_rate:g}; {_stages_in_words(config)}"
        )
    if config.n_passes:
        return (
            "a head that shows the first frame to all, then only the classifier's head, anew: "
            f"{run['trajectories_seen']:,} of the trajectories, encoded once, each part of "
            f"{config.n_passes} examples"
        )
    grown = f"grown from the {config.grown_from} model, then " if config.grown_from else ""
    return (
        f"{grown}{run['trajectories_seen']:,} of the trajectories; taught by the "
        f"ideal observer; rate {config.learning_rate:g}; {_stages_in_words(config)}"
    )


def total(record, key):
    """Sum over the runs that made a model.

    Parameters
    ----------
    record : dict
        Content of a ``training.json``.
    key : {"trajectories_seen", "frames_seen", "wall_time_s"}

    Returns
    -------
    int or float
    """
    return sum(run[key] for run in runs(record))


def balancing_gain(record):
    """Cross-entropy of the classifier before and after the run that it learns in alone.

    Parameters
    ----------
    record : dict
        Content of a ``training.json``, its last run being of that kind.

    Returns
    -------
    before, after : float
        Over the trajectories that the run has seen.
    """
    logged = [entry for entry in record["curve"] if "classification_loss" in entry]
    *before, after = [entry["classification_loss"] for entry in logged]
    return float(np.mean(before)), after


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


def final_accuracy(record):
    """Accuracy on the validation trajectories where a training ended, and its standard error.

    Parameters
    ----------
    record : dict

    Returns
    -------
    accuracy, standard_error : float
    """
    curve = learning_curve(record)
    return curve["accuracy"][-1], curve["accuracy_error"][-1]


def cost_table(records):
    """What each run saw and took, and where it ended on the validation trajectories.

    Parameters
    ----------
    records : dict of str to dict

    Returns
    -------
    pandas.DataFrame
        One row for each size.
    """
    rows = {}
    for size, record in records.items():
        accuracy, error = final_accuracy(record)
        seconds, frames, trajectories = (
            total(record, key) for key in ("wall_time_s", "frames_seen", "trajectories_seen")
        )
        rows[size] = {
            "trajectories seen": f"{trajectories:,}",
            "frames seen": f"{frames:,}",
            "minutes": f"{seconds / 60:.0f}",
            "frames per second": f"{frames / seconds:,.0f}",
            "threads": ", then ".join(dict.fromkeys(str(run["threads"]) for run in runs(record))),
            "machine": record["machine"],
            "validation accuracy": f"{accuracy:.3f} ± {error:.3f}",
        }
    return pd.DataFrame(rows).T


def frames_at(config, steps):
    """Frames that a run has seen after a number of steps.

    Parameters
    ----------
    config : TrainingConfig
    steps : (n,) array_like of int

    Returns
    -------
    (n,) ndarray of float
    """
    return np.r_[0.0, np.cumsum(config.frames_per_step)][np.asarray(steps, dtype=int)]


def learning_curve(record):
    """The curves of the runs that made a model, one after the other, against the frames seen.

    Runs of another size, which it grew from, count as frames seen and have their own curves.

    Parameters
    ----------
    record : dict
        Content of a ``training.json``.

    Returns
    -------
    dict of str to ndarray
        "frames", "trajectory_loss" and "classification_loss" (means since the entry before);
        "scored_frames", "accuracy" and "accuracy_error", on the validation trajectories;
        "run_ends", and "guidance_ends" of those runs that are guided by more than a teacher.
    """
    parts, began = [], 0
    for run in runs(record):
        if run["config"]["size"] == record["config"]["size"]:
            parts.append(_curve_of_run(run, began))
        began += run["frames_seen"]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _curve_of_run(record, began):
    config = TrainingConfig.from_dict(record["config"])
    losses = [entry for entry in record["curve"] if "trajectory_loss" in entry]
    scored = [entry for entry in record["curve"] if "eval_accuracy" in entry]
    guided = [min(int(config.guided_fraction * config.n_steps), config.n_steps_done)]
    accuracy, error = accuracy_with_error(
        [entry["eval_accuracy"] for entry in scored], config.n_validation
    )
    return {
        "frames": began + frames_at(config, [entry["step"] for entry in losses]),
        "trajectory_loss": np.array([entry["trajectory_loss"] for entry in losses]),
        "classification_loss": np.array([entry["classification_loss"] for entry in losses]),
        "scored_frames": began + frames_at(config, [entry["step"] for entry in scored]),
        "accuracy": accuracy,
        "accuracy_error": error,
        "run_ends": began + frames_at(config, [config.n_steps_done]),
        "guidance_ends": began + frames_at(config, [] if config.taught else guided),
    }


def live_config(stage, seed):
    """The recipe of the small model, shortened to run while the book is built.

    Parameters
    ----------
    stage : (n_frames, n_steps) or (n_frames, n_steps, n_kept)
    seed : int
        Of the initial weights and of the trajectories.

    Returns
    -------
    TrainingConfig
    """
    n_steps = stage[1]
    return replace(
        RECIPES["small"],
        stages=(stage,),
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


def beginnings(n_trajectories, n_frames):
    """The first frames of test trajectories; the label, of frame 0, is that of the whole."""
    return make_dataset(n_trajectories, "test", n_frames=n_frames)
