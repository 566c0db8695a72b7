"""Training of stochastic generators: fresh windows, likelihood, `Trainer`, and a record.

``python -m mb_support.training.causal`` rebuilds ``checkpoints/causal`` from nothing, or goes on
from where an interrupted run stopped.
"""

import argparse
import hashlib
import signal
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
import transformers

from ..checks import checked_count, checked_positive
from ..datasets.sets import family_seed, order_of_pass
from ..files import paths
from ..files.results import circumstances
from ..model.causal import (
    AngleGenerator,
    CausalConfig,
    CausalGenerator,
    LSTMGenerator,
    known_regime,
)
from ..model.checkpoints import CheckpointError
from ..model.transformer import fastest_attention
from ..simulation.langevin import sample_starts, simulate
from .run import check_place, save_checkpoint
from .trainer import (
    TrainingStopped,
    TrajectoryTrainer,
    run_to_the_end,
    starting_point,
    usual_arguments,
)

KINDS = {"attention": CausalGenerator, "lstm": LSTMGenerator, "angles": AngleGenerator}


@dataclass(frozen=True)
class CausalTrainingConfig:
    """Everything that decides how a run goes; written into its record.

    Windows begin 0 to `n_relax` frames after a uniform random start: late enough to lie mostly
    low in the valleys, early enough to be in the rare places between the basins.
    """

    n_steps: int = 16_000
    batch_size: int = 512  # windows, each seen once
    learning_rate: float = 2e-3  # AdamW's peak: warm-up, then cosine decay to a hundredth of it
    warmup_steps: int = 100
    window_length: int = 4  # frames of a window that are forecast from; it has one more
    context: int = 4  # frames of these that the model sees at once; 1: no memory
    kind: str = "attention"  # or "lstm"; "angles" for coordinates on a circle
    n_components: int = 8
    hidden_size: int = 64
    num_hidden_layers: int = 2
    n_relax: int = 2
    max_grad_norm: float = 1.0
    adam_beta2: float = 0.99
    regime: str = "metastable"
    seed: int = 0  # of the initial weights, and of the stream of windows
    n_validation: int = 4096  # windows scored while training
    eval_every: int = 500
    save_every: int = 250

    def __post_init__(self):
        for name in ("n_steps", "batch_size", "n_validation", "eval_every", "save_every"):
            checked_count(name, getattr(self, name))
        checked_count("context", self.context, 1, self.window_length)
        checked_positive("learning_rate", self.learning_rate)
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}: choose one of {list(KINDS)}")


class FreshWindows(torch.utils.data.Dataset):
    """Short stretches of trajectories that no model has seen: window i depends on the seed and i
    only, and begins (i modulo n_relax + 1) frames after its uniform random start."""

    def __init__(self, n_windows, n_frames, n_relax, seed, regime="metastable"):
        self.n_windows = checked_count("n_windows", n_windows)
        self.n_frames = checked_count("n_frames", n_frames, 2)
        self.n_relax = checked_count("n_relax", n_relax, 0)
        self.seed = seed
        self.config = replace(known_regime(regime), n_frames=n_relax + n_frames)

    def __len__(self):
        return self.n_windows

    def windows(self, first, n):
        """Windows first .. first + n - 1, an (n, n_frames, 2) ndarray of float32."""
        starts = sample_starts(n, self.seed, first_trajectory=first)
        whole = simulate(self.config, starts, self.seed, first_trajectory=first)
        begin = (first + np.arange(n)) % (self.n_relax + 1)
        return whole[np.arange(n)[:, None], begin[:, None] + np.arange(self.n_frames)]

    def __getitem__(self, item):
        return self.__getitems__([item])[0]

    def __getitems__(self, items):
        """Windows by number, simulated together where their numbers are consecutive."""
        items = np.asarray(items, dtype=np.int64)
        if (items < 0).any() or (items >= len(self)).any():
            raise IndexError(f"items must lie in 0..{len(self) - 1}")
        runs = np.split(items, np.flatnonzero(np.diff(items) != 1) + 1)
        windows = np.concatenate([self.windows(int(run[0]), len(run)) for run in runs])
        return [{"trajectories": window} for window in torch.from_numpy(windows)]


class _LikelihoodTrainer(TrajectoryTrainer):
    """`TrajectoryTrainer` for a loss of one term, in windows as long as the model sees."""

    def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
        n_frames = model.config.window_length + 1
        windows = inputs["trajectories"].unfold(1, n_frames, 1).transpose(2, 3)
        output = model(windows.reshape(-1, n_frames, 2))
        return (output.loss, output) if return_outputs else output.loss

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        with torch.no_grad():
            return self.compute_loss(model, self._prepare_inputs(inputs)), None, None


def training_windows(config):
    """The `FreshWindows` a run sees, in order."""
    n_windows = config.n_steps * config.batch_size
    return _windows(config, n_windows, family_seed("stream", 4000 + config.seed))


def _windows(config, n_windows, seed):
    n_frames = config.window_length + 1
    return FreshWindows(n_windows, n_frames, config.n_relax, seed, config.regime)


def new_generator(config, **settings):
    """A generator with the random weights that a run of a `CausalTrainingConfig` begins with.

    `settings` are more of those of `CausalConfig`.
    """
    transformers.set_seed(config.seed)
    names = ("n_components", "hidden_size", "num_hidden_layers", "regime")
    settings |= {name: getattr(config, name) for name in names}
    return KINDS[config.kind](CausalConfig(window_length=config.context, **settings))


class OwnWindows(torch.utils.data.Dataset):
    """Passes over (n, n_frames, 2) windows of one's own, each in an order that the seed gives."""

    def __init__(self, windows, n_items, seed):
        self.windows, self.n_items, self.seed = windows, n_items, seed

    def __len__(self):
        return self.n_items

    def __getitem__(self, item):
        number, place = divmod(item, len(self.windows))
        row = order_of_pass(self.seed, number, len(self.windows))[place]
        return {"trajectories": torch.from_numpy(self.windows[row])}


def train(config, output_dir, resume=True, data=None, **settings):
    """Train a generator; goes on from the newest whole checkpoint in `output_dir` if `resume`.

    `data` are windows of one's own in place of fresh ones, two (n, window_length + 1, 2) float32
    ndarrays: those to train on, again and again, and those to score while training; `settings`
    are more of those of `CausalConfig`. Returns the model and its record: configuration, versions,
    machine, cost and the curves. `ValueError` if `output_dir` holds a run with other settings.
    """
    output_dir = Path(output_dir)
    decides = asdict(config) | settings | {"data": None if data is None else _digest(data)}
    last = starting_point(decides, output_dir, resume)
    model, began = new_generator(config, **settings), time.process_time()
    if config.kind != "lstm":
        model.set_attn_implementation(fastest_attention())
    n_windows = config.n_steps * config.batch_size
    if data is None:
        shown = training_windows(config)
        scored = _windows(config, config.n_validation, family_seed("validation", 4000))
    else:
        shown = OwnWindows(data[0], n_windows, config.seed)
        scored = OwnWindows(data[1], min(config.n_validation, len(data[1])), config.seed)
    trainer = _LikelihoodTrainer(
        model=model,
        args=_arguments(config, output_dir),
        train_dataset=shown,
        eval_dataset=scored,
    )
    run_to_the_end(trainer, last)
    wall_time = trainer.state.log_history[-1].get("elapsed_s")
    n_made = config.n_steps - (0 if last is None else int(last.rpartition("-")[2]))
    # of a run that went on, steps before are taken to have cost as much as those since
    processor_time = (time.process_time() - began) * config.n_steps / n_made if n_made else None
    record = {
        "config": asdict(config),
        "windows_seen": n_windows,
        "frames_seen": n_windows * config.window_length,
        "parameters": model.num_parameters(),
        "wall_time_s": wall_time,
        "processor_time_s": round(processor_time, 1) if processor_time else wall_time,
        **circumstances("torch", "transformers"),
        "curve": trainer.state.log_history,
    }
    return model.eval(), record


def _digest(arrays):
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def _arguments(config, output_dir):
    return usual_arguments(
        config,
        output_dir,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=512,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.01},
        warmup_steps=config.warmup_steps,
        weight_decay=0.0,
        use_cpu=True,
        logging_steps=50,
    )


def command_parser():
    """Parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mb_support.training.causal", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=paths.CHECKPOINTS / "causal",
        help="folder of the trained model (default: checkpoints/causal)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=paths.TRAININGS / "causal" / "run",
        help="folder of the run's own checkpoints",
    )
    parser.add_argument("--threads", type=int, default=1, help="one is as fast as two here")
    parser.add_argument("--restart", action="store_true", help="ignore an interrupted run")
    return parser


def main(arguments=None):
    """Command line: train the generator and put the result under ``checkpoints``."""
    parser = command_parser()
    options = parser.parse_args(arguments)
    if options.threads < 1:
        parser.error(f"--threads must be at least 1; got {options.threads}")
    torch.set_num_threads(options.threads)
    try:
        check_place(options.output)
        model, record = train(CausalTrainingConfig(), options.work, not options.restart)
        save_checkpoint(model, record, options.output)
    except TrainingStopped as stopped:
        print(stopped, file=sys.stderr)
        return 128 + (stopped.number or signal.SIGTERM)
    except (CheckpointError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    print(f"validation loss {record['curve'][-1]['eval_loss']:.4f} nats; in {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
