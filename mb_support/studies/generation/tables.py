"""What the kept forecasts and continuations say: tables for the chapter, and the verdict.

A training is judged by its bootstrap interval over trajectories. A size is judged by its
trainings: a verdict is theirs if they agree, and "undecided" if not. Arrays of intervals have
shape (n_trainings, n_columns, 3) and hold (value, low, high).
"""

import numpy as np
import pandas as pd

from ...generation import ENDS
from ...statistics import bootstrap_mean, verdict, verdicts_in_words, wilson_interval
from ..attention.verdicts import label, together


def in_words(verdicts, trainings):
    """Verdicts by size in one line, each size with its number of seeds; "no size" if none."""
    named = {label(size, trainings[size]): found for size, found in verdicts.items()}
    return verdicts_in_words(named) if named else "no size"


def with_range(text, values, digits=2):
    """A text, and after it the range of `values` over trainings, if there are several."""
    low, high = min(values), max(values)
    return text if low == high else f"{text} ({low:.{digits}f} to {high:.{digits}f})"


def interval_text(intervals, digits=2):
    """ "mean [low, high] (lowest to highest training)" of the (value, low, high) of trainings.

    The interval is the mean of theirs.
    """
    intervals = np.array(intervals, float)
    mean, low, high = (f"{value:.{digits}f}" for value in intervals.mean(axis=0))
    return with_range(f"{mean} [{low}, {high}]", intervals[:, 0], digits)


def error_saved(errors, reference):
    """By how much a forecast beats a reference, as a share of the reference's error.

    1 - (mean error) / (mean error of the reference) of squared errors (n,) on the same
    trajectories, with a 95% bootstrap interval over them: (value, low, high). 1 is perfect, below
    0 is worse.
    """
    both = np.stack([errors, reference], axis=1).astype(float)
    n, rng = len(both), np.random.default_rng(0)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=2000) @ both
    low, high = np.quantile(1 - drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return float(1 - both[:, 0].sum() / both[:, 1].sum()), float(low), float(high)


def _first(seeds):
    return next(iter(seeds.values()))


def _interval_table(intervals, columns, n_trajectories):
    # of {size: intervals}: one row a size
    rows = {}
    for size, found in intervals.items():
        rows[size] = {"trajectories": n_trajectories[size], "trainings": len(found)}
        for number, column in enumerate(columns):
            rows[size][column] = interval_text(found[:, number])
    return pd.DataFrame.from_dict(rows, orient="index")


def saved(trainings, exact):
    """Error that one-step forecasts save against the last frame: {size: intervals by window}."""
    last = np.array(exact["windows"]["last frame"])
    return {
        size: np.array(
            [
                [error_saved(errors, last[: len(errors)]) for errors in content["windows"]]
                for content in seeds.values()
            ]
        )
        for size, seeds in trainings.items()
    }


def exact_saved(exact):
    """The same for the exact mean: (value, low, high)."""
    return error_saved(exact["windows"]["exact"], exact["windows"]["last frame"])


def saved_table(trainings, exact):
    """`saved` as text, a row for each size and a column for each window; last, the exact mean."""
    windows = _first(_first(trainings))["settings"]["windows"]
    columns = [f"{n_frames} frames" for n_frames in windows]
    n = {size: len(_first(seeds)["windows"][0]) for size, seeds in trainings.items()}
    table = _interval_table(saved(trainings, exact), columns, n).astype(object)
    best = interval_text([exact_saved(exact)])
    table.loc["exact mean"] = [len(exact["windows"]["exact"]), "", *[best] * len(columns)]
    return table


def saved_in_words(trainings, exact):
    """What forecasts from the longest window save, size by size, in one line."""
    return "; ".join(
        f"{label(size, trainings[size])} {interval_text(found[:, -1])}"
        for size, found in saved(trainings, exact).items()
    )


def _continued(content, n_prompt, frames_per_step):
    return next(
        row
        for row in content["growth"]
        if (row["n_prompt"], row["frames_per_step"]) == (n_prompt, frames_per_step)
    )


def growth(trainings, exact, n_prompt, frames_per_step=1):
    """Error over that of the exact mean on the same trajectories, by number of frames ahead.

    Returns the horizons; intervals by size, {size: (n_trainings, n_horizons, 3)}; and the same
    ratio for two forecasts without a model, {name: (n_horizons,)}.
    """
    best, models = np.array(exact["growth"]["exact"]), {}
    for size, seeds in trainings.items():
        models[size] = []
        for content in seeds.values():
            rows = _continued(content, n_prompt, frames_per_step)["errors"]
            pairs = zip(rows, best, strict=True)
            less = np.array([error_saved(errors, b[: len(errors)]) for errors, b in pairs])
            models[size].append(1 - less[:, [0, 2, 1]])  # the most that is saved is the least error
        models[size] = np.array(models[size])
    names = {"last frame": "last frame", "mean of the prompt": f"mean of the prompt of {n_prompt}"}
    baselines = {
        word: np.mean(exact["growth"][name], axis=1) / best.mean(axis=1)
        for word, name in names.items()
    }
    return np.array(exact["growth"]["horizons"]), models, baselines


def growth_table(trainings, exact, n_prompt, frames_per_step=1):
    """`growth` of each size at the first, the middle and the last horizon, as text."""
    horizons, models, _ = growth(trainings, exact, n_prompt, frames_per_step)
    chosen = [0, len(horizons) // 2, len(horizons) - 1]
    n = {
        size: len(_continued(_first(seeds), n_prompt, frames_per_step)["errors"][0])
        for size, seeds in trainings.items()
    }
    columns = [f"{h} ahead" for h in horizons[chosen]]
    return _interval_table({size: m[:, chosen] for size, m in models.items()}, columns, n)


def _share_text(is_so):
    # of (n_trainings, n) booleans: share of trajectories with Wilson intervals
    n = is_so.shape[1]
    return interval_text([(found.mean(), *wilson_interval(found.sum(), n)) for found in is_so])


def ends_table(trainings):
    """How continuations with one frame per step end, by size, prompt and length.

    Shares of `ENDS` and of frames off the map as `interval_text`; then the median frame at which
    they left, and the median distance from a minimum of the potential of those at rest.
    """
    rows = []
    for size, seeds in trainings.items():
        contents = list(seeds.values())
        kinds = [
            (
                row["n_prompt"],
                max(row["horizons"]),
                [_continued(c, row["n_prompt"], 1)["ends"] for c in contents],
            )
            for row in contents[0]["growth"]
            if row["frames_per_step"] == 1
        ]
        n_long = contents[0]["settings"]["n_long_steps"]
        kinds.append(
            (contents[0]["long"]["n_prompt"], n_long, [c["long"]["ends"] for c in contents])
        )
        for n_prompt, n_steps, ends in kinds:
            key = {"model": size, "prompt": n_prompt, "frames": n_steps, "trainings": len(ends)}
            rows.append(key | _ends_row(ends))
    return pd.DataFrame(rows).set_index(["model", "prompt", "frames"])


def _ends_row(ends):
    # of a list with the `how_they_end` of each training
    names = ("end", "left", "off", "from_minimum")
    end, left, off, apart = (np.array([found[name] for found in ends]) for name in names)
    left, at_rest = left[left >= 0], apart[end == ENDS[0]]
    off_the_map = interval_text([bootstrap_mean(shares) for shares in off]) if off.any() else "0.00"
    return {
        "trajectories": end.shape[1],
        **{kind: _share_text(end == kind) for kind in ENDS},
        "frames off the map": off_the_map,
        "left after": f"{np.median(left):.0f}" if len(left) else "",
        "from a minimum": f"{np.median(at_rest):.2f}" if len(at_rest) else "",
    }


def left_the_map(trainings):
    """Share of the long continuations that leave the map, by size, in words."""
    words = []
    for size, seeds in trainings.items():
        left = np.array([content["long"]["ends"]["left"] for content in seeds.values()]) >= 0
        words.append(f"{label(size, seeds)} {_share_text(left)}")
    return "; ".join(words)


def echo_table(trainings):
    """Correlation of appended blocks with frames of the prompt, by size and block.

    Means over trajectories and trainings, with the range over trainings.
    """
    rows = []
    for size, seeds in trainings.items():
        for row in _first(seeds)["growth"]:
            if "echo" not in row:
                continue
            key = (row["n_prompt"], row["frames_per_step"])
            found = np.array([_continued(c, *key)["echo"] for c in seeds.values()])
            rows.append(
                {
                    "model": size,
                    "prompt": key[0],
                    "frames per step": key[1],
                    "trainings": len(found),
                    "trajectories": len(row["errors"][0]),
                    "frames they sit on": with_range(f"{found[:, 0].mean():.2f}", found[:, 0]),
                    "frames asked for": with_range(f"{found[:, 1].mean():.2f}", found[:, 1]),
                }
            )
    return pd.DataFrame(rows).set_index(["model", "prompt", "frames per step"])


def _exact_by_slice(content, exact):
    # errors of the exact mean on the frames of a training, (n_slices, n)
    n = len(content["slices"][0])
    return np.array([best["exact"][:n] for best in exact["slices"]])


def slices_table(trainings, exact):
    """Excess error from later and later slices, in units of the exact error, by size as text."""
    settings = _first(_first(trainings))["settings"]
    columns = [f"from frame {end + 1 - settings['slice_length']}" for end in settings["slices"]]
    found, n = {}, {}
    for size, seeds in trainings.items():
        best = _exact_by_slice(_first(seeds), exact)
        n[size], unit = best.shape[1], best.mean(axis=1, keepdims=True)
        excess = [(np.array(content["slices"]) - best) / unit for content in seeds.values()]
        found[size] = np.array([np.transpose(bootstrap_mean(values.T)) for values in excess])
    return _interval_table(found, columns, n)


def deteriorates(trainings, exact):
    """Whether forecasts from the last slice are worse than from the first, as {size: verdict}.

    By the excess over the exact error on the same trajectories: how hard the frames are does not
    count. "confirmed" if it grows in every training.
    """
    found = {}
    for size, seeds in trainings.items():
        judged = []
        for content in seeds.values():
            excess = np.array(content["slices"]) - _exact_by_slice(content, exact)
            _, low, high = bootstrap_mean(excess[-1] - excess[0])
            judged.append(verdict((float(low), float(high)), (0.0, 0.0)))
        found[size] = together(judged)
    return found
