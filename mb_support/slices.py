"""What later slices of a trajectory still say of its label, to a model and in principle.

The label y is the state of frame 0. Dynamics is Markov, so a slice that begins at frame t tells
about y what its first frame tells and no more: P(y | x_t, x_{t+1}, ...) = P(y | x_t). That
probability comes from `forecast.label_posterior`, and with it the accuracy that nothing exceeds.
"""

import numpy as np
import pandas as pd

from .classification import verdict, wilson_interval
from .forecast import state_share
from .states import assign_states


def best_guesses(solver, posterior, number, positions):
    """The label that Bayes' rule guesses from single frames.

    Parameters
    ----------
    solver : GridSolver
    posterior : forecast.LabelPosterior
        From the same solver.
    number : int
        Index into `posterior.frames`.
    positions : (n, 2) ndarray
        Frames x_t, t = `posterior.frames[number]`.

    Returns
    -------
    (n,) ndarray of int64
    """
    states = assign_states(positions)
    if posterior.frames[number] == 0:
        return states  # the label is the state of x_0
    joint = solver.interpolate(posterior.joint[number], positions, fill_value=0.0)
    nowhere = joint.max(axis=0) <= 0  # so far out that the grid holds no probability
    return np.where(nowhere, states, joint.argmax(axis=0))


def copying_accuracy(solver, posterior):
    """Accuracy of guessing that the label is the state of x_t, (n,), exact."""
    share = state_share(solver)
    accuracy = (posterior.joint * share).sum(axis=(1, 2, 3)) * solver.cell_area
    return np.where(posterior.frames == 0, 1.0, accuracy)


def slice_table(predicted, starts, length, states):
    """Accuracy of slice predictions, for the label and for the slice's own first frame.

    Parameters
    ----------
    predicted : (n_starts, n) ndarray of int
        States predicted from the slices that begin at each frame.
    starts : (n_starts,) sequence of int
    length : int
    states : (n, n_frames) ndarray of int
        State of every frame.

    Returns
    -------
    DataFrame
        One row per start: "length", "start", "n"; "label", "label_low", "label_high", the
        accuracy for the state of frame 0 with Wilson's interval; "own", "own_low", "own_high",
        that for the state of the slice's first frame.
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
    """Whether slices that begin late are harder than those that begin at frame 0.

    Parameters
    ----------
    tables : dict of str to DataFrame
        For each model, rows of `slice_table` for one length.
    late : int
        First frame of the late slices.

    Returns
    -------
    dict of str to {"confirmed", "refuted", "undecided"}
        By the intervals of the accuracy for the label.

    Raises
    ------
    ValueError
        If a table lacks frame 0 or the late one, or mixes lengths.
    """
    found = {}
    for name, table in tables.items():
        rows = table.set_index("start")[["label_low", "label_high"]]
        if table["length"].nunique() != 1 or not {0, late} <= set(rows.index):
            raise ValueError(f"{name}: one length with slices from frames 0 and {late} is needed")
        found[name] = verdict(tuple(rows.loc[0]), tuple(rows.loc[late]))
    return found


def causes_of_decline(table):
    """Split the error of each slice into three parts that add up to it.

    Parameters
    ----------
    table : DataFrame
        Rows of `slice_table` for one length, with start 0 among them.

    Returns
    -------
    DataFrame
        "start"; "error", 1 - accuracy for the label; and its parts "short", the error of a
        slice that begins with the trajectory; "view", by how much the state of its own first
        frame is harder (if negative, easier) to tell in a later slice; "moved", what is lost
        because that state is not the label any more.

    Raises
    ------
    ValueError
        If the table mixes lengths or lacks start 0.
    """
    if table["length"].nunique() != 1 or 0 not in set(table["start"]):
        raise ValueError("table must hold one length and a slice that begins at frame 0")
    own_at_zero = float(table.loc[table["start"] == 0, "own"].iloc[0])
    return pd.DataFrame(
        {
            "start": table["start"],
            "error": 1 - table["label"],
            "short": 1 - own_at_zero,
            "view": own_at_zero - table["own"],
            "moved": table["own"] - table["label"],
        }
    )


def largest_excess(tables, frames, limit):
    """How far accuracies rise above their exact limit, in standard errors of the limit.

    Parameters
    ----------
    tables : iterable of DataFrame
        From `slice_table`.
    frames : (n,) ndarray of int
        Frames of the limit; all starts must be among them.
    limit : (n,) ndarray
        Exact limit of the accuracy for the label.

    Returns
    -------
    largest : float
        Of (accuracy - limit) / standard error, the error being that of a classifier at the limit.
    n_compared : int
        Slices compared. The largest of many errors is larger than one: of 100 independent ones at
        the limit, 2.5 is typical.

    Raises
    ------
    ValueError
        If there is nothing to compare, or a start has no limit.
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
