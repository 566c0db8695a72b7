"""What later slices of a trajectory still say of its label, to a model and in principle.

The label y is the state of frame 0. Dynamics is Markov, so a slice that begins at frame t tells
about y what its first frame tells and no more: P(y | x_t, x_{t+1}, ...) = P(y | x_t). That
probability comes from `forecast.label_posterior`, and with it the accuracy that nothing exceeds.
"""

import numpy as np
import pandas as pd

from ...datasets.sets import FINAL_TEST, make_dataset, regime_settings
from ...reference.forecast import label_posterior, state_share
from ...reference.solver import GridSolver
from ...states import assign_states
from ...statistics import verdict, verdicts_in_words, with_interval
from .ceiling import load_ceilings
from .kept_predictions import N_SLICED, SLICE_LENGTHS, SLICE_STARTS, Predictions


def check_parameters(length, late):
    """Refuse slices that nothing is kept of: their length, and {regime: start of a late one}."""
    lengths = sorted(set.intersection(*map(set, SLICE_LENGTHS.values())))
    if length not in lengths:
        raise ValueError(f"length must be one of {lengths}; got {length!r}")
    for regime, starts in SLICE_STARTS.items():
        last = regime_settings(regime).n_frames - length
        known = [start for start in starts if 0 < start <= last]
        given = late.get(regime) if isinstance(late, dict) else late
        if given not in known:
            raise ValueError(f"late[{regime!r}] must be one of {known}; got {given!r}")


def copying_accuracy(solver, posterior):
    """Accuracy of guessing that the label is the state of x_t, (n,), exact."""
    share = state_share(solver)
    accuracy = (posterior.joint * share).sum(axis=(1, 2, 3)) * solver.cell_area
    return np.where(posterior.frames == 0, 1.0, accuracy)


def decline_verdicts(tables, late):
    """Whether slices from frame `late` are harder than those from 0, by name of the table: by the
    interval of the difference on the same trajectories."""
    lost = {name: table.set_index("start")["lost"].loc[late] for name, table in tables.items()}
    return {name: verdict(tuple(interval[1:]), (0.0, 0.0)) for name, interval in lost.items()}


def decline_in_words(by_length, late):
    """`decline_verdicts` for slices of all lengths that have one from frame `late`, in a line."""
    words = []
    for length, tables in by_length.items():
        if all(late in table["start"].values for table in tables.values()):
            found = verdicts_in_words(decline_verdicts(tables, late))
            words.append(f"slices of {length} frames: {found}")
    return "; ".join(words)


def lost_table(by_length):
    """By how much accuracy is lower for slices that begin later than for those from 0, as text."""
    rows = {
        (f"{length} frames", size): {
            f"from {start}": with_interval(*lost, 2, "+")
            for start, lost in table.set_index("start")["lost"].items()
            if start > 0
        }
        for length, tables in by_length.items()
        for size, table in tables.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index").fillna("")
    return table.rename_axis(["slices of", "model"])


def best_starts_in_words(by_length):
    """Where slices begin that are named best, by length: "32 frames: small 16, medium 4"."""
    words = []
    for length, tables in by_length.items():
        best = {size: t.set_index("start")["label"].idxmax() for size, t in tables.items()}
        words.append(f"{length} frames: " + ", ".join(f"{s} {n}" for s, n in best.items()))
    return "; ".join(words)


def causes_of_decline(table):
    """Split the error of each slice of one length into three parts that add up to it.

    "short", the error of a slice that begins with the trajectory; "view", by how much its own first
    state is harder to tell in a later slice; "moved", what is lost because the label is another.
    """
    own_at_zero = float(table.set_index("start").loc[0, "own"])
    return pd.DataFrame(
        {
            "start": table["start"],
            "error": 1 - table["label"],
            "short": 1 - own_at_zero,
            "view": own_at_zero - table["own"],
            "moved": table["own"] - table["label"],
        }
    )


class Decline:
    """Slices of a regime's test set: accuracies {length: {size: slice_table}}, of the committed
    models or, for `wild`, of the small one trained there; the exact `limit` and `copying`."""

    def __init__(self, study, regime, grid_step):
        self.regime = regime
        test = make_dataset(N_SLICED, "test", FINAL_TEST, regime)
        states = assign_states(test.trajectories)
        solver = GridSolver(test.config.beta, test.config.diffusion, grid_step)
        posterior = label_posterior(solver, SLICE_STARTS[regime], test.config.frame_time)
        self.frames, self.limit = posterior.frames, posterior.accuracy
        self.copying = copying_accuracy(solver, posterior)
        kept = {"small": Predictions("small-wild-0")} if regime == "wild" else study.kept
        self.by_length = {
            length: {s: k.slice_table(regime, length, states) for s, k in kept.items()}
            for length in SLICE_LENGTHS[regime]
        }

    def limit_from(self, frame):
        """Highest possible accuracy of slices from a frame on."""
        return self.limit[list(self.frames).index(frame)]

    def drawn(self, length):
        """What `plotting.classification.plot_accuracy_by_start` draws, by argument."""
        observed = [c for c in load_ceilings(self.regime).values() if c.length == length]
        return {
            "tables": self.by_length[length],
            "frames": self.frames,
            "limit": self.limit,
            "observer": {c.start: c.expected_accuracy for c in observed},
            "copying": self.copying,
        }

    def causes(self, length):
        """`causes_of_decline` for the small model."""
        return causes_of_decline(self.by_length[length]["small"])

    def largest_excess(self):
        """The largest (accuracy - limit) / standard error of slices, and their number: of 100
        independent slices at the limit, 2.5 is typical."""
        rows = pd.concat([t for found in self.by_length.values() for t in found.values()])
        most = rows["start"].map(dict(zip(self.frames.tolist(), self.limit, strict=True)))
        rows, most = rows[most < 1], most[most < 1]
        excess = (rows["label"] - most) / np.sqrt(most * (1 - most) / rows["n"])
        return float(excess.max()), len(excess)


def largest_excess(declines):
    """`Decline.largest_excess` of several together."""
    largest, numbers = zip(*(decline.largest_excess() for decline in declines), strict=True)
    return max(largest), sum(numbers)
