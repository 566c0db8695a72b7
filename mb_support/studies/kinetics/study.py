"""Generated ensembles judged on density, passage times and timescale; in ``results/kinetics``.

``python -m mb_support.studies kinetics`` makes an ensemble with each generator, counts in all of
them what `describe` counts, and keeps the numbers, not the trajectories. Each part is a file of
its own; a part that is there already is not made again, unless its settings or weights changed.
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from ...datasets.sets import family_seed
from ...files import paths
from ...files.results import keep
from ...generation import generate
from ...model.causal import CausalGenerator, sample
from ...model.inference import load_checkpoint, weights_digest
from ...potential import MINIMA
from ...reference.forecast import autocorrelation as exact_autocorrelation
from ...reference.forecast import simulated_moments
from ...reference.solver import GridSolver
from ...simulation.langevin import simulate
from ...simulation.settings import REGIMES
from ...states import DISKS
from ...statistics import Estimate, bootstrap, jensen_shannon_divergence, with_error
from ...training.causal import FreshWindows
from . import counts as kinetics
from .markov import (
    assign_cells,
    count_cells,
    markov_kinetics,
    markov_model,
    slowest_timescale,
    transition_counts,
)

RESULTS = paths.ROOT / "results" / "kinetics"
REGIME = REGIMES["metastable"]
#: The same dynamics in frames four times as close.
FINE = REGIMES["fine"]
#: What `acceptance` asks for: nats; shares of the exact value.
MAX_DIVERGENCE, TOLERANCE, MAX_ERROR = 0.01, 0.1, 0.05
TIMES = ("passage_time_ab", "passage_time_ba", "slowest_timescale")
#: All that has an estimate, in the order of tables.
ESTIMATED = ("divergence", *TIMES, "population_b", "rate_ab", "rate_ba")
#: Frames between the two ends of a pair, for the autocorrelation of y.
LAGS = (0, 1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 130, 200, 300, 450)


# ---- ensembles -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ensemble:
    """Size of an ensemble, and what of it is counted."""

    n_walkers: int = 4000  # half start in A, half in B: far from their shares at equilibrium
    n_frames: int = 3000
    n_settle: int = 1500  # frames in which the shares relax; not counted in densities
    lag: int = 25  # of the Markov state model, frames
    seed: int = family_seed("test", 60)

    def starts(self):
        """First frames, (n_walkers, 2): the bottoms of A and B in turn."""
        return MINIMA[np.arange(self.n_walkers) % 2]


def simulate_ensemble(ensemble):
    """Real simulation; a trajectory set like those that the generators make."""
    config = replace(REGIME, n_frames=ensemble.n_frames)
    return simulate(config, ensemble.starts(), ensemble.seed)


def sample_ensemble(model, ensemble):
    """The stochastic generator, continued from the bare starts."""
    return sample(model, ensemble.starts()[:, None], ensemble.n_frames - 1, ensemble.seed)


def gaussian_ensemble(ensemble, regime=REGIME):
    """What a perfect generator with one Gaussian for the next frame would make.

    Each frame is drawn from the Gaussian that has the exact mean and the exact covariance of the
    next simulated frame.
    """
    solver = GridSolver(regime.beta, regime.diffusion, grid_step=0.02)
    mean, covariance = simulated_moments(solver, replace(regime, n_frames=2))
    x_x, x_y, y_y = covariance[0, 0], covariance[0, 1], covariance[1, 1]
    root = np.sqrt(np.maximum(x_x, 1e-12))
    below = x_y / root
    rest = np.sqrt(np.maximum(y_y - below**2, 1e-12))
    fields = np.stack([mean[0], mean[1], root, below, rest])
    random = np.random.default_rng(ensemble.seed)
    frames = np.empty((ensemble.n_frames, ensemble.n_walkers, 2), np.float32)
    frames[0] = ensemble.starts()
    for t in range(1, ensemble.n_frames):
        mean_x, mean_y, root, below, rest = solver.interpolate(fields, frames[t - 1])
        z_x, z_y = random.standard_normal((2, ensemble.n_walkers))
        frames[t, :, 0] = mean_x + root * z_x
        frames[t, :, 1] = mean_y + below * z_x + rest * z_y
    return frames.transpose(1, 0, 2)


@dataclass(frozen=True)
class DeterministicRun:
    """How the poster's generator is run: prompts of real frames, a window, a frame at a time."""

    n_walkers: int = 48
    n_prompt: int = 100
    n_frames: int = 1500
    n_settle: int = 500
    lag: int = 25
    seed: int = family_seed("test", 61)

    starts = Ensemble.starts


def deterministic_ensemble(model, run):
    """The poster's generator: what the model makes after the prompts, without them."""
    config = replace(REGIME, n_frames=run.n_prompt)
    prompts = simulate(config, run.starts(), run.seed)
    made = generate(model, prompts, run.n_frames, window_length=run.n_prompt)
    return made[:, run.n_prompt :]


@dataclass(frozen=True)
class MarkovRun:
    """The Markov state model, from as many windows of the same kind as trained the generator."""

    n_windows: int = 8_192_000
    n_relax: int = 2
    lag: int = 4  # frames; a window has one more
    width: float = 0.1  # of the cells, reduced length
    n_groups: int = 48  # of windows, which the bootstrap resamples
    seed: int = family_seed("stream", 4500)  # not that of the generator's windows


def fit_markov(run, n_samples=50):
    """Estimates of a Markov state model, in the form of `describe`."""
    n_each = run.n_windows // run.n_groups
    windows = FreshWindows(n_each * run.n_groups, run.lag + 1, run.n_relax, run.seed)
    edges = kinetics.box_edges(run.width)
    n_boxes = kinetics.box_number(edges)
    by_cell, by_box = [], []
    for group in range(run.n_groups):
        frames = windows.windows(group * n_each, n_each)
        cells, boxes = assign_cells(frames, run.width), kinetics.assign_boxes(frames, edges)
        by_cell += transition_counts(cells, run.lag, count_cells(run.width), n_groups=1)
        by_box += transition_counts(boxes, run.lag, n_boxes, n_groups=1)
    exact = kinetics.boltzmann_boxes(REGIME.beta, edges)
    lag_time = run.lag * REGIME.frame_time

    def density(weights):
        model = markov_model(by_box, weights, reversible=False)
        boxes = np.zeros(n_boxes)
        boxes[model.count_model.state_symbols] = model.stationary_distribution
        return boxes

    def everything(weights):
        found = markov_kinetics(by_cell, lag_time, weights)
        found |= {f"rate_{way}": 1 / found[f"passage_time_{way}"] for way in ("ab", "ba")}
        return found | {"divergence": jensen_shannon_divergence(density(weights), exact)}

    random = np.random.default_rng(0)
    shares = np.full(run.n_groups, 1 / run.n_groups)
    samples = [everything(w) for w in random.multinomial(run.n_groups, shares, n_samples)]
    found = {}
    for name, value in everything(np.ones(run.n_groups)).items():
        spread = np.array([sample[name] for sample in samples])
        low, high = np.percentile(spread, [2.5, 97.5])
        found[name] = Estimate(value, float(spread.std(ddof=1)), float(low), float(high))
    return found | {"density": density(np.ones(run.n_groups)).tolist()}


# ---- what is counted in them ---------------------------------------------------------------------


def describe(trajectories, ensemble, n_samples=200, regime=REGIME):
    """What (n_walkers, n_frames, 2) trajectories say, by name; mostly an `Estimate` each.

    "divergence" is that of Jensen and Shannon, in nats, "density" the share of each box,
    "autocorrelation" that of y at `LAGS`, "n_passages" from A to B and back. The regime says how
    far apart frames are; of bootstrap samples the timescale gets half.
    """
    n = len(trajectories)
    settled = trajectories[:, ensemble.n_settle :]
    edges = kinetics.box_edges()
    exact = kinetics.boltzmann_boxes(regime.beta, edges)
    boxes = kinetics.count_boxes(settled, edges)
    passages = kinetics.count_passages(trajectories, regime.frame_time)
    after = (kinetics.last_visited(settled) == 1).mean(axis=1)
    cells = assign_cells(trajectories)
    counts = transition_counts(cells, ensemble.lag, count_cells())
    lag_time = ensemble.lag * regime.frame_time
    lags = [lag for lag in LAGS if lag < settled.shape[1] // 2]
    values, errors = kinetics.autocorrelation(settled, lags, n_samples=n_samples)

    def estimate(statistic, n_units=n, n_samples=n_samples):
        return bootstrap(statistic, n_units, n_samples)

    return {
        "divergence": estimate(lambda w: jensen_shannon_divergence(w @ boxes, exact)),
        "population_b": estimate(lambda w: w @ after / w.sum()),
        "passage_time_ab": estimate(lambda w: passages.mean_time(0, w)),
        "passage_time_ba": estimate(lambda w: passages.mean_time(1, w)),
        "rate_ab": estimate(lambda w: 1 / passages.mean_time(0, w)),
        "rate_ba": estimate(lambda w: 1 / passages.mean_time(1, w)),
        "slowest_timescale": estimate(
            lambda w: slowest_timescale(counts, lag_time, w), len(counts), n_samples // 2
        ),
        "n_passages": passages.count.sum(axis=0).tolist(),
        "total_time": float(passages.time_after.sum()),
        "density": (boxes.sum(axis=0) / boxes.sum()).tolist(),
        "autocorrelation": {"lags": lags, "values": values.tolist(), "errors": errors.tolist()},
    }


def exact_kinetics():
    """The exact values of what `describe` estimates, with passage times as seen at frames.

    And "continuous_passage_time_ab" and "_ba", as seen all the time.
    """
    solver = GridSolver(REGIME.beta, REGIME.diffusion, grid_step=0.02)
    found, weight = {}, solver.stationary_density()
    for name, source, target in (("ab", *DISKS), ("ba", *DISKS[::-1])):
        # from an arrival somewhere in the source disk
        inside = ((solver.positions - source[0]) ** 2).sum(axis=-1) < source[1] ** 2
        at_frames = kinetics.frame_passage_time(solver, target, REGIME.frame_time)
        found[f"passage_time_{name}"] = float(solver.average(at_frames, weight * inside))
        found[f"rate_{name}"] = 1 / found[f"passage_time_{name}"]
        found[f"continuous_passage_time_{name}"] = 1 / solver.rate(source, target)
    times = np.array(LAGS) * REGIME.frame_time
    after_b = solver.committor(*DISKS)  # reversible: also the chance to have come from B last
    return found | {
        "slowest_timescale": float(solver.implied_timescales(1)[0]),
        "population_b": solver.average(after_b),
        "density": kinetics.boltzmann_boxes(REGIME.beta, kinetics.box_edges()).tolist(),
        "autocorrelation": {
            "lags": list(LAGS),
            "values": exact_autocorrelation(solver, solver.positions[..., 1], times).tolist(),
        },
    }


def acceptance(part, exact):
    """Whether a generator has the right kinetics, by the criteria stated here.

    The density may diverge by `MAX_DIVERGENCE`. Each time has to be known with a standard error of
    at most `MAX_ERROR` of the exact value, and lie within `TOLERANCE` of it or within two standard
    errors. For "divergence" and each of `TIMES`: "value", "error", "exact", "allowed" (distance
    from the exact value) and "met".
    """
    found = {}
    for name in ("divergence", *TIMES):
        value, error = part[name].value, part[name].standard_error
        if name == "divergence":
            target, allowed, known = 0.0, MAX_DIVERGENCE, True
        else:
            target = exact[name]
            allowed = max(TOLERANCE * target, 2 * error)
            known = error <= MAX_ERROR * target
        met = bool(known and abs(value - target) <= allowed)
        found[name] = {"value": value, "error": error, "exact": target, "allowed": allowed}
        found[name]["met"] = met
    return found


def verdict(part, exact):
    """`acceptance` in words: "meets all four criteria", or how many, and which it misses."""
    words = {"passage_time_ab": "A to B", "passage_time_ba": "B to A"}
    criteria = acceptance(part, exact)
    missed = [
        words.get(name, name.replace("_", " ")) for name, row in criteria.items() if not row["met"]
    ]
    if not missed:
        return "meets all four criteria"
    n_met = len(criteria) - len(missed)
    return f"meets {n_met or 'none'} of the four criteria (missed: {', '.join(missed)})"


# ---- results on disk -----------------------------------------------------------------------------


def _make(part):
    # what a part is made from, and how
    made_for = {"regime": REGIME.to_dict()}
    if part == "exact":
        return made_for, exact_kinetics
    if part == "markov":
        return made_for | {"settings": asdict(MarkovRun())}, lambda: fit_markov(MarkovRun())
    if part == "deterministic":
        run, model = DeterministicRun(), load_checkpoint("small")
        made_for |= {"settings": asdict(run), "weights": weights_digest(model)}
        return made_for, lambda: describe(deterministic_ensemble(model, run), run)
    if part == "gaussian_fine":
        run = FINE_ENSEMBLE
        made_for = {"regime": FINE.to_dict(), "settings": asdict(run)}
        return made_for, lambda: describe(gaussian_ensemble(run, FINE), run, regime=FINE)
    ensemble = Ensemble(seed=REPEATED_SEED) if part == "repeated" else Ensemble()
    made_for |= {"settings": asdict(ensemble)}
    if part in ("stochastic", "repeated"):
        model = CausalGenerator.from_pretrained(paths.CHECKPOINTS / "causal").eval()
        made_for["weights"] = weights_digest(model)
        return made_for, lambda: describe(sample_ensemble(model, ensemble), ensemble)
    make = {"simulation": simulate_ensemble, "gaussian": gaussian_ensemble}[part]
    return made_for, lambda: describe(make(ensemble), ensemble)


PARTS = ("exact", "simulation", "stochastic", "repeated")
PARTS += ("gaussian", "gaussian_fine", "markov", "deterministic")
#: As long in time as an `Ensemble`, in frames four times as close.
FINE_ENSEMBLE = Ensemble(
    n_walkers=2000, n_frames=12_000, n_settle=6000, lag=100, seed=family_seed("test", 66)
)
#: The part "repeated" is "stochastic" once more, with this seed: was the first one lucky?
REPEATED_SEED = family_seed("test", 65)


def make_part(part, folder=RESULTS):
    """Make one file of the results, one of `PARTS`, unless it is there and up to date."""
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}: choose one of {PARTS}")
    keep(folder / f"{part}.json", *_make(part), packages=("torch", "transformers", "deeptime"))


def pooled_in_words(first, second, exact, names=("passage_time_ab", "passage_time_ba")):
    """Two ensembles of one generator together, and how far that is from the exact values."""
    words = []
    for name in names:
        values = np.array([part[name].value for part in (first, second)])
        weights = np.array([part[name].standard_error for part in (first, second)]) ** -2.0
        value, error = np.average(values, weights=weights), weights.sum() ** -0.5
        away = (value - exact[name]) / error
        side = "above" if away > 0 else "below"
        words.append(
            f"{with_error(value, error)}, {abs(away):.1f} standard errors {side} the exact "
            f"{exact[name]:.4g}"
        )
    return "; ".join(words)


def table_of_estimates(parts, exact, names=ESTIMATED):
    """Estimates with their errors in words, a column for each part and one for the exact values."""
    columns = {
        key: {
            name: with_error(part[name].value, part[name].standard_error)
            for name in names
            if name in part
        }
        for key, part in parts.items()
    }
    columns["exact"] = {name: f"{exact[name]:.3g}" for name in names if name in exact}
    return pd.DataFrame(columns, index=list(names)).fillna("")


def load_results(folder=RESULTS):
    """All parts that have been made, as {part: content}; estimates as `Estimate`.

    What could not be estimated, because nothing ever passed, is NaN.
    """
    found = {}
    for part in PARTS:
        path = folder / f"{part}.json"
        if path.exists():
            content = json.loads(path.read_text())
            found[part] = {name: _estimate(value) for name, value in content.items()}
    return found


def _estimate(value):
    if isinstance(value, dict) and set(value) == {"value", "standard_error", "low", "high"}:
        return Estimate(**{k: np.nan if v is None else v for k, v in value.items()})
    return value


def parts():
    """{name: function that makes and keeps it} of all `PARTS`."""
    return {part: partial(make_part, part) for part in PARTS}
