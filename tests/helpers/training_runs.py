"""Tiny trainings for the tests, callable in processes of their own."""

import sys
from contextlib import contextmanager
from pathlib import Path

import torch

from mb_support.training import TrainingConfig, recipes
from mb_support.training import __main__ as command_line
from mb_support.training import run as training
from mb_support.training.trainer import TrajectoryTrainer

TINY = TrainingConfig(
    "small",
    stages=((16, 120), (24, 80)),
    batch_size=4,
    learning_rate=3e-3,
    warmup_steps=5,
    n_validation=4,
    eval_every=1000,
    save_every=2,
)


@contextmanager
def instrumented(steps=None):
    """Trainings in the block log every loss, and send the number of each step to a pipe."""
    plain_arguments, plain_step = training.arguments_of_run, TrajectoryTrainer.training_step

    def arguments_that_log(*args):
        arguments = plain_arguments(*args)
        arguments.logging_steps, arguments.disable_tqdm = 1, True
        return arguments

    def step_that_reports(self, *args, **kwargs):
        steps.send(self.state.global_step)
        return plain_step(self, *args, **kwargs)

    training.arguments_of_run = arguments_that_log
    if steps is not None:
        TrajectoryTrainer.training_step = step_that_reports
    try:
        yield
    finally:
        training.arguments_of_run, TrajectoryTrainer.training_step = plain_arguments, plain_step


def run(folder, config=TINY, steps=None, data=None):
    """Train to the end; weights and losses go to ``final.pt`` in the folder."""
    torch.set_num_threads(1)
    with instrumented(steps):
        model, record = training.train(config, folder, data=data)
    losses = [entry["loss"] for entry in record["curve"] if "loss" in entry]
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        torch.save({"weights": model.state_dict(), "losses": losses}, Path(folder) / "final.pt")
    return model, record


def run_command_line(folder, steps):
    """The command that people type, with the tiny recipe."""
    recipes.RECIPES["small"] = TINY
    with instrumented(steps):
        sys.exit(
            command_line.main(
                ["--size", "small", "--work", f"{folder}/work", "--output", f"{folder}/out"]
                + ["--threads", "1"]
            )
        )


if __name__ == "__main__":
    run(sys.argv[1])
