"""The leak measured in every training of the recipes; kept in ``results/leak``.

``python -m mb_support.leak_study`` makes, each in a file of its own: the exact floors; three small
models that differ in what a position may see, measured while they train; and the trainings whose
weights lie in ``.cache/trainings``. A part that is there already is not made again, unless its
settings or weights changed.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np

from . import paths
from .datasets import make_dataset
from .inference import load_checkpoint, weights_digest
from .leak import (
    ExactNextFrame,
    by_position,
    frame_errors,
    measure,
    noise_by_path,
    predict_next_frames,
)
from .leak_heads import ablation, attention_near, finders
from .leak_variants import N_SEEDS, VARIANTS, VariantTraining, train_variant
from .model import SIZES, TrajectoryTransformer
from .records import keep, run_study
from .training.recipes import N_SEEDS as N_TRAININGS

RESULTS = paths.RESULTS / "leak"
FLOORS = "floors"


@dataclass(frozen=True)
class LeakMeasurement:
    """On which held-out trajectories the trainings are measured.

    Parameters
    ----------
    lengths : tuple of (n_frames, n_trajectories)
        Frames of a trajectory, the last of which is withheld, and how many are used. At the last
        of them errors are given position by position.
    paths : tuple of (n_frames, n_trajectories)
        The same for `leak.noise_by_path`.
    attention : tuple of (n_frames, n_trajectories)
        The same for `leak_heads.attention_near`. In the first length the heads are looked for,
        and flattened on `n_ablation` trajectories.
    n_ablation : int
    n_heads : tuple of int
        How many heads are flattened at a time.
    family, index : str, int
        Seeds of the trajectories.
    """

    lengths: tuple = ((16, 1000), (32, 800), (64, 600), (128, 400), (256, 200), (512, 120))
    paths: tuple = ((64, 300), (128, 200), (512, 60))
    attention: tuple = ((128, 32), (512, 12))
    n_ablation: int = 100
    n_heads: tuple = (1, 2, 4, 8)
    family: str = "test"
    index: int = 50

    def trajectories(self, n_frames, n, shift=0):
        """Held-out trajectories, (n, n_frames, 2); another `shift`, other ones."""
        return make_dataset(n, self.family, self.index + shift, n_frames=n_frames).trajectories


def training_names():
    """Names of the trainings of the recipes, by size and seed."""
    return [f"{size}-{seed}" for size in SIZES for seed in range(N_TRAININGS[size])]


def trained_names():
    """Those of `training_names` whose weights are at hand."""
    return [name for name in training_names() if (_weights_of(name) / "model.safetensors").exists()]


def _weights_of(name):
    return paths.TRAININGS / name / "model"


def study_model(model, settings, exact):
    """All that is measured of one training.

    Parameters
    ----------
    model : TrajectoryTransformer
    settings : LeakMeasurement
    exact : ExactNextFrame

    Returns
    -------
    dict
        "lengths": from `leak.measure`; "position": from `leak.by_position`, at the last length;
        "paths": from `leak.noise_by_path`, with "n_frames" and "n"; "attention": "n_frames", "n",
        "next" (weight of each head on the next frame), "head" (which gives it most, in the first
        length) and "near" (its weights by offset and position); "ablation": "n_frames", "n", and
        "rows" from `leak_heads.ablation`.
    """
    found = {"lengths": [], "paths": [], "attention": []}
    for n_frames, n in settings.lengths:
        trajectories = settings.trajectories(n_frames, n)
        found["lengths"].append(measure(model, trajectories, exact))
    errors = frame_errors(predict_next_frames(model, trajectories), trajectories, exact)
    ratio, error = by_position(errors)
    found["position"] = {"n_frames": n_frames, "n": n, "ratio": ratio, "error": error}
    for n_frames, n in settings.paths:
        trajectories = settings.trajectories(n_frames, n, shift=1)
        shares = noise_by_path(model, trajectories, exact, seed=settings.index)
        found["paths"].append({"n_frames": n_frames, "n": n} | shares)
    heads = None
    for n_frames, n in settings.attention:
        near = attention_near(model, settings.trajectories(n_frames, n, shift=2))
        heads_here, weights = finders(near)
        heads = heads or heads_here
        of_first = {"head": heads[0], "near": near[heads[0]]}
        found["attention"].append({"n_frames": n_frames, "n": n, "next": weights} | of_first)
    n_frames = settings.attention[0][0]
    trajectories = settings.trajectories(n_frames, settings.n_ablation, shift=3)
    found["ablation"] = {
        "n_frames": n_frames,
        "n": settings.n_ablation,
        "rows": ablation(model, trajectories, exact, heads, settings.n_heads),
    }
    return _plain(found)


def exact_floors(settings, exact):
    """L_traj of forecasters who know the dynamics exactly, by the length of the window.

    Parameters
    ----------
    settings : LeakMeasurement
    exact : ExactNextFrame

    Returns
    -------
    list of dict
        "n_frames" and "n"; "honest", the least L_traj of whoever forecasts every frame from those
        before; "reader", of whoever is right wherever the next frame is in view, and forecasts
        at the last position; "copy", of repeating each frame. (value, standard error).
    """
    rows = []
    for n_frames, n in settings.lengths:
        trajectories = settings.trajectories(n_frames, n)
        errors = frame_errors(trajectories[:, :-1], trajectories, exact)
        last = errors.floor[:, -1] / (n_frames - 1)
        values = {"honest": errors.floor.mean(axis=1), "reader": last, "copy": errors.copy.mean(1)}
        row = {name: (float(v.mean()), float(v.std() / np.sqrt(n))) for name, v in values.items()}
        rows.append({"n_frames": n_frames, "n": n} | row)
    return rows


def _plain(values, digits=4):
    # what JSON can hold: arrays as lists, few digits, None for what is not a number
    if isinstance(values, dict):
        return {name: _plain(value, digits) for name, value in values.items()}
    if isinstance(values, np.ndarray):
        return _plain(values.tolist(), digits)
    if isinstance(values, list | tuple):
        return [_plain(value, digits) for value in values]
    if isinstance(values, float):
        return float(f"{values:.{digits}g}") if np.isfinite(values) else None
    return values


def make_part(part, exact, folder=RESULTS, report=print, measurement=None, training=None):
    """Make one file of the results, unless it is there and up to date.

    Parameters
    ----------
    part : str
        "floors", a name of `variant_names`, or one of `trained_names`.
    exact : ExactNextFrame
    folder : path
    report : callable
        Is told what was done, in a line.
    measurement : LeakMeasurement, optional
    training : VariantTraining, optional
    """
    measurement, training = measurement or LeakMeasurement(), training or VariantTraining()
    variant, _, seed = part.rpartition("-")
    if part == FLOORS:
        made_for = {"settings": asdict(measurement)}
        make = lambda: {"floors": exact_floors(measurement, exact)}  # noqa: E731
    elif variant in VARIANTS:
        made_for = {"settings": asdict(training)}

        def make():
            return {"curve": _plain(train_variant(variant, training, exact, int(seed))[1])}
    else:
        model = TrajectoryTransformer.from_pretrained(_weights_of(part)).eval()
        made_for = {"settings": asdict(measurement), "weights": weights_digest(model)}

        def make():
            return study_model(model, measurement, exact)

    keep(folder / f"{part}.json", made_for, make, report=report, indent=None)


def variant_names():
    """The trainings of the three variants, as "variant-seed"."""
    return [f"{name}-{seed}" for name in VARIANTS for seed in range(N_SEEDS)]


def load_floors(folder=RESULTS):
    """What `exact_floors` found, as {n_frames: row}; `ValueError` if it is missing."""
    return {row["n_frames"]: row for row in _load(FLOORS, folder)["floors"]}


def load_variants(folder=RESULTS):
    """Curves of the three variants, as {name: [curve of each seed]}.

    Raises
    ------
    ValueError
        If one of the trainings has not been made.
    """
    return {
        name: [_load(f"{name}-{seed}", folder)["curve"] for seed in range(N_SEEDS)]
        for name in VARIANTS
    }


def _load(part, folder):
    path = folder / f"{part}.json"
    if not path.exists():
        raise ValueError(f"no {path.name} in {folder}: run python -m mb_support.leak_study {part}")
    return json.loads(path.read_text())


def load_trainings(sizes, folder=RESULTS, checkpoints=paths.CHECKPOINTS):
    """What was measured of the trainings of some sizes.

    Parameters
    ----------
    sizes : sequence of str
    folder, checkpoints : path
        Where results and committed weights lie.

    Returns
    -------
    dict of str to dict of int to dict
        By size, then by seed.

    Raises
    ------
    ValueError
        If the committed weights of a size are not among those that were measured.
    """
    found = {}
    for size in sizes:
        paths_of = {n: folder / f"{size}-{n}.json" for n in range(N_TRAININGS[size])}
        kept = {n: json.loads(p.read_text()) for n, p in paths_of.items() if p.exists()}
        digest = weights_digest(load_checkpoint(size, checkpoints))
        if digest not in [content["weights"] for content in kept.values()]:
            raise ValueError(
                f"no results in {folder} are of the weights in {checkpoints / size}: run "
                "python -m mb_support.leak_study"
            )
        found[size] = kept
    return found


def main(arguments=None):
    """Command line: see the module."""
    exact, names = ExactNextFrame(), [FLOORS, *variant_names(), *trained_names()]
    run_study(__doc__.splitlines()[0], lambda part: make_part(part, exact), names, arguments)


if __name__ == "__main__":
    main()
