"""What the kept forecasts and continuations say: tables for the chapter, and the verdict.

A training is judged by its bootstrap interval over trajectories. A size is judged by its
trainings: a verdict is theirs if they agree, and "undecided" if not.
"""

import numpy as np
import pandas as pd

from .attention_verdicts import together
from .classification import verdict
from .forecast_scores import ENDS, error_saved, mean_with_band


def interval_spread_text(intervals, digits=2):
    """Mean of (value, low, high) over trainings, as text.

    Returns
    -------
    str
        "mean [low, high] (lowest to highest training)"; the interval is the mean of theirs.
    """
    intervals = np.array(intervals, float)
    mean, low, high = (f"{value:.{digits}f}" for value in intervals.mean(axis=0))
    text = f"{mean} [{low}, {high}]"
    if len(intervals) > 1:
        lowest, highest = intervals[:, 0].min(), intervals[:, 0].max()
        text += f" ({lowest:.{digits}f} to {highest:.{digits}f})"
    return text


def saved(trainings, exact):
    """Error that one-step forecasts save against the last frame, by length of the window.

    Parameters
    ----------
    trainings, exact
        From `generation_study.load`.

    Returns
    -------
    dict of str to (n_trainings, n_windows, 3) ndarray
        Value, low, high, by size.
    """
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
    """`saved` as text, a row for each size and a column for each window.

    Returns
    -------
    DataFrame of str
        As `interval_spread_text`, with numbers of trajectories and trainings; last, the exact
        mean.
    """
    rows, found = {}, saved(trainings, exact)
    for size, seeds in trainings.items():
        content = next(iter(seeds.values()))
        row = {"trajectories": len(content["windows"][0]), "trainings": len(seeds)}
        for number, n_frames in enumerate(content["settings"]["windows"]):
            row[f"{n_frames} frames"] = interval_spread_text(found[size][:, number])
        rows[size] = row
    best = interval_spread_text([exact_saved(exact)])
    rows["exact mean"] = {"trajectories": len(exact["windows"]["exact"]), "trainings": ""}
    rows["exact mean"] |= {column: best for column in row if column.endswith("frames")}
    return pd.DataFrame.from_dict(rows, orient="index")


def growth(trainings, exact, n_prompt, frames_per_step=1):
    """Error over that of the exact mean on the same trajectories, by number of frames ahead.

    Parameters
    ----------
    trainings, exact
        From `generation_study.load`.
    n_prompt, frames_per_step : int

    Returns
    -------
    horizons : (n_horizons,) ndarray of int
    models : dict of str to (mean, low, high)
        By size, over trainings: mean and range of their ratios.
    baselines : dict of str to (n_horizons,) ndarray
        Of the last frame, and of the mean of that prompt.
    """
    best, models = np.array(exact["growth"]["exact"]), {}
    for size, seeds in trainings.items():
        ratios = []
        for content in seeds.values():
            errors = np.array(_continued(content, n_prompt, frames_per_step)["errors"])
            ratios.append(errors.mean(axis=1) / best[:, : errors.shape[1]].mean(axis=1))
        ratios = np.array(ratios)
        models[size] = ratios.mean(axis=0), ratios.min(axis=0), ratios.max(axis=0)
    baselines = {
        label: np.mean(exact["growth"][name], axis=1) / best.mean(axis=1)
        for label, name in (
            ("last frame", "last frame"),
            ("mean of the prompt", f"mean of the prompt of {n_prompt}"),
        )
    }
    return np.array(exact["growth"]["horizons"]), models, baselines


def _continued(content, n_prompt, frames_per_step):
    return next(
        row
        for row in content["growth"]
        if (row["n_prompt"], row["frames_per_step"]) == (n_prompt, frames_per_step)
    )


def growth_table(trainings, exact, n_prompt, frames_per_step=1):
    """Error over that of the exact mean at the first, the middle and the last horizon, as text.

    Returns
    -------
    DataFrame of str
        One row a size: numbers of trajectories and trainings; then the ratio with its bootstrap
        interval over trajectories and its range over trainings, as `interval_spread_text`.
    """
    best, horizons = np.array(exact["growth"]["exact"]), exact["growth"]["horizons"]
    rows = {}
    for size, seeds in trainings.items():
        found = [
            np.array(_continued(content, n_prompt, frames_per_step)["errors"])
            for content in seeds.values()
        ]
        n = found[0].shape[1]
        rows[size] = {"trajectories": n, "trainings": len(found)}
        for at in (0, len(horizons) // 2, len(horizons) - 1):
            saved_here = np.array([error_saved(errors[at], best[at, :n]) for errors in found])
            ratios = 1 - saved_here[:, [0, 2, 1]]  # an upper end of what is saved is a lower one
            rows[size][f"{horizons[at]} ahead"] = interval_spread_text(ratios)
    return pd.DataFrame.from_dict(rows, orient="index")


def ends_table(trainings):
    """How continuations end, as shares over all trajectories and trainings of a size.

    Parameters
    ----------
    trainings : dict of str to dict of int to dict

    Returns
    -------
    DataFrame
        One row for each size and kind of continuation, one frame per step. Columns: numbers of
        trainings and trajectories; shares of `ENDS`, with the range over trainings for those that
        leave the map; frames off the map; the median frame at which they left; median distance
        from a minimum of the potential, of those at rest.
    """
    rows = []
    for size, seeds in trainings.items():
        contents = list(seeds.values())
        kinds = [
            (row["n_prompt"], max(row["horizons"]), [_continued(c, row["n_prompt"], 1)["ends"]
             for c in contents])
            for row in contents[0]["growth"]
            if row["frames_per_step"] == 1
        ]  # fmt: skip
        n_long = contents[0]["settings"]["n_long_steps"]
        kinds.append(
            (contents[0]["long"]["n_prompt"], n_long, [c["long"]["ends"] for c in contents])
        )
        for n_prompt, n_steps, ends in kinds:
            rows.append(
                {"model": size, "prompt": n_prompt, "frames": n_steps, "trainings": len(ends)}
                | _shares(ends)
            )
    return pd.DataFrame(rows).set_index(["model", "prompt", "frames"])


def _shares(ends):
    # of a list with the `how_they_end` of each training
    end = np.array([found["end"] for found in ends])  # (training, trajectory)
    left = np.array([found["left"] for found in ends])
    apart = np.array([found["from_minimum"] for found in ends])
    row = {"trajectories": end.shape[1]}
    row |= {kind: _share_text(end == kind) for kind in ENDS}
    row["frames off the map"] = _share_text(np.array([found["off"] for found in ends]))
    row["left after"] = f"{np.median(left[left >= 0]):.0f}" if (left >= 0).any() else ""
    at_rest = apart[end == ENDS[0]]
    row["from a minimum"] = f"{np.median(at_rest):.2f}" if len(at_rest) else ""
    return row


def _share_text(values):
    shares = np.asarray(values, float).mean(axis=1)
    text = f"{shares.mean():.2f}"
    return (
        text
        if shares.min() == shares.max()
        else f"{text} ({shares.min():.2f} to {shares.max():.2f})"
    )


def left_the_map(trainings):
    """Share of the long continuations that leave the map, by size, in words."""
    words = []
    for size, seeds in trainings.items():
        ends = np.array([content["long"]["ends"]["left"] for content in seeds.values()]) >= 0
        words.append(f"{size} {_share_text(ends)}")
    return "; ".join(words)


def echo_table(trainings):
    """Correlation of appended blocks with frames of the prompt, by size and block.

    Returns
    -------
    DataFrame of str
        Mean over trainings and trajectories, with the range over trainings.
    """
    rows = []
    for size, seeds in trainings.items():
        for row in next(iter(seeds.values()))["growth"]:
            key = (row["n_prompt"], row["frames_per_step"])
            if "echo" not in row:
                continue
            found = np.array([_continued(c, *key)["echo"] for c in seeds.values()])
            rows.append(
                {
                    "model": size,
                    "prompt": key[0],
                    "frames per step": key[1],
                    "frames they sit on": _share_text(found[:, :1]),
                    "frames asked for": _share_text(found[:, 1:]),
                }
            )
    return pd.DataFrame(rows).set_index(["model", "prompt", "frames per step"])


def excess_by_slice(content, exact):
    """Squared error beyond that of the exact mean on the same frames, (n_slices, n)."""
    return np.array(
        [
            np.array(errors) - np.array(best["exact"][: len(errors)])
            for errors, best in zip(content["slices"], exact["slices"], strict=True)
        ]
    )


def slices_table(trainings, exact):
    """Excess error of one-step forecasts from later and later slices, in units of the exact error.

    Returns
    -------
    DataFrame of str
        One row a size, one column for each slice, named by its first frame; as
        `interval_spread_text`.
    """
    rows = {}
    for size, seeds in trainings.items():
        contents = list(seeds.values())
        settings = contents[0]["settings"]
        n = len(contents[0]["slices"][0])
        unit = np.array([np.mean(best["exact"][:n]) for best in exact["slices"]])
        found = []
        for content in contents:
            scaled = excess_by_slice(content, exact) / unit[:, None]
            found.append(np.transpose(mean_with_band(scaled.T)))
        row = {"trajectories": n, "trainings": len(contents)}
        for number, end in enumerate(settings["slices"]):
            begin = end + 1 - settings["slice_length"]
            row[f"from frame {begin}"] = interval_spread_text(np.array(found)[:, number])
        rows[size] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def deteriorates(trainings, exact):
    """Whether forecasts from the last slice are worse than from the first, for each size.

    Parameters
    ----------
    trainings, exact
        From `generation_study.load`.

    Returns
    -------
    dict of str to {"confirmed", "refuted", "undecided"}
        By the excess over the exact error on the same trajectories: how hard the frames are does
        not count. Confirmed if it grows in every training.
    """
    found = {}
    for size, seeds in trainings.items():
        judged = []
        for content in seeds.values():
            excess = excess_by_slice(content, exact)
            _, low, high = mean_with_band(excess[-1] - excess[0])
            judged.append(verdict((float(low), float(high)), (0.0, 0.0)))
        found[size] = together(judged)
    return found
