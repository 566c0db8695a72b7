"""Three small models that differ in what a position may see, trained and measured on the way."""

import tempfile
from dataclasses import dataclass

import transformers
from transformers import TrainerCallback

from .datasets import FreshTrajectories, family_seed, make_dataset
from .leak import FixedScaleTransformer, measure
from .model import SIZES, TrajectoryConfig, TrajectoryTransformer, fastest_attention
from .training.initial_weights import start_as_waves
from .training.recipes import TrainingConfig
from .training.run import arguments_of_run
from .training.trainer import TrajectoryTrainer

#: What a position may see, and which statistics standardise it: class and `causal`.
VARIANTS = {
    "bidirectional": (TrajectoryTransformer, False),
    "causal": (TrajectoryTransformer, True),
    "causal_fixed": (FixedScaleTransformer, True),
}
#: How often each is trained.
N_SEEDS = 2
SEEDS_OF_STREAM = 5000  # number of the stream of trajectories of the first training


@dataclass(frozen=True)
class VariantTraining:
    """How the three are trained: the poster's loss on fresh trajectories, as in the recipes.

    Parameters
    ----------
    n_frames : int
        Frames of a trajectory; the encoder is shown all but the last.
    n_steps, batch_size, learning_rate, warmup_steps : int, int, float, int
        AdamW with linear warm-up and cosine decay.
    measured : tuple of int
        Steps after which errors are measured.
    n_validation : int
        Validation trajectories on which they are.
    """

    n_frames: int = 65
    n_steps: int = 1200
    batch_size: int = 64
    learning_rate: float = 5e-3
    warmup_steps: int = 100
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
    """An untrained small model of `VARIANTS`; all of one seed start from the same weights.

    Raises
    ------
    ValueError
        If there is no such variant.
    """
    if name not in VARIANTS:
        raise ValueError(f"unknown variant {name!r}: choose one of {list(VARIANTS)}")
    model_class, causal = VARIANTS[name]
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

    def _at(self, step, model):
        if step in self.steps:
            self.curve.append({"step": step} | self.take(model))

    def on_train_begin(self, args, state, control, model=None, **kwargs):
        self._at(state.global_step, model)

    def on_step_end(self, args, state, control, model=None, **kwargs):
        self._at(state.global_step, model)


def train_variant(name, settings, exact, seed=0):
    """Train one variant, measuring it on the way.

    Parameters
    ----------
    name : str
        Key of `VARIANTS`.
    settings : VariantTraining
    exact : ExactNextFrame
    seed : int
        Of weights and trajectories.

    Returns
    -------
    model : TrajectoryTransformer
        In evaluation mode.
    curve : list of dict
        From `leak.measure`, each with its "step".
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
            train_dataset=FreshTrajectories(stages, family_seed("stream", SEEDS_OF_STREAM + seed)),
            rate_of_step=recipe.rate_of_step,
            callbacks=[measuring],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    return trainer.model.eval(), measuring.curve
