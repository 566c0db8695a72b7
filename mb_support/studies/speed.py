"""What the measured speeds say: ratios, laws of growth, and what a large study would cost.

The measurements are those that ``make benchmark`` writes to ``results/``.
"""

import json

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from ..files import paths
from ..model.settings import SIZES
from ..statistics import verdict, verdicts_in_words, with_error

#: Bytes of a stored frame: two coordinates in float32.
FRAME_BYTES = 8
#: Frames of the longest trajectories that are timed, those of the regime "fine".
FULL_LENGTH = 1000
_OURS = {"threads": 2, "processes": 1, "label": "ours"}
_USUAL = {"n_frames": FULL_LENGTH, "precision": "float32"}
#: Kept measurements of training: where `make benchmark` was run last, and on another processor.
MACHINES = ("training", "training_epyc")
#: What training is compared with, the fairest first: attention, dropout of its weights, precision.
RIVALS = {
    "sdpa, bfloat16": ("sdpa", 0.0, "bfloat16"),  # on a GPU, where ours has such scores
    "sdpa": ("sdpa", 0.0, "float32"),
    "sdpa, compiled": ("sdpa compiled", 0.0, "float32"),
    "plain": ("sdpa", 0.1, "float32"),
}


def load_benchmark(name, folder=None):
    """The committed result of a benchmark, "simulator", "simulator_gpu", "training_gpu" or one of
    `MACHINES`, as a dict."""
    return json.loads(((folder or paths.RESULTS) / f"benchmark_{name}.json").read_text())


def rows_where(result, **wanted):
    """Table of the measurements of a result whose fields have given values."""
    table = pd.DataFrame(result["rows"])
    keep = np.all([table[key] == value for key, value in wanted.items()], axis=0)
    return table[keep].reset_index(drop=True)


def circumstances(simulator, training):
    """Where, from what and how often both benchmarks were measured, a column for each."""
    machine = simulator["machine"]
    cores = f"{machine['processor']}, {machine['cores']} cores"
    places = (f"{cores}; {machine['gpu']}" if "gpu" in machine else cores, training["machine"])
    commits = (machine["commit"][:10], training["commit"])
    table = pd.DataFrame({"machine": places, "commit": commits}, index=["simulator", "training"])
    table["rounds"] = [result["rounds"] for result in (simulator, training)]
    loads = [f"{max(result['load_average']):.1f}" for result in (simulator, training)]
    return table.assign(**{"load average": loads}).T


def ratios(result, threads=2):
    """How many times as fast as each of `RIVALS` ours trains, by rival and size: "times" of the
    medians of frames per second; "low" and "high" set the slowest round against the fastest."""
    rows = rows_where(
        result, kind="training", n_frames=FULL_LENGTH, threads=threads, processes=1
    )  # fmt: skip
    columns = ["median_frames_per_s", "lowest_frames_per_s", "highest_frames_per_s"]
    in_float32 = rows[(rows["label"] == "ours") & (rows["precision"] == "float32")]
    by_size = in_float32.set_index("size")[columns]
    by_setting = rows.set_index(["attention", "attention_dropout", "precision", "size"])[columns]
    found = {}
    for rival, settings in RIVALS.items():
        for size in (size for size in SIZES if size in by_size.index):
            if (*settings, size) in by_setting.index:
                ours, other = by_size.loc[size], by_setting.loc[(*settings, size)]
                ours, other = ours.to_numpy(), other.to_numpy()
                found[rival, size] = ours[0], other[0], *(ours / other[[0, 2, 1]])
    columns = ["ours", "rival", "times", "low", "high"]
    return pd.DataFrame(found, index=columns).T.rename_axis(["rival", "size"])


def with_separators(value):
    """A measured number as text, with commas in thousands: "34,763", "2.5"."""
    if not isinstance(value, float):
        return value
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def ratio_table(compared):
    """`ratios` as text: frames per second, and how many times as fast."""
    names = {"ours": "ours (frames/s)", "rival": "rival (frames/s)"}
    return compared.map(with_separators).rename(columns=names)


def processor(result):
    """What a benchmark was run on, such as "AMD EPYC"."""
    return result["machine"].partition(" Processor")[0].partition(",")[0].replace("(R)", "")


def _times_in_words(row):
    return f"{row.times:.1f} ({row.low:.1f} to {row.high:.1f})"


def fair_ratios(results):
    """Ratios to `sdpa` without dropout on each machine, as text, and whether ours is faster in all
    rounds, in a line: (table, {machine: words})."""
    columns, words = {}, {}
    for result in results:
        found, name = ratios(result).loc["sdpa"], processor(result)
        columns[name] = [_times_in_words(row) for row in found.itertuples()]
        judged = {r.Index: verdict((r.low, r.high), (1.0, 1.0)) for r in found.itertuples()}
        words[name] = verdicts_in_words(judged)
    return pd.DataFrame(columns, index=found.index), words


def fit_length_law(n_frames, frames_per_s):
    """a and b of the time of a frame in a transformer that sees N frames, a + b N, in seconds:
    layers that treat each frame alone, and attention. All relative errors count the same."""
    n_frames, speed = np.asarray(n_frames, dtype=float), np.asarray(frames_per_s, dtype=float)
    # minimises sum of ((a + b N) speed - 1)^2, with a and b kept from being negative
    return nnls(np.stack([speed, n_frames * speed], axis=1), np.ones(len(speed)))[0]


def length_law_errors(n_frames, frames_per_s):
    """Standard errors of a, of b and of a / b, from the residuals of `fit_length_law`."""
    n_frames, speed = np.asarray(n_frames, dtype=float), np.asarray(frames_per_s, dtype=float)
    design, (a, b) = np.stack([speed, n_frames * speed], axis=1), fit_length_law(n_frames, speed)
    residuals = design @ (a, b) - 1
    covariance = np.linalg.inv(design.T @ design) * (residuals @ residuals) / (len(speed) - 2)
    slope = np.array([1 / b, -a / b**2])  # of a / b
    return *np.sqrt(np.diag(covariance)), np.sqrt(slope @ covariance @ slope)


def by_length(result, kind, size):
    """Sorted lengths, and frames per second, of our "training" or "inference", in the precision
    that was measured at most lengths."""
    rows = rows_where(result, kind=kind, size=size, **_OURS)
    usual = rows.groupby("precision")["n_frames"].nunique().idxmax()
    rows = rows[rows["precision"] == usual].sort_values("n_frames")
    return rows["n_frames"].to_numpy(), rows["median_frames_per_s"].to_numpy()


def length_laws(result, sizes):
    """Measured points and fitted laws, two dicts {kind: {size: ...}}."""
    kinds = ("training", "inference")
    points = {kind: {size: by_length(result, kind, size) for size in sizes} for kind in kinds}
    laws = {
        kind: {size: fit_length_law(*measured) for size, measured in by_size.items()}
        for kind, by_size in points.items()
    }
    return points, laws


def law_table(points):
    """Constants, with standard errors, of the laws of {kind: {size: (lengths, speeds)}}; at N* both
    terms are equal."""
    rows = {}
    for kind, by_size in points.items():
        for size, measured in by_size.items():
            a, b = fit_length_law(*measured)
            values = zip((a, b, a / b), length_law_errors(*measured), (1e6, 1e9, 1), strict=True)
            rows[kind, size] = [with_error(v * unit, e * unit) for v, e, unit in values]
    return pd.DataFrame(rows, index=["a (µs)", "b (ns)", "N* (frames)"]).T.rename_axis(
        ["kind", "size"]
    )


def simulation_growth(result, field):
    """Amounts and seconds of simulations that differ in a field, and the exponent of growth."""
    usual = {"n_trajectories": 1024, "n_frames": FULL_LENGTH}
    del usual[field]
    rows = rows_where(result, kind="simulation", threads=2, **usual).sort_values(field)
    amounts = rows[field].to_numpy(float)
    seconds = rows["n_trajectories"] * rows["n_frames"] / rows["median_frames_per_s"]
    return amounts, seconds.to_numpy(float), float(np.polyfit(*np.log([amounts, seconds]), 1)[0])


def implementation_table(result):
    """Frames per second at `FULL_LENGTH` by attention and precision, a column for each size."""
    rows = pd.DataFrame(result["rows"]).query(
        "kind in ('training', 'inference') and n_frames == @FULL_LENGTH"
        " and threads == 2 and processes == 1"
    )
    dropout = np.where(rows["attention_dropout"] > 0, ", dropout", "")
    table = rows.assign(attention=rows["attention"] + dropout).pivot_table(
        index=["kind", "attention", "precision"], columns="size", values="median_frames_per_s"
    )
    columns = [size for size in SIZES if size in table]
    return table[columns].map("{:,.0f}".format, na_action="ignore").fillna("")


def gpu_ratio_table(result):
    """`ratios` as text, a column for each size: times, and in brackets the span of the rounds."""
    compared = ratios(result)
    words = [_times_in_words(row) for row in compared.itertuples()]
    table = pd.Series(words, compared.index).unstack(sort=False)
    return table.rename_axis(index="ours against", columns=None)


def gpu_speed_table(result):
    """`implementation_table`, and generation below, by length of the window."""
    rows = rows_where(result, kind="generation")
    rows["kind"] = [f"generation, window of {n}" for n in rows["n_frames"]]
    made = rows.pivot_table(["median_frames_per_s"], ["kind", "attention", "precision"], "size")
    made = made["median_frames_per_s"].map("{:,.0f}".format)
    table = implementation_table(result)
    return pd.concat([table, made[table.columns]])


def gpu_simulator_table(result):
    """Millions of steps per second by program and number of trajectories: medians, and in brackets
    the slowest and the fastest round."""
    rows = {}
    for row in result["rows"]:
        name, number = row["name"].rpartition(", ")[0], f"{row['n_trajectories']:,} trajectories"
        speeds = [row[f"{which}_steps_per_s"] / 1e6 for which in ("median", "lowest", "highest")]
        median, low, high = (f"{speed:,.0f}" for speed in speeds)
        where = name if name.startswith("ours") else f"{name}, GPU"
        rows.setdefault(where, {})[number] = f"{median} ({low} to {high})"
    return pd.DataFrame(rows).T


def gpu_numbers(simulator, training, on_cores, stride):
    """What the chapter says of a GPU, by name; `on_cores` is the result on training of two cores,
    `stride` the number of steps between frames."""
    trained = [rows_where(r, kind="training", **_OURS, **_USUAL) for r in (training, on_cores)]
    speeds, on_cores = (rows.set_index("size")["median_frames_per_s"] for rows in trained)
    hours = 1_000_000 * FULL_LENGTH / speeds / 3600
    by_size = {"times": (speeds / on_cores, 0), "million_hours": (hours, 1)}
    by_size["frames"] = speeds / 1e6, 1
    found = {
        f"gpu_{key}": ", ".join(f"{size} {values[size]:.{digits}f}" for size in values.index)
        for key, (values, digits) in by_size.items()
    }
    fair = ratios(training).loc["sdpa, bfloat16"]
    judged = {row.Index: verdict((row.low, row.high), (1.0, 1.0)) for row in fair.itertuples()}
    found |= {"gpu": training["machine"], "gpu_faster": verdicts_in_words(judged)}
    found["gpu_fair"] = ", ".join(f"{r.Index} {_times_in_words(r)}" for r in fair.itertuples())
    rows = pd.DataFrame(simulator["rows"])
    for key, n in (("few", rows["n_trajectories"].min()), ("many", rows["n_trajectories"].max())):
        here = rows[rows["n_trajectories"] == n]
        ours = here["name"].str.startswith("ours")
        speed = here.loc[~ours, "median_steps_per_s"].max() / here.loc[ours, "median_steps_per_s"]
        found[f"gpu_simulator_{key}"] = float(speed.iloc[0])
        found[f"gpu_n_{key}"] = int(n)
        found["gpu_simulated"] = float(here.loc[ours, "median_steps_per_s"].iloc[0] / stride / 1e6)
    return found


def cost_of(result, n_trajectories=1_000_000):
    """Extrapolated frames per second and hours of each task on so many of `FULL_LENGTH`."""
    simulated = {"n_trajectories": 1024, "threads": 2, "n_frames": FULL_LENGTH}
    tasks = {
        "simulate": rows_where(result, kind="simulation", **simulated),
        "simulate into a store": rows_where(result, kind="store writing"),
        "read from a store": rows_where(result, kind="store reading"),
    }
    speeds = {name: float(rows["median_frames_per_s"].iloc[0]) for name, rows in tasks.items()}
    measured = {row["size"] for row in result["rows"]}
    for kind, verb in (("inference", "classify"), ("training", "train once through")):
        for size in (size for size in SIZES if size in measured):
            rows = rows_where(result, kind=kind, size=size, **_OURS, **_USUAL)
            speeds[f"{verb}, {size}"] = float(rows["median_frames_per_s"].iloc[0])
    table = pd.DataFrame({"frames per second": speeds})
    table["hours"] = n_trajectories * FULL_LENGTH / table["frames per second"] / 3600
    return table


def numbers(simulator, machines, n_frames):
    """What the chapter says in its text, by name; `machines` are results on training, the one that
    the chapter shows first, and `n_frames` is the usual length."""
    training = machines[0]
    others = [row for row in simulator["rows"] if not row["name"].startswith("ours")]
    closest = min(others, key=lambda row: row["ours_is_faster_by"])
    cost, compared = cost_of(training), ratios(training)
    sizes = compared.loc["plain"].index
    extremes = {"small": sizes[0], "largest": sizes[-1]}
    n_million = 1_000_000 * FULL_LENGTH
    found = {
        "simulator_steps": simulator["rows"][0]["median_steps_per_s"] / 1e6,
        "simulator_closest": float(closest["ours_is_faster_by"]),
        "simulator_closest_name": closest["name"],
        "load": max(training["load_average"]),
        "largest_name": sizes[-1],
        "full_length": FULL_LENGTH,
        "default_length": n_frames,
        "million_gigabytes": n_million * FRAME_BYTES / 1e9,
        "million_simulate_minutes": 60 * cost.loc["simulate", "hours"],
    }
    faster = fair_ratios(machines)[1]
    found["processor"], found["other_processor"] = map(processor, machines)
    found["faster"] = ". ".join(f"{name}: {words}" for name, words in faster.items())
    for kind, fits in length_laws(training, sizes)[1].items():
        off = []
        for size, (a, b) in fits.items():
            lengths, speeds = map(np.asarray, by_length(training, kind, size))
            off.append(np.abs((a + b * lengths) * speeds - 1).max())
        found[f"law_off_{kind}"] = 100 * max(off)
    for name, size in extremes.items():
        for key, rival in (("ratio", "plain"), ("fair", "sdpa")):
            row = compared.loc[rival, size]
            found[f"{key}_{name}_2"] = row["times"]
            found |= {f"{key}_{name}_2_{end}": row[end] for end in ("low", "high")}
        lengths, speeds = by_length(training, "training", size)
        found[f"shorter_{name}"] = speeds[list(lengths).index(FULL_LENGTH // 2)] / speeds[-1]
        hours = cost.loc[f"train once through, {size}", "hours"]
        found[f"million_train_days_{name}"] = hours / 24
    found["dropout_small"] = found["ratio_small_2"] / found["fair_small_2"]
    return {name: v if isinstance(v, str | int) else float(v) for name, v in found.items()}
