"""Three small models that differ in what a position may see, measured while they train."""

import tempfile
from dataclasses import dataclass

import numpy as np
import transformers
from transformers import TrainerCallback

from ...datasets.sets import FreshTrajectories, family_seed, make_dataset
from ...model.settings import SIZES, TrajectoryConfig
from ...model.transformer import TrajectoryTransformer, fastest_attention
from ...simulation.langevin import START_BOX
from ...training.initial_weights import start_as_waves
from ...training.recipes import TrainingConfig
from ...training.run import arguments_of_run
from ...training.trainer import TrajectoryTrainer
from .errors import measure

#: How often each variant is trained.
N_SEEDS = 2
_SEEDS_OF_STREAM = 5000  # number of the stream of trajectories of the first training


class FixedScaleTransformer(TrajectoryTransformer):
    """The model with frames standardised by constants, those of the uniform distribution over
    `START_BOX`: a trajectory's own statistics tell every position of later frames."""

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
        stages = ((self.n_frames, self.n_steps * self.batch_size),)
        settings = {n: getattr(self, n) for n in ("learning_rate", "batch_size", "warmup_steps")}
        return TrainingConfig("small", stages, seed=seed, **settings)


def variant_names():
    """The trainings of the variants, as "variant-seed"."""
    return [f"{name}-{seed}" for name in VARIANTS for seed in range(N_SEEDS)]


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
    """Train one of `VARIANTS`: the model, and a list of what `measure` gave at some steps."""
    recipe, n_frames = settings.recipe(seed), settings.n_frames
    stream = family_seed("stream", _SEEDS_OF_STREAM + seed)
    held_out = make_dataset(settings.n_validation, "validation", index=50, n_frames=n_frames)
    measuring = _Measure(settings.measured, lambda m: measure(m, held_out.trajectories, exact))
    with tempfile.TemporaryDirectory() as folder:
        arguments = arguments_of_run(recipe, folder, progress=False)
        arguments.eval_strategy = arguments.save_strategy = "no"
        trainer = TrajectoryTrainer(
            model=new_variant(name, seed),
            args=arguments,
            train_dataset=FreshTrajectories(recipe.stages, stream),
            rate_of_step=recipe.rate_of_step,
            callbacks=[measuring],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return trainer.model.eval(), measuring.curve
