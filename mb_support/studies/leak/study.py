"""The leak measured in every training of the recipes; kept in ``results/leak``.

Each in a file of its own: the exact floors; the variants, measured while they train; and the
trainings whose weights are at hand.
"""

from dataclasses import asdict, dataclass
from functools import cache

from ...datasets.sets import make_dataset
from ...files import paths
from ...files.results import keep, rounded
from ...model.inference import load_checkpoint
from ...reference.forecast import interpolation_floor, noise_floor
from ...reference.solver import GridSolver
from ...simulation.settings import REGIMES
from ...statistics import mean_with_error
from ..kept_results import load_measured, load_part, load_training, trained_names
from .errors import (
    N_RELAX,
    ExactNextFrame,
    by_position,
    frame_errors,
    measure,
    noise_by_path,
    over,
    predict_next_frames,
    summarise,
)
from .heads import ablation, attention_near, finders
from .variants import VARIANTS, VariantTraining, train_variant, variant_names

RESULTS = paths.RESULTS / "leak"
FLOORS = "floors"
N_DIGITS = 4
#: Reduced length; `between_over_floor` is within a hundredth of that on finer grids.
BETWEEN_GRID_STEP = 0.05


@dataclass(frozen=True)
class LeakMeasurement:
    """On which held-out trajectories the trainings are measured: pairs are the frames of a
    trajectory, the last of which is withheld, and how many are used."""

    #: For errors; at the last of these lengths they are given position by position.
    lengths: tuple = ((16, 1000), (32, 800), (64, 600), (128, 400), (256, 200), (512, 120))
    #: For `noise_by_path`.
    paths: tuple = ((64, 300), (128, 200), (512, 60))
    #: For `attention_near`. In the first length the heads are looked for, and flattened on
    #: `n_ablation` trajectories, `n_heads` at a time.
    attention: tuple = ((128, 32), (512, 12))
    n_ablation: int = 100
    n_heads: tuple = (1, 2, 4, 8)
    family: str = "test"
    index: int = 50

    def trajectories(self, n_frames, n, shift=0):
        """Held-out trajectories, (n, n_frames, 2); another `shift`, other ones."""
        return make_dataset(n, self.family, self.index + shift, n_frames=n_frames).trajectories


def study_model(model, settings, exact):
    """All that is measured of one training, as a dict; every part has "n_frames" and "n".

    "lengths" from `measure`; "position" from `by_position`, at the last length; "paths" from
    `noise_by_path`; "attention": "next" (weight of each head on the next frame), "head" (which
    gives it most, in the first length) and "near" (its weights by offset and position); "ablation".
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
    n_frames, n = settings.attention[0][0], settings.n_ablation
    rows = ablation(
        model, settings.trajectories(n_frames, n, shift=3), exact, heads, settings.n_heads
    )
    return rounded(found | {"ablation": {"n_frames": n_frames, "n": n, "rows": rows}}, N_DIGITS)


def exact_floors(settings, exact):
    """L_traj of forecasters who know the dynamics exactly, with its error, by length of the window.

    "honest": the exact conditional mean of every frame; "reader": right wherever the next frame is
    in view, else the exact mean; "copy": repeating each frame.
    """
    rows = []
    for n_frames, n in settings.lengths:
        trajectories = settings.trajectories(n_frames, n)
        errors = frame_errors(trajectories[:, :-1], trajectories, exact, standardised=True)
        last = errors["exact"][:, -1] / (n_frames - 1)
        values = {
            "honest": errors["exact"].mean(axis=1),
            "reader": last,
            "copy": errors["copy"].mean(axis=1),
        }
        found = {name: mean_with_error(each) for name, each in values.items()}
        rows.append({"n_frames": n_frames, "n": n} | found)
    return rows


def between_over_floor(grid_step=BETWEEN_GRID_STEP):
    """Least error of whoever sees all frames but the next, over that of whoever sees none of the
    later ones: `forecast.interpolation_floor` over `noise_floor`, in equilibrium."""
    config = REGIMES["metastable"]
    solver = GridSolver(config.beta, config.diffusion, grid_step)
    between = interpolation_floor(solver, config.frame_time).sum()
    return float(between / noise_floor(solver, config.frame_time).sum())


def make_part(part, exact, folder=RESULTS, report=print, measurement=None, training=None):
    """Make "floors", one of `variant_names` or a training, unless it is there and up to date."""
    measurement, training = measurement or LeakMeasurement(), training or VariantTraining()
    variant, _, seed = part.rpartition("-")
    made_for = {"settings": asdict(training if variant in VARIANTS else measurement)}
    if part == FLOORS:
        made_for["between_grid_step"] = BETWEEN_GRID_STEP
    model = None
    if part != FLOORS and variant not in VARIANTS:
        model, made_for["weights"] = load_training(part)

    def make():
        if model is not None:
            return study_model(model, measurement, exact)
        if part == FLOORS:
            rows = exact_floors(measurement, exact)
            return {"floors": rows, "between": rounded(between_over_floor(), N_DIGITS)}
        curve = train_variant(variant, training, exact, int(seed))[1]
        return {"curve": rounded(curve, N_DIGITS)}

    keep(folder / f"{part}.json", made_for, make, report=report, indent=None)


def parts():
    """{name: function that makes and keeps it}: exact floors, variants, and all trainings."""
    exact = cache(ExactNextFrame)  # not before it is needed: it computes
    names = (FLOORS, *variant_names(), *trained_names())
    return {name: lambda name=name: make_part(name, exact()) for name in names}


def load_floors(folder=RESULTS):
    """What `exact_floors` found, as {n_frames: row}; `ValueError` if it is missing."""
    return {row["n_frames"]: row for row in load_part(FLOORS, folder, "leak")["floors"]}


def load_between(folder=RESULTS):
    """What `between_over_floor` found."""
    return load_part(FLOORS, folder, "leak")["between"]


def load_variants(folder=RESULTS):
    """Curves of the trainings of the variants, {label: [curve of each]}."""
    found = {}
    for part in variant_names():
        *_, label = VARIANTS[part.rpartition("-")[0]]
        found.setdefault(label, []).append(load_part(part, folder, "leak")["curve"])
    return found


def load_trainings(sizes, folder=RESULTS, checkpoints=paths.CHECKPOINTS):
    """`kept_results.load_measured` of this study."""
    return load_measured(sizes, folder, "leak", checkpoints)


def live(n, seed, size="small", n_frames=64):
    """`summarise` of the committed model of a size, on `n` trajectories made now, by place."""
    exact, model = ExactNextFrame(), load_checkpoint(size)
    frames = make_dataset(n, "test", index=seed, n_frames=n_frames).trajectories
    errors = frame_errors(predict_next_frames(model, frames), frames, exact)
    places = {"interior": slice(N_RELAX, -1), "last position": slice(-1, None)}
    return {place: summarise(over(errors, positions)) for place, positions in places.items()}
