"""What the measured leak says: tables for the chapter, and verdicts over the trainings.

A training is judged by its interval over trajectories, two standard errors to each side; a verdict
on a size is that of its trainings if they agree, and "undecided" if not. `trainings` are from
`study.load_trainings`, by size and then by seed, and `variants`, by label, from
`study.load_variants`.
"""

import numpy as np
import pandas as pd

from ...statistics import (
    answers_in_words,
    bootstrap,
    mean_with_error,
    rank_correlation,
    with_interval,
    with_range,
)
from ..attention.verdicts import label, together
from ..generation.tables import in_words
from ..kept_results import by_size, title
from ..training import learning_curve
from .errors import N_RELAX
from .heads import NEXT

#: Standard errors to each side of an interval.
WIDTH = 2.0
#: Neighbouring positions that count as one observation.
BLOCK = 16


def below_floor(ratio, floor=1.0):
    """Whether an error over floor, (value, standard error), is below by more than `WIDTH` errors
    ("confirmed") or above ("refuted")."""
    value, error = ratio
    if value + WIDTH * error < floor:
        return "confirmed"
    return "refuted" if value - WIDTH * error > floor else "undecided"


def spread_text(pairs, digits=2):
    """ "mean [95 % interval] (lowest to highest training)" of (value, standard error)."""
    values, errors = np.array(pairs, float).T
    mean, width = values.mean(), WIDTH * errors.mean()
    return with_range(with_interval(mean, mean - width, mean + width, digits), values, digits)


def _judged(trainings, judge):
    # verdict on each size from `judge`, which judges what was kept of one training
    return {size: together(map(judge, seeds.values())) for size, seeds in trainings.items()}


def _table(rows, columns, names):
    # of {index: what trainings have}: cells are `spread_text` at {column: (*keys, digits)}
    table = {}
    for index, found in rows.items():
        table[index] = {"trainings": len(found), "trajectories": found[0]["n"]}
        for column, (*keys, digits) in columns.items():
            pairs = found
            for key in keys:
                pairs = [entry[key] for entry in pairs]
            table[index][column] = spread_text(pairs, digits)
    return pd.DataFrame.from_dict(table, orient="index").rename_axis(names)


def _by_length(trainings, part):
    # `part` of what is kept of each training is a list by length of the windows
    return {
        (size, found[0]["n_frames"]): found
        for size, seeds in trainings.items()
        for found in zip(*(content[part] for content in seeds.values()), strict=True)
    }


def summary_table(summaries, n):
    """What `summarise` finds at some places, {name: summary}, on `n` trajectories."""
    columns = {"error": "model", "floor": "exact", "ratio": "ratio", "noise seen": "noise_seen"}
    rows = {
        place: {column: spread_text([found[key]], 3) for column, key in columns.items()}
        for place, found in summaries.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").assign(trajectories=n)


#: Columns of the tables on lengths and variants, and on paths.
_ERRORS = {
    "error / floor, interior": ("interior", "ratio", 2),
    "error / floor, last": ("last", "ratio", 2),
    "noise seen, interior": ("interior", "noise_seen", 3),
}
_PATHS = {
    "seen in the frame": ("frame", 3),
    "in the statistics": ("statistics", 3),
    "in later frames": ("later", 3),
    "error / floor as it is": ("ratio", 2),
    "frame drawn again": ("ratio_redrawn", 2),
    "statistics too": ("ratio_unseen", 2),
}


def length_table(trainings):
    """Errors over the floor and noise seen, a row for each size and length."""
    return _table(_by_length(trainings, "lengths"), _ERRORS, ["model", "frames"])


def path_table(trainings):
    """Shares of the noise that came on each path, and errors over the floor without them."""
    return _table(_by_length(trainings, "paths"), _PATHS, ["model", "frames"])


def variant_table(variants):
    """Error over floor and noise seen where the trainings of the variants end, a row for each."""
    rows = {name: [curve[-1] for curve in curves] for name, curves in variants.items()}
    columns = {name: (*keys, 3) for name, (*keys, _) in _ERRORS.items()}
    return _table(rows, columns, "variant")


def variants_below_floor(variants, place="interior"):
    """Which variants end below the floor, as verdicts."""
    last = {name: dict(enumerate(c[-1] for c in curves)) for name, curves in variants.items()}
    return _judged(last, lambda measured: below_floor(measured[place]["ratio"]))


def at_length(content, n_frames=None):
    """The entry of a training's "lengths" with `n_frames`, by default the longest."""
    rows = {row["n_frames"]: row for row in content["lengths"]}
    return rows[n_frames or max(rows)]


def errs_below(trainings, border=1.0, place="interior", n_frames=None):
    """Which sizes have errors below `border` times the floor, as verdicts: 1, what no forecaster
    can reach; `study.load_between`, what only the next frame itself explains. `place` is "interior"
    or "last", windows are by default the longest."""
    return _judged(trainings, lambda c: below_floor(at_length(c, n_frames)[place]["ratio"], border))


def full_length(trainings, place):
    """Error over floor in the longest windows, {size: text}."""
    return {
        size: spread_text([at_length(content)[place]["ratio"] for content in seeds.values()])
        for size, seeds in trainings.items()
    }


def full_length_in_words(trainings, place):
    """`full_length` in one line, each size with its number of trainings."""
    found = full_length(trainings, place).items()
    return "; ".join(f"{label(size, trainings[size])} {text}" for size, text in found)


def floors_by_step(record, floors):
    """`training.learning_curve` with the windows' "n_frames" and the exact L_traj, "honest" and
    "reader", at each of its losses."""
    curve = learning_curve(record)
    lengths = np.array([n_frames for n_frames, _ in record["config"]["stages"]])
    stage = np.searchsorted(curve["stage_ends"], curve["shown"])
    curve["n_frames"] = lengths[np.minimum(stage, len(lengths) - 1)]
    for name in ("honest", "reader"):
        curve[name] = np.array([floors[n_frames][name][0] for n_frames in curve["n_frames"]])
    return curve


def windows_of(records):
    """Lengths of the windows in the trainings of a size, from the records {seed: record}."""
    return [n_frames for n_frames, _ in next(iter(records.values()))["config"]["stages"]]


def found_after(curve, between):
    """Thousands of trajectories shown until L_traj of `floors_by_step` was below the share
    `between` of the honest value, which only the next frame itself can explain; or NaN."""
    is_below = curve["trajectory_loss"] < between * curve["honest"]
    return float(curve["shown"][is_below.argmax()]) / 1000 if is_below.any() else np.nan


def when_table(records, floors, between):
    """When the next frame is found (see `found_after`), and what is left of it as windows grow, a
    row a stage."""
    rows = {}
    for size, seeds in records.items():
        curves = [floors_by_step(record, floors) for record in seeds.values()]
        found = [found_after(curve, between) for curve in curves]
        found = [after for after in found if np.isfinite(after)]
        after = with_range(f"{np.mean(found):.0f}", found, 0) if found else "never"
        row = {"trainings": len(curves), "that find it": f"{len(found)} of {len(curves)}"}
        row["after (thousands)"] = after
        for n_frames in dict.fromkeys(curves[0]["n_frames"].tolist()):
            value, error = floors[n_frames]["honest"]
            ratios = [c["trajectory_loss"][c["n_frames"] == n_frames] / value for c in curves]
            lowest, last = zip(*((r.min(), r[-1]) for r in ratios), strict=True)
            rows[size, n_frames] = row | {
                "copier / honest": f"{floors[n_frames]['reader'][0] / value:.3f}",
                "lowest / honest": spread_text([(r, r * error / value) for r in lowest]),
                "last / honest": spread_text([(r, r * error / value) for r in last]),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["model", "frames"])


def main_path(trainings):
    """Whether more noise was seen in the next frame than on other paths, in long windows."""

    def judge(content):
        path = content["paths"][-1]
        rest = path["statistics"][0] + path["later"][0]
        error = np.linalg.norm([path[name][1] for name in ("frame", "statistics", "later")])
        return below_floor((rest - path["frame"][0], error), 0.0)

    return _judged(trainings, judge)


def _by_training(trainings, row):
    rows = {title(f"{s}-{n}"): row(c) for s, seeds in trainings.items() for n, c in seeds.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("training")


def head_table(trainings):
    """The head of each training that looks at the next frame most: its weight there, that of the
    second, and error over floor of the whole model, without it, and without another one."""

    def row(content):
        whole, one, *_ = content["ablation"]["rows"]
        attention, (layer, head) = content["attention"], content["attention"][0]["head"]
        weights = {
            f"weight, {e['n_frames']} frames (n = {e['n']})": _over_blocks(e["near"][NEXT])
            for e in attention
        }
        return {
            "head": f"L{layer + 1} H{head + 1}",
            **weights,
            "of the next head": f"{np.sort(attention[0]['next'], axis=None)[-2]:.2f}",
            f"error / floor (n = {content['ablation']['n']})": spread_text([whole["finders"]]),
            "without it": spread_text([one["finders"]]),
            "without another": spread_text([one["others"]]),
        }

    return _by_training(trainings, row)


def _over_blocks(values):
    # mean over positions as text, with its error over blocks of neighbouring ones
    values = np.array([v for v in values if v is not None], float)
    values = values[np.isfinite(values)]
    blocks = np.array_split(values, max(2, len(values) // BLOCK))
    return spread_text([(values.mean(), mean_with_error([b.mean() for b in blocks])[1])])


def head_verdicts(trainings):
    """Whether a single head carries what is read: the error is at the floor without it, and still
    below without another one; "nothing read" where it is not below the floor to begin with."""

    def judge(content):
        whole, one, *_ = content["ablation"]["rows"]
        if below_floor(whole["finders"]) != "confirmed":
            return "nothing read"
        if below_floor(one["finders"]) == "confirmed":  # still below
            return "refuted"
        return "confirmed" if below_floor(one["others"]) == "confirmed" else "undecided"

    return _judged(trainings, judge)


def attention_against_error(content):
    """Spearman's "correlation" over interior positions of the attention on the next frame
    ("weight") with the error, (value, low, high), over blocks of `BLOCK` positions; "is_above":
    which errors are above the floor by two standard errors."""
    position, attention = content["position"], content["attention"][-1]
    weight, ratio, error = (
        np.array(values[N_RELAX:-1], float)
        for values in (attention["near"][NEXT], position["ratio"], position["error"])
    )
    blocks = np.array_split(np.arange(len(weight)), max(2, len(weight) // BLOCK))

    def correlation(counts):
        chosen = np.concatenate([np.tile(b, int(c)) for b, c in zip(blocks, counts, strict=True)])
        return rank_correlation(weight[chosen], ratio[chosen])

    found = bootstrap(correlation, len(blocks), n_samples=1000)
    interval = (found.value, found.low, found.high)
    return {"correlation": interval, "is_above": ratio - WIDTH * error > 1, "weight": weight}


def position_table(trainings):
    """`attention_against_error` of each training of the sizes that read the next frame."""

    def row(content):
        found = attention_against_error(content)
        is_above, weight = found["is_above"], found["weight"]
        n = content["position"]["n"], content["attention"][-1]["n"]
        return {
            "trajectories (error, attention)": "{}, {}".format(*n),
            "rank correlation": with_interval(*found["correlation"]),
            "positions above the floor": f"{is_above.sum()} of {len(is_above)}",
            "weight on the next frame there": f"{np.mean(weight, where=is_above):.2f}",
            "elsewhere": f"{np.mean(weight, where=~is_above):.2f}",
        }

    return _by_training(_that_read(trainings), row)


def _that_read(trainings):
    reading = errs_below(trainings)
    return {size: seeds for size, seeds in trainings.items() if reading[size] == "confirmed"}


def misses_explain(trainings):
    """Whether, in every training, errors grow where attention misses the next frame, by size."""

    def judge(content):
        _, low, high = attention_against_error(content)["correlation"]
        return "confirmed" if high < 0 else "refuted" if low > 0 else "undecided"

    return _judged(_that_read(trainings), judge)


def words(trainings, variants, between, n_shorter=128):
    """What the prose cites, by key; `between` is from `study.load_between`, `n_shorter` are frames
    of a shorter window."""
    found = {
        "shorter": n_shorter,
        "verdicts_shorter": in_words(errs_below(trainings, n_frames=n_shorter), trainings),
        "head_verdicts": in_words(head_verdicts(trainings), trainings),
        "path_verdicts": in_words(main_path(trainings), trainings),
        "miss_verdicts": in_words(misses_explain(trainings), trainings),
    }
    found |= by_size("ratio", full_length(trainings, "interior"))
    found["answers"] = answers_in_words(errs_below(trainings))
    found["between"] = between
    found["read_answers"] = answers_in_words(errs_below(trainings, between))
    carried = {s: v for s, v in head_verdicts(trainings).items() if v != "nothing read"}
    found["head_answers"] = answers_in_words(carried) if carried else "no size is below the floor"
    for key, place in (("", "interior"), ("_last", "last")):
        found[f"full_length{key}"] = full_length_in_words(trainings, place)
        found[f"verdicts{key}"] = in_words(errs_below(trainings, place=place), trainings)
        found[f"below_floor{key}"] = in_words(variants_below_floor(variants, place), variants)
    return found
