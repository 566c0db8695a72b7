"""`transformers.Trainer` for trajectories: the stream's order, both losses, safe checkpoints."""

import json
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch.nn import functional
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainerState, TrainingArguments

from ..datasets.sets import as_item
from ..files.results import commit
from ..model.checkpoints import (
    CheckpointError,
    forget_run,
    newest_whole_checkpoint,
    read_json,
    write_manifest,
)

#: Settings that may change when a run is resumed: they decide no step of it.
FREE_SETTINGS = ("n_validation", "eval_every", "save_every")


class TrainingStopped(RuntimeError):
    """A run was asked to stop, by signal `number`; the same call goes on from there."""

    def __init__(self, message, number=None):
        super().__init__(message)
        self.number = number


def usual_arguments(config, folder, **others):
    """`TrainingArguments` of a run whose checkpoints go to `folder`: what all have, and others."""
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=config.n_steps,
        learning_rate=config.learning_rate,
        max_grad_norm=config.max_grad_norm,
        adam_beta2=config.adam_beta2,
        seed=config.seed,
        eval_strategy="steps",
        eval_steps=config.eval_every,
        save_strategy="steps",
        save_steps=config.save_every,
        save_total_limit=2,
        remove_unused_columns=False,
        report_to="none",
        dataloader_pin_memory=False,
        **others,
    )


def starting_point(settings, folder, resume=True):
    """Path of the checkpoint in `folder` that a run goes on from, or None if it begins.

    `settings`, a dict of all that decides the run, is written beside the checkpoints; a
    `ValueError` if those that are there come from a run with others.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"checkpoints of the run cannot go to {folder}: {error}") from None
    note = folder / "run.json"
    settings = json.loads(json.dumps(settings))
    if not resume:
        forget_run(folder)
    last = newest_whole_checkpoint(folder)
    before = read_json(note) if last is not None and note.exists() else {}
    changed = [
        f"{key} was {before.get(key)!r}, is {settings.get(key)!r}"
        for key in sorted(set(settings) | set(before) - {"commit"})
        if key not in FREE_SETTINGS and before.get(key) != settings.get(key)
    ]
    if before and changed:
        raise ValueError(
            f"{folder} holds a run with other settings ({'; '.join(changed)}): choose "
            "another folder, or resume=False (--restart) to begin anew"
        )
    begun = before.get("commit") if before else commit()
    note.write_text(json.dumps(settings | {"commit": begun}, indent=1) + "\n")
    return None if last is None else str(last)


class TrajectoryTrainer(Trainer):
    """`Trainer` that keeps the stream's order, logs both terms of the loss, and scores states;
    `rate_of_step` gives the factor on the learning rate at each step."""

    def __init__(self, *args, rate_of_step=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.add_callback(_StepsOfTheArguments())
        self.rate_of_step = rate_of_step
        self._terms, self._started, self._elapsed_before = [], None, None

    def _get_train_sampler(self, *args, **kwargs):
        return SequentialSampler(self.train_dataset)  # fresh trajectories: already random

    def create_scheduler(self, num_training_steps, optimizer=None):
        if self.rate_of_step is None:
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer or self.optimizer, self.rate_of_step
            )
        return self.lr_scheduler

    def train(self, resume_from_checkpoint=None, **kwargs):
        self._started = time.monotonic()
        if resume_from_checkpoint is not None:
            last = Path(resume_from_checkpoint)
            state = TrainerState.load_from_json(str(last / "trainer_state.json"))
            if state.global_step >= self.args.max_steps:  # `Trainer` would make one step more
                self.state = state
                self.model.load_state_dict(load_file(last / "model.safetensors"))
                return None
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
            labels = inputs.pop("labels")
            logits = model(**inputs).state_logits.float()
        return functional.cross_entropy(logits, labels), logits, labels

    def _save_checkpoint(self, model, trial):
        try:
            super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(
                f"the checkpoint of step {self.state.global_step} could not be written to "
                f"{self.args.output_dir}: {error}. Make room and start again: the run goes on "
                "from the checkpoint before"
            ) from None
        self.accelerator.wait_for_everyone()  # each process has its own random state to write
        if self.args.should_save:
            write_manifest(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}")

    def log(self, logs, *args, **kwargs):
        if self._terms and "loss" in logs:
            terms = torch.stack(self._terms).mean(dim=0)
            trajectory, classification = self.accelerator.reduce(terms, "mean").tolist()
            logs |= {"trajectory_loss": trajectory, "classification_loss": classification}
            self._terms = []
        if self._elapsed_before is None:  # the first entry since the run began, or went on
            history = self.state.log_history
            self._elapsed_before = history[-1].get("elapsed_s", 0.0) if history else 0.0
        if self._started is not None:
            logs["elapsed_s"] = round(self._elapsed_before + time.monotonic() - self._started, 1)
        super().log(logs, *args, **kwargs)


class Items(torch.utils.data.Dataset):
    """A `TrajectorySet` as the items `Trainer` wants."""

    def __init__(self, trajectory_set):
        self._set = trajectory_set

    def __len__(self):
        return len(self._set)

    def __getitem__(self, index):
        found = self._set
        mask = None if found.mask is None else found.mask[index]
        return as_item(found.trajectories[index], found.labels[index], mask)


def scores(prediction):
    """Accuracy of the predicted states, for `Trainer`."""
    predicted, labels = prediction.predictions.argmax(axis=-1), prediction.label_ids
    return {"accuracy": float((predicted == labels).mean())}


class _StepsOfTheArguments(TrainerCallback):
    # a checkpoint brings the steps between scores and checkpoints of its time
    def on_train_begin(self, args, state, control, **kwargs):
        state.compute_steps(args, state.max_steps)


class _StopWhenAsked(TrainerCallback):
    def __init__(self):
        self.asked = None  # the signal that asked

    def on_step_end(self, args, state, control, **kwargs):
        if self.asked is not None:
            control.should_save = control.should_training_stop = True


def run_to_the_end(trainer, last=None, progress=True):
    """Train from the checkpoint `last`, if any, and score; `TrainingStopped` if asked to stop."""
    n_steps, folder = trainer.args.max_steps, trainer.args.output_dir
    if last is not None and progress:
        print(f"going on from {Path(last).name} in {folder}, of {n_steps} steps", flush=True)
    with stops_when_asked(trainer) as stop:
        trainer.train(resume_from_checkpoint=last)
    if trainer.state.global_step < n_steps:
        raise TrainingStopped(
            f"stopped at step {trainer.state.global_step} of {n_steps}, checkpoint in {folder}: "
            "start again to go on from there",
            stop.asked,
        )
    trainer.evaluate()


@contextmanager
def stops_when_asked(trainer):
    """While the block runs, SIGTERM or Ctrl-C lets the step under way end, saves it, and stops.

    Only for a run in one process, in the main thread: processes that share a run do not get the
    signal at the same step. What it yields has the number of the signal, or None, as `asked`.
    """
    callback = _StopWhenAsked()
    is_main_thread = threading.current_thread() is threading.main_thread()
    if trainer.args.world_size > 1 or not is_main_thread:
        yield callback
        return
    trainer.add_callback(callback)

    def ask(number, frame):
        callback.asked = number

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield callback
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
