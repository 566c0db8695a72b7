"""What the chapter on the molecule keeps in ``results/molecule``.

``python -m mb_support.studies molecule`` makes each part that is missing or was made from other
runs. Shooting needs OpenMM and the configurations that ``make molecule`` leaves in the cache.
"""

import hashlib
import json
from dataclasses import asdict
from functools import partial

import numpy as np

from ...files.results import keep
from ...model.inference import weights_digest
from ...model.transformer import TrajectoryTransformer
from ...statistics import Estimate
from ...training.run import save_checkpoint, train
from . import generator, kinetics, learning, shooting, surface
from .runs import is_left_handed, load_runs
from .simulation import RESULTS

PACKAGES = ("torch", "numpy", "deeptime")


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


def make_rivals(results):
    """What else generators are compared with."""
    found = generator.rivals(load_runs(results), surface.minima_of(_coefficients(results)))
    return {
        name: {quantity: _plain(value) for quantity, value in said.items()}
        for name, said in found.items()
    }


def make_times_too_long(results):
    """How much longer the model's times are than those counted, each run left out of both."""
    runs, minima = load_runs(results), surface.minima_of(_coefficients(results))
    of_markov = {
        f"Markov {lag}": generator.markov_too_long(lag, runs, minima)
        for lag in generator.MARKOV_STRIDES
    }
    return kinetics.times_too_long(runs) | of_markov


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


def make_longer_at_frames(results):
    """How much is missed by looking at the model in frames only; D of the longest judged lag."""
    diffusion = load("torus", results)["diffusion"]
    of_lag = dict(zip(diffusion["lag_times"], diffusion["values"], strict=True))
    frame_time = load_runs(results).settings.frame_time
    return kinetics.longer_at_frames(
        _coefficients(results), of_lag[max(kinetics.JUDGED_LAGS)], frame_time
    )


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
        "angles": shooting.dihedrals(positions),
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
    """Train a model if it is not at hand, and judge it; `ValueError` if what is there was trained
    with other settings."""
    runs = load_runs(results)
    potential = surface.potential_of(_coefficients(results))
    folder = learning.TRAININGS / f"molecule-{size}-{seed}"
    data = learning.training_set(runs, potential)
    config = learning.recipe(size, data, seed)
    if not (folder / "model" / "training.json").exists():
        model, record = train(config, folder, data=data)
        save_checkpoint(model, record, folder / "model")
    model = TrajectoryTransformer.from_pretrained(folder / "model").eval()
    record = json.loads((folder / "model" / "training.json").read_text())
    if record["config"] != json.loads(json.dumps(asdict(config))):
        raise ValueError(f"{folder} holds a training with other settings: move it away")
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
    "longer_at_frames": make_longer_at_frames,
    "shooting": make_shooting,
    "baselines": make_baselines,
    "counted": make_counted,
    "rivals": make_rivals,
    "times_too_long": make_times_too_long,
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


def recipe_of(part):
    """{"recipe": settings that decide a training}; nothing for parts without one."""
    kind, _, seed = part.partition("-")
    if kind in learning.SEEDS:
        return {"recipe": learning.changes(kind, int(seed))}
    if kind in generator.CONTEXTS:
        return {"recipe": asdict(generator.recipe(kind, int(seed)))}
    return {}


def make_part(part, results=RESULTS):
    """Make one part, unless it is there, of these runs and with this recipe."""
    made_for = {"part": part, "dihedrals": _digest(results)} | recipe_of(part)
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
