"""Generated ensembles judged on density, passage times and timescale; in ``results/kinetics``.

``python -m mb_support.kinetics_study`` makes an ensemble with each generator, counts in all of
them what `describe` counts, and keeps the numbers, not the trajectories. Each part is a file of
its own; a part that is there already is not made again, unless its settings or weights changed.
"""

import json
from dataclasses import asdict

import numpy as np

from . import kinetics, paths
from .causal import CausalGenerator
from .datasets import family_seed
from .forecast import autocorrelation as exact_autocorrelation
from .inference import load_checkpoint, weights_digest
from .kinetics import DISKS, Estimate, bootstrap
from .kinetics_ensembles import (
    FINE,
    REGIME,
    DeterministicRun,
    Ensemble,
    MarkovRun,
    deterministic_ensemble,
    fit_markov,
    gaussian_ensemble,
    sample_ensemble,
    simulate_ensemble,
)
from .kinetics_markov import (
    assign_cells,
    count_cells,
    slowest_timescale,
    transition_counts,
)
from .records import keep, run_study
from .reference import GridSolver

RESULTS = paths.ROOT / "results" / "kinetics"
#: What `acceptance` asks for: nats; shares of the exact value.
MAX_DIVERGENCE, TOLERANCE, MAX_ERROR = 0.01, 0.1, 0.05
TIMES = ("passage_time_ab", "passage_time_ba", "slowest_timescale")
#: Frames between the two ends of a pair, for the autocorrelation of y.
LAGS = (0, 1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 130, 200, 300, 450)


def describe(trajectories, ensemble, n_samples=200, regime=REGIME):
    """What an ensemble says of densities, passages, rates, timescale and autocorrelation.

    Parameters
    ----------
    trajectories : (n_walkers, n_frames, 2) ndarray
    ensemble : Ensemble
    n_samples : int
        Bootstrap samples; half as many for the timescale.
    regime : SimulationConfig
        Says at which temperature, and how far apart frames are.

    Returns
    -------
    dict
        Of `Estimate`: "divergence" (Jensen-Shannon, nats), "population_b", "passage_time_ab",
        "passage_time_ba", "rate_ab", "rate_ba", "slowest_timescale"; and "n_passages" (from A to
        B, from B to A), "total_time", "density" (share of each box), "autocorrelation" (values
        and standard errors at `LAGS`).
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
        "divergence": estimate(lambda w: kinetics.jensen_shannon_divergence(w @ boxes, exact)),
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


def exact_kinetics(grid_step=0.02):
    """The exact values of what `describe` estimates.

    Parameters
    ----------
    grid_step : float
        Of the solver, reduced length.

    Returns
    -------
    dict
        "passage_time_ab" and "_ba" as seen at frames, "continuous_passage_time_ab" and "_ba"
        without frames, rates, "slowest_timescale", "population_b", "density", "autocorrelation".
    """
    solver = GridSolver(REGIME.beta, REGIME.diffusion, grid_step)
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
    errors.

    Parameters
    ----------
    part : dict
        As `describe` gives it.
    exact : dict
        As `exact_kinetics` gives it.

    Returns
    -------
    dict
        For "divergence" and each of `TIMES`: "value", "error", "exact", "allowed" (distance from
        the exact value) and "met".
    """
    found = {}
    for name, target in {"divergence": 0.0, **{key: exact[key] for key in TIMES}}.items():
        estimate = part[name]
        if name == "divergence":
            allowed, known = MAX_DIVERGENCE, True
        else:
            allowed = max(TOLERANCE * target, 2 * estimate.standard_error)
            known = estimate.standard_error <= MAX_ERROR * target
        found[name] = {
            "value": estimate.value,
            "error": estimate.standard_error,
            "exact": target,
            "allowed": allowed,
            "met": bool(known and abs(estimate.value - target) <= allowed),
        }
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


PARTS = (
    "exact",
    "simulation",
    "stochastic",
    "repeated",
    "gaussian",
    "gaussian_fine",
    "markov",
    "deterministic",
)
#: As long in time as an `Ensemble`, in frames four times as close.
FINE_ENSEMBLE = Ensemble(
    n_walkers=2000, n_frames=12_000, n_settle=6000, lag=100, seed=family_seed("test", 66)
)
#: The part "repeated" is "stochastic" once more, with this seed: was the first one lucky?
REPEATED_SEED = family_seed("test", 65)


def make_part(part, folder=RESULTS):
    """Make one file of the results, unless it is there and up to date.

    Parameters
    ----------
    part : str
        One of `PARTS`.
    folder : path

    Raises
    ------
    ValueError
        If there is no such part.
    """
    if part not in PARTS:
        raise ValueError(f"unknown part {part!r}: choose one of {PARTS}")
    keep(folder / f"{part}.json", *_make(part), packages=("torch", "transformers", "deeptime"))


def with_error(value, error):
    """An estimate in words: to the second digit of its standard error, such as "175 ± 12".

    Parameters
    ----------
    value, error : float

    Returns
    -------
    str
        "no passage" where the error is not a number.
    """
    if not np.isfinite(error):
        return "no passage"
    if 0 < error < 1e-3:
        return f"{value:.1e} ± {error:.1e}"
    digits = 1 - int(np.floor(np.log10(error))) if error > 0 else 3
    shown = max(0, digits)
    return f"{round(value, digits):.{shown}f} ± {round(error, digits):.{shown}f}"


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


def main(arguments=None):
    """Command line: see the module."""
    run_study(__doc__.splitlines()[0], make_part, PARTS, arguments)


if __name__ == "__main__":
    main()
