"""What the chapter shows of whole trajectories: scores beside the poster's, baselines, ceiling."""

from functools import cached_property

import numpy as np
import pandas as pd

from ...classification import POSTER_SCORES, SCORES, accuracy_by_group, confusion, scores
from ...datasets.sets import FINAL_TEST, make_dataset
from ...model.settings import SIZES
from ...states import assign_states
from ...statistics import answers_in_words, verdicts_in_words, with_interval
from ..kept_results import by_size
from .baselines import load_baselines, side_of_the_mean
from .ceiling import ceiling_of_test_set, load_approximate, load_ceilings
from .kept_predictions import N_TEST, Predictions, trained_with, whole
from .over_seeds import accuracy_differences, against_figures, scores_over_seeds

STATE_NAMES = ("A", "B")
#: Trainings on a fixed set, much as on the poster, by the kind in their name.
FIXED = {
    "fixed": "fixed set",
    "fixed-both": "fixed set, attention dropout",
    "data-1000": "fixed set, short ones first",
}
SHORT_FIRST = f"small, {FIXED['data-1000']}"
_SHORT = {"gradient-boosted trees": "trees", "logistic regression": "logistic"}
TREES, FEW_TREES = "trees, 100,000", "trees, 1,000"


def accuracies(labels, predicted):
    """Accuracy of each of (n_seeds, n) predictions."""
    return (np.asarray(predicted) == labels).mean(axis=-1)


def difference_table(found):
    """Differences of `over_seeds.accuracy_differences`, and what they say, as text."""
    text = [with_interval(r.difference, r.low, r.high, 4, "+") for r in found.itertuples()]
    return pd.DataFrame({"difference": text, "larger?": found["larger"]}, index=found.index)


def _in_words(found, sign=""):
    # {name: (value, low, high)} in a line
    return ", ".join(f"{name} {with_interval(*v, 3, sign)}" for name, v in found.items())


def labels_of(regime):
    """Labels of a whole test set, (N_TEST,) int64."""
    return make_dataset(N_TEST, "test", FINAL_TEST, regime, n_frames=2).labels


class Study:
    """The final test sets, what is kept of them, and how often it is right.

    `sizes` and `fixed` {name: (n_seeds, n) predicted}; `kept`, the `Predictions` of the committed
    models; `baselines` {name: (n,) predicted}; `means` by `over_seeds.scores_over_seeds`.
    """

    def __init__(self):
        self.labels = labels_of("metastable")
        found = {size: trained_with(size) for size in SIZES}
        self.sizes = {size: states for size, states in found.items() if len(states)}
        found = {f"{s}, {v}": trained_with(f"{s}-{k}") for k, v in FIXED.items() for s in SIZES}
        self.fixed = {name: states for name, states in found.items() if len(states)}
        self.kept = {size: Predictions(size) for size in self.sizes}
        self.means = scores_over_seeds(self.labels, self.sizes)
        self.means |= scores_over_seeds(self.labels, self.fixed)
        self.baselines = {
            f"{_SHORT[name]}, {n:,}": predicted
            for n in (1000, 100_000)
            for name, predicted in load_baselines(f"metastable_{n}").items()
        }
        self.ceiling = ceiling_of_test_set("metastable")
        self.observed = load_ceilings("metastable")[0, whole("metastable").length]

    @cached_property
    def test(self):
        """The test set itself."""
        return make_dataset(N_TEST, "test", FINAL_TEST)

    @cached_property
    def states(self):
        """States of all its frames, (N_TEST, n_frames)."""
        return assign_states(self.test.trajectories)

    def drawn(self):
        """What `plotting.classification.plot_scores` draws, by argument."""
        columns = ["mean", "low", "high"]
        measured = {n: tuple(t.loc["accuracy", columns]) for n, t in self.means.items()}
        measured |= {
            n: tuple(scores(self.labels, p).loc["accuracy"]) for n, p in self.baselines.items()
        }
        trained = self.sizes | self.fixed
        value, error = self.ceiling.expected_accuracy
        return {
            "measured": measured,
            "seeds": {name: accuracies(self.labels, found) for name, found in trained.items()},
            "poster": dict(POSTER_SCORES),
            "ceiling": (value, value - 2 * error, min(1.0, value + 2 * error)),
        }

    def table(self):
        """The poster's table: its accuracy, ours, and the other scores, as text."""
        against, rows = self.against_poster(), {}
        for name, table in self.means.items():
            size = name.split(",")[0]
            n_seeds = len((self.sizes | self.fixed)[name])
            rows[name] = {"poster's accuracy": f"{POSTER_SCORES[size]:.4f}", "trainings": n_seeds}
            columns = ["mean", "low", "high"]
            rows[name] |= {s: with_interval(*table.loc[s, columns], 3) for s in SCORES}
            rows[name]["against the poster's"] = against[name]
        table = pd.DataFrame(rows).T.rename(columns={"f1": "F1"})
        return table.rename_axis(columns=f"{len(self.labels):,} trajectories")

    def poster_table(self):
        """The poster's table and ours, row by row, of each size; "–" for what we do not know."""
        rows = {}
        for size in self.sizes:
            rows[size, "poster"] = [f"{POSTER_SCORES[size]:.4f}"] + ["–"] * (len(SCORES) - 1)
            rows[size, "ours"] = [f"{v:.4f}" for v in self.means[size].loc[list(SCORES), "mean"]]
        return pd.DataFrame(rows, index=["accuracy", "precision", "recall", "F1"]).T

    def scatter_table(self):
        """Accuracies of all trainings, and both sources of chance in their mean."""
        rows = {}
        for name, found in (self.sizes | self.fixed).items():
            errors = self.means[name].loc["accuracy"]
            rows[name] = {
                "accuracy of each training": ", ".join(
                    f"{value:.4f}" for value in accuracies(self.labels, found)
                ),
                "error from trajectories": f"{errors['trajectories']:.4f}",
                "error from seeds": f"{errors['seeds']:.4f}",
            }
        return pd.DataFrame(rows).T.replace("nan", "–")

    def against_poster(self):
        """Where mean accuracies lie, next to the poster's: {name: "higher", "lower" or "equal
        within errors"}."""
        figures = {name: POSTER_SCORES[name.split(",")[0]] for name in self.means}
        verdicts = against_figures(self.means, figures)
        words = {"confirmed": "higher", "refuted": "lower", "undecided": "equal within errors"}
        return {name: words[found] for name, found in verdicts.items()}

    def growth(self):
        """Each size over the one before, on the same trajectories."""
        return accuracy_differences(self.labels, self.sizes)

    def growth_on_fixed_set(self):
        """The same of trainings on a fixed set."""
        names = {size: f"{size}, {FIXED['fixed']}" for size in SIZES}
        by_size = {size: self.fixed[name] for size, name in names.items() if name in self.fixed}
        return accuracy_differences(self.labels, by_size)

    def over_trees(self):
        """Each size over the boosted trees that were fitted to most trajectories."""
        trees = {"trees": self.baselines[TREES][None]}
        pairs = [(size, "trees") for size in self.sizes]
        return accuracy_differences(self.labels, self.sizes | trees, pairs, fixed=["trees"])

    def fixed_over_trees(self):
        """How much more often trainings on the fixed set are right than trees fitted to as many
        trajectories."""
        trees = {"trees": self.baselines[FEW_TREES][None]}
        pairs = [(name, "trees") for name in self.fixed]
        return accuracy_differences(self.labels, self.fixed | trees, pairs, fixed=["trees"])

    def behind_observer(self):
        """Each size over the ideal observer's guesses, on the trajectories that it has seen."""
        n = len(self.observed.first)
        compared = {size: found[:, :n] for size, found in self.sizes.items()}
        compared["observer"] = self.observed.guesses[None]
        pairs = [(size, "observer") for size in self.sizes]
        return accuracy_differences(self.labels[:n], compared, pairs, fixed=["observer"])

    def baseline_table(self):
        """Scores without a transformer, two rules that need no fitting among them, as text."""
        majority = int(self.labels.mean() > 0.5)
        single = self.baselines | {
            "first frame's side of the mean": side_of_the_mean(self.test.trajectories),
            "always the same state": np.full(len(self.labels), majority),
        }
        rows = {
            name: {s: with_interval(*row, 4) for s, row in scores(self.labels, p).iterrows()}
            for name, p in single.items()
        }
        return pd.DataFrame(rows).T.rename(columns={"f1": "F1"})

    def ceiling_table(self):
        """The ceiling, found in two ways and on two sets."""
        approximate = load_approximate("metastable")
        names = ["expected_accuracy", "standard_error", "n_validation"]
        rows = {
            "by sampling, test": (*self.observed.expected_accuracy, len(self.observed.first)),
            "approximate, test": (*self.ceiling.expected_accuracy, len(self.ceiling.first)),
            "approximate, validation": tuple(approximate[name] for name in names),
        }
        columns = ["ceiling", "standard error", "trajectories"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).round(4)

    def confusion_table(self):
        """True against predicted states of the committed models and of the trees, as counts."""
        single = {size: kept.whole() for size, kept in self.kept.items()}
        single["trees"] = self.baselines[TREES]
        tables = {
            name: pd.DataFrame(confusion(self.labels, p), STATE_NAMES, STATE_NAMES)
            for name, p in single.items()
        }
        return pd.concat(tables, axis=1)

    def accuracy_by_stay(self, edges=(1, 2, 3, 5, 25, 512, 513)):
        """Accuracy of each committed model by the frames spent in the first state at first."""
        left = self.states != self.states[:, :1]
        stays = np.where(left.any(axis=1), left.argmax(axis=1), left.shape[1])
        return {
            size: accuracy_by_group(kept.whole() == self.labels, stays, edges)
            for size, kept in self.kept.items()
        }

    def words(self):
        """What the text says, by key of `glue`."""
        columns = ["mean", "low", "high"]
        means = {size: self.means[size].loc["accuracy", columns] for size in self.sizes}
        growth, on_fixed_set = self.growth(), self.growth_on_fixed_set()
        trees = accuracies(self.labels, self.baselines[TREES])
        behind = {row.Index.split()[0]: row for row in self.behind_observer().itertuples()}
        each = by_size("classification", {s: with_interval(*v, 3) for s, v in means.items()})
        fixed = {z: self.means[n] for z in SIZES if (n := f"{z}, {FIXED['fixed']}") in self.means}
        against = self.against_poster()
        against_fixed = {size: against[f"{size}, {FIXED['fixed']}"] for size in fixed}
        each["classification_fixed_small"] = with_interval(
            *fixed["small"].loc["accuracy", columns], 3
        )
        each["classification_fixed"] = _in_words(
            {size: table.loc["accuracy", columns] for size, table in fixed.items()}
        )
        short_first = self.means[SHORT_FIRST].loc["accuracy", columns]
        each["classification_short_first"] = with_interval(*short_first, 3)
        over_trees = self.fixed_over_trees().iloc[:, :3]
        for key, name in (("short_first", SHORT_FIRST), ("fixed", f"small, {FIXED['fixed']}")):
            gain = over_trees.loc[f"{name} over trees"]
            each[f"classification_{key}_over_trees"] = with_interval(*gain, 3, "+")
        missed = {size: f"{1000 * (1 - mean['mean']):.0f}" for size, mean in means.items()}
        each["classification_missed"] = ", ".join(f"{size} {n}" for size, n in missed.items())
        return each | {
            "classification_accuracies": _in_words(means),
            "classification_ceiling": self.ceiling.expected_accuracy[0],
            "classification_n": len(self.labels),
            "classification_against_poster": verdicts_in_words({s: against[s] for s in means}),
            "classification_fixed_against_poster": verdicts_in_words(against_fixed),
            "classification_growth": verdicts_in_words(growth["larger"]),
            "classification_growth_answers": answers_in_words(growth["larger"]),
            "classification_growth_numbers": _in_words(growth.iloc[:, :3].T, "+"),
            "classification_growth_fixed": answers_in_words(on_fixed_set["larger"]),
            "classification_growth_fixed_numbers": _in_words(on_fixed_set.iloc[:, :3].T, "+"),
            "classification_trees": verdicts_in_words(self.over_trees()["larger"]),
            "classification_trees_answers": answers_in_words(self.over_trees()["larger"]),
            "classification_trees_value": float(trees),
            "classification_few_trees": float(accuracies(self.labels, self.baselines[FEW_TREES])),
            "classification_trees_missed": 1000 * (1 - float(trees)),
            "classification_ceiling_missed": 1000 * (1 - self.ceiling.expected_accuracy[0]),
            "classification_ceiling_error": self.ceiling.expected_accuracy[1],
            "classification_behind": _in_words(
                {size: (-row.difference, -row.high, -row.low) for size, row in behind.items()}
            ),
            "classification_poster_table": self.poster_table(),
        }
