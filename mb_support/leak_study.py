"""The leak measured in every training of the recipes; kept in ``results/leak``.

``python -m mb_support.leak_study`` makes, each in a file of its own: the exact floors; three small
models that differ in what a position may see, measured while they train; and the trainings whose
weights lie in ``.cache/trainings``. A part that is there already is not made again, unless its
settings or weights changed.
"""

from dataclasses import asdict, dataclass

import numpy as np

from . import paths
from .datasets import make_dataset
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
from .measured import load_measured, load_part, load_training, trained_names
from .records import keep, rounded, run_study

RESULTS = paths.RESULTS / "leak"
MODULE = "leak_study"
FLOORS = "floors"
#: Digits to which results are kept.
N_DIGITS = 4


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
    return rounded(found, N_DIGITS)


def exact_floors(settings, exact):
    """L_traj of forecasters who know the dynamics exactly, by the length of the window.

    Parameters
    ----------
    settings : LeakMeasurement
    exact : ExactNextFrame

    Returns
    -------
    list of dict
        "n_frames" and "n"; "honest", L_traj of the exact conditional mean of every frame;
        "reader", of whoever is right wherever the next frame is in view, and gives the exact
        mean at the last position; "copy", of repeating each frame. (value, standard error).
    """
    rows = []
    for n_frames, n in settings.lengths:
        trajectories = settings.trajectories(n_frames, n)
        errors = frame_errors(trajectories[:, :-1], trajectories, exact, standardised=True)
        last = errors.exact[:, -1] / (n_frames - 1)
        values = {"honest": errors.exact.mean(axis=1), "reader": last, "copy": errors.copy.mean(1)}
        row = {name: (float(v.mean()), float(v.std() / np.sqrt(n))) for name, v in values.items()}
        rows.append({"n_frames": n_frames, "n": n} | row)
    return rows


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
            curve = train_variant(variant, training, exact, int(seed))[1]
            return {"curve": rounded(curve, N_DIGITS)}
    else:
        model, digest = load_training(part)
        made_for = {"settings": asdict(measurement), "weights": digest}

        def make():
            return study_model(model, measurement, exact)

    keep(folder / f"{part}.json", made_for, make, report=report, indent=None)


def variant_names():
    """The trainings of the three variants, as "variant-seed"."""
    return [f"{name}-{seed}" for name in VARIANTS for seed in range(N_SEEDS)]


def load_floors(folder=RESULTS):
    """What `exact_floors` found, as {n_frames: row}; `ValueError` if it is missing."""
    return {row["n_frames"]: row for row in load_part(FLOORS, folder, MODULE)["floors"]}


def load_variants(folder=RESULTS):
    """Curves of the three variants, as {name: [curve of each seed]}.

    Raises
    ------
    ValueError
        If one of the trainings has not been made.
    """
    return {
        name: [load_part(f"{name}-{seed}", folder, MODULE)["curve"] for seed in range(N_SEEDS)]
        for name in VARIANTS
    }


def load_trainings(sizes, folder=RESULTS, checkpoints=paths.CHECKPOINTS):
    """`measured.load_measured` of this study."""
    return load_measured(sizes, folder, MODULE, checkpoints)


def main(arguments=None):
    """Command line: see the module."""
    exact, names = ExactNextFrame(), [FLOORS, *variant_names(), *trained_names()]
    run_study(__doc__.splitlines()[0], lambda part: make_part(part, exact), names, arguments)


if __name__ == "__main__":
    main()
