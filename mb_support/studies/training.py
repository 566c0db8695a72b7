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

from ..classification import predict_states
from ..files import paths
from ..model.settings import SIZES
from ..statistics import binomial_error, verdicts_in_words
from ..training.recipes import DATA_CURVE, FIXED_SET, LENGTHS, RECIPES, TrainingConfig, trainings
from . import model as model_study

#: The author's recipe, as his script has it.
AUTHOR_RECIPE = {
    "initial weights": "random (standard deviation 0.02)",
    "optimiser": "AdamW, weight decay 0.01",
    "peak learning rate": "0.0001",
    "schedule": "linear warm-up (25/50/50 epochs), linear decay",
    "trajectories": "1000, fixed, in the same order",
    "shown": "1000 times each",
    "frames shown": "full length",
    "batch": "6 per GPU",
    "gradient norm": "clipped at 1",
    "dropout": "0.1",
    "precision": "float16, mixed",
    "validation set": "none",
}
#: What was trained on a fixed set, by kind.
FIXED = {"fixed": "", "fixed-both": ", attention dropout too"}


def load_records(folder=None):
    """Records of all trainings that have been made, {name: content of its ``training.json``}."""
    folder = Path(folder or paths.RESULTS / "trainings")
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def seeds_of(records, size, kind=""):
    """The records of one kind of training, such as "fixed", or of the recipe, {seed: record}."""
    recipe = f"{size}-{kind}" if kind else size
    names = [name for name in records if name.rpartition("-")[0] == recipe]
    return {int(n.rpartition("-")[2]): records[n] for n in sorted(names)}


def learning_curve(record):
    """Losses and scores in a record against the trajectories "shown": means since the entry before;
    "scored" ones are of the validation; "stage_ends" where a stage of the recipe ends."""
    config, curve = TrainingConfig.from_dict(record["config"]), pd.DataFrame(record["curve"])
    losses = curve.dropna(subset=["trajectory_loss"])
    scored = curve.reindex(columns=curve.columns.union(["eval_accuracy", "eval_loss"]))
    scored = scored.dropna(subset=["eval_accuracy"])
    return {
        "shown": config.batch_size * losses["step"].to_numpy(),
        "trajectory_loss": losses["trajectory_loss"].to_numpy(),
        "classification_loss": losses["classification_loss"].to_numpy(),
        "scored": config.batch_size * scored["step"].to_numpy(),
        "accuracy": scored["eval_accuracy"].to_numpy(),
        "cross_entropy": scored["eval_loss"].to_numpy(),
        "stage_ends": config.batch_size * np.cumsum([n for _, n in config.steps]),
    }


def curves(records, kind=""):
    """{size: learning curves of the trainings of a kind that have been made}."""
    found = {s: [learning_curve(r) for r in seeds_of(records, s, kind).values()] for s in SIZES}
    return {size: made for size, made in found.items() if made}


def finals(records, size, kind=""):
    """Accuracies at the end of the trainings of a kind, and their number of trajectories."""
    made = seeds_of(records, size, kind).values()
    found = [[e["eval_accuracy"] for e in r["curve"] if "eval_accuracy" in e][-1] for r in made]
    return np.array(found), next((r["config"]["n_validation"] for r in made), 0)


def recipe_table():
    """The author's recipe, ours for each size, and small on a fixed set; a DataFrame of text."""
    columns = {"author": AUTHOR_RECIPE}
    for size, config in (RECIPES | {"small, fixed set": FIXED_SET["small"]}).items():
        fixed, shown = config.n_distinct, config.trajectories_seen
        lengths = ", then ".join(
            f"{n_frames} ({n * config.batch_size:,} trajectories)" for n_frames, n in config.steps
        )
        columns[size] = {
            "initial weights": "random; positions begin as sinusoids",
            "optimiser": f"AdamW, weight decay {config.weight_decay:g}, "
            f"second beta {config.adam_beta2:g}",
            "peak learning rate": f"{config.learning_rate:g}",
            "schedule": f"linear warm-up ({config.warmup_steps} steps), cosine decay over "
            f"{config.decay_by}",
            "trajectories": f"{fixed}, fixed, reshuffled" if fixed else f"{shown:,}, all fresh",
            "shown": f"{shown // fixed} times each" if fixed else "once each",
            "frames shown": lengths,
            "batch": str(config.batch_size),
            "gradient norm": f"clipped at {config.max_grad_norm:g}",
            "dropout": f"{config.dropout:g} (hidden states)" if config.dropout else "none",
            "precision": "float32",
            "validation set": f"{config.n_validation} trajectories",
        }
    return pd.DataFrame(columns).loc[list(AUTHOR_RECIPE)]


def tried_table(path=None):
    """Recipes that were tried beside the ones that were kept, one training each."""
    tried = json.loads(Path(path or paths.RESULTS / "trainings_tried.json").read_text())
    table = pd.DataFrame(tried["trainings"], dtype=object).fillna("not written down")
    table["accuracy"] = [_in_words(value, tried["n_validation"]) for value in table["accuracy"]]
    columns = ["size", "frames_shown", "learning_rate", "decay_by", "accuracy", "cross_entropy"]
    table = table[columns].astype(str).set_index("size")
    return table.rename(columns=lambda name: name.replace("_", " "))


def _in_words(accuracy, n):
    return f"{accuracy:.3f} ± {binomial_error(accuracy, n):.3f}"


def scatter_table(records):
    """Validation accuracy of each size at the end, with its scatter over seeds."""
    rows = {}
    for size in curves(records):
        found, n = finals(records, size)
        rows[size] = {
            "seeds": str(len(found)),
            "mean accuracy": f"{found.mean():.4f}",
            "scatter over seeds": f"{found.std(ddof=1):.4f}" if len(found) > 1 else "–",
            "each seed": ", ".join(f"{value:.3f}" for value in found),
            f"standard error ({n} trajectories)": f"{binomial_error(found.mean(), n):.4f}",
        }
    return pd.DataFrame(rows).T


def scatter_below_error(records):
    """Whether seeds scatter by less than the standard error that the number of trajectories leaves,
    in words, for each size with several trainings."""
    found = {}
    for size in curves(records):
        accuracies, n = finals(records, size)
        if len(accuracies) > 1:
            error = binomial_error(accuracies.mean(), n)
            found[size] = "yes" if accuracies.std(ddof=1) < error else "no"
    return verdicts_in_words(found) or "no size was trained twice"


def cost_table(records):
    """What a training of each size saw and took, one row for each machine that made some; threads
    are those of all processes together."""
    rows = {}
    for size in SIZES:
        seeds = list(seeds_of(records, size).values())
        for machine in sorted({record["machine"] for record in seeds}):
            here = [record for record in seeds if record["machine"] == machine]
            minutes = [record["wall_time_s"] / 60 for record in here]
            threads = {record["threads"] * record["processes"] for record in here}
            rows[size, machine] = {
                "trainings": str(len(here)),
                "threads": ", ".join(map(str, sorted(threads))),
                "trajectories": f"{here[0]['trajectories_seen']:,}",
                "frames": f"{here[0]['frames_seen'] / 1e6:.0f} million",
                "minutes": " to ".join(dict.fromkeys(f"{m(minutes):.1f}" for m in (min, max))),
            }
    return pd.DataFrame(rows).T.rename_axis(["size", "machine"])


def fixed_set_table(records):
    """Trainings on a fixed set: where validation was best, which only hindsight finds, and where it
    ended; means over seeds."""
    rows = {}
    for kind, words in FIXED.items():
        for size, made in curves(records, kind).items():
            record = next(iter(seeds_of(records, size, kind).values()))
            n_distinct, n = (record["config"][key] for key in ("n_distinct", "n_validation"))
            lowest = [c["scored"][c["cross_entropy"].argmin()] / n_distinct for c in made]
            final = [c["accuracy"][-1] for c in made]
            learned = [c["classification_loss"][-10:].mean() for c in made]
            rows[size + words] = {
                "seeds": str(len(made)),
                "passes": f"{made[0]['scored'][-1] / n_distinct:.0f}",
                "best accuracy": _mean_of([max(c["accuracy"]) for c in made]),
                "lowest cross-entropy at pass": f"{np.mean(lowest):.0f}",
                "final accuracy": _mean_of(final),
                "final cross-entropy": _mean_of([c["cross_entropy"][-1] for c in made]),
                "on the training set": _mean_of(learned),
                f"standard error ({n} trajectories)": f"{binomial_error(np.mean(final), n):.4f}",
            }
    return pd.DataFrame(rows).T


def fixed_ends(records):
    """Validation accuracies at the end of the small trainings on a fixed set, in words."""
    found = np.concatenate([finals(records, "small", kind)[0] for kind in FIXED])
    if not len(found):
        return "not made yet"
    ends = " to ".join(dict.fromkeys(f"{end:.3f}" for end in (found.min(), found.max())))
    return f"{ends} ({len(found)} training{'s' * (len(found) > 1)})"


def _final_in_words(record):
    scored = [entry["eval_accuracy"] for entry in record["curve"] if "eval_accuracy" in entry]
    return _in_words(scored[-1], record["config"]["n_validation"])


def _mean_of(values):
    scatter = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{scatter}"


def data_curve(records):
    """Validation accuracy of the small model by the number of distinct trajectories, that of all
    shown for the recipe, in which each is fresh ("is_fresh")."""
    rows = []
    for n_distinct in DATA_CURVE:
        if record := records.get(f"small-data-{n_distinct}"):
            found, n = finals({"small-0": record}, "small")
            rows.append((n_distinct, found[0], binomial_error(found[0], n), 1, False))
    found, n = finals(records, "small")
    if len(found):
        mean = found.mean()
        shown = RECIPES["small"].trajectories_seen
        rows.append((shown, mean, binomial_error(mean, n), len(found), True))
    return pd.DataFrame(rows, columns=["n_distinct", "accuracy", "error", "n_seeds", "is_fresh"])


def data_table(records):
    """`data_curve` as text, a column for each number of distinct trajectories."""
    columns = {
        "all fresh" if row.is_fresh else f"{row.n_distinct:,}": {
            "trainings": row.n_seeds,
            "validation accuracy": f"{row.accuracy:.3f} ± {row.error:.3f}",
        }
        for row in data_curve(records).itertuples()
    }
    return pd.DataFrame(columns).rename_axis(columns="distinct trajectories")


def variants_table(records):
    """The recipe of the small model, shorter, longer, and on other data sets: a row for each."""
    kinds = {"the recipe": ""}
    kinds |= {f"{f:g} times as many trajectories": f"x{f:g}" for f in LENGTHS["small"]}
    kinds |= {"on easy_starts": "easy_starts", "on wild": "wild"}
    rows = {}
    for name, kind in kinds.items():
        if seeds := list(seeds_of(records, "small", kind).values()):
            found, n = finals(records, "small", kind)
            rows[name] = {
                "seeds": str(len(seeds)),
                "trajectories": f"{seeds[0]['trajectories_seen']:,}",
                f"validation accuracy ({n} trajectories)": _in_words(found.mean(), n),
            }
    return pd.DataFrame(rows).T


def parameter_table():
    """Our numbers of parameters, part by part, and in brackets what the poster prints."""
    counts = model_study.parameter_table()
    words = counts["ours"].map("{:,}".format) + " (" + counts["poster"] + ")"
    return words.unstack("size", sort=False).rename_axis(index=None, columns=None)


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


def chance(labels):
    """Accuracy of always guessing the more frequent of two states."""
    return float(max(np.mean(labels), 1 - np.mean(labels)))


def words(records):
    """What the text says of the trainings, by key of `glue`."""
    missing = [name for name in trainings() if name not in records]
    noted = {}
    for name, record in records.items():
        if "note" in record:
            noted.setdefault(record["note"], []).append(name)
    notes = " ".join(f"{', '.join(names)}: {note}" for note, names in noted.items())
    has_both = bool(seeds_of(records, "small", "fixed-both"))
    overfits = []
    for name, made in ((s + w, c) for k, w in FIXED.items() for s, c in curves(records, k).items()):
        low, end = (np.mean([f(c["cross_entropy"]) for c in made]) for f in (min, lambda x: x[-1]))
        overfits.append(f"{name} {low:.2f} at its lowest, {end:.2f} at the end")
    same_number = records.get("small-data-1000")
    return {
        "training_overfits": "; ".join(overfits) or "not made yet",
        "training_fixed_accuracy": fixed_ends(records),
        "training_same_number": _final_in_words(same_number) if same_number else "not made yet",
        "training_scatter_below": scatter_below_error(records),
        "training_missing": f"Of {len(trainings())} trainings that were planned, "
        f"{len(missing)} {'was' if len(missing) == 1 else 'were'} not made: {', '.join(missing)}."
        if missing
        else "All planned trainings have been made.",
        "training_notes": notes or "None.",
        "training_both": "one training has both" if has_both else "none has",
        "training_parameter_table": parameter_table(),
    }


def live_words(model, data):
    """What the text says of a model trained on the page, by key of `glue`."""
    accuracy = float((predict_states(model, data.trajectories)[0] == data.labels).mean())
    return {
        "training_live_accuracy": accuracy,
        "training_live_error": binomial_error(accuracy, len(data)),
        "training_live_chance": chance(data.labels),
        "training_live_n": len(data),
    }
