"""Tables of the chapter on classification, from kept predictions and ceilings."""

import numpy as np
import pandas as pd

from ...classification import POSTER_SCORES, SCORES, scores
from ...statistics import verdict, wilson_interval
from .over_seeds import scores_by_seed

_REACH = {
    "confirmed": "within reach",
    "refuted": "out of reach",
    "undecided": "too close to tell",
}


def in_words(value, low, high):
    """A number with its interval, such as "0.9650 [0.9601, 0.9700]"."""
    return f"{value:.4f} [{low:.4f}, {high:.4f}]"


def accuracy_of(labels, predicted):
    """Share of right states; over several trainings, its mean."""
    return float((np.asarray(predicted) == labels).mean())


def scored(labels, predicted):
    """Accuracy with Wilson's interval over trajectories, as text."""
    n_right = int((np.asarray(predicted) == labels).sum())
    return in_words(n_right / len(labels), *wilson_interval(n_right, len(labels)))


def means_in_words(means):
    """Mean accuracies of `over_seeds.scores_over_seeds` with their intervals, in a line."""
    rows = {name: table.loc["accuracy"] for name, table in means.items()}
    return ", ".join(f"{n} {r['mean']:.4f} ({r.low:.4f} to {r.high:.4f})" for n, r in rows.items())


def differences_in_words(differences):
    """Differences of `over_seeds.accuracy_differences` with their intervals, in a line."""
    return ", ".join(
        f"{row.Index} {row.difference:+.4f} ({row.low:+.4f} to {row.high:+.4f})"
        for row in differences.itertuples()
    )


def drawn_accuracies(labels, means, single):
    """(value, low, high) of recipes trained several times and of single (n,) predictions."""
    drawn = {name: tuple(t.loc["accuracy", ["mean", "low", "high"]]) for name, t in means.items()}
    return drawn | {name: tuple(scores(labels, p).loc["accuracy"]) for name, p in single.items()}


def score_table(labels, predictions):
    """One row of scores with intervals over trajectories for each {name: (n,) states}."""
    rows = {}
    for name, predicted in predictions.items():
        found = scores(labels, predicted)
        rows[name] = [in_words(*found.loc[score]) for score in SCORES]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(SCORES))


def poster_table(means, n_seeds, poster=POSTER_SCORES):
    """The poster's accuracies beside means of `over_seeds.scores_over_seeds`.

    A name such as "small, fixed set" stands beside the poster's figure for small.
    """
    rows = {}
    for size, table in means.items():
        values = [in_words(*table.loc[score, ["mean", "low", "high"]]) for score in SCORES]
        rows[size] = [f"{poster[size.split(',')[0]]:.4f}", str(n_seeds[size]), *values]
    columns = ["poster's accuracy", "trainings", *SCORES]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def seed_table(labels, predictions):
    """Scores of every training, the accuracy with its interval over trajectories."""
    rows = {}
    for recipe, states in predictions.items():
        for seed, row in scores_by_seed(labels, states).iterrows():
            shown = [f"{row[score]:.4f}" for score in SCORES[1:]]
            rows[f"{recipe}, training {seed + 1}"] = [scored(labels, states[seed]), *shown]
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(SCORES))


def uncertainty_table(means, n_seeds):
    """Standard errors of mean accuracies, from the trajectories and from the seeds."""
    rows = {
        size: {
            "trainings": str(n_seeds[size]),
            "error from trajectories": f"{table.loc['accuracy', 'trajectories']:.4f}",
            "error from seeds": f"{table.loc['accuracy', 'seeds']:.4f}",
        }
        for size, table in means.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def difference_table(differences):
    """Differences of `over_seeds.accuracy_differences` with intervals, and what they say."""
    shown = [
        f"{row.difference:+.4f} [{row.low:+.4f}, {row.high:+.4f}]"
        for row in differences.itertuples()
    ]
    columns = {"difference": shown, "larger?": differences["larger"]}
    return pd.DataFrame(columns, index=differences.index)


def interval_of(value, error):
    """(low, high), two standard errors about an accuracy; it does not exceed one."""
    return value - 2 * error, min(1.0, value + 2 * error)


def reach_of(limits, figures=POSTER_SCORES):
    """Which figures any classifier could reach, by reading of the task: a DataFrame of text.

    `limits` has the highest possible accuracy, (value, low, high), of each reading.
    """
    rows = {
        reading: [_REACH[verdict(limit[1:], (figure, figure))] for figure in figures.values()]
        for reading, limit in limits.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(figures))


def readings_table(limits, ours, poster=POSTER_SCORES):
    """What the poster's figures could mean: limits, `reach_of`, and what classifiers reach.

    `ours` has, by name of a classifier, its accuracy under some of the readings.
    """
    reach = reach_of(limits, poster)
    reach.columns = [f"poster's {size} ({poster[size]:.3f})" for size in reach.columns]
    shown = {
        reading: f"{value:.4f}" if low == high else in_words(value, low, high)
        for reading, (value, low, high) in limits.items()
    }
    reach.insert(0, "limit", pd.Series(shown))
    for name, accuracies in ours.items():
        values = pd.Series(accuracies).reindex(reach.index)
        reach[name] = values.map("{:.4f}".format, na_action="ignore").fillna("")
    return reach


def unreachable_in_words(limits, poster=POSTER_SCORES):
    """Which of the poster's figures no observer can have, such as "wild: large; last: none"."""
    words = {
        reading: ", ".join(row.index[row == "out of reach"]) or "none"
        for reading, row in reach_of(limits, poster).iterrows()
    }
    return "; ".join(f"{reading}: {sizes}" for reading, sizes in words.items())
