"""The trainings of the recipes that a study measures, and reading what it kept of them."""

import json

import torch

from ..files import paths
from ..model.inference import checkpoint_sizes, load_checkpoint, weights_digest
from ..model.settings import SIZES
from ..model.transformer import TrajectoryTransformer
from ..training.recipes import N_SEEDS, trainings
from ..training.run import new_model


def training_names(size):
    """Names of the trainings of a size with the book's recipe, by seed."""
    return [f"{size}-{seed}" for seed in range(N_SEEDS[size])]


def checkpoint_training(size, checkpoints=paths.CHECKPOINTS):
    """Name of the training whose weights are the committed checkpoint of a size."""
    record = json.loads((checkpoints / size / "training.json").read_text())
    return f"{size}-{record['config']['seed']}"


def available(folder=paths.TRAININGS, checkpoints=paths.CHECKPOINTS):
    """{name: folder of the weights} of those trainings whose weights are there."""
    committed = {checkpoint_training(s, checkpoints): s for s in checkpoint_sizes(checkpoints)}
    found = {}
    for name in (name for size in SIZES for name in training_names(size)):
        if (folder / name / "model" / "training.json").exists():
            found[name] = folder / name / "model"
        elif name in committed:
            found[name] = checkpoints / committed[name]
    return found


def trained_names():
    """Names of the trainings of the recipes whose weights are at hand, such as "small-0"."""
    return list(available())


def title(name):
    """ "small, seed 0" for the training "small-0"."""
    return name.replace("-", ", seed ")


def by_size(key, texts):
    """{key_size: text} for every size, "–" for those that a profile leaves out: pages cite all."""
    return {f"{key}_{size}": texts.get(size, "–") for size in SIZES}


def load_training(name):
    """The model of one of `trained_names`, in evaluation mode, and the digest of its weights."""
    model = TrajectoryTransformer.from_pretrained(available()[name]).eval()
    return model, weights_digest(model)


def load_untrained(name):
    """The model of a training before its first step, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        return new_model(trainings()[name]).eval()


def load_measured(sizes, folder, chapter, checkpoints=paths.CHECKPOINTS):
    """What a study kept of the trainings of some sizes: {size: {seed: content}}.

    The study keeps a file for each training in `folder`; `chapter` is its name, for the message of
    the `ValueError` raised if the committed weights of a size are not among those measured.
    """
    found = {}
    for size in sizes:
        files = {n: folder / f"{name}.json" for n, name in enumerate(training_names(size))}
        kept = {n: json.loads(path.read_text()) for n, path in files.items() if path.exists()}
        digest = weights_digest(load_checkpoint(size, checkpoints))
        if digest not in [content["weights"] for content in kept.values()]:
            raise ValueError(
                f"no results in {folder} are of the weights in {checkpoints / size}: run "
                f"python -m mb_support.studies {chapter}"
            )
        found[size] = kept
    return found


def load_part(part, folder, chapter):
    """Another part that a study kept; `ValueError` says how to make it if it is missing."""
    path = folder / f"{part}.json"
    if not path.exists():
        raise ValueError(
            f"no {path.name} in {folder}: run python -m mb_support.studies {chapter} {part}"
        )
    return json.loads(path.read_text())
