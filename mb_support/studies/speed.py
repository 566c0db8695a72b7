"""What the measured speeds say: laws of growth fitted to them, and what a large study would cost.

The measurements are those that ``make benchmark`` writes to ``results/``.
"""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from ..files import paths
from ..model.checkpoints import CheckpointError

#: Bytes of a stored frame: two coordinates in float32.
FRAME_BYTES = 8
#: Frames of the longest trajectories that are timed, those of the regime "fine".
FULL_LENGTH = 1000
_OURS = {"threads": 2, "processes": 1, "label": "ours"}


def load_benchmark(name, folder=paths.RESULTS):
    """The committed result of a benchmark, "simulator" or "training", as a dict."""
    path = folder / f"benchmark_{name}.json"
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing: make benchmark measures it") from None
    except json.JSONDecodeError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from None


def rows_where(result, **wanted):
    """Table of the measurements of a result whose fields have given values."""
    table = pd.DataFrame(result["rows"])
    keep = np.all([table[key] == value for key, value in wanted.items()], axis=0)
    return table[keep].reset_index(drop=True)


def circumstances(simulator, training):
    """Where, from what and how often both benchmarks were measured, a column for each."""
    machine = simulator["machine"]
    places = (f"{machine['processor']}, {machine['cores']} cores", training["machine"])
    commits = (machine["commit"][:10], training["commit"])
    table = pd.DataFrame({"machine": places, "commit": commits}, index=["simulator", "training"])
    table["rounds"] = [result["rounds"] for result in (simulator, training)]
    loads = [max(result["load_average"]) for result in (simulator, training)]
    return table.assign(**{"load average": loads}).T


@dataclass(frozen=True)
class LengthLaw:
    """Time of a frame in a transformer that sees N frames: a + b N, in seconds."""

    fixed: float  # a: layers that treat each frame alone
    per_frame: float  # b: for each frame attended to

    def frames_per_s(self, n_frames):
        """Predicted speed at a length."""
        return 1 / (self.fixed + self.per_frame * np.asarray(n_frames, dtype=float))

    @property
    def crossover(self):
        """Length at which attention costs as much as everything else."""
        return self.fixed / self.per_frame if self.per_frame > 0 else np.inf


def fit_length_law(n_frames, frames_per_s):
    """`LengthLaw` of lengths and speeds, all relative errors counting the same."""
    n_frames = np.asarray(n_frames, dtype=float)
    speed = np.asarray(frames_per_s, dtype=float)
    if n_frames.shape != speed.shape or len(np.unique(n_frames)) < 2 or not (speed > 0).all():
        raise ValueError(
            "a law needs positive speeds at two lengths or more; got "
            f"n_frames = {n_frames.tolist()}, frames_per_s = {speed.tolist()}"
        )
    # minimises sum of ((a + b N) speed - 1)^2, with a and b kept from being negative
    fixed, per_frame = nnls(np.stack([speed, n_frames * speed], axis=1), np.ones(len(speed)))[0]
    return LengthLaw(float(fixed), float(per_frame))


def law_table(laws):
    """Constants of {kind: {size: LengthLaw}}, a row for each."""
    rows = {
        (kind, size): {
            "a (µs)": law.fixed * 1e6,
            "b (ns)": law.per_frame * 1e9,
            "N* (frames)": law.crossover,
        }
        for kind, by_size in laws.items()
        for size, law in by_size.items()
    }
    return pd.DataFrame(rows).T.round(1)


def fit_exponent(amounts, seconds):
    """Exponent p of seconds = c * amount**p, by least squares of logarithms."""
    return float(np.polyfit(np.log(amounts), np.log(seconds), 1)[0])


def simulation_growth(result, field):
    """Amounts and seconds of simulations that differ in "n_trajectories" or "n_frames"."""
    usual = {"n_trajectories": 1024, "n_frames": FULL_LENGTH}
    other = {name: value for name, value in usual.items() if name != field}
    rows = rows_where(result, kind="simulation", threads=2, **other)
    rows = rows.sort_values(field)
    frames = rows["n_trajectories"] * rows["n_frames"]
    return rows[field].to_numpy(float), (frames / rows["median_frames_per_s"]).to_numpy(float)


def by_length(result, kind, size):
    """Lengths and frames per second of our "training" or "inference", sorted by length.

    In the precision that was measured at most lengths.
    """
    rows = rows_where(result, kind=kind, size=size, **_OURS)
    usual = rows.groupby("precision")["n_frames"].nunique().idxmax()
    rows = rows[rows["precision"] == usual].sort_values("n_frames")
    return rows["n_frames"].to_numpy(), rows["median_frames_per_s"].to_numpy()


def implementation_table(result):
    """Frames per second at `FULL_LENGTH` by attention and precision, a column for each size."""
    rows = pd.concat(
        rows_where(result, kind=kind, n_frames=FULL_LENGTH, threads=2, processes=1)
        for kind in ("training", "inference")
    )
    rows["attention"] = rows["attention"] + np.where(rows["attention_dropout"] > 0, ", dropout", "")
    columns = [size for size in ("small", "medium", "large") if size in set(rows["size"])]
    table = rows.pivot_table(
        index=["kind", "attention", "precision"], columns="size", values="median_frames_per_s"
    )[columns]
    return table.map(lambda value: "" if np.isnan(value) else f"{value:,.0f}")


def speedup_parts(result, size):
    """Into what the gain of a size over the plain configuration divides, at `FULL_LENGTH`.

    Ratios of median frames per second on two threads, in float32: "no dropout", leaving out the
    dropout of attention weights; "attention", replacing fused attention of PyTorch by that for
    tiny heads.
    """
    rows = rows_where(
        result, kind="training", size=size, n_frames=FULL_LENGTH, threads=2, processes=1,
        precision="float32",
    )  # fmt: skip
    without = rows[rows["attention_dropout"] == 0].set_index("attention")["median_frames_per_s"]
    plain = rows[rows["attention_dropout"] > 0]["median_frames_per_s"].iloc[0]
    return {
        "no dropout": float(without["sdpa"] / plain),
        "attention": float(without["cpu_fused"] / without["sdpa"]),
    }


def bfloat16_gains(result):
    """How many times as fast training is with linear layers in bfloat16, at `FULL_LENGTH`.

    By size, where both were measured, of our configuration.
    """
    rows = rows_where(result, kind="training", n_frames=FULL_LENGTH, **_OURS)
    speeds = rows.groupby(["size", "precision"], sort=False)["median_frames_per_s"].median()
    speeds = speeds.unstack().reindex(columns=["bfloat16", "float32"])
    return (speeds["bfloat16"] / speeds["float32"]).dropna().to_dict()


def gains_in_words(gains, margin=0.05):
    """Whether something pays: "in all sizes", "in no size", or in which.

    `gains` says by size how many times as fast it is; one counts from one plus a margin on.
    """
    paying = [size for size, gain in gains.items() if gain > 1 + margin]
    if len(paying) == len(gains):
        return "in all sizes"
    return f"in the {' and the '.join(paying)} one only" if paying else "in no size"


def cost_of(result, n_trajectories=1_000_000):
    """Frames per second and hours of each task on `n_trajectories` of `FULL_LENGTH`.

    Extrapolated from the measured speeds, linear in the number of trajectories.
    """
    n_frames = FULL_LENGTH
    speed = {
        "simulate": rows_where(
            result, kind="simulation", n_trajectories=1024, threads=2, n_frames=n_frames
        ),
        "simulate into a store": rows_where(result, kind="store writing"),
        "read from a store": rows_where(result, kind="store reading"),
    }
    rows = {name: float(r["median_frames_per_s"].iloc[0]) for name, r in speed.items()}
    for kind, verb in (("inference", "classify"), ("training", "train once through")):
        for size in ("small", "medium", "large"):
            if size in {row["size"] for row in result["rows"]}:
                lengths, speeds = by_length(result, kind, size)
                rows[f"{verb}, {size}"] = float(speeds[list(lengths).index(n_frames)])
    table = pd.DataFrame({"frames per second": rows})
    table["hours"] = n_trajectories * n_frames / table["frames per second"] / 3600
    return table
