"""What the kept forecasts and continuations say: tables for the chapter, and the verdict.

A training is judged by its bootstrap interval over trajectories. A size is judged by its
trainings: a verdict is theirs if they agree, and "undecided" if not. Arrays of intervals have
shape (n_trainings, n_columns, 3) and hold (value, low, high).
"""

import numpy as np
import pandas as pd

from ...statistics import (
    TAILS,
    bootstrap_mean,
    resamples,
    verdict,
    verdicts_in_words,
    with_interval,
    with_range,
)
from ..attention.verdicts import label, together
from ..kept_results import by_size
from .continuations import ENDS, STANDSTILL


def in_words(verdicts, trainings):
    """Verdicts by size in one line, each size with its number of seeds; "no size" if none."""
    named = {label(size, trainings[size]): found for size, found in verdicts.items()}
    return verdicts_in_words(named) if named else "no size"


def interval_text(intervals):
    """ "mean [low, high] (lowest to highest training)" of the (value, low, high) of trainings."""
    intervals = np.array(intervals, float)
    return with_range(with_interval(*intervals.mean(axis=0)), intervals[:, 0])


def error_saved(errors, reference):
    """1 - (mean error) / (mean error of the reference), of squared errors (n,) on the same
    trajectories, with a 95% bootstrap interval: (value, low, high). 1 is perfect."""
    both = np.stack([errors, reference], axis=1).astype(float)
    drawn = resamples(len(both), 2000) @ both
    low, high = np.quantile(1 - drawn[:, 0] / drawn[:, 1], TAILS)
    return float(1 - both[:, 0].sum() / both[:, 1].sum()), float(low), float(high)


def _first(seeds):
    return next(iter(seeds.values()))


def _interval_table(intervals, columns, n_trajectories):
    # of {size: intervals}: one row a size
    rows = {
        size: {"n": n_trajectories[size], "seeds": len(found)}
        | {column: interval_text(found[:, k]) for k, column in enumerate(columns)}
        for size, found in intervals.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def saved(trainings, exact):
    """Error that one-step forecasts save against the last frame: {size: intervals by window}."""
    last = np.array(exact["windows"]["last frame"])
    return {
        size: np.array(
            [[error_saved(e, last[: len(e)]) for e in kept["windows"]] for kept in seeds.values()]
        )
        for size, seeds in trainings.items()
    }


def exact_saved(exact):
    """The same for the exact mean: (value, low, high)."""
    return error_saved(exact["windows"]["exact"], exact["windows"]["last frame"])


def over_exact(trainings, exact):
    """Error of one-step forecasts over that of the exact mean on the same trajectories, after the
    longest window: {size: intervals}, (n_trainings, 3)."""
    best = np.array(exact["windows"]["exact"])
    less = {
        size: [error_saved(c["windows"][-1], best[: len(c["windows"][-1])]) for c in seeds.values()]
        for size, seeds in trainings.items()
    }
    return {size: 1 - np.array(found)[:, [0, 2, 1]] for size, found in less.items()}


def saved_table(trainings, exact):
    """`saved` as text, a row for each size and a column for each window; last, the exact mean."""
    columns = [f"{n} frames" for n in _first(_first(trainings))["settings"]["windows"]]
    n = {size: len(_first(seeds)["windows"][0]) for size, seeds in trainings.items()}
    table = _interval_table(saved(trainings, exact), columns, n).astype(object)
    best = interval_text([exact_saved(exact)])
    table.loc["exact mean"] = [len(exact["windows"]["exact"]), "", *[best] * len(columns)]
    return table


def _continued(content, n_prompt, frames_per_step):
    return next(
        row
        for row in content["growth"]
        if (row["n_prompt"], row["frames_per_step"]) == (n_prompt, frames_per_step)
    )


def growth(trainings, exact, n_prompt, frames_per_step=1):
    """Error over that of the exact mean, by number of frames ahead: horizons; intervals by size,
    (n_trainings, n_horizons, 3); and the ratio of two forecasts without a model."""
    best, models = np.array(exact["growth"]["exact"]), {}
    for size, seeds in trainings.items():
        rows = [_continued(c, n_prompt, frames_per_step)["errors"] for c in seeds.values()]
        less = [[error_saved(e, b[: len(e)]) for e, b in zip(r, best, strict=True)] for r in rows]
        models[size] = 1 - np.array(less)[..., [0, 2, 1]]  # the most saved is the least error
    names = {"last frame": "last frame", "mean of the prompt": f"mean of the prompt of {n_prompt}"}
    baselines = {
        word: np.mean(exact["growth"][name], axis=1) / best.mean(axis=1)
        for word, name in names.items()
    }
    return np.array(exact["growth"]["horizons"]), models, baselines


def better_until(trainings, exact, n_prompt, baseline):
    """How many frames ahead the mean error of a size stays below that of a forecast without a model
    ("last frame" or "mean of the prompt"), with one frame per step: {size: frames}."""
    horizons, models, baselines = growth(trainings, exact, n_prompt)
    found = {}
    for size, intervals in models.items():
        is_better = intervals[..., 0].mean(axis=0) < baselines[baseline]
        first_worse = len(horizons) if is_better.all() else int(is_better.argmin())
        found[size] = int(horizons[first_worse - 1]) if first_worse else 0
    return found


def growth_table(trainings, exact):
    """`growth` at the first, the middle and the last horizon, by prompt and frames per step."""
    tables, some = {}, _first(_first(trainings))["growth"]
    for key in [(row["n_prompt"], row["frames_per_step"]) for row in some]:
        horizons, models, _ = growth(trainings, exact, *key)
        chosen = [0, len(horizons) // 2, len(horizons) - 1]
        n = {size: len(_continued(_first(s), *key)["errors"][0]) for size, s in trainings.items()}
        found = {size: intervals[:, chosen] for size, intervals in models.items()}
        tables[key] = _interval_table(found, [f"{h} ahead" for h in horizons[chosen]], n)
    return pd.concat(tables, names=["prompt", "frames per step", "model"])


def ends_table(trainings):
    """How continuations with one frame per step end: how many of each training in `ENDS`, the share
    of frames off the map, when they left (median), and how far from a minimum those at rest are."""
    rows = {}
    for size, seeds in trainings.items():
        some, kept = _first(seeds), list(seeds.values())
        for n_prompt in [r["n_prompt"] for r in some["growth"] if r["frames_per_step"] == 1]:
            key = (size, n_prompt, some["growth"][0]["horizons"][-1])
            rows[key] = _ends_row([_continued(c, n_prompt, 1)["ends"] for c in kept])
        key = (size, some["long"]["n_prompt"], some["settings"]["n_long_steps"])
        rows[key] = _ends_row([c["long"]["ends"] for c in kept])
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["model", "prompt", "frames"])


def _ends_row(ends):
    # of a list with the `how_they_end` of each training
    names = ("end", "left", "off", "from_minimum")
    end, left, off, apart = (np.array([found[name] for found in ends]) for name in names)
    counts = {kind: (end == kind).sum(axis=1) for kind in ENDS}
    shares = off.mean(axis=1)
    return {
        "continuations": end.shape[1],
        **{kind: _unbroken(n) if n.any() else "0" for kind, n in counts.items()},
        "frames off the map": with_range(f"{shares.mean():.2f}", shares) if off.any() else "0",
        "left after": _quartiles(left[left >= 0], 0),
        "distance to a minimum": _quartiles(apart[end == ENDS[0]], 2),
    }


def _unbroken(numbers):
    return ",\N{NO-BREAK SPACE}".join(map(str, numbers))


def _quartiles(values, digits):
    # "median (lower–upper quartile)"; nothing if there are no values
    if not len(values):
        return ""
    low, middle, high = (f"{v:.{digits}f}" for v in np.quantile(values, [0.25, 0.5, 0.75]))
    return f"{middle}\N{NO-BREAK SPACE}({low}–{high})"


def echo_table(trainings):
    """Correlation of appended blocks with frames of the prompt, by size and block."""
    rows, columns = {}, ("frames they sit on", "frames asked for")
    for size, seeds in trainings.items():
        for row in [row for row in _first(seeds)["growth"] if "echo" in row]:
            key = (row["n_prompt"], row["frames_per_step"])
            found = np.array([_continued(c, *key)["echo"] for c in seeds.values()])
            means = [[bootstrap_mean(each) for each in shifts] for shifts in found]
            rows[size, *key] = {"n": found.shape[-1], "seeds": len(found)} | {
                name: interval_text(np.array(means)[:, k]) for k, name in enumerate(columns)
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.rename_axis(["model", "prompt", "frames per step"])


def _excess(seeds, exact):
    # error beyond that of the exact mean, (n_slices, n) for each training, and the latter's mean
    n = len(_first(seeds)["slices"][0])
    best = np.array([kept["exact"][:n] for kept in exact["slices"]])
    return [np.array(c["slices"]) - best for c in seeds.values()], best.mean(axis=1, keepdims=True)


def slices_table(trainings, exact):
    """Excess error from later and later slices, in units of the exact error, by size as text."""
    settings = _first(_first(trainings))["settings"]
    columns = [f"from frame {end + 1 - settings['slice_length']}" for end in settings["slices"]]
    found, n = {}, {}
    for size, seeds in trainings.items():
        excess, unit = _excess(seeds, exact)
        n[size] = excess[0].shape[1]
        found[size] = np.array([np.transpose(bootstrap_mean((e / unit).T)) for e in excess])
    return _interval_table(found, columns, n)


def deteriorates(trainings, exact):
    """Whether forecasts from the last slice are worse than from the first, by the excess over the
    exact error on the same trajectories: how hard the frames are does not count."""
    found = {}
    for size, seeds in trainings.items():
        grown = [bootstrap_mean(excess[-1] - excess[0]) for excess in _excess(seeds, exact)[0]]
        found[size] = together(verdict((float(lo), float(hi)), (0.0, 0.0)) for _, lo, hi in grown)
    return found


def words(trainings, exact):
    """What the prose cites, by key."""
    skills, left = {}, {}
    for size, found in saved(trainings, exact).items():
        seeds = trainings[size]
        skills[size] = interval_text(found[:, -1])
        gone = np.array([content["long"]["ends"]["left"] for content in seeds.values()]) >= 0
        counts = ", ".join(map(str, gone.sum(axis=1)))
        left[size] = f"{size} {counts} of {gone.shape[1]}"
    each = by_size("skill", skills)
    prompts = [row["n_prompt"] for row in _first(_first(trainings))["growth"]]
    for key, choose, baseline in (
        ("ahead_long", max, "last frame"),
        ("ahead_short", min, "mean of the prompt"),
    ):
        ahead = better_until(trainings, exact, choose(prompts), baseline)
        each[key] = ", ".join(f"{size} {n}" for size, n in ahead.items())
    ratios = {s: interval_text(found) for s, found in over_exact(trainings, exact).items()}
    excess = {}
    for size, seeds in trainings.items():
        found, unit = _excess(seeds, exact)
        first, last = np.mean([e[[0, -1]].mean(axis=1) / unit[[0, -1], 0] for e in found], axis=0)
        excess[size] = f"{label(size, seeds)} {first:.2f} and {last:.2f}"
    return each | {
        "skills": "; ".join(f"{label(s, trainings[s])} {text}" for s, text in skills.items()),
        "exact_skill": exact_saved(exact)[0],
        "over_exact": "; ".join(f"{label(s, trainings[s])} {t}" for s, t in ratios.items()),
        "runaways": "; ".join(left.values()),
        "deteriorates": in_words(deteriorates(trainings, exact), trainings),
        "standstill": STANDSTILL,
        "furthest": int(exact["growth"]["horizons"][-1]),
        "excess": "; ".join(excess.values()),
        "window": max(_first(_first(trainings))["settings"]["windows"]),
    }
