"""Generated ensembles judged on density, passage times and timescale; in ``results/kinetics``.

``python -m mb_support.studies kinetics`` makes an ensemble with each generator, counts in all of
them what `describe` counts, and keeps the numbers, not the trajectories. Each part is a file of
its own; a part that is there already is not made again, unless its settings or weights changed.
"""

import json
import math
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import pandas as pd

from ...files import paths
from ...files.results import keep
from ...model.causal import CausalGenerator
from ...model.inference import load_checkpoint, weights_digest
from ...reference.forecast import autocorrelation as exact_autocorrelation
from ...reference.solver import GridSolver
from ...states import DISKS, last_visited
from ...statistics import Estimate, bootstrap, jensen_shannon_divergence, with_error
from ...training.causal import CausalTrainingConfig, train
from . import counts as kinetics
from . import ensembles
from .ensembles import FINE, FINE_ENSEMBLE, REGIME, SEEDS, DeterministicRun, Ensemble, MarkovRun
from .markov import assign_cells, count_cells, slowest_timescale, transition_counts

RESULTS = paths.RESULTS / "kinetics"
#: What `acceptance` asks for: nats; shares of the exact value. Of 23 November 2026, two hours
#: before the first generator was judged by them.
MAX_DIVERGENCE, TOLERANCE, MAX_ERROR = 0.01, 0.1, 0.05
TIMES = ("passage_time_ab", "passage_time_ba", "slowest_timescale")
CRITERIA = ("divergence", *TIMES)
#: All that has an estimate.
ESTIMATED = (*CRITERIA, "population_b")
#: Frames between the two ends of a pair, for the autocorrelation of y.
LAGS = (0, 1, 2, 3, 5, 8, 13, 20, 32, 50, 80, 130, 200, 300, 450)
#: Ensembles of each kind, which are pooled.
POOLED = {"simulation": 10, "stochastic": 3}
#: Rivals of the committed generator, trained on the first of its windows: what is different.
RIVALS = {"attention": {}, "memoryless": {"context": 1}, "lstm": {"kind": "lstm"}}
RIVAL_STEPS, RIVAL_ENSEMBLE = 1000, Ensemble(n_walkers=2000)
PARTS = ("exact", *(f"{kind}_{k}" for kind, n in POOLED.items() for k in range(n)))
PARTS += ("gaussian", "gaussian_fine", "markov", "deterministic")


# ---- what is counted in them ---------------------------------------------------------------------


def describe(trajectories, ensemble, n_samples=200, regime=REGIME):
    """What (n_walkers, n_frames, 2) trajectories say, by name; mostly an `Estimate` each.

    "divergence" is that of Jensen and Shannon, in nats, "density" the share of each box,
    "autocorrelation" that of y at `LAGS`, "n_passages" from A to B and back. The regime says how
    far apart frames are; of bootstrap samples the timescale gets half.
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
    found, weight = {}, solver.stationary_density()
    for name, source, target in (("ab", *DISKS), ("ba", *DISKS[::-1])):
        # from an arrival somewhere in the source disk
        inside = ((solver.positions - source[0]) ** 2).sum(axis=-1) < source[1] ** 2
        at_frames = kinetics.frame_passage_time(solver, target, REGIME.frame_time)
        found[f"passage_time_{name}"] = float(solver.average(at_frames, weight * inside))
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
    """Whether a generator has the right kinetics, by the criteria stated here: a table.

    The density may diverge by `MAX_DIVERGENCE`. Each time has to be known with a standard error of
    at most `MAX_ERROR` of the exact value, and lie within `TOLERANCE` of it or within two standard
    errors. A row for each of `CRITERIA`: value, error, exact, allowed (distance), met.
    """
    rows = {}
    for name in CRITERIA:
        value, error = part[name].value, part[name].standard_error
        target = exact.get(name, 0.0)
        is_time = name in TIMES
        allowed = max(TOLERANCE * target, 2 * error) if is_time else MAX_DIVERGENCE
        known = error <= MAX_ERROR * target or not is_time
        rows[name] = value, error, target, allowed, known and abs(value - target) <= allowed
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["value", "error", "exact", "allowed", "met"]
    )


def verdict(part, exact):
    """`acceptance` in words: "meets all four criteria", or how many, and which it misses."""
    words = {"passage_time_ab": "A to B", "passage_time_ba": "B to A"}
    met = acceptance(part, exact)["met"]
    missed = [words.get(name, name.replace("_", " ")) for name in met.index[~met]]
    if not missed:
        return "meets all four criteria"
    return f"meets {met.sum() or 'none'} of the four criteria (missed: {', '.join(missed)})"


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
    elif part in RIVALS:
        run, config = RIVAL_ENSEMBLE, CausalTrainingConfig(n_steps=RIVAL_STEPS, **RIVALS[part])
        found, make = {"training": asdict(config)}, partial(_train_and_describe, part, config)
    elif part == "deterministic":
        run, model = DeterministicRun(), load_checkpoint("small")
        found, make = {"weights": weights_digest(model)}, partial(_describe_deterministic, model)
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


def _describe_deterministic(model):
    run = DeterministicRun()
    frames = ensembles.deterministic_ensemble(model, run)
    return describe(frames, run) | {"spreads": ensembles.spreads(frames, run)}


def _train_and_describe(part, config):
    model, record = train(config, paths.TRAININGS / "causal" / part)
    trained = {name: record[name] for name in ("parameters", "frames_seen", "processor_time_s")}
    trained["validation_loss"] = record["curve"][-1]["eval_loss"]
    frames = ensembles.sample_ensemble(model, RIVAL_ENSEMBLE)
    return {"trained": trained} | describe(frames, RIVAL_ENSEMBLE)


def make_part(part, folder=RESULTS):
    """Make one file of the results, one of `PARTS`, unless it is there and up to date."""
    keep(folder / f"{part}.json", *_recipe(part), packages=("torch", "transformers", "deeptime"))


def parts():
    """{name: function that makes and keeps it} of all `PARTS` and `RIVALS`."""
    return {part: partial(make_part, part) for part in (*PARTS, *RIVALS)}


def load_results(folder=RESULTS):
    """All parts that have been made, as {part: content}; ensembles of one kind are `pooled`.

    Estimates come as `Estimate`; what could not be estimated, as nothing ever passed, is NaN.
    """
    found = {}
    for part in (*PARTS, *RIVALS):
        path, kind = folder / f"{part}.json", part.partition("_")[0]
        if not path.exists():
            continue
        content = {name: _estimate(v) for name, v in json.loads(path.read_text()).items()}
        if kind in POOLED:
            found.setdefault(kind, []).append(content)
        else:
            found[part] = content
    return found | {kind: pooled(found[kind]) for kind in POOLED if kind in found}


def _estimate(value):
    if isinstance(value, dict) and set(value) == {"value", "standard_error", "low", "high"}:
        return Estimate(**{k: np.nan if v is None else v for k, v in value.items()})
    return value


def pooled(ensembles):
    """Several ensembles of one kind as one: means, with the errors of means.

    "ensembles" holds what they say one by one, "scatter" the standard deviation over them divided
    by the standard error that each of them claims: near one if the errors are right.
    """
    n, found = len(ensembles), {"scatter": {}}
    for name in ESTIMATED:
        values, errors = np.array([[e[name].value, e[name].standard_error] for e in ensembles]).T
        mean, error = values.mean(), np.sqrt((errors**2).mean() / n)
        found[name] = Estimate(mean, error, mean - 1.96 * error, mean + 1.96 * error)
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


# ---- tables and numbers of the chapter -----------------------------------------------------------


def table_of_estimates(parts, exact, names=None):
    """Estimates with their errors in words, a row for each part and one for the exact values."""
    names = names or (*CRITERIA, "population_b")
    rows = {"exact": {name: f"{exact[name]:.4g}" for name in names if name in exact}}
    for key, part in parts.items():
        rows[key] = {
            name: with_error(part[name].value, part[name].standard_error) for name in names
        }
        rows[key]["criteria met"] = f"{acceptance(part, exact)['met'].sum()} of 4"
    columns = [*names, "criteria met"]
    return pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns).fillna("")


def table_of_pools(parts, exact, names=TIMES):
    """Ensembles of one kind together against the exact values, and how they scatter."""
    rows = {}
    for kind in POOLED:
        for name in names:
            estimate = parts[kind][name]
            away = estimate.value - exact[name]
            rows[kind, name] = {
                "n": len(parts[kind]["ensembles"]),
                "together": with_error(estimate.value, estimate.standard_error),
                "exact": f"{exact[name]:.4g}",
                "off by": f"{away / exact[name]:+.1%}",
                "in standard errors": f"{away / estimate.standard_error:+.1f}",
                "scatter / claimed error": f"{parts[kind]['scatter'][name]:.2f}",
            }
    return pd.DataFrame(rows).T


def table_of_rivals(parts, exact, record):
    """What rivals learned from equally much; the committed generator, which saw more, is last."""
    seen = {"frames_seen": record["frames_seen"], "parameters": record["parameters"]}
    seen["validation_loss"] = record["curve"][-1]["eval_loss"]
    trained = {kind: parts[kind]["trained"] for kind in RIVALS} | {"stochastic": seen}
    table = pd.DataFrame(trained).T
    shown = {
        "frames seen (million)": (table["frames_seen"] / 1e6).map("{:.0f}".format),
        "parameters": table["parameters"].map("{:,.0f}".format),
        "loss (nats)": table["validation_loss"].map("{:.4f}".format),
    }
    return pd.DataFrame(shown).join(table_of_estimates(parts, exact, CRITERIA))


def numbers(parts, exact, record, config):
    """What the chapter says in its text, by name: numbers, and verdicts in words."""
    run, still = DeterministicRun(), parts["deterministic"]
    cycle = exact["passage_time_ab"] + exact["passage_time_ba"]
    found = {
        "frame_time": REGIME.frame_time,
        "displacement_scale": config.displacement_scale,
        "window": config.window_length,
        "window_time": (config.window_length - 1) * REGIME.frame_time,
        "start_left": math.exp(
            -Ensemble().n_settle * REGIME.frame_time / exact["slowest_timescale"]
        ),
        "parameters": record["parameters"],
        "frames_seen": record["frames_seen"] / 1e6,
        "training_minutes": record["processor_time_s"] / 60,
        "n_walkers": Ensemble().n_walkers,
        "n_frames": Ensemble().n_frames,
        "n_rival_walkers": RIVAL_ENSEMBLE.n_walkers,
        "max_divergence": MAX_DIVERGENCE,
        "tolerance": 100 * TOLERANCE,
        "max_error": 100 * MAX_ERROR,
        "blindness": 100 * (exact["passage_time_ab"] / exact["continuous_passage_time_ab"] - 1),
        "deterministic_walkers": run.n_walkers,
        "deterministic_prompt": run.n_prompt,
        "deterministic_passages": sum(still["n_passages"]),
        "deterministic_total_time": still["total_time"],
        "deterministic_spread": still["spreads"][-1],
        "exact_passages": 2 * still["total_time"] / cycle,
        "verdict": verdict(parts["stochastic"], exact),
        "rival_frames": RIVAL_STEPS * CausalTrainingConfig.batch_size * config.window_length / 1e6,
        "n_meet": sum(
            bool(acceptance(each, exact)["met"].all()) for each in parts["stochastic"]["ensembles"]
        ),
        # one ensemble of the usual size from another seed
        "verdict_repeated": verdict(parts["stochastic"]["ensembles"][1], exact),
    }
    for name in TIMES:
        found[f"exact_{name}"] = exact[name]
    for kind in POOLED:
        away = parts[kind]["passage_time_ab"].value - exact["passage_time_ab"]
        found[f"{kind}_off_size"] = float(100 * abs(away) / exact["passage_time_ab"])
        error = parts[kind]["passage_time_ab"].standard_error
        found[f"{kind}_off_errors"] = float(abs(away) / error)
        found[f"n_{kind}"] = len(parts[kind]["ensembles"])
    for kind, part in parts.items():
        found[f"verdict_{kind}"] = verdict(part, exact)
        for name in CRITERIA:
            found[f"{kind}_{name}"] = float(part[name].value)
            found[f"{kind}_{name}_se"] = float(part[name].standard_error)
    return found
