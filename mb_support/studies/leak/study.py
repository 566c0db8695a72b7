"""The leak measured in every training of the recipes; kept in ``results/leak``.

``python -m mb_support.studies leak`` makes, each in a file of its own: the exact floors; three
small models that differ in what a position may see, measured while they train; and the trainings
whose weights lie in ``.cache/trainings``. A part that is there already is not made again, unless
its settings or weights changed.
"""

import tempfile
from dataclasses import asdict, dataclass
from functools import cache

import numpy as np
import transformers
from transformers import TrainerCallback

from ...datasets.sets import FreshTrajectories, family_seed, make_dataset
from ...files import paths
from ...files.results import keep, rounded
from ...model.settings import SIZES, TrajectoryConfig
from ...model.transformer import TrajectoryTransformer, fastest_attention
from ...simulation.langevin import START_BOX
from ...training.initial_weights import start_as_waves
from ...training.recipes import TrainingConfig
from ...training.run import arguments_of_run
from ...training.trainer import TrajectoryTrainer
from ..measured import load_measured, load_part, load_training, trained_names
from .errors import (
    ExactNextFrame,
    by_position,
    frame_errors,
    measure,
    noise_by_path,
    predict_next_frames,
)
from .heads import ablation, attention_near, finders

RESULTS = paths.RESULTS / "leak"
FLOORS = "floors"
#: Digits to which results are kept.
N_DIGITS = 4
#: How often each variant is trained.
N_SEEDS = 2
_SEEDS_OF_STREAM = 5000  # number of the stream of trajectories of the first training


class FixedScaleTransformer(TrajectoryTransformer):
    """The model with frames standardised by constants instead of by their own statistics.

    The constants are mean and standard deviation of the uniform distribution over
    `simulation.START_BOX`. A trajectory's own mean and standard deviation are computed from all of
    its frames and so tell every position something of what comes later; constants do not.
    """

    def standardise(self, frames, attention_mask=None):
        """As `TrajectoryTransformer.standardise`, with the same constants for all trajectories."""
        shape = (len(frames), 1, 2)
        mean = frames.new_tensor(START_BOX.mean(axis=0)).expand(shape)
        std = frames.new_tensor((START_BOX[1] - START_BOX[0]) / np.sqrt(12)).expand(shape)
        return (frames - mean) / std, mean, std


#: What a position may see, and which statistics standardise it: `causal`, class, and label.
VARIANTS = {
    "bidirectional": (False, TrajectoryTransformer, "bidirectional"),
    "causal": (True, TrajectoryTransformer, "causal, own statistics"),
    "causal_fixed": (True, FixedScaleTransformer, "causal, fixed constants"),
}


@dataclass(frozen=True)
class LeakMeasurement:
    """On which held-out trajectories the trainings are measured.

    Pairs are the frames of a trajectory, the last of which is withheld, and how many are used.
    """

    #: For errors; at the last of these lengths they are given position by position.
    lengths: tuple = ((16, 1000), (32, 800), (64, 600), (128, 400), (256, 200), (512, 120))
    #: For `leak.noise_by_path`.
    paths: tuple = ((64, 300), (128, 200), (512, 60))
    #: For `leak_heads.attention_near`. In the first length the heads are looked for, and flattened
    #: on `n_ablation` trajectories, `n_heads` at a time.
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

    Returns a dict. "lengths": from `leak.measure`; "position": from `leak.by_position`, at the
    last length; "paths": from `leak.noise_by_path`, with "n_frames" and "n"; "attention":
    "n_frames", "n", "next" (weight of each head on the next frame), "head" (which gives it most,
    in the first length) and "near" (its weights by offset and position); "ablation": "n_frames",
    "n", and "rows" from `leak_heads.ablation`.
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

    A list of dict: "n_frames" and "n"; "honest", L_traj of the exact conditional mean of every
    frame; "reader", of whoever is right wherever the next frame is in view, and gives the exact
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


@dataclass(frozen=True)
class VariantTraining:
    """How the three variants are trained: the poster's loss on fresh trajectories."""

    #: Of a trajectory; the encoder is shown all but the last.
    n_frames: int = 65
    n_steps: int = 1200
    batch_size: int = 64
    learning_rate: float = 5e-3
    warmup_steps: int = 100
    #: Steps after which errors are measured, on so many validation trajectories.
    measured: tuple = (0, 40, 80, 150, 300, 600, 900, 1200)
    n_validation: int = 1000

    def recipe(self, seed):
        """The `TrainingConfig` of a run."""
        return TrainingConfig(
            "small",
            ((self.n_frames, self.n_steps * self.batch_size),),
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            warmup_steps=self.warmup_steps,
            seed=seed,
        )


def new_variant(name, seed=0):
    """An untrained small model of `VARIANTS`; all of one seed start from the same weights."""
    causal, model_class, _ = VARIANTS[name]
    config = TrajectoryConfig.of_size(
        "small",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=SIZES["small"]["hidden_size"] ** -0.5,
        causal=causal,
    )
    transformers.set_seed(seed)
    model = model_class(config)
    start_as_waves(model)
    model.set_attn_implementation(fastest_attention())
    return model


class _Measure(TrainerCallback):
    # keeps what is measured at some steps
    def __init__(self, steps, take):
        self.steps, self.take, self.curve = steps, take, []

    def on_step_end(self, args, state, control, model=None, **kwargs):
        if state.global_step in self.steps:
            self.curve.append({"step": state.global_step} | self.take(model))

    on_train_begin = on_step_end


def train_variant(name, settings, exact, seed=0):
    """Train one of `VARIANTS`, measuring it on the way.

    Returns the model, in evaluation mode, and its curve: a list of what `leak.measure` gives, each
    with its "step".
    """
    recipe = settings.recipe(seed)
    stages = [(n_frames, n * recipe.batch_size) for n_frames, n in recipe.steps]
    held_out = make_dataset(
        settings.n_validation, "validation", index=50, n_frames=settings.n_frames
    ).trajectories
    measuring = _Measure(settings.measured, lambda model: measure(model, held_out, exact))
    with tempfile.TemporaryDirectory() as folder:
        arguments = arguments_of_run(recipe, folder, progress=False)
        arguments.eval_strategy = arguments.save_strategy = "no"
        trainer = TrajectoryTrainer(
            model=new_variant(name, seed),
            args=arguments,
            train_dataset=FreshTrajectories(stages, family_seed("stream", _SEEDS_OF_STREAM + seed)),
            rate_of_step=recipe.rate_of_step,
            callbacks=[measuring],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return trainer.model.eval(), measuring.curve


def variant_names():
    """The trainings of the variants, as "variant-seed"."""
    return [f"{name}-{seed}" for name in VARIANTS for seed in range(N_SEEDS)]


def make_part(part, exact, folder=RESULTS, report=print, measurement=None, training=None):
    """Make one file of the results, unless it is there and up to date.

    `part` is "floors", one of `variant_names` or one of `measured.trained_names`; `report` is told
    what was done.
    """
    measurement, training = measurement or LeakMeasurement(), training or VariantTraining()
    variant, _, seed = part.rpartition("-")
    made_for = {"settings": asdict(training if variant in VARIANTS else measurement)}
    if part == FLOORS:

        def make():
            return {"floors": exact_floors(measurement, exact)}
    elif variant in VARIANTS:

        def make():
            curve = train_variant(variant, training, exact, int(seed))[1]
            return {"curve": rounded(curve, N_DIGITS)}
    else:
        model, made_for["weights"] = load_training(part)

        def make():
            return study_model(model, measurement, exact)

    keep(folder / f"{part}.json", made_for, make, report=report, indent=None)


def load_floors(folder=RESULTS):
    """What `exact_floors` found, as {n_frames: row}; `ValueError` if it is missing."""
    return {row["n_frames"]: row for row in load_part(FLOORS, folder, "leak")["floors"]}


def load_variants(folder=RESULTS):
    """Curves of the trainings of the variants that there are, as {label: [curve of each]}.

    A variant that has not been trained is left out; `ValueError` if none has been.
    """
    there = [part for part in variant_names() if (folder / f"{part}.json").exists()]
    found = {}
    for part in there or variant_names()[:1]:
        *_, label = VARIANTS[part.rpartition("-")[0]]
        found.setdefault(label, []).append(load_part(part, folder, "leak")["curve"])
    return found


def variants_trained(variants):
    """How many trainings of each variant there are, of how many, in one line."""
    return "; ".join(
        f"{label} {len(variants.get(label, []))} of {N_SEEDS}" for *_, label in VARIANTS.values()
    )


def load_trainings(sizes, folder=RESULTS, checkpoints=paths.CHECKPOINTS):
    """`measured.load_measured` of this study."""
    return load_measured(sizes, folder, "leak", checkpoints)


def parts():
    """{name: function that makes and keeps it}: exact floors, variants, and all trainings."""
    exact = cache(ExactNextFrame)  # not before it is needed: it computes
    names = (FLOORS, *variant_names(), *trained_names())
    return {name: lambda name=name: make_part(name, exact()) for name in names}
