"""Training with `transformers.Trainer`: recipes, curriculum, resumable runs and their records.

``python -m mb_support.training --size small`` rebuilds ``checkpoints/small`` from nothing, or
goes on from where an interrupted run stopped. Several processes share the same run with
``torchrun --nproc_per_node 2 -m mb_support.training --size small`` or ``accelerate launch``.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch
import transformers
from accelerate.utils import broadcast_object_list
from transformers import PrinterCallback, TrainingArguments, default_data_collator

from . import paths, records
from .checkpoints import (
    CheckpointError,
    forget_run,
    newest_whole_checkpoint,
    read_json,
    read_record,
    replace_folder,
    write_manifest,
)
from .curriculum import RECIPES, recipe_runs
from .datasets import FreshTrajectories, family_seed, make_dataset
from .growth import grow
from .guidance import DISPLACEMENT_LAYER, SHAPE_SCALE, TAUGHT_SCALE, GuidedTransformer
from .initialisation import add_neighbour_heads, hold_positions, scale_branches, start_as_waves
from .model import SIZES, TrajectoryConfig, TrajectoryTransformer, fastest_attention
from .refit import refit_classifier
from .start_head import add_start_head, start_readings
from .trainer import Items, TrajectoryTrainer, scores, stops_on_sigterm

#: Settings that may change when a run is gone on with: they decide no step of it.
FREE_SETTINGS = ("n_validation", "eval_every", "save_every", "stop_after")


#: Trajectories that the read-out of a taught run is fitted to before it begins.
N_FITTED = 320


class TrainingStopped(RuntimeError):
    """A run was asked to stop before its end; the same call goes on from there."""


def training_stream(config, data=None):
    """What a run sees, in order: `FreshTrajectories`, or those of the store `data`."""
    stages = [(n, n_steps * config.batch_size, *kept) for n, n_steps, *kept in config.stages]
    if data is not None:
        from .store import StoredTrajectories  # dask and zarr are needed here only

        return StoredTrajectories(data, stages)
    return FreshTrajectories(
        stages,
        seed=family_seed("stream", 2 * config.seed),
        regime=config.regime,
        n_guided=int(config.guided_fraction * config.n_steps * config.batch_size),
        block_length=config.block_length,
        taught=config.taught,
    )


def training_arguments(config, output_dir, progress=True):
    """`TrainingArguments` of a run in `output_dir`."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if config.batch_size % world_size:
        raise ValueError(
            f"batch_size {config.batch_size} cannot be shared by {world_size} processes"
        )
    return TrainingArguments(
        output_dir=str(output_dir),
        max_steps=config.n_steps_done,
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
        disable_tqdm=not progress,
        dataloader_pin_memory=False,
    )


def new_model(config):
    """Freshly initialised `GuidedTransformer` of a run; the seed decides its weights.

    BERT's initial weights (standard deviation 0.02) suit 768 dimensions; these suit 16 to 120.
    """
    transformers.set_seed(config.seed)
    hidden_size = SIZES[config.size]["hidden_size"]
    settings = TrajectoryConfig.of_size(
        config.size,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=hidden_size**-0.5,
    )
    guided = (DISPLACEMENT_LAYER, SHAPE_SCALE) if config.neighbour_heads else ()
    if config.taught:
        guided = (None, TAUGHT_SCALE, TAUGHT_SCALE)
    model = GuidedTransformer(settings, *guided)
    scale_branches(model, config.branch_scale)
    if config.neighbour_heads:
        add_neighbour_heads(model)
    else:
        start_as_waves(model, config.position_scale)
    model.set_attn_implementation(fastest_attention("cuda" if torch.cuda.is_available() else "cpu"))
    return model


def train(config, output_dir, resume=True, data=None, progress=True, begin_with=None):
    """Run a recipe, from its beginning or from the newest whole checkpoint in `output_dir`.

    Parameters
    ----------
    config : TrainingConfig
    output_dir : path
        Where checkpoints of the run go.
    resume : bool
        If False, checkpoints in `output_dir` are deleted first.
    data : path, optional
        Store of trajectories (see `store`) to train on instead of fresh ones; read piece by
        piece, and gone through again when the run is longer. It gives no guidance.
    progress : bool
        Draw a progress bar and print the losses.
    begin_with : TrajectoryTransformer, optional
        Begin with the weights of this trained model, instead of new ones.

    Returns
    -------
    model : TrajectoryTransformer
    record : dict
        Configuration, versions, machine, cost and the curves.

    Raises
    ------
    ValueError
        If `output_dir` holds a run with other settings, or the batch cannot be shared.
    CheckpointError
        If a checkpoint cannot be written (a full disk); those before it are whole.
    TrainingStopped
        After SIGTERM: a checkpoint of the last finished step has been written.
    """
    output_dir = Path(output_dir)
    if config.taught != (begin_with is not None):
        raise ValueError("a taught run begins with a trained model, and only then")
    validation = make_dataset(config.n_validation, "validation", regime=config.regime)
    model = new_model(config)
    stream = training_stream(config, data)
    if begin_with is not None:
        model.load_plain(_grown(begin_with, model, config))
        if not config.n_passes:
            model.fit_guide(
                default_data_collator(stream.__getitems__(range(first, first + config.batch_size)))
                for first in range(0, min(N_FITTED, stream.n_guided), config.batch_size)
            )
    trainer = TrajectoryTrainer(
        model=model,
        args=training_arguments(config, output_dir, progress),
        train_dataset=stream,
        eval_dataset=Items(validation),
        compute_metrics=scores,
        n_scheduled=config.n_steps,
    )
    if not progress:
        trainer.remove_callback(PrinterCallback)
    last = [None]
    if trainer.is_world_process_zero():
        last = [_starting_point(config, output_dir, resume, data)]
    last = broadcast_object_list(last)[0]  # all processes go on from the same one
    if config.n_passes:
        readings = None
        if config.start_head:
            readings = start_readings(TrajectoryConfig.of_size(config.grown_from), model.config)
        with trainer.args.main_process_first():  # the others find the encodings that it kept
            log = refit_classifier(model, stream, config, output_dir, readings, progress)
        trainer.go_on_after(log)
    else:
        with stops_on_sigterm(trainer):
            trainer.train(resume_from_checkpoint=last)
    if trainer.state.global_step < config.n_steps_done:
        raise TrainingStopped(
            f"stopped at step {trainer.state.global_step} of {config.n_steps_done}, checkpoint in "
            f"{output_dir}: start again to go on from there"
        )
    trainer.evaluate()
    record = training_record(config, trainer.state.log_history)
    record["commit"] = read_json(output_dir / "run.json").get("commit")
    record |= {"processes": trainer.args.world_size, "data": str(data) if data else None}
    model = trainer.accelerator.unwrap_model(trainer.model)
    return model.plain(), record


def _grown(small, model, config):
    # the weights that `model` begins with: those of `small`, grown if it is of another size
    typical = make_dataset(8, "train", regime=config.regime).trajectories
    typical = torch.from_numpy(typical).float()
    if small.config.hidden_size != model.config.hidden_size:
        if config.neighbour_heads:  # the copies of what holds still hold still
            hold_positions(model, first=small.config.hidden_size)
        small = grow(small, model.plain(), typical[:4])
    if config.start_head:
        add_start_head(small, TrajectoryConfig.of_size(config.grown_from), typical)
    return small


def train_and_refine(size, work, resume=True, data=None, begin_with=None):
    """Run the recipe of a size: that of the size it grows from first, its refinement last.

    Parameters
    ----------
    size : {"small", "medium", "large"}
    work : path
        Where checkpoints of the runs go: of the first here, of later ones in ``run-1``, ...
    resume : bool
        If False, checkpoints in `work` are deleted first.
    data : path, optional
        As for `train`; then the model begins from nothing, and there is no refinement.
    begin_with : path, optional
        Checkpoint folder of a model as one of the runs leaves it: only later ones are made.

    Returns
    -------
    model : TrajectoryTransformer
    record : dict
        As `train` gives it, of the run that ended last; "before" is the record of the one before.

    Raises
    ------
    ValueError
        As `train`; or if no run begins with the model given.
    CheckpointError, TrainingStopped
        As `train`.
    """
    configs = recipe_runs(size)
    if data is not None:
        configs = [replace(RECIPES[size], grown_from=None, start_head=False, taught=False)]
    model, record, n_done = None, None, 0
    if begin_with is not None:
        model, record = TrajectoryTransformer.from_pretrained(begin_with), read_record(begin_with)
        n_done = len(records.runs(record))
        if n_done >= len(configs) or record["config"]["size"] != configs[n_done - 1].size:
            raise ValueError(
                f"{begin_with} is no model that the recipe of {size!r} goes on with: "
                + (" or ".join(_in_words(configs[:-1])) or "it begins from nothing only")
            )
    for number, config in enumerate(configs[n_done:], start=n_done):
        before = record
        folder = Path(work) / f"run-{number}" if number else Path(work)
        model, record = train(config, folder, resume, data, begin_with=model)
        if before is not None:
            record["before"] = before
    return model, record


def _in_words(configs):
    # what the models are that the runs leave
    sizes = [config.size for config in configs]
    return [f"a {size} one after {n} run{'s'[: n > 1]}" for n, size in enumerate(sizes, 1)]


def _starting_point(config, output_dir, resume, data):
    # path of the checkpoint to go on from, or None; refuses to mix two runs
    output_dir.mkdir(parents=True, exist_ok=True)
    note = output_dir / "run.json"
    settings = json.loads(json.dumps(asdict(config) | {"data": str(data) if data else None}))
    if not resume:
        forget_run(output_dir)
    last = newest_whole_checkpoint(output_dir)
    if last is not None and note.exists():
        before = read_json(note)
        changed = [
            f"{key} was {before.get(key)!r}, is {settings.get(key)!r}"
            for key in sorted(set(settings) | set(before) - {"commit"})
            if key not in FREE_SETTINGS and before.get(key) != settings.get(key)
        ]
        if changed:
            raise ValueError(
                f"{output_dir} holds a run with other settings ({'; '.join(changed)}): choose "
                "another folder, or resume=False (--restart) to begin anew"
            )
    commit = read_json(note).get("commit") if last and note.exists() else records.commit()
    note.write_text(json.dumps(settings | {"commit": commit}, indent=1) + "\n")
    return None if last is None else str(last)


def training_record(config, log_history):
    """What a run did, at what cost and with what: the content of ``training.json``."""
    return {
        "config": asdict(config),
        "trajectories_seen": config.n_steps_done * config.batch_size,
        "frames_seen": int(config.frames_per_step.sum()),
        "wall_time_s": log_history[-1].get("elapsed_s"),
        **records.circumstances("torch", "transformers"),
        "curve": log_history,
    }


def save_checkpoint(model, record, folder):
    """Write model, record and checksums beside `folder`, then move them into its place.

    Parameters
    ----------
    model : TrajectoryTransformer
    record : dict
    folder : path
    """
    with replace_folder(folder) as fresh:
        model.save_pretrained(fresh)
        (fresh / "training.json").write_text(json.dumps(record, indent=1) + "\n")
        write_manifest(fresh)


def main(arguments=None):
    """Command line: train one size and put the result under ``checkpoints``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", required=True, help=f"one of {', '.join(SIZES)}")
    parser.add_argument("--output", type=Path, help="checkpoint folder to write")
    parser.add_argument("--begin-with", type=Path, help="go on with the model in this folder")
    parser.add_argument("--work", type=Path, help="folder of the run's own checkpoints")
    parser.add_argument("--data", type=Path, help="train on this store of trajectories")
    parser.add_argument("--threads", type=int, help="of each process; by default all there are")
    parser.add_argument("--restart", action="store_true", help="ignore an interrupted run")
    options = parser.parse_args(arguments)
    if options.size not in RECIPES:
        parser.error(f"unknown size {options.size!r}: choose one of {', '.join(RECIPES)}")
    n_local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # set by torchrun
    torch.set_num_threads(options.threads or max(1, os.cpu_count() // n_local))
    work = options.work or paths.CACHE / "training" / options.size
    output = options.output or paths.CHECKPOINTS / options.size
    try:
        model, record = train_and_refine(
            options.size, work, not options.restart, options.data, options.begin_with
        )
    except TrainingStopped as stopped:
        print(stopped, file=sys.stderr)
        return 143  # what a shell reports of a command that SIGTERM ended
    except (CheckpointError, ValueError) as error:
        parser.exit(1, f"{error}\n")
    if int(os.environ.get("RANK", "0")) == 0:
        save_checkpoint(model, record, output)
        accuracy = record["curve"][-1].get("eval_accuracy")
        print(f"{options.size}: validation accuracy {accuracy:.4f}; checkpoint in {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
