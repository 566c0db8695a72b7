"""What the poster's accuracies can mean: other data, other labels, and what is possible there."""

import pandas as pd

from ...classification import POSTER_SCORES
from ...datasets.sets import EASY_STARTS
from ...statistics import bootstrap_mean, verdict, wilson_interval, with_interval
from .baselines import load_baselines
from .ceiling import ceiling_of_test_set, load_approximate, mean_certainty
from .kept_predictions import trained_with
from .study import accuracies, labels_of

_REACH = {"confirmed": "within reach", "refuted": "out of reach", "undecided": "too close to tell"}
FIRST, LAST = "first frame (this book)", "last frame"
WILD, EASY = "first frame, wild", "first frame, easy_starts"


def limits(study, seen_from, accuracy_from_there):
    """Highest possible accuracy under each reading, with two standard errors: (value, low, high).
    The last one, of whoever sees only frames from `seen_from` on, is exact."""
    approximate = load_approximate("metastable")
    found = {
        FIRST: (approximate["expected_accuracy"], approximate["standard_error"]),
        WILD: ceiling_of_test_set("wild").expected_accuracy,
        EASY: ceiling_of_test_set(EASY_STARTS).expected_accuracy,
        LAST: mean_certainty(study.observed.last),
        f"first frame, seen from frame {seen_from} on": (float(accuracy_from_there), 0.0),
    }
    return {name: (v, v - 2 * e, min(1.0, v + 2 * e)) for name, (v, e) in found.items()}


def reached(study):
    """Accuracies of the small model and of boosted trees, trained for some of the readings."""
    backwards = study.kept["small"].whole(is_reversed=True)
    last, wild, easy = study.states[:, -1], labels_of("wild"), labels_of(EASY_STARTS)
    small = {
        FIRST: accuracies(study.labels, study.sizes["small"]).mean(),
        WILD: accuracies(wild, trained_with("small-wild")).mean(),
        EASY: accuracies(easy, trained_with("small-easy_starts")).mean(),
        LAST: accuracies(last[: len(backwards)], backwards),
    }
    truths = {FIRST: study.labels, WILD: wild, EASY: easy, LAST: last}
    fitted = ("metastable", "wild", EASY_STARTS, "metastable_last")
    trees = {
        reading: accuracies(truth, load_baselines(f"{name}_100000")["gradient-boosted trees"])
        for (reading, truth), name in zip(truths.items(), fitted, strict=True)
    }
    return {"small": small, "trees": trees}


def reach(possible):
    """Which figures any classifier could reach, by reading of the task: a DataFrame of text."""
    rows = {
        reading: {
            size: _REACH[verdict(limit[1:], (figure, figure))]
            for size, figure in POSTER_SCORES.items()
        }
        for reading, limit in possible.items()
    }
    return pd.DataFrame(rows).T


def table(possible, ours):
    """Limits of the readings, which of the poster's figures they allow, and what is reached."""
    shown = reach(possible).rename(columns=lambda s: f"poster's {s} ({POSTER_SCORES[s]:.3f})")
    limit = [
        f"{value:.4f}" if low == high else with_interval(value, low, high, 4)
        for value, low, high in possible.values()
    ]
    shown.insert(0, "limit", limit)
    ours = pd.DataFrame(ours).map("{:.4f}".format).rename(columns="our {}".format)
    return shown.join(ours).fillna("")


def elsewhere(study):
    """Accuracy of the committed models on data and labels that they were not trained for."""
    last, rows = study.states[:, -1], {}
    wild, easy = labels_of("wild"), labels_of(EASY_STARTS)
    for size, kept in study.kept.items():
        backwards = kept.whole(is_reversed=True)
        n = len(backwards)
        rows[size] = {
            "metastable, last frame": _scored(last[:n], kept.whole()[:n]),
            "metastable, last frame, frames reversed": _scored(last[:n], backwards),
            "wild, first frame": _scored(wild[:n], kept.whole("wild")),
            "easy_starts, first frame": _scored(easy[:n], kept.whole(EASY_STARTS)),
        }
    return pd.DataFrame(rows)


def _scored(labels, predicted):
    n_right = int((predicted == labels).sum())
    return with_interval(n_right / len(labels), *wilson_interval(n_right, len(labels)), 4)


def wild_over_trees():
    """How much more often the small model is right in `wild` than trees, on the same trajectories:
    (value, low, high) over these, for one training."""
    small, truth = trained_with("small-wild")[0], labels_of("wild")
    trees = load_baselines("wild_100000")["gradient-boosted trees"]
    return bootstrap_mean((small == truth) - (trees == truth).astype(float))


def words(possible, ours):
    """What the text says, by key of `glue`."""
    in_wild = reach(possible).loc[WILD]
    by_reading = {
        reading: ", ".join(row.index[row == "out of reach"]) or "none"
        for reading, row in reach(possible).iterrows()
    }
    return {
        "classification_unreachable": "; ".join(f"{r}: {s}" for r, s in by_reading.items()),
        "classification_wild_reach": ", ".join(f"{s} {found}" for s, found in in_wild.items()),
        "classification_wild_over_trees": with_interval(*wild_over_trees(), 3, "+"),
        "classification_wild_small": float(ours["small"][WILD]),
        "classification_wild_ceiling": possible[WILD][0],
        "classification_easy_small": float(ours["small"][EASY]),
        "classification_easy_ceiling": possible[EASY][0],
    }
