"""Train one model from random weights, or all that the book reports.

``python -m mb_support.training --size small`` follows the recipe of a size. ``--all`` makes every
training of the book that is not finished yet, then puts the one of each size whose validation
accuracy is the median into ``checkpoints``. Interrupted trainings are resumed. Several processes
share a run with ``torchrun --nproc_per_node 2 -m mb_support.training --size small``.
"""

import argparse
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from ..datasets.sets import TrajectorySet
from ..files import paths
from ..model.checkpoints import CheckpointError
from .all_runs import make_all
from .recipes import RECIPES, TrainingConfig, trainings
from .run import TrainingStopped, check_place, is_store, save_checkpoint, train


def chosen_config(options, parser):
    """The `TrainingConfig` that a command line asks for, and its name."""
    checked = {"steps": options.steps, "passes": options.passes}
    for option, value in checked.items():
        if value is not None and value < 1:
            parser.error(f"--{option} must be at least 1; got {value}")
    others = ("seed", "steps", "regime", "data", "passes")
    given = [f"--{option}" for option in others if getattr(options, option) is not None]
    if options.name is not None and given:
        parser.error(f"{given[0]} goes with --size: --name is a training of the book as it is")
    if options.data is not None and options.regime is not None:
        parser.error("--regime says what to simulate, and --data brings trajectories: choose one")
    if options.data is None and options.passes is not None:
        parser.error("--passes goes with --data")
    seed, regime = options.seed or 0, options.regime or "metastable"
    named = trainings()
    if options.name is not None:
        if options.name not in named:
            parser.error(f"unknown training {options.name!r}: choose one of {', '.join(named)}")
        return options.name, named[options.name]
    if options.size not in RECIPES:
        parser.error(f"unknown size {options.size!r}: choose one of {', '.join(RECIPES)}")
    config = replace(RECIPES[options.size], seed=seed, regime=regime)
    name = f"{options.size}-{seed}" if regime == "metastable" else f"{options.size}-{regime}-{seed}"
    if options.steps is not None:
        name = f"{name}-{options.steps}-steps"
        config = shortened(config, options.steps)
    if options.data is not None:
        name = f"{name}-{options.data.stem}"
        if not is_store(options.data):
            data = TrajectorySet.from_file(options.data)
            config = TrainingConfig.for_data(options.size, data, options.passes or 30, seed=seed)
            config = config if options.steps is None else shortened(config, options.steps)
    return name, config


def shortened(config, n_steps):
    """The same recipe in about `n_steps` steps: each stage has its share, and the schedule ends."""
    share = n_steps / config.n_steps
    stages = [
        (n_frames, config.batch_size * max(1, round(share * n))) for n_frames, n in config.steps
    ]
    return replace(
        config,
        stages=tuple(stages),
        warmup_steps=min(config.warmup_steps, max(1, n_steps // 10)),
        eval_every=min(config.eval_every, max(1, n_steps // 4)),
    )


def durations():
    """A line for each size: steps of its recipe, and how long they take by what is kept."""
    try:
        rows = json.loads((paths.RESULTS / "benchmark_training.json").read_text())["rows"]
    except OSError:  # a package without the project around it
        rows = []
    ours = ("training", "ours", 2, 1)
    speeds = {
        (row["size"], row["n_frames"]): row["median_frames_per_s"]
        for row in rows
        if (row["kind"], row["label"], row["threads"], row["processes"]) == ours
    }
    lines = []
    for size, config in RECIPES.items():
        line = f"  {size:8s}{config.n_steps:6d} steps"
        lengths = [n_frames for of_size, n_frames in speeds if of_size == size]
        if lengths:
            seconds = sum(
                n * config.batch_size * n_frames
                / speeds[size, min(lengths, key=lambda m: abs(m - n_frames))]
                for n_frames, n in config.steps
            )  # fmt: skip
            line += f", about {seconds / 60:.0f} minutes on two cores"
        lines.append(line)
    return "\n".join(lines)


def command_parser():
    """Parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m mb_support.training",
        description=__doc__.replace("``", ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"The recipes:\n{durations()}\nA trial of a minute: --size small --steps 500.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--size", help=f"one of {', '.join(RECIPES)}")
    what.add_argument("--name", help="a training of the book, such as small-fixed-0")
    what.add_argument("--all", action="store_true", help="every training of the book")
    parser.add_argument("--seed", type=int, help="of weights and trajectories (default: 0)")
    parser.add_argument("--steps", type=int, help="shorten the recipe to so many steps")
    parser.add_argument("--regime", help="what the trajectories are of (default: metastable)")
    parser.add_argument(
        "--data",
        type=Path,
        help="train on this file: .npz with trajectories and labels, or a store",
    )
    parser.add_argument("--passes", type=int, help="with --data: over the set (default: 30)")
    parser.add_argument("--output", type=Path, help="folder of the trained model")
    parser.add_argument("--work", type=Path, help="folder of the run's own checkpoints")
    parser.add_argument(
        "--threads", type=int, help="of each process; by default OMP_NUM_THREADS, or all there are"
    )
    parser.add_argument("--restart", action="store_true", help="ignore an interrupted run")
    parser.add_argument(
        "--jobs", type=int, default=1, help="with --all: trainings at a time (default: 1)"
    )
    parser.add_argument("--minutes", type=float, help="with --all: stop (resumably) after these")
    return parser


def main(arguments=None):
    """Command line; returns the exit status."""
    parser = command_parser()
    options = parser.parse_args(arguments)
    if options.threads is not None and options.threads < 1:
        parser.error(f"--threads must be at least 1; got {options.threads}")
    if options.all:
        return make_all(options.jobs, options.minutes, options.threads)
    try:
        name, config = chosen_config(options, parser)
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    n_local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # set by torchrun
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    elif "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, os.cpu_count() // n_local))
    work = options.work or paths.TRAININGS / name / "run"
    output = options.output or paths.TRAININGS / name / "model"
    try:
        check_place(output)
        model, record = train(config, work, options.data, not options.restart)
        if int(os.environ.get("RANK", "0")) == 0:
            save_checkpoint(model, record, output)
    except TrainingStopped as stopped:
        print(stopped, file=sys.stderr)
        return 128 + (stopped.number or signal.SIGTERM)  # what a shell reports of such an end
    except KeyboardInterrupt:  # before the first step, or after the last
        print(f"stopped; start again to go on from the last checkpoint in {work}", file=sys.stderr)
        return 128 + signal.SIGINT
    except (CheckpointError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    if int(os.environ.get("RANK", "0")) == 0:
        accuracy = record["curve"][-1].get("eval_accuracy")
        print(f"{name}: validation accuracy {accuracy:.4f}; model in {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
