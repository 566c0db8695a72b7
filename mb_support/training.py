"""Training with `transformers.Trainer`: recipes, curriculum, resumable runs and their records.

``python -m mb_support.training --size small`` rebuilds ``checkpoints/small`` from nothing, or
goes on from where an interrupted run stopped.
"""

import argparse
import json
import math
import os
import platform
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
import transformers
from torch import nn
from torch.nn import functional
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from . import paths
from .datasets import FreshTrajectories, family_seed, make_dataset
from .model import SIZES, TrajectoryConfig, TrajectoryTransformer, fastest_attention

#: Scale of the read-out's errors, in reduced length (in log length for the scales): a basin.
READ_OUT_SCALE = 0.3
#: The read-out counts frame t with weight 1 + 20 exp(-t / 4): starts are what is asked for.
EARLY_WEIGHT, EARLY_FRAMES = 20.0, 4.0


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides how a run goes; written into its record.

    Parameters
    ----------
    size : {"small", "medium", "large"}
    stages : tuple of (n_frames, n_steps)
        The curriculum: window lengths, and optimisation steps spent on each. Every window is a
        fresh trajectory of that many frames from a random start, never seen before.
    batch_size : int
        Trajectories in an optimisation step, over all processes.
    learning_rate : float
        Peak of AdamW's rate: linear warm-up, then cosine decay to a fiftieth of it.
    warmup_steps : int
    guided_fraction : float
        Share of the trajectories that are guided: every second one starts near the ridge, and
        the auxiliary loss of `GuidedTransformer` counts, with a weight that falls linearly from
        one to zero. The rest of the run sees the data set's own distribution and the poster's
        loss, nothing else.
    position_scale : float
        Amplitude of the sinusoids that the position embeddings start as, and standard deviation
        of the input projection's initial weights.
    weight_decay, max_grad_norm, adam_beta2 : float
    bf16 : bool
        bfloat16 autocast in the linear layers.
    regime : str
        Key of `simulation.REGIMES`.
    seed : int
        Of the initial weights; also which stream of trajectories is seen.
    n_validation : int
        Validation trajectories scored while training.
    eval_every, save_every : int
        Steps between validation scores and between checkpoints.
    """

    size: str
    stages: tuple
    batch_size: int
    learning_rate: float
    warmup_steps: int = 200
    guided_fraction: float = 0.85
    position_scale: float = 0.7
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    adam_beta2: float = 0.99
    bf16: bool = False
    regime: str = "metastable"
    seed: int = 0
    n_validation: int = 400
    eval_every: int = 250
    save_every: int = 100

    def __post_init__(self):
        if self.size not in SIZES:
            raise ValueError(f"unknown size {self.size!r}: choose one of {list(SIZES)}")
        object.__setattr__(self, "stages", tuple(tuple(stage) for stage in self.stages))
        for name in ("batch_size", "eval_every", "save_every", "n_validation"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive; got {self.learning_rate}")

    @property
    def n_steps(self):
        """Optimisation steps of the whole run."""
        return sum(n_steps for _, n_steps in self.stages)

    @classmethod
    def from_dict(cls, values):
        """Rebuild from the dictionary in a record; `ValueError` on an unknown key."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"unknown training settings: {sorted(unknown)}")
        return cls(**values)


#: The recipes of the committed checkpoints.
RECIPES = {
    "small": TrainingConfig(
        "small", stages=((250, 3000), (1000, 1000)), batch_size=16, learning_rate=3e-3
    ),
    "medium": TrainingConfig(
        "medium",
        stages=((250, 800), (500, 300), (1000, 300)),
        batch_size=16,
        learning_rate=1.5e-3,
        bf16=True,
        n_validation=200,
    ),
    "large": TrainingConfig(
        "large",
        stages=((250, 400), (1000, 120)),
        batch_size=16,
        learning_rate=7e-4,
        bf16=True,
        n_validation=200,
    ),
}


class GuidedTransformer(TrajectoryTransformer):
    """The model with a linear read-out that exists during training only.

    The label of a trajectory says little about why it is right: one bit for a thousand frames.
    The simulator knows more, so for most of a run a linear layer on each frame's encoding also
    has to tell that frame's state and raw position, and the shift and scale that the
    standardisation took away. Its weight in the loss falls to zero and it is thrown away: what
    is left is the poster's model, trained to its end on the poster's loss.
    """

    def __init__(self, config):
        super().__init__(config)
        self.guide = nn.Linear(config.hidden_size, config.n_states + 3 * config.n_features)

    def forward(self, trajectories, labels=None, states=None, guidance=None):
        """As `TrajectoryTransformer`; with `states` (batch, n_frames), the auxiliary loss too."""
        output = super().forward(trajectories, labels=labels)
        if states is not None and bool((guidance > 0).any()):
            n_frames = output.encodings.shape[1]
            output.loss = output.loss + guidance.mean() * self._guidance_loss(
                output.encodings, trajectories[:, :n_frames], states[:, :n_frames]
            )
        return output

    def _guidance_loss(self, encodings, trajectories, states):
        n_states, n_features = self.config.n_states, self.config.n_features
        state_logits, position, mean, log_std = (
            self.guide(encodings).float().split([n_states] + 3 * [n_features], dim=-1)
        )
        frame = torch.arange(states.shape[1], device=states.device)
        weight = 1.0 + EARLY_WEIGHT * torch.exp(-frame / EARLY_FRAMES)
        weight = weight / weight.sum()
        state_loss = functional.cross_entropy(
            state_logits.transpose(1, 2), states, reduction="none"
        )
        _, true_mean, true_std = self.standardise(trajectories)
        position_error = _squared_error(position, trajectories)
        shape_error = _squared_error(mean, true_mean) + _squared_error(log_std, true_std.log())
        # the logarithm keeps large early errors from drowning everything else
        return (
            (state_loss * weight).sum(dim=1).mean()
            + 0.3 * torch.log1p((position_error * weight).sum(dim=1).mean())
            + 0.3 * torch.log1p(shape_error.mean())
        )

    def plain(self):
        """The `TrajectoryTransformer` without the read-out, sharing no memory with this."""
        model = TrajectoryTransformer(self.config)
        weights = {k: v for k, v in self.state_dict().items() if not k.startswith("guide.")}
        model.load_state_dict(weights)
        return model


def _squared_error(predicted, target):
    return ((predicted - target) / READ_OUT_SCALE).square().sum(dim=-1)


class TrajectoryTrainer(Trainer):
    """`Trainer` that keeps the stream's order, logs both terms of the loss, and scores states."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._terms, self._started, self._elapsed_before = [], None, 0.0

    def _get_train_sampler(self, *args, **kwargs):
        return SequentialSampler(self.train_dataset)  # fresh trajectories: already random

    def train(self, resume_from_checkpoint=None, **kwargs):
        self._started = time.monotonic()
        return super().train(resume_from_checkpoint=resume_from_checkpoint, **kwargs)

    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        output = model(**inputs)
        self._terms.append(
            torch.stack([output.trajectory_loss, output.classification_loss]).detach().float()
        )
        return (output.loss, output) if return_outputs else output.loss

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        inputs = self._prepare_inputs(inputs)
        with torch.no_grad(), self.compute_loss_context_manager():
            logits = model(trajectories=inputs["trajectories"]).state_logits.float()
        return functional.cross_entropy(logits, inputs["labels"]), logits, inputs["labels"]

    def log(self, logs, *args, **kwargs):
        if self._terms and "loss" in logs:
            trajectory, classification = torch.stack(self._terms).mean(dim=0).tolist()
            logs |= {"trajectory_loss": trajectory, "classification_loss": classification}
            self._terms = []
        if not self.state.log_history:
            self._elapsed_before = 0.0
        elif self._started is not None and not hasattr(self, "_resumed_at"):
            self._elapsed_before = self.state.log_history[-1].get("elapsed_s", 0.0)
        self._resumed_at = True
        if self._started is not None:
            logs["elapsed_s"] = round(self._elapsed_before + time.monotonic() - self._started, 1)
        super().log(logs, *args, **kwargs)


class _Items(torch.utils.data.Dataset):
    """A `TrajectorySet` as the items `Trainer` wants."""

    def __init__(self, trajectory_set):
        self._set = trajectory_set

    def __len__(self):
        return len(self._set)

    def __getitem__(self, index):
        return {
            "trajectories": torch.from_numpy(self._set.trajectories[index]),
            "labels": torch.tensor(self._set.labels[index]),
        }


def _scores(prediction):
    predicted, labels = prediction.predictions.argmax(axis=-1), prediction.label_ids
    return {"accuracy": float((predicted == labels).mean())}


def training_stream(config):
    """The `FreshTrajectories` a run sees, in order."""
    return FreshTrajectories(
        [(n_frames, n_steps * config.batch_size) for n_frames, n_steps in config.stages],
        seed=family_seed("stream", 2 * config.seed),
        regime=config.regime,
        n_guided=int(config.guided_fraction * config.n_steps * config.batch_size),
    )


def training_arguments(config, output_dir):
    """`TrainingArguments` of a run in `output_dir`."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if config.batch_size % world_size:
        raise ValueError(
            f"batch_size {config.batch_size} cannot be shared by {world_size} processes"
        )
    return TrainingArguments(
        output_dir=str(output_dir),
        max_steps=config.n_steps,
        per_device_train_batch_size=config.batch_size // world_size,
        per_device_eval_batch_size=16,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.02},
        warmup_steps=config.warmup_steps,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        adam_beta2=config.adam_beta2,
        bf16=config.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=config.seed,
        logging_steps=25,
        eval_strategy="steps",
        eval_steps=config.eval_every,
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=2,
        label_names=["labels"],
        remove_unused_columns=False,
        report_to="none",
        dataloader_pin_memory=False,
    )


def sinusoids(n_positions, hidden_size, shortest=6.0, longest=4000.0):
    """Sine and cosine of each position at geometrically spaced wavelengths (in frames).

    Returns
    -------
    (n_positions, hidden_size) Tensor
        As Vaswani et al. (2017), section 3.5, but for the range of wavelengths.
    """
    wavelengths = torch.logspace(math.log10(shortest), math.log10(longest), hidden_size // 2)
    phase = 2 * math.pi * torch.arange(n_positions)[:, None] / wavelengths
    return torch.stack([phase.sin(), phase.cos()], dim=-1).flatten(1)


def new_model(config):
    """Freshly initialised `GuidedTransformer` of a run; the seed decides its weights.

    BERT's initial weights (standard deviation 0.02) suit 768 dimensions; these suit 16 to 120.
    The position embeddings start as sinusoids, so that "the frame before" is a direction that
    attention can learn at once instead of a thousand separate facts.
    """
    transformers.set_seed(config.seed)
    hidden_size = SIZES[config.size]["hidden_size"]
    model = GuidedTransformer(
        TrajectoryConfig.of_size(
            config.size,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=hidden_size**-0.5,
        )
    )
    positions = model.embeddings.position_embeddings.weight
    with torch.no_grad():
        positions.copy_(config.position_scale * sinusoids(*positions.shape))
        model.inputs_to_hidden_dim.weight.normal_(std=config.position_scale)
    model.set_attn_implementation(fastest_attention("cuda" if torch.cuda.is_available() else "cpu"))
    return model


def train(config, output_dir, resume=True):
    """Run a recipe, from nothing or from the last checkpoint in `output_dir`.

    Parameters
    ----------
    config : TrainingConfig
    output_dir : path
        Where checkpoints of the run go.
    resume : bool
        If False, what is in `output_dir` is ignored and overwritten.

    Returns
    -------
    model : TrajectoryTransformer
    record : dict
        Configuration, versions, machine, cost and the curves.
    """
    output_dir = Path(output_dir)
    last = get_last_checkpoint(str(output_dir)) if resume and output_dir.is_dir() else None
    validation = make_dataset(config.n_validation, "validation", regime=config.regime)
    trainer = TrajectoryTrainer(
        model=new_model(config),
        args=training_arguments(config, output_dir),
        train_dataset=training_stream(config),
        eval_dataset=_Items(validation),
        compute_metrics=_scores,
    )
    trainer.train(resume_from_checkpoint=last)
    trainer.evaluate()
    return trainer.model.plain(), training_record(config, trainer.state.log_history)


def training_record(config, log_history):
    """What a run did, at what cost and with what: the content of ``training.json``."""
    n_trajectories = config.n_steps * config.batch_size
    return {
        "config": asdict(config),
        "trajectories_seen": n_trajectories,
        "frames_seen": sum(f * n for f, n in config.stages) * config.batch_size,
        "wall_time_s": log_history[-1].get("elapsed_s"),
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        "commit": _commit(),
        "curve": log_history,
    }


def machine():
    """Processor and number of cores, or the name of the GPU."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores"


def _commit():
    done = subprocess.run(
        ["git", "rev-parse", "--short=10", "HEAD"], cwd=paths.ROOT, capture_output=True, text=True
    )
    return done.stdout.strip() or None


def save_checkpoint(model, record, folder):
    """Write model and record beside `folder`, then move them into its place.

    Parameters
    ----------
    model : TrajectoryTransformer
    record : dict
    folder : path
    """
    folder = Path(folder)
    fresh, old = folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    model.save_pretrained(fresh)
    (fresh / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def main(arguments=None):
    """Command line: train one size and put the result under ``checkpoints``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", required=True, help=f"one of {', '.join(SIZES)}")
    parser.add_argument("--output", type=Path, help="checkpoint folder to write")
    parser.add_argument("--work", type=Path, help="folder of the run's own checkpoints")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--restart", action="store_true", help="ignore an interrupted run")
    options = parser.parse_args(arguments)
    if options.size not in RECIPES:
        parser.error(f"unknown size {options.size!r}: choose one of {', '.join(RECIPES)}")
    torch.set_num_threads(options.threads)
    work = options.work or paths.CACHE / "training" / options.size
    output = options.output or paths.CHECKPOINTS / options.size
    model, record = train(RECIPES[options.size], work, resume=not options.restart)
    save_checkpoint(model, record, output)
    accuracy = record["curve"][-1].get("eval_accuracy")
    print(f"{options.size}: validation accuracy {accuracy:.4f}; checkpoint in {output}")


if __name__ == "__main__":
    main()
