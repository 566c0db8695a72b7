"""What the measured leak says: tables for the chapter, and verdicts over the trainings.

A training is judged by its interval over trajectories, two standard errors to each side. A size
is judged by its trainings: a verdict is theirs if they agree, and "undecided" if not. `trainings`
are from `study.load_trainings`, by size and then by seed, and `variants`, by label, from
`study.load_variants`; verdicts are "confirmed", "refuted" or "undecided", by size or label.
"""

import numpy as np
import pandas as pd

from ...statistics import rank_correlation
from ..attention.verdicts import label, together
from ..generation.tables import with_range
from ..training import learning_curve
from .errors import N_RELAX
from .heads import NEXT

#: Standard errors to each side of an interval.
WIDTH = 2.0
#: A training has found the next frame where L_traj is below this share of the honest floor.
FOUND = 0.9
#: Neighbouring positions that count as one observation.
BLOCK = 16


def below_floor(ratio, floor=1.0):
    """Whether an error over floor, (value, standard error), lies below it.

    "confirmed" or "refuted" if below or above by more than `WIDTH` standard errors.
    """
    value, error = ratio
    if value + WIDTH * error < floor:
        return "confirmed"
    return "refuted" if value - WIDTH * error > floor else "undecided"


def spread_text(pairs, digits=2):
    """ "mean ± two standard errors (lowest to highest training)" of (value, standard error).

    Standard errors are over trajectories, their mean over trainings.
    """
    values, errors = np.array(pairs, float).T
    text = f"{values.mean():.{digits}f} ± {WIDTH * errors.mean():.{digits}f}"
    return with_range(text, values, digits)


def _judged(trainings, judge):
    # verdict on each size from `judge`, which judges what was kept of one training
    return {
        size: together(judge(content) for content in seeds.values())
        for size, seeds in trainings.items()
    }


def at_length(content, n_frames=None):
    """The entry of a training's "lengths" with `n_frames`, by default the longest."""
    rows = {row["n_frames"]: row for row in content["lengths"]}
    return rows[max(rows) if n_frames is None else n_frames]


def _row(found, columns, **first):
    # what the entries of several trainings have at {column: (*keys, digits)}
    row = first | {"trainings": len(found), "trajectories": found[0]["n"]}
    for column, (*keys, digits) in columns.items():
        pairs = found
        for key in keys:
            pairs = [entry[key] for entry in pairs]
        row[column] = spread_text(pairs, digits)
    return row


def _by_length(trainings, part, columns):
    # `part` of what is kept of each training is a list by length of the windows
    rows = []
    for size, seeds in trainings.items():
        for found in zip(*(content[part] for content in seeds.values()), strict=True):
            rows.append(_row(found, columns, model=size, frames=found[0]["n_frames"]))
    return pd.DataFrame(rows).set_index(["model", "frames"])


def summary_table(summaries, n):
    """What `leak.summarise` finds at some places, {name: summary}, on `n` trajectories."""
    columns = {"error": "model", "floor": "exact", "ratio": "ratio", "noise seen": "noise_seen"}
    rows = {
        place: {column: spread_text([found[key]], 3) for column, key in columns.items()}
        for place, found in summaries.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").assign(trajectories=n)


def length_table(trainings):
    """Errors over the floor and noise seen, a row for each size and length."""
    columns = {
        "inside": ("interior", "ratio", 2),
        "last": ("last", "ratio", 2),
        "noise seen inside": ("interior", "noise_seen", 3),
    }
    return _by_length(trainings, "lengths", columns)


def reads_next_frame(trainings, place="interior", n_frames=None):
    """Which sizes have errors below the floor of every forecaster, as verdicts.

    `place` is "interior" or "last"; windows have `n_frames`, by default as many as were measured.
    """
    return _judged(trainings, lambda c: below_floor(at_length(c, n_frames)[place]["ratio"]))


def full_length_in_words(trainings, place):
    """Error over floor in the longest windows, size by size, in one line."""
    return "; ".join(
        f"{label(size, seeds)} "
        + spread_text([at_length(content)[place]["ratio"] for content in seeds.values()])
        for size, seeds in trainings.items()
    )


def floors_by_step(record, floors):
    """`training_study.learning_curve` with the exact values of L_traj for each of its losses.

    "honest" and "reader" are those of `study.load_floors` for the windows of the time.
    """
    curve = learning_curve(record)
    stage = np.searchsorted(curve["stage_ends"], curve["shown"])
    lengths = [n_frames for n_frames, _ in record["config"]["stages"]]
    for name in ("honest", "reader"):
        values = np.array([floors[n_frames][name][0] for n_frames in lengths])
        curve[name] = values[np.minimum(stage, len(values) - 1)]
    return curve


def when_found(record, floors):
    """When a training finds the next frame, and what is left of it when windows grow.

    Returns the thousands of trajectories shown until it was `FOUND`, NaN if never; and for each
    length of windows L_traj over the honest floor, {n_frames: (the lowest, that at the end)}.
    """
    curve = floors_by_step(record, floors)
    over = curve["trajectory_loss"] / curve["honest"]
    is_below = over < FOUND
    found = curve["shown"][is_below.argmax()] / 1000 if is_below.any() else np.nan
    stages, first = {}, 0
    for (n_frames, _), end in zip(record["config"]["stages"], curve["stage_ends"], strict=True):
        inside = (curve["shown"] > first) & (curve["shown"] <= end)
        if inside.any():
            stages[n_frames] = float(over[inside].min()), float(over[inside][-1])
        first = end
    return float(found), stages


def when_table(records, floors):
    """`when_found` of each training, from the records {size: {seed: record}}."""
    rows = {}
    for size, of_size in records.items():
        for seed, record in of_size.items():
            found, stages = when_found(record, floors)
            row = {"found after (1000 trajectories)": f"{found:.0f}".replace("nan", "never")}
            for n_frames, (lowest, end) in stages.items():
                row[f"{n_frames} frames: lowest"] = f"{lowest:.2f}"
                row[f"{n_frames} frames: end"] = f"{end:.2f}"
            rows[f"{size}-{seed}"] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def path_table(trainings):
    """Shares of the noise that came on each path, and errors over the floor without them."""
    columns = {
        "seen in the frame": ("frame", 3),
        "in the statistics": ("statistics", 3),
        "in later frames": ("later", 3),
        "error as it is": ("ratio", 2),
        "frame drawn again": ("ratio_redrawn", 2),
        "statistics too": ("ratio_unseen", 2),
    }
    return _by_length(trainings, "paths", columns)


def main_path(trainings):
    """Whether more noise was seen in the next frame than in statistics and later frames.

    Verdicts in the longest windows.
    """

    def judge(content):
        path = content["paths"][-1]
        rest = path["statistics"][0] + path["later"][0]
        error = np.sqrt(sum(path[name][1] ** 2 for name in ("frame", "statistics", "later")))
        return below_floor((rest - path["frame"][0], error), 0.0)

    return _judged(trainings, judge)


def head_table(trainings):
    """The head of each training that looks at the next frame most, and the error without it.

    Columns: the head, its weight on the next frame by length of the windows, that of the head that
    comes second in the first length, and error over floor inside of the whole model, without the
    head, and without another one instead.
    """
    rows = {}
    for size, seeds in trainings.items():
        for seed, content in seeds.items():
            attention, (whole, one, *_) = content["attention"], content["ablation"]["rows"]
            layer, head = attention[0]["head"]
            row = {"head": f"layer {layer + 1}, head {head + 1}"}
            for entry in attention:
                weight = entry["next"][layer][head]
                row[f"weight, {entry['n_frames']} frames"] = f"{weight:.2f}"
            row["of the next head"] = f"{np.sort(attention[0]['next'], axis=None)[-2]:.2f}"
            row["whole model"] = spread_text([whole["finders"]])
            row["without it"] = spread_text([one["finders"]])
            row["without another"] = spread_text([one["others"]])
            rows[f"{size}-{seed}"] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def one_head_does_it(content):
    """Whether a single head carries what a training reads; "reads nothing" if it does not read.

    "confirmed" if the error is below the floor, comes back to it or above without the head, and
    stays below without another one.
    """
    whole, one, *_ = content["ablation"]["rows"]
    if below_floor(whole["finders"]) != "confirmed":
        return "reads nothing"
    without, control = below_floor(one["finders"]), below_floor(one["others"])
    if without == "confirmed":  # still below
        return "refuted"
    return "confirmed" if control == "confirmed" else "undecided"


def head_verdicts(trainings):
    """`one_head_does_it` of each size."""
    return _judged(trainings, one_head_does_it)


def attention_against_error(content):
    """Whether the error of a position is large where its attention misses the next frame.

    Returns a dict. "correlation": (value, low, high), Spearman's, over the positions inside, with a
    bootstrap interval over blocks of `BLOCK` of them; "n_above": positions whose error is above the
    floor by two standard errors, of "n"; "weight_above" and "weight_else": mean weight on the next
    frame at these and at the others.
    """
    position = content["position"]
    (attention,) = (e for e in content["attention"] if e["n_frames"] == position["n_frames"])
    weight, ratio, error = (
        np.array(values[N_RELAX:-1], float)
        for values in (attention["near"][NEXT], position["ratio"], position["error"])
    )
    blocks = np.array_split(np.arange(len(weight)), max(1, len(weight) // BLOCK))
    rng, drawn = np.random.default_rng(0), []
    for _ in range(1000):
        chosen = np.concatenate([blocks[i] for i in rng.integers(len(blocks), size=len(blocks))])
        drawn.append(rank_correlation(weight[chosen], ratio[chosen]))
    is_above = ratio - WIDTH * error > 1
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "correlation": (float(rank_correlation(weight, ratio)), float(low), float(high)),
        "n_above": int(is_above.sum()),
        "n": len(weight),
        "weight_above": float(weight[is_above].mean()) if is_above.any() else np.nan,
        "weight_else": float(weight[~is_above].mean()) if not is_above.all() else np.nan,
    }


def position_table(trainings):
    """`attention_against_error` of each training that reads the next frame."""
    rows = {}
    for size, seeds in trainings.items():
        for seed, content in seeds.items():
            if below_floor(at_length(content)["interior"]["ratio"]) != "confirmed":
                continue
            found = attention_against_error(content)
            value, low, high = found["correlation"]
            rows[f"{size}-{seed}"] = {
                "rank correlation": f"{value:.2f} [{low:.2f}, {high:.2f}]",
                "positions above the floor": f"{found['n_above']} of {found['n']}",
                "weight on the next frame there": f"{found['weight_above']:.2f}",
                "elsewhere": f"{found['weight_else']:.2f}",
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def misses_explain(trainings):
    """Whether errors grow where attention misses the next frame, for sizes that read it.

    "confirmed" if the rank correlation is negative in every training. Sizes with a training that
    does not read the next frame are left out.
    """

    def judge(content):
        _, low, high = attention_against_error(content)["correlation"]
        return "confirmed" if high < 0 else "refuted" if low > 0 else "undecided"

    reading = reads_next_frame(trainings)
    return _judged({s: c for s, c in trainings.items() if reading[s] == "confirmed"}, judge)


def ends_of_variants(variants):
    """Error over floor and noise seen where the trainings of the variants end, a row for each."""
    columns = {
        "inside": ("interior", "ratio", 3),
        "last": ("last", "ratio", 3),
        "noise seen inside": ("interior", "noise_seen", 3),
    }
    rows = {
        name: _row([curve[-1] for curve in curves], columns) for name, curves in variants.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def variants_below_floor(variants, place="interior"):
    """Which variants end below the floor, as verdicts."""
    return {
        name: together(below_floor(curve[-1][place]["ratio"]) for curve in curves)
        for name, curves in variants.items()
    }
