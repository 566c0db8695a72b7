"""The trainings of the recipes that a study measures, and reading what it kept of them."""

import json

from . import paths
from .attention_study import available, training_names
from .inference import load_checkpoint, weights_digest
from .model import TrajectoryTransformer


def trained_names():
    """Names of the trainings of the recipes whose weights are at hand, such as "small-0"."""
    return list(available())


def load_training(name):
    """The model of one of `trained_names`, in evaluation mode, and the digest of its weights."""
    model = TrajectoryTransformer.from_pretrained(available()[name]).eval()
    return model, weights_digest(model)


def load_measured(sizes, folder, module, checkpoints=paths.CHECKPOINTS):
    """What a study kept of the trainings of some sizes.

    Parameters
    ----------
    sizes : sequence of str
    folder : path
        Where the study keeps a file for each training.
    module : str
        Its name, for the error message.
    checkpoints : path
        Where the committed weights lie.

    Returns
    -------
    dict of str to dict of int to dict
        By size, then by seed.

    Raises
    ------
    ValueError
        If the committed weights of a size are not among those that were measured.
    """
    found = {}
    for size in sizes:
        files = {n: folder / f"{name}.json" for n, name in enumerate(training_names(size))}
        kept = {n: json.loads(path.read_text()) for n, path in files.items() if path.exists()}
        digest = weights_digest(load_checkpoint(size, checkpoints))
        if digest not in [content["weights"] for content in kept.values()]:
            raise ValueError(
                f"no results in {folder} are of the weights in {checkpoints / size}: run "
                f"python -m mb_support.{module}"
            )
        found[size] = kept
    return found


def load_part(part, folder, module):
    """Another part that a study kept; `ValueError` says how to make it if it is missing."""
    path = folder / f"{part}.json"
    if not path.exists():
        raise ValueError(f"no {path.name} in {folder}: run python -m mb_support.{module} {part}")
    return json.loads(path.read_text())
