"""What later slices of a trajectory still say of its label, to a model and in principle.

The label y is the state of frame 0. Dynamics is Markov, so a slice that begins at frame t tells
about y what its first frame tells and no more: P(y | x_t, x_{t+1}, ...) = P(y | x_t). That
probability comes from `forecast.label_posterior`, and with it the accuracy that nothing exceeds.
"""

import numpy as np
import pandas as pd

from ...reference.forecast import state_share
from ...statistics import verdict, wilson_interval


def copying_accuracy(solver, posterior):
    """Accuracy of guessing that the label is the state of x_t, (n,), exact."""
    share = state_share(solver)
    accuracy = (posterior.joint * share).sum(axis=(1, 2, 3)) * solver.cell_area
    return np.where(posterior.frames == 0, 1.0, accuracy)


def slice_table(predicted, starts, length, states):
    """Accuracy of slice predictions, (n_starts, n), given the (n, n_frames) states of all frames.

    A DataFrame with a row per start: "length", "start", "n"; "label", "label_low", "label_high",
    the accuracy for the state of frame 0 with Wilson's interval; "own", "own_low", "own_high", that
    for the state of the slice's first frame.
    """
    rows = []
    for guess, start in zip(predicted, starts, strict=True):
        row = {"length": int(length), "start": int(start), "n": len(guess)}
        for name, frame in (("label", 0), ("own", start)):
            n_right = int((guess == states[:, frame]).sum())
            low, high = wilson_interval(n_right, len(guess))
            row |= {name: n_right / len(guess), f"{name}_low": low, f"{name}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def decline_verdicts(tables, late):
    """Whether slices from frame `late` are harder than those from 0: {name: verdict}.

    `tables` holds a `slice_table` of one length for each name, with both starts.
    """
    found = {}
    for name, table in tables.items():
        rows = _of_one_length(table, 0, late)[["label_low", "label_high"]]
        found[name] = verdict(tuple(rows.loc[0]), tuple(rows.loc[late]))
    return found


def causes_of_decline(table):
    """Split the error of each slice of one length into three parts that add up to it.

    Of a `slice_table` with start 0 makes "start"; "error", 1 - accuracy for the label; and its
    parts "short", the error of a slice that begins with the trajectory; "view", by how much the
    state of its own first frame is harder (if negative, easier) to tell in a later slice; "moved",
    what is lost because that state is not the label any more.
    """
    own_at_zero = float(_of_one_length(table, 0).loc[0, "own"])
    return pd.DataFrame(
        {
            "start": table["start"],
            "error": 1 - table["label"],
            "short": 1 - own_at_zero,
            "view": own_at_zero - table["own"],
            "moved": table["own"] - table["label"],
        }
    )


def _of_one_length(table, *starts):
    rows = table.set_index("start")
    if table["length"].nunique() != 1 or not set(starts) <= set(rows.index):
        raise ValueError(f"slices of one length from frames {list(starts)} are needed")
    return rows


def largest_excess(tables, frames, limit):
    """How far accuracies of several `slice_table` rise above their exact limit, at `frames`.

    The largest (accuracy - limit) / standard error, that of a classifier at the limit, and the
    number of slices compared: of 100 independent ones at the limit, 2.5 is typical.
    """
    exact = dict(zip(np.asarray(frames).tolist(), np.asarray(limit).tolist(), strict=True))
    excess = []
    for table in tables:
        for row in table.itertuples():
            if row.start not in exact:
                raise ValueError(f"frames must hold every start; there is no limit at {row.start}")
            most = exact[row.start]
            if most < 1:
                excess.append((row.label - most) / np.sqrt(most * (1 - most) / row.n))
    if not excess:
        raise ValueError("tables must hold a slice that begins after frame 0")
    return float(max(excess)), len(excess)
