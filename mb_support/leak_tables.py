"""What the measured leak says: tables for the chapter, and verdicts over the trainings.

A training is judged by its interval over trajectories, two standard errors to each side. A size
is judged by its trainings: a verdict is theirs if they agree, and "undecided" if not.
"""

import numpy as np
import pandas as pd

from .attention_verdicts import together
from .classification import verdicts_in_words
from .training_study import learning_curve

#: Standard errors to each side of an interval.
WIDTH = 2.0


def below_floor(ratio, floor=1.0):
    """Whether an error over floor, (value, standard error), lies below it.

    Returns
    -------
    {"confirmed", "refuted", "undecided"}
        Below by more than `WIDTH` standard errors, above by as much, or neither.
    """
    value, error = ratio
    if value + WIDTH * error < floor:
        return "confirmed"
    return "refuted" if value - WIDTH * error > floor else "undecided"


def spread_text(pairs, digits=2):
    """Mean of (value, standard error) over trainings, as text.

    Returns
    -------
    str
        "mean ± two standard errors over trajectories (lowest to highest training)".
    """
    values, errors = np.array(pairs, float).T
    text = f"{values.mean():.{digits}f} ± {WIDTH * errors.mean():.{digits}f}"
    if len(values) > 1:
        text += f" ({values.min():.{digits}f} to {values.max():.{digits}f})"
    return text


def at_length(content, n_frames=None):
    """The entry of a training's "lengths" with `n_frames`, by default the longest."""
    rows = {row["n_frames"]: row for row in content["lengths"]}
    return rows[max(rows) if n_frames is None else n_frames]


def length_table(trainings):
    """Errors and noise seen by size and length.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict
        From `leak_study.load_trainings`.

    Returns
    -------
    DataFrame of str
        One row for each size and length. "trainings" and "trajectories" are numbers; the others
        as `spread_text`.
    """
    rows = []
    for size, seeds in trainings.items():
        for found in zip(*(content["lengths"] for content in seeds.values()), strict=True):
            rows.append(
                {
                    "model": size,
                    "frames": found[0]["n_frames"],
                    "trainings": len(found),
                    "trajectories": found[0]["n"],
                    "inside": spread_text([row["interior"]["ratio"] for row in found]),
                    "last": spread_text([row["last"]["ratio"] for row in found]),
                    "noise seen inside": spread_text(
                        [row["interior"]["noise_seen"] for row in found], 3
                    ),
                }
            )
    return pd.DataFrame(rows).set_index(["model", "frames"])


def reads_next_frame(trainings, place="interior", n_frames=None):
    """Which sizes have errors below the floor of every forecaster.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict
    place : {"interior", "last"}
    n_frames : int, optional
        Length of the windows, by default the longest measured.

    Returns
    -------
    dict of str to {"confirmed", "refuted", "undecided"}
    """
    return {
        size: together(
            below_floor(at_length(content, n_frames)[place]["ratio"]) for content in seeds.values()
        )
        for size, seeds in trainings.items()
    }


def floors_by_step(record, floors):
    """Exact values of L_traj along a training, by the length of its windows.

    Parameters
    ----------
    record : dict
        Of a training.
    floors : dict of int to dict
        From `leak_study.load_floors`.

    Returns
    -------
    dict
        As `training_study.learning_curve`, with "honest" and "reader" for each of its losses.
    """
    curve = learning_curve(record)
    stage = np.searchsorted(curve["stage_ends"], curve["shown"])
    lengths = [n_frames for n_frames, _ in record["config"]["stages"]]
    for name in ("honest", "reader"):
        values = np.array([floors[n_frames][name][0] for n_frames in lengths])
        curve[name] = values[np.minimum(stage, len(values) - 1)]
    return curve


def when_found(record, floors, margin=0.9):
    """When a training finds the next frame, and what is left of it when windows grow.

    Parameters
    ----------
    record : dict
    floors : dict of int to dict
    margin : float
        Found means below this share of the honest floor.

    Returns
    -------
    dict
        "found": thousands of trajectories shown until then, NaN if never; "stages": for each
        length, the lowest L_traj and that at the end, over the honest floor.
    """
    curve = floors_by_step(record, floors)
    over = curve["trajectory_loss"] / curve["honest"]
    is_below = over < margin
    found = curve["shown"][is_below.argmax()] / 1000 if is_below.any() else np.nan
    stages, first = {}, 0
    for (n_frames, _), end in zip(record["config"]["stages"], curve["stage_ends"], strict=True):
        inside = (curve["shown"] > first) & (curve["shown"] <= end)
        if inside.any():
            stages[n_frames] = {"lowest": over[inside].min(), "end": over[inside][-1]}
        first = end
    return {"found": float(found), "stages": stages}


def when_table(records, floors):
    """`when_found` for each training.

    Parameters
    ----------
    records : dict of str to dict
        By name of the training.
    floors : dict of int to dict

    Returns
    -------
    DataFrame of str
        "found after" in thousands of trajectories; for each length of window, L_traj over the
        honest floor: its lowest value, and that at the end of the stage.
    """
    rows = {}
    for name, record in records.items():
        found = when_found(record, floors)
        never = np.isnan(found["found"])
        row = {"found after (1000 trajectories)": "never" if never else f"{found['found']:.0f}"}
        for n_frames, over in found["stages"].items():
            row[f"{n_frames} frames: lowest"] = f"{over['lowest']:.2f}"
            row[f"{n_frames} frames: end"] = f"{over['end']:.2f}"
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def path_table(trainings):
    """By which path the noise of the next frame came in, by size and length.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict

    Returns
    -------
    DataFrame of str
        Shares of the noise seen in the next frame itself, in the statistics that contain it, and
        in later frames; error over floor as it is, with the frame drawn again, and with the
        statistics too.
    """
    words = {
        "frame": "seen in the frame",
        "statistics": "in the statistics",
        "later": "in later frames",
        "ratio": "error as it is",
        "ratio_redrawn": "frame drawn again",
        "ratio_unseen": "statistics too",
    }
    rows = []
    for size, seeds in trainings.items():
        for found in zip(*(content["paths"] for content in seeds.values()), strict=True):
            row = {"model": size, "frames": found[0]["n_frames"], "trajectories": found[0]["n"]}
            for key, word in words.items():
                digits = 2 if key.startswith("ratio") else 3
                row[word] = spread_text([entry[key] for entry in found], digits)
            rows.append(row)
    return pd.DataFrame(rows).set_index(["model", "frames"])


def main_path(trainings):
    """Whether more of the noise was seen in the next frame than in statistics and later frames.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict
        Judged at the longest windows.

    Returns
    -------
    dict of str to {"confirmed", "refuted", "undecided"}
    """
    found = {}
    for size, seeds in trainings.items():
        judged = []
        for content in seeds.values():
            path = content["paths"][-1]
            rest = path["statistics"][0] + path["later"][0]
            error = np.sqrt(sum(path[name][1] ** 2 for name in ("frame", "statistics", "later")))
            judged.append(below_floor((rest - path["frame"][0], error), 0.0))
        found[size] = together(judged)
    return found


def in_words(verdicts):
    """`classification.verdicts_in_words`, or "no size" if there is nothing to judge."""
    return verdicts_in_words(verdicts) if verdicts else "no size"


def ends_of_variants(variants):
    """Where the trainings of the three variants end.

    Parameters
    ----------
    variants : dict of str to list of list of dict
        From `leak_study.load_variants`.

    Returns
    -------
    DataFrame of str
        One row a variant: error over floor inside and at the last position, noise seen inside.
    """
    rows = {}
    for name, curves in variants.items():
        ends = [curve[-1] for curve in curves]
        rows[name] = {
            "trainings": len(ends),
            "inside": spread_text([end["interior"]["ratio"] for end in ends], 3),
            "last": spread_text([end["last"]["ratio"] for end in ends], 3),
            "noise seen inside": spread_text([end["interior"]["noise_seen"] for end in ends], 3),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def variants_below_floor(variants, place="interior"):
    """Which variants end below the floor, as {name: verdict}."""
    return {
        name: together(below_floor(curve[-1][place]["ratio"]) for curve in curves)
        for name, curves in variants.items()
    }
