"""What the trainings were and cost: curves, scatter over seeds, fixed against fresh data.

Reads the records that ``python -m mb_support.training --all`` keeps in ``results/trainings``, by
name as in `training.recipes.trainings`. Accuracies are of the validation trajectories, and their
errors binomial standard errors.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..datasets.sets import make_dataset
from ..files import paths
from ..model.settings import SIZES
from ..training.recipes import DATA_CURVE, FIXED_SET, LENGTHS, RECIPES, TrainingConfig, trainings

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
    """Records of all trainings that have been made, {name: content of its ``training.json``}."""
    folder = Path(folder or paths.RESULTS / "trainings")
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def seeds_of(records, size, kind=""):
    """The records of one kind of training that have been made, {seed: record}.

    `kind` is "" for the recipe itself, or "fixed", "wild", "easy_starts", "x4" and so on.
    """
    prefix = f"{size}-{kind}-" if kind else f"{size}-"
    found = {}
    for name, record in records.items():
        seed = name.removeprefix(prefix)
        if name.startswith(prefix) and seed.isdigit():
            found[int(seed)] = record
    return dict(sorted(found.items()))


def missing(records):
    """Names of the trainings of the book that have no record."""
    return [name for name in trainings() if name not in records]


def missing_in_words(records):
    """One sentence that says which trainings have not been made."""
    names = missing(records)
    if not names:
        return "All trainings of the list have been made."
    return (
        f"Of the {len(trainings())} trainings of the list {len(names)} have not been made yet: "
        f"{', '.join(names)}. The command make train makes them."
    )


def notes_in_words(records):
    """What the records themselves say of their trainings, in a line."""
    notes = [f"{name}: {r['note']}" for name, r in records.items() if "note" in r]
    return " ".join(notes) or "None."


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
            "schedule": f"linear warm-up ({config.warmup_steps} steps), cosine decay over "
            f"{config.decay_by}",
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


def tried_table(path=None):
    """Recipes that were tried beside the ones that were kept, one training each."""
    tried = json.loads(Path(path or paths.RESULTS / "trainings_tried.json").read_text())
    n = tried["n_validation"]
    rows = [
        {
            "size": entry["size"],
            "frames shown": entry["frames_shown"],
            "peak learning rate": entry["learning_rate"] or "not written down",
            "decay over": entry["decay_by"] or "not written down",
            f"validation accuracy ({n} trajectories)": in_words(entry["accuracy"], n),
            "cross-entropy": f"{entry['cross_entropy']:.3f}",
        }
        for entry in tried["trainings"]
    ]
    return pd.DataFrame(rows).astype(str).set_index("size")


def accuracy_with_error(accuracy, n):
    """An accuracy over `n` trajectories, and its binomial standard error."""
    return accuracy, np.sqrt(accuracy * (1 - accuracy) / n)


def in_words(accuracy, n):
    """An accuracy with its binomial standard error, as text."""
    return "{:.3f} ± {:.3f}".format(*accuracy_with_error(accuracy, n))


def final_scores(records):
    """Validation accuracies and cross-entropies at the end of several trainings, (2, n)."""
    scored = [[e for e in record["curve"] if "eval_accuracy" in e][-1] for record in records]
    return np.array([[e["eval_accuracy"], e["eval_loss"]] for e in scored]).T


def scatter_table(records):
    """Validation accuracy of each size at the end, with its scatter over seeds."""
    rows = {}
    for size in SIZES:
        seeds = list(seeds_of(records, size).values())
        if not seeds:
            continue
        found = final_scores(seeds)[0]
        n = seeds[0]["config"]["n_validation"]
        rows[size] = {
            "seeds": str(len(found)),
            "mean accuracy": f"{found.mean():.4f}",
            "scatter over seeds": f"{found.std(ddof=1):.4f}" if len(found) > 1 else "-",
            "each seed": ", ".join(f"{value:.3f}" for value in found),
            f"error ({n} trajectories)": f"{accuracy_with_error(found.mean(), n)[1]:.4f}",
        }
    return pd.DataFrame(rows).T


def cost_table(records):
    """What a training of each size saw and took, one row for each machine that made some."""
    rows = {}
    for size in SIZES:
        seeds = list(seeds_of(records, size).values())
        for machine in sorted({record["machine"] for record in seeds}):
            here = [record for record in seeds if record["machine"] == machine]
            minutes = [record["wall_time_s"] / 60 for record in here]
            rows[size, machine] = {
                "trainings": str(len(here)),
                "threads": ", ".join(sorted({str(record["threads"]) for record in here})),
                "trajectories": f"{here[0]['trajectories_seen']:,}",
                "frames": f"{here[0]['frames_seen'] / 1e6:.0f} million",
                "minutes": " to ".join(dict.fromkeys(f"{m(minutes):.1f}" for m in (min, max))),
            }
    return pd.DataFrame(rows).T.rename_axis(["size", "machine"])


def learning_curve(record):
    """Losses and scores in a record against the trajectories shown, as a dict of ndarray.

    "shown", "trajectory_loss" and "classification_loss" (means since the entry before); "scored",
    "accuracy" and "cross_entropy", on the validation trajectories; "stage_ends", trajectories shown
    where a stage of the recipe ends.
    """
    config = TrainingConfig.from_dict(record["config"])
    losses = [entry for entry in record["curve"] if "trajectory_loss" in entry]
    scored = [entry for entry in record["curve"] if "eval_accuracy" in entry]
    batch = config.batch_size
    return {
        "shown": batch * np.array([entry["step"] for entry in losses]),
        "trajectory_loss": np.array([entry["trajectory_loss"] for entry in losses]),
        "classification_loss": np.array([entry["classification_loss"] for entry in losses]),
        "scored": batch * np.array([entry["step"] for entry in scored]),
        "accuracy": np.array([entry["eval_accuracy"] for entry in scored]),
        "cross_entropy": np.array([entry["eval_loss"] for entry in scored]),
        "stage_ends": batch * np.cumsum([n for _, n in config.steps]),
    }


def fixed_set_table(records):
    """Fixed against fresh trajectories: where validation was best, and where it ended.

    One row a size: the best validation accuracy on the way, which only hindsight finds, and the
    pass of the lowest validation cross-entropy; accuracy and cross-entropy at the end, the latter
    on the training set too. Means over seeds, with their standard deviation if there are several.
    """
    rows = {}
    for size in FIXED_SET:
        seeds = list(seeds_of(records, size, "fixed").values())
        if not seeds:
            continue
        curves = [learning_curve(record) for record in seeds]
        n_distinct, n = (seeds[0]["config"][key] for key in ("n_distinct", "n_validation"))
        final = [c["accuracy"][-1] for c in curves]
        lowest = [c["scored"][c["cross_entropy"].argmin()] / n_distinct for c in curves]
        learned = [c["classification_loss"][-10:].mean() for c in curves]
        rows[size] = {
            "seeds": str(len(seeds)),
            "passes": f"{curves[0]['scored'][-1] / n_distinct:.0f}",
            "best accuracy": _mean_of([max(c["accuracy"]) for c in curves]),
            "lowest cross-entropy at pass": f"{np.mean(lowest):.0f}",
            "final accuracy": _mean_of(final),
            "final cross-entropy": _mean_of([c["cross_entropy"][-1] for c in curves]),
            "final training cross-entropy": _mean_of(learned),
            f"error ({n} trajectories)": f"{accuracy_with_error(np.mean(final), n)[1]:.4f}",
        }
    return pd.DataFrame(rows).T


def _mean_of(values):
    scatter = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{scatter}"


def data_curve(records):
    """Validation accuracy of the small model against the number of distinct trajectories.

    A DataFrame of "n_distinct" (infinite for the recipe, in which each trajectory is fresh),
    "accuracy", "error" and "n_seeds"; ascending, of what has been made.
    """
    rows = []
    found = {n: [records[f"small-data-{n}"]] for n in DATA_CURVE if f"small-data-{n}" in records}
    found[np.inf] = list(seeds_of(records, "small").values())
    for n_distinct, made in found.items():
        if made:
            accuracy = final_scores(made)[0].mean()
            error = accuracy_with_error(accuracy, made[0]["config"]["n_validation"])[1]
            rows.append((n_distinct, accuracy, error, len(made)))
    return pd.DataFrame(rows, columns=["n_distinct", "accuracy", "error", "n_seeds"])


def variants_table(records):
    """The recipe of the small model, shorter, longer, and on other data sets: a row for each."""
    kinds = {"the recipe": ""}
    kinds |= {
        f"{factor:g} times as many trajectories": f"x{factor:g}" for factor in LENGTHS["small"]
    }
    kinds |= {"on easy_starts": "easy_starts", "on wild": "wild"}
    rows = {}
    for name, kind in kinds.items():
        if seeds := list(seeds_of(records, "small", kind).values()):
            accuracy, cross_entropy = final_scores(seeds).mean(axis=1)
            n = seeds[0]["config"]["n_validation"]
            rows[name] = {
                "seeds": str(len(seeds)),
                "trajectories": f"{seeds[0]['trajectories_seen']:,}",
                f"validation accuracy ({n} trajectories)": in_words(accuracy, n),
                "cross-entropy": f"{cross_entropy:.3f}",
            }
    return pd.DataFrame(rows).T


def live_config(stage, seed):
    """The recipe of the small model with one stage (n_frames, n_steps), to run in a chapter."""
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
    """Accuracy of always guessing the more frequent of two states."""
    share = float(np.mean(labels))
    return max(share, 1 - share)


def held_out(n_trajectories, n_frames):
    """The first frames of validation trajectories; the label, of frame 0, is that of the whole."""
    return make_dataset(n_trajectories, "validation", index=1, n_frames=n_frames)
