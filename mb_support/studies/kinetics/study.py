"""Generated ensembles judged on density, passage times and timescale; in ``results/kinetics``.

``python -m mb_support.studies kinetics`` makes an ensemble with each generator, counts in all of
them what `describe` counts, and keeps the numbers, not the trajectories. Each part is a file of
its own; a part that is there already is not made again, unless its settings or weights changed.
"""

import json
from dataclasses import asdict, replace
from functools import partial

import numpy as np

from ...files import paths
from ...files.results import keep
from ...model.causal import CausalGenerator
from ...model.inference import load_checkpoint, weights_digest
from ...reference.forecast import autocorrelation as exact_autocorrelation
from ...reference.solver import GridSolver
from ...states import DISKS, last_visited
from ...statistics import (
    Estimate,
    Z,
    bootstrap,
    half_width,
    jensen_shannon_divergence,
    pooled_scatter,
)
from ...training.causal import CausalTrainingConfig, train
from . import ensembles
from . import passage_counts as kinetics
from .ensembles import FINE, FINE_ENSEMBLE, REGIME, SEEDS, DeterministicRun, Ensemble, MarkovRun
from .markov import assign_cells, count_cells, slowest_timescale, transition_counts

RESULTS = paths.RESULTS / "kinetics"
TIMES = ("passage_time_ab", "passage_time_ba", "slowest_timescale")
CRITERIA = ("divergence", *TIMES)
#: All that has an estimate.
ESTIMATED = (*CRITERIA, "population_b")
#: Frames between the two ends of a pair, for the autocorrelation of y.
LAGS = (0, 1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 130, 200, 300, 450)
#: Ensembles of each kind, which are pooled.
POOLED = {"simulation": 10, "stochastic": 3}
#: Rivals of the committed generator, trained on as many windows: what is different.
RIVALS = {"attention": {}, "memoryless": {"context": 1}, "lstm": {"kind": "lstm"}}
N_RIVALS, RIVAL_STEPS, RIVAL_ENSEMBLE = 3, 1000, Ensemble(n_walkers=2000)
#: Steps of further trainings of the first rival, which show what more windows bring.
DATA_CURVE = (100, 300, 4000)
#: The rival without memory, trained on as much as the committed generator.
FULL = "full_memoryless"
#: Real simulation of as few walkers as the poster's generator has.
SHORT = "short_simulation"
#: The poster's generator: size of the committed model, and what standardises its windows.
DETERMINISTIC = {
    "deterministic": ("small", "window"),
    "deterministic_prompt": ("small", "prompt"),
    "deterministic_medium": ("medium", "window"),
    "deterministic_medium_prompt": ("medium", "prompt"),
}
PARTS = ("exact", *(f"{kind}_{k}" for kind, n in POOLED.items() for k in range(n)))
PARTS += ("gaussian", "gaussian_fine", "markov", SHORT, *DETERMINISTIC, FULL)
PARTS += tuple(f"{kind}_{seed}" for kind in RIVALS for seed in range(N_RIVALS))
PARTS += tuple(f"data_{steps}" for steps in DATA_CURVE)


# ---- what is counted in them ---------------------------------------------------------------------


def describe(trajectories, ensemble, n_samples=200, regime=REGIME):
    """What (n_walkers, n_frames, 2) trajectories say, by name; mostly an `Estimate` each.

    "divergence" is that of Jensen and Shannon, in nats, "density" the share of each box,
    "autocorrelation" that of y at `LAGS`, "n_passages" from A to B and back, "population_b" the
    share of settled frames with the disk of B visited last; those before the first visit since
    counting began count as A (0.2 % of frames of real simulation, most of a generator at rest).
    The regime says how far apart frames are; of bootstrap samples the timescale gets half.
    """
    settled = trajectories[:, ensemble.n_settle :]
    edges = kinetics.box_edges()
    exact = kinetics.boltzmann_boxes(regime.beta, edges)
    boxes = kinetics.count_boxes(settled, edges)
    passages = kinetics.count_passages(trajectories, regime.frame_time)
    after = (last_visited(settled) == 1).mean(axis=1)
    counts = transition_counts(assign_cells(trajectories), ensemble.lag, count_cells())
    lag_time = ensemble.lag * regime.frame_time
    lags = [lag for lag in LAGS if lag < settled.shape[1] // 2]
    values, errors = kinetics.autocorrelation(settled, lags, n_samples=n_samples)

    def estimate(statistic):
        return bootstrap(statistic, len(trajectories), n_samples)

    return {
        "divergence": estimate(lambda w: jensen_shannon_divergence(w @ boxes, exact)),
        "population_b": estimate(lambda w: w @ after / w.sum()),
        "passage_time_ab": estimate(lambda w: passages.mean_time(0, w)),
        "passage_time_ba": estimate(lambda w: passages.mean_time(1, w)),
        "slowest_timescale": bootstrap(
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
    found = {}
    for name, source, target in (("ab", *DISKS), ("ba", *DISKS[::-1])):
        at_frames = kinetics.passage_time_at_frames(solver, source, target, REGIME.frame_time)
        found[f"passage_time_{name}"] = at_frames
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


# ---- results on disk -----------------------------------------------------------------------------


def made_for(part):
    """The settings and weights that decide what a part is."""
    return _recipe(part)[0]


def _recipe(part):
    # what a part is made for, and how
    kind, _, number = part.partition("_")
    if part == "exact":
        return {"regime": REGIME.to_dict()}, exact_kinetics
    regime, run, found = REGIME, Ensemble(), {}
    if kind in POOLED:
        run = replace(run, seed=SEEDS[int(number)])
    if part == "markov":
        run, make = MarkovRun(), partial(ensembles.fit_markov, MarkovRun())
    elif part == "gaussian_fine":
        regime, run = FINE, FINE_ENSEMBLE
        make = partial(_describe, ensembles.gaussian_ensemble, run, regime)
    elif kind in RIVALS or kind == "data":
        settings = {"n_steps": int(number)} if kind == "data" else {"seed": int(number)}
        settings = {"n_steps": RIVAL_STEPS} | settings | RIVALS.get(kind, {})
        run, config = RIVAL_ENSEMBLE, CausalTrainingConfig(**settings)
        found = {"training": asdict(config)}
        make = partial(_train_and_describe, part, config, run)
    elif part == FULL:
        config = CausalTrainingConfig(context=1)
        found, make = {"training": asdict(config)}, partial(_train_and_describe, part, config, run)
    elif part == SHORT:
        run = DeterministicRun()
        make = partial(_describe, ensembles.short_simulation, run)
    elif part in DETERMINISTIC:
        (size, statistics), run = DETERMINISTIC[part], DeterministicRun()
        model = load_checkpoint(size)
        found = {"weights": weights_digest(model)}
        found |= {"statistics": statistics} if statistics != "window" else {}
        make = partial(_describe_deterministic, model, statistics)
    elif kind == "stochastic":
        model = CausalGenerator.from_pretrained(paths.CHECKPOINTS / "causal").eval()
        found = {"weights": weights_digest(model)}
        make = partial(_describe, partial(ensembles.sample_ensemble, model), run)
    else:
        make = {"simulation": ensembles.simulate_ensemble, "gaussian": ensembles.gaussian_ensemble}
        make = partial(_describe, make[kind], run)
    return {"regime": regime.to_dict(), "settings": asdict(run)} | found, make


def _describe(make, run, regime=REGIME):
    frames = make(run) if regime is REGIME else make(run, regime)
    return describe(frames, run, regime=regime)


def _describe_deterministic(model, statistics):
    run = DeterministicRun()
    frames = ensembles.deterministic_ensemble(model, run, statistics)
    return describe(frames, run) | {"spreads": ensembles.spreads(frames, run)}


def _train_and_describe(part, config, run):
    model, record = train(config, paths.TRAININGS / "causal" / part)
    trained = {name: record[name] for name in ("parameters", "frames_seen", "processor_time_s")}
    trained["validation_loss"] = record["curve"][-1]["eval_loss"]
    frames = ensembles.sample_ensemble(model, run)
    return {"trained": trained} | describe(frames, run)


def make_part(part, folder=RESULTS):
    """Make one file of the results, one of `PARTS`, unless it is there and up to date."""
    keep(folder / f"{part}.json", *_recipe(part), packages=("torch", "transformers", "deeptime"))


def parts():
    """{name: function that makes and keeps it} of all `PARTS` and `RIVALS`."""
    return {part: partial(make_part, part) for part in PARTS}


def load_results(folder=RESULTS):
    """All parts that have been made, as {part: content}; those of one kind are `pooled`.

    Estimates come as `Estimate`; what could not be estimated, as nothing ever passed, is NaN.
    """
    found = {}
    for part in PARTS:
        path, kind = folder / f"{part}.json", part.partition("_")[0]
        if not path.exists():
            continue
        content = {name: _estimate(v) for name, v in json.loads(path.read_text()).items()}
        if kind in POOLED or kind in RIVALS:
            found.setdefault(kind, []).append(content)
        else:
            found[part] = content
    return found | {
        kind: pooled(found[kind], over_trainings=kind in RIVALS)
        for kind in (*POOLED, *RIVALS)
        if kind in found
    }


def _estimate(value):
    if isinstance(value, dict) and set(value) == {"value", "standard_error", "low", "high"}:
        return Estimate(**{k: np.nan if v is None else v for k, v in value.items()})
    return value


def pooled(ensembles, over_trainings=False):
    """Several ensembles of one kind as one: means, with the errors of means.

    These are the errors of sampling, and `over_trainings` of the scatter as well, with Student's
    quantile for the interval, as trainings are few. "ensembles" holds
    what they say one by one, "scatter" the standard deviation over them divided by the standard
    error that each of them claims: near one if the errors are right.
    """
    n, found = len(ensembles), {"scatter": {}}
    for name in ESTIMATED:
        values, errors = np.array([[e[name].value, e[name].standard_error] for e in ensembles]).T
        mean, error = values.mean(), np.sqrt((errors**2).mean() / n)
        half = Z * error
        if over_trainings and n > 1:
            scatter, quantile = pooled_scatter([values])
            half = half_width(error, scatter, quantile, n)
            error = np.hypot(error, scatter / np.sqrt(n))
        found[name] = Estimate(mean, error, mean - half, mean + half)
        if n > 1:
            found["scatter"][name] = values.std(ddof=1) / np.sqrt((errors**2).mean())
    curves = [e["autocorrelation"] for e in ensembles]
    found["autocorrelation"] = {
        "lags": curves[0]["lags"],
        "values": np.mean([curve["values"] for curve in curves], axis=0),
        "errors": np.sqrt(np.mean([np.square(curve["errors"]) for curve in curves], axis=0) / n),
    }
    found["density"] = np.mean([e["density"] for e in ensembles], axis=0)
    return found | {"ensembles": ensembles, "total_time": sum(e["total_time"] for e in ensembles)}
