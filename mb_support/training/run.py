"""One training with `transformers.Trainer`: from random weights to a model and its record."""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import transformers
from accelerate.utils import broadcast_object_list
from safetensors import SafetensorError
from transformers import PrinterCallback

from ..datasets.sets import (
    FixedTrajectories,
    FreshTrajectories,
    TrajectorySet,
    family_seed,
    make_dataset,
)
from ..files import results as records
from ..files.whole_folders import replace_folder
from ..model.checkpoints import (
    CONFIG,
    MANIFEST,
    RECORD,
    WEIGHTS,
    CheckpointError,
    read_json,
    write_manifest,
)
from ..model.inputs import check_values
from ..model.settings import SIZES, TrajectoryConfig
from ..model.transformer import TrajectoryTransformer, fastest_attention
from .initial_weights import start_as_waves
from .trainer import (
    Items,
    TrainingStopped,  # noqa: F401
    TrajectoryTrainer,
    run_to_the_end,
    scores,
    starting_point,
    usual_arguments,
)

#: Largest seed of a run on simulated trajectories: there are so many streams of them.
LAST_SEED = 4499


def training_stream(config, data=None):
    """What a run sees, in order: fresh trajectories, a fixed set, or `data`, a set or a store."""
    stages = [(n_frames, n * config.batch_size) for n_frames, n in config.steps]
    if isinstance(data, TrajectorySet):
        longest = data.trajectories.shape[1]
        return FixedTrajectories(data, [(min(f, longest), n) for f, n in stages], config.seed)
    if data is not None:
        from ..datasets.store import StoredTrajectories  # dask and zarr are needed here only

        return StoredTrajectories(data, stages)
    if config.n_distinct is not None:
        fixed = make_dataset(config.n_distinct, "train", config.seed, config.regime)
        return FixedTrajectories(fixed, stages, config.seed)
    if config.seed > LAST_SEED:
        raise ValueError(
            f"seed must be at most {LAST_SEED} where trajectories are simulated; got {config.seed}"
        )
    return FreshTrajectories(stages, family_seed("stream", 2 * config.seed), config.regime)


def arguments_of_run(config, folder, progress=True):
    """`TrainingArguments` of a run whose checkpoints go to `folder`."""
    world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if config.batch_size % world_size:
        raise ValueError(
            f"batch_size {config.batch_size} cannot be shared by {world_size} processes"
        )
    return usual_arguments(
        config,
        folder,
        per_device_train_batch_size=config.batch_size // world_size,
        per_device_eval_batch_size=32,
        weight_decay=config.weight_decay,
        use_cpu=not torch.cuda.is_available(),
        tf32=torch.cuda.is_available() or None,
        logging_steps=min(50, max(1, config.n_steps // 8)),
        logging_nan_inf_filter=False,  # a GPU would be waited for at each step
        label_names=["labels"],
        disable_tqdm=not progress,
    )


def new_model(config, n_features=2, n_states=2):
    """Freshly initialised model of a run, by its seed. BERT's initial weights (standard deviation
    0.02) suit 768 dimensions; these suit 16 to 120."""
    transformers.set_seed(config.seed)
    settings = TrajectoryConfig.of_size(
        config.size,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=(
            config.dropout if config.attention_dropout is None else config.attention_dropout
        ),
        initializer_range=SIZES[config.size]["hidden_size"] ** -0.5,
        n_features=n_features,
        n_states=n_states,
    )
    model = TrajectoryTransformer(settings)
    start_as_waves(model)
    on_gpu = torch.cuda.is_available()
    model.set_attn_implementation("gpu_padded" if on_gpu else fastest_attention())
    return model


def train(config, folder, data=None, resume=True, progress=True):
    """Train a model, from random weights or from the newest whole checkpoint in `folder`.

    Parameters
    ----------
    config : TrainingConfig
    folder : path
        Where checkpoints of the run go.
    data : TrajectorySet or path, optional
        A set of one's own to train on, instead of simulated trajectories; a tenth of its runs, with
        `config.seed` drawn, is kept for validation. The model has as many features and states as
        the set; stages longer than its trajectories are as long as these. Or the path of a set's
        file, or of a `store`. See `TrainingConfig.for_data`.
    resume : bool
        If False, checkpoints in `folder` are deleted first.
    progress : bool
        Print scores and draw a progress bar.

    Returns
    -------
    model : TrajectoryTransformer
    record : dict
        Settings, cost, circumstances, and the curves of losses and scores.

    Raises
    ------
    ValueError
        If `folder` holds a run with other settings, or `data` does not fit.
    CheckpointError
        If a checkpoint cannot be written.
    TrainingStopped
        If the run was asked to stop (SIGTERM, Ctrl-C) before its end.
    """
    folder = Path(folder)
    if data is not None and not isinstance(data, TrajectorySet):
        if not isinstance(data, str | Path):
            raise ValueError(
                f"data must be a TrajectorySet or a path; got {type(data).__name__}: "
                "TrajectorySet.from_arrays makes one of arrays"
            )
        data = Path(data)
        if not is_store(data):
            data = TrajectorySet.from_file(data)
    if isinstance(data, TrajectorySet):
        mask = None if data.mask is None else torch.from_numpy(data.mask)
        check_values(torch.from_numpy(data.trajectories), mask)
        shown, validation = data.split(seed=config.seed)
        model = new_model(config, data.n_features, data.n_states)
    else:
        shown, model = data, new_model(config)
        validation = make_dataset(config.n_validation, "validation", regime=config.regime)
    stream, data = training_stream(config, shown), _name_of(data)
    trainer = TrajectoryTrainer(
        model=model,
        args=arguments_of_run(config, folder, progress),
        train_dataset=stream,
        eval_dataset=Items(validation),
        compute_metrics=scores,
        rate_of_step=config.rate_of_step,
    )
    if not progress:
        trainer.remove_callback(PrinterCallback)
    last = [None]
    if trainer.is_world_process_zero():
        last = [starting_point(asdict(config) | {"data": data}, folder, resume)]
    last = broadcast_object_list(last)[0]  # all processes go on from the same one
    run_to_the_end(trainer, last, progress)
    record = training_record(config, trainer.state.log_history)
    record["commit"] = read_json(folder / "run.json").get("commit")
    record |= {"processes": trainer.args.world_size, "data": data}
    model = trainer.accelerator.unwrap_model(trainer.model)
    return model, record


def is_store(path):
    """Whether a path is a store of simulated trajectories, as `datasets.store` writes them."""
    note = Path(path) / "zarr.json"
    return note.exists() and "config" in read_json(note).get("attributes", {})


def _name_of(data):
    # what the record says of the data: of a set its shape and a digest of all that it holds
    if not isinstance(data, TrajectorySet):
        return None if data is None else str(data)
    parts = (data.trajectories, data.labels, data.mask, data.runs)
    digest = hashlib.sha256()
    for part in parts:
        digest.update(b"-" if part is None else np.ascontiguousarray(part).tobytes())
    shape = data.trajectories.shape
    return f"{len(data)} trajectories of shape {shape[1:]}, {digest.hexdigest()[:12]}"


def training_record(config, log_history):
    """What a run did, at what cost and with what: the content of ``training.json``."""
    return {
        "config": asdict(config),
        "trajectories_seen": config.trajectories_seen,
        "frames_seen": config.frames_seen,
        "wall_time_s": log_history[-1].get("elapsed_s"),
        **records.circumstances("torch", "transformers"),
        "curve": log_history,
    }


def check_place(folder):
    """`CheckpointError` if writing a checkpoint to `folder` would delete what is not of one."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file: choose another folder for the model")
    strangers = {path.name for path in folder.glob("*")} - {CONFIG, WEIGHTS, RECORD, MANIFEST}
    if strangers:
        raise CheckpointError(
            f"{folder} holds {min(strangers)!r}, which is not of a checkpoint and would be lost: "
            "choose another folder for the model"
        )


def save_checkpoint(model, record, folder):
    """Write model, record and checksums beside `folder`, then move them into its place;
    `CheckpointError` if that cannot be done; what was there before stays."""
    check_place(folder)
    try:
        with replace_folder(folder) as fresh:
            model.save_pretrained(fresh)
            (fresh / RECORD).write_text(json.dumps(record, indent=1) + "\n")
            write_manifest(fresh)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"the model could not be written to {folder}: {error}. Make room and start again: the "
            "run has its own last checkpoint, and only this step is repeated"
        ) from None
