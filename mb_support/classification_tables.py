"""Tables of the chapter on classification, from kept predictions and ceilings."""

import numpy as np
import pandas as pd

from . import classification
from .classification import POSTER_SCORES, SCORES, reach_of, wilson_interval
from .over_seeds import scores_by_seed


def in_words(value, low, high, digits=4):
    """A number with its interval, such as "0.9650 [0.9601, 0.9700]"."""
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def poster_table(tables, n_seeds, poster=POSTER_SCORES):
    """The poster's accuracies beside mean scores over seeds.

    Parameters
    ----------
    tables : dict of str to DataFrame
        From `over_seeds.scores_over_seeds`.
    n_seeds : dict of str to int
    poster : dict of str to float

    Returns
    -------
    DataFrame of str
        One row for each size.
    """
    rows = {}
    for size, table in tables.items():
        values = [in_words(*table.loc[score, ["mean", "low", "high"]]) for score in SCORES]
        rows[size] = [f"{poster[size]:.4f}", str(n_seeds[size]), *values]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["poster", "trainings", *SCORES])


def seed_table(labels, predictions):
    """Scores of every training, the accuracy with its interval over trajectories.

    Parameters
    ----------
    labels : (n,) ndarray of int
    predictions : dict of str to (n_seeds, n) ndarray of int

    Returns
    -------
    DataFrame of str
        One row for each training, named after its recipe and seed.
    """
    rows = {}
    for recipe, states in predictions.items():
        for seed, row in scores_by_seed(labels, states).iterrows():
            interval = wilson_interval(int((states[seed] == labels).sum()), len(labels))
            shown = [in_words(row["accuracy"], *interval)]
            shown += [f"{row[score]:.4f}" for score in SCORES[1:]]
            rows[f"{recipe}, seed {seed}"] = shown
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(SCORES))


def uncertainty_table(tables):
    """Standard errors of mean accuracies, from the trajectories and from the seeds.

    Parameters
    ----------
    tables : dict of str to DataFrame
        From `over_seeds.scores_over_seeds`.

    Returns
    -------
    DataFrame of str
    """
    accuracies = {size: table.loc["accuracy"] for size, table in tables.items()}
    rows = {
        size: [f"{row[cause]:.4f}" for cause in ("trajectories", "seeds")]
        for size, row in accuracies.items()
    }
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["error from trajectories", "error from seeds"]
    )


def difference_table(differences):
    """Differences of accuracies with their intervals, and what they say.

    Parameters
    ----------
    differences : DataFrame
        From `over_seeds.accuracy_differences`.

    Returns
    -------
    DataFrame of str
        Columns "difference" and "larger?": "confirmed", "refuted" or "undecided".
    """
    rows = {}
    for row in differences.itertuples():
        shown = f"{row.difference:+.4f} [{row.low:+.4f}, {row.high:+.4f}]"
        rows[row.Index] = shown, classification.verdict((row.low, row.high), (0.0, 0.0))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["difference", "larger?"])


def interval_of(value, error, n_errors=2.0):
    """(low, high) of a mean with its standard error; an accuracy does not exceed one."""
    return value - n_errors * error, min(1.0, value + n_errors * error)


def readings_table(limits, ours, poster=POSTER_SCORES):
    """What the poster's figures could mean, reading by reading.

    Parameters
    ----------
    limits : dict of str to (value, low, high)
        Highest possible accuracy under each reading of the task.
    ours : dict of str to dict of str to float
        By name of a classifier, its accuracy under some of the readings.
    poster : dict of str to float

    Returns
    -------
    DataFrame of str
        Columns "limit", one for each of the poster's sizes, and one for each classifier.
    """
    reach = reach_of({reading: limit[1:] for reading, limit in limits.items()}, poster)
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
    """Which of the poster's figures no observer can have, by reading, in one line.

    Parameters
    ----------
    limits : dict of str to (value, low, high)
    poster : dict of str to float

    Returns
    -------
    str
        Such as "wild: large; last state: none".
    """
    reach = reach_of({reading: limit[1:] for reading, limit in limits.items()}, poster)
    words = {
        reading: ", ".join(row.index[row == "out of reach"]) or "none"
        for reading, row in reach.iterrows()
    }
    return "; ".join(f"{reading}: {sizes}" for reading, sizes in words.items())


def accuracy_of(labels, predicted):
    """Share of right states; over several trainings, its mean."""
    return float((np.asarray(predicted) == labels).mean())


def scored(labels, predicted):
    """Accuracy with Wilson's interval, as text."""
    n_right = int((np.asarray(predicted) == labels).sum())
    return in_words(n_right / len(labels), *wilson_interval(n_right, len(labels)), digits=3)
