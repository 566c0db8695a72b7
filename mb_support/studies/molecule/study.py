"""What the chapter on the molecule keeps in ``results/molecule``.

``python -m mb_support.studies molecule`` makes each part that is missing or was made from other
runs. Shooting needs OpenMM and the configurations that ``make molecule`` leaves in the cache.
"""

import hashlib
import json
from functools import partial

import numpy as np
import pandas as pd

from ...files.results import keep
from ...model.inference import weights_digest
from ...model.transformer import TrajectoryTransformer
from ...statistics import Estimate, mean_with_error, with_error
from ...training.run import save_checkpoint, train
from . import generator, kinetics, learning, shooting, surface
from .runs import SPLIT, load_runs
from .simulation import RESULTS

PACKAGES = ("torch", "numpy", "deeptime")
TIMES = ("passage_time_ab", "passage_time_ba", "slowest_timescale")
#: What generators are judged on, and how tables call it.
JUDGED = {
    "passage_time_ab": "α-R to β (ps)",
    "passage_time_ba": "β to α-R (ps)",
    "slowest_timescale": "slowest timescale (ps)",
    "population_b": "share of β",
    "divergence": "divergence (nats)",
}


def _digest(results):
    return hashlib.sha256((results / "dihedrals.npz").read_bytes()).hexdigest()[:16]


def load(part, results=RESULTS):
    """A part that was kept, or None."""
    path = results / f"{part}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _coefficients(results):
    return np.array(load("surface", results)["coefficients"])


def make_surface(results):
    """Free energy, its errors and the series fitted to it."""
    runs = load_runs(results)
    energy, error = surface.free_energy(runs.dihedrals)
    coefficients = surface.fit_fourier(runs.dihedrals)
    is_left = is_left_handed(runs.left)
    left = len(is_left) if is_left.all() else int((~is_left).argmax())
    return {
        "total_ns": runs.total_ns,
        "run_ns": runs.total_ns / len(runs.dihedrals),
        "free_energy": energy,
        "error": error,
        "coefficients": coefficients,
        "minima": surface.minima_of(coefficients),
        "left_ps": left * runs.settings.frame_time,
        "left_stayed": bool(is_left.all()),
    }


def is_left_handed(dihedrals):
    """Whether phi of (..., 2) lies in the left-handed valley, between 0 and 120 degrees."""
    return (dihedrals[..., 0] > 0) & (dihedrals[..., 0] < 2 * np.pi / 3)


def make_kinetics(results):
    """Passages and the Markov state model."""
    runs = load_runs(results)
    minima = surface.minima_of(_coefficients(results))
    return {name: _plain(value) for name, value in kinetics.passages(runs, minima).items()} | {
        "timescales": kinetics.implied_timescales(runs)
    }


def make_counted(results):
    """What the generators are judged by: the runs in frames as far apart as theirs."""
    found = generator.counted(load_runs(results), surface.minima_of(_coefficients(results)))
    return {name: _plain(value) for name, value in found.items()}


def make_generator(kind, seed, results):
    """Train a stochastic generator, and count in what it makes."""
    minima = surface.minima_of(_coefficients(results))
    found = generator.judged(kind, seed, load_runs(results), minima)
    return {name: _plain(value) for name, value in found.items()}


def _plain(value):
    return [value.value, value.standard_error] if isinstance(value, Estimate) else value


def make_torus(results):
    """The diffusion model: committor, times for D = 1, and D by lag."""
    coefficients = _coefficients(results)
    solver = kinetics.solver_of(coefficients)
    return {
        "committor": np.round(solver.committor(*kinetics.disks_of(coefficients))[::2, ::2], 4),
        "phi": solver.x[::2],
        "psi": solver.y[::2],
        "times": kinetics.model_times(solver, coefficients),
        "diffusion": kinetics.diffusion_by_lag(load_runs(results), solver),
    }


def make_shooting(results):
    """Shots from the transition region, and how they agree with the model's committor."""
    runs, coefficients = load_runs(results), _coefficients(results)
    solver = kinetics.solver_of(coefficients)
    field = solver.committor(*kinetics.disks_of(coefficients))
    positions, values = shooting.choose(
        lambda points: solver.interpolate(field, points),
        range(len(runs.dihedrals)),
        runs.settings.n_chunks,
    )
    reached = shooting.shoot(positions, surface.minima_of(coefficients))
    return {
        "dihedrals": shooting.dihedrals(positions),
        "committor": values,
        "reached": reached,
        "agreement": shooting.agreement(reached, values),
    }


def make_baselines(results):
    """What needs no transformer: classification, and forecasts of the next frame."""
    runs = load_runs(results)
    potential = surface.potential_of(_coefficients(results))
    test = learning.Test(runs, potential)
    means = learning.next_frame_means(runs)(test.dihedrals[:, -2])
    return {
        "n_test": len(test.states),
        "n_blocks": int(test.block.max()) + 1,
        "n_train": len(learning.training_set(runs, potential)),
        "accuracy": learning.baselines(runs, potential, test),
        "skill": learning.skills(test, {"mean of its box": means}),
    }


def make_training(size, seed, results):
    """Train a model if it is not at hand, and judge it."""
    runs = load_runs(results)
    potential = surface.potential_of(_coefficients(results))
    folder = learning.TRAININGS / f"molecule-{size}-{seed}"
    if not (folder / "model" / "training.json").exists():
        data = learning.training_set(runs, potential)
        model, record = train(learning.recipe(size, data, seed), folder, data=data)
        save_checkpoint(model, record, folder / "model")
    model = TrajectoryTransformer.from_pretrained(folder / "model").eval()
    record = json.loads((folder / "model" / "training.json").read_text())
    test = learning.Test(runs, potential)
    return {
        "weights": weights_digest(model),
        "training": {name: record[name] for name in ("wall_time_s", "trajectories_seen")},
        "judged": learning.judge(model, runs, potential.minima, test),
        "attention": learning.attention(model, test, potential),
    }


MAKE = {
    "surface": make_surface,
    "kinetics": make_kinetics,
    "torus": make_torus,
    "shooting": make_shooting,
    "baselines": make_baselines,
    "counted": make_counted,
} | {
    f"{size}-{seed}": partial(make_training, size, seed)
    for size, n in learning.SEEDS.items()
    for seed in range(n)
}
MAKE |= {
    f"{kind}-{seed}": partial(make_generator, kind, seed)
    for kind in generator.CONTEXTS
    for seed in range(generator.N_SEEDS)
}


def make_part(part, results=RESULTS):
    """Make one part, unless it is there and of these runs."""
    made_for = {"part": part, "dihedrals": _digest(results)}
    keep(results / f"{part}.json", made_for, partial(MAKE[part], results), PACKAGES)


def parts():
    """{name: function that makes and keeps it}."""
    return {part: partial(make_part, part) for part in MAKE}


def load_results(results=RESULTS):
    """All parts that were kept, by name; "trainings" and "generators" hold these by their names."""
    found = {part: load(part, results) for part in MAKE}
    found = {part: content for part, content in found.items() if content is not None}
    for group, kinds in (("trainings", learning.SEEDS), ("generators", generator.CONTEXTS)):
        named = [name for name in found if name.partition("-")[0] in kinds]
        found[group] = {name: found.pop(name) for name in named}
    return found


# ---- tables and words ----------------------------------------------------------------------------


def score_table(kept):
    """Accuracy and skill of baselines and of each training, with errors over blocks of windows."""
    rows = {name: {"accuracy": pair} for name, pair in kept["baselines"]["accuracy"].items()}
    rows |= {name: {"skill": pair} for name, pair in kept["baselines"]["skill"].items()}
    for name, content in kept["trainings"].items():
        rows[name] = {score: content["judged"][score] for score in ("accuracy", "skill")}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", "skill"])
    return table.map(lambda pair: with_error(*pair) if isinstance(pair, list) else "")


def over_trainings(kept, score, size="small"):
    """Mean of a score over trainings, and its standard error: over windows, and over trainings."""
    trainings = [c for name, c in kept["trainings"].items() if name.startswith(f"{size}-")]
    values, errors = zip(*(c["judged"][score] for c in trainings), strict=True)
    return float(np.mean(values)), float(np.hypot(np.mean(errors), _scatter(values)))


def time_table(kept, lag_times=(0.4, 3.2, 25.6)):
    """Times (ps) as counted, and of the diffusion model with D from the memory at some lags."""
    counted, scales = kept["kinetics"], kept["kinetics"]["timescales"]
    columns = {"counted": {name: with_error(*counted[name]) for name in TIMES[:2]}}
    columns["counted"]["slowest_timescale"] = with_error(
        scales["values"][-1][0], scales["errors"][-1][0]
    )
    diffusion = kept["torus"]["diffusion"]
    for lag in lag_times:
        k = diffusion["lag_times"].index(lag)
        value, error = diffusion["values"][k], diffusion["errors"][k]
        columns[f"model, D at {lag:g} ps"] = {
            name: with_error(time / value, time * error / value**2)
            for name, time in kept["torus"]["times"].items()
            if name in TIMES
        }
    rows = dict(zip(TIMES, ("α-R to β", "β to α-R", "slowest timescale"), strict=True))
    return pd.DataFrame(columns, index=list(TIMES)).rename(index=rows)


def pooled_generators(kept):
    """{kind: {name: (mean, standard error)}} over trainings: of sampling, and of their scatter."""
    found = {}
    for kind in generator.CONTEXTS:
        seeds = [c for name, c in kept["generators"].items() if name.partition("-")[0] == kind]
        values = {name: np.array([c[name] for c in seeds]).T for name in JUDGED}
        found[kind] = {
            name: (value.mean(), np.hypot(np.mean(error) / len(value) ** 0.5, _scatter(value)))
            for name, (value, error) in values.items()
        }
    return found


def _scatter(values):
    return mean_with_error(values)[1] if len(values) > 1 else 0.0


def generator_table(kept):
    """What generators say, and what was counted, with standard errors; a row for each."""
    rows = {"counted": kept["counted"]} | pooled_generators(kept)
    table = {
        kind: [with_error(*content[name]) for name in JUDGED] for kind, content in rows.items()
    }
    names = {"memory": "4 frames seen", "memoryless": "1 frame seen"}
    return pd.DataFrame(table, index=list(JUDGED.values())).T.rename(index=names)


def apart(kept, kind, name):
    """By how many standard errors of both a generator is off what was counted, with its sign."""
    (value, error), (counted, of_counted) = (
        pooled_generators(kept)[kind][name],
        kept["counted"][name],
    )
    return (value - counted) / np.hypot(error, of_counted)


def needed_diffusion(kept):
    """D for which the model's passages from alpha-R take as long as those counted."""
    return kept["torus"]["times"]["passage_time_ab"] / kept["kinetics"]["passage_time_ab"][0]


def first_training(kept):
    """What was kept of the training that comes first."""
    return next(iter(kept["trainings"].values()))


def numbers(kept):
    """What the chapter's text cites, by the name of its key."""
    counted, shots, torus = kept["kinetics"], kept.get("shooting"), kept["torus"]
    surface_, base = kept["surface"], kept["baselines"]
    found = {
        "total_ns": surface_["total_ns"],
        "run_ns": surface_["run_ns"],
        "left_ps": surface_["left_ps"],
        "frames_left": int(is_left_handed(load_runs().dihedrals).sum()),
        "n_runs": sum(map(len, SPLIT.values())),
        "n_passages": sum(counted["n_passages"]),
        "time_ab": with_error(*counted["passage_time_ab"]),
        "time_ba": with_error(*counted["passage_time_ba"]),
        "share_beta": with_error(*counted["population_b"]),
        "model_share_beta": torus["times"]["population_b"],
        "n_train": base["n_train"],
        "n_test": base["n_test"],
        "n_blocks": base["n_blocks"],
        "ring": with_error(*base["accuracy"]["the ring"]),
        "trees": with_error(*base["accuracy"]["boosted trees"]),
        "majority": with_error(*base["accuracy"]["majority"]),
        "box_skill": with_error(*base["skill"]["mean of its box"]),
        "n_trainings": len(kept["trainings"]),
    }
    if shots:
        found |= {f"shots_{name}": value for name, value in shots["agreement"].items()}
        found["shots_too_high"] = with_error(
            -found.pop("shots_bias"), found.pop("shots_bias_error")
        )
        found["shots_explained"] = with_error(
            shots["agreement"]["explained"], found.pop("shots_explained_error")
        )
    if kept["trainings"]:
        found["accuracy"] = with_error(*over_trainings(kept, "accuracy"))
        found["skill"] = with_error(*over_trainings(kept, "skill"))
        judged = [content["judged"] for content in kept["trainings"].values()]
        found["made_passages"] = sum(sum(one["passages"]) for one in judged)
        found["made_ps"] = sum(one["continued_ps"] for one in judged)
        for which in ("last_spread", "real_spread"):
            found[which] = float(np.mean([one[which] for one in judged]))
        found["real_passages"] = found["made_ps"] / (1000 * surface_["total_ns"])
        found["real_passages"] *= found["n_passages"]
    return found
