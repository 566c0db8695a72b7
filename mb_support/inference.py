"""Trained models put to use: evaluation mode for a while, batches, predictions kept on disk."""

import hashlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from . import paths
from .cache import cached
from .model import SIZES, TrajectoryTransformer, check_trajectories, fastest_attention

#: Frames in a batch: enough to keep every core busy, little enough for a small machine.
FRAMES_PER_BATCH = 16_000
#: Modules whose text decides what a model with given weights predicts of given seeds.
PREDICTION_MODULES = (
    "potential",
    "compiled",
    "random_numbers",
    "forces",
    "kernels",
    "simulation",
    "states",
    "datasets",
    "model",
    "cpu_attention",
    "inference",
    "generation",
    "classification",
)


@contextmanager
def evaluating(model):
    """Put a model into evaluation mode without gradients, with the fastest exact attention.

    Modes and attention implementation are as before when the block is left, also by an error.

    Parameters
    ----------
    model : TrajectoryTransformer
    """
    modes = [(module, module.training) for module in model.modules()]
    implementation = model.config._attn_implementation
    fastest = fastest_attention(next(model.parameters()).device)
    try:
        model.eval()
        if implementation != fastest:
            model.set_attn_implementation(fastest)
        with torch.no_grad():
            yield model
    finally:
        if implementation != fastest:
            model.set_attn_implementation(implementation)
        for module, was_training in modes:
            module.training = was_training


def as_float32(name, values):
    """A float32 tensor of an array or tensor; `ValueError` if it does not hold numbers."""
    if not isinstance(values, torch.Tensor):
        values = np.asarray(values)
        if not (np.issubdtype(values.dtype, np.number) and np.isrealobj(values)):
            raise ValueError(f"{name} must hold real numbers; got dtype {values.dtype}")
        values = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    return values.detach().to(torch.float32)


def as_trajectories(name, values, max_frames=None):
    """A checked (n, n_frames, 2) float32 tensor; `ValueError` says what is wrong with `name`."""
    tensor = as_float32(name, values)
    try:
        check_trajectories(tensor, max_frames)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return tensor


def rows_per_batch(n_frames):
    """Trajectories of `n_frames` frames that go through a model together."""
    return max(1, FRAMES_PER_BATCH // n_frames)


def checkpoint_sizes(folder=paths.CHECKPOINTS):
    """Sizes whose trained weights lie in a folder, smallest first."""
    return [size for size in SIZES if (Path(folder) / size / "model.safetensors").exists()]


def load_checkpoint(size, folder=paths.CHECKPOINTS):
    """The trained model of a size.

    Parameters
    ----------
    size : {"small", "medium", "large"}
    folder : path

    Returns
    -------
    TrajectoryTransformer
        In evaluation mode.

    Raises
    ------
    ValueError
        If the folder holds no weights of that size.
    """
    if size not in checkpoint_sizes(folder):
        raise ValueError(
            f"no trained model of size {size!r} in {folder}; there are "
            f"{checkpoint_sizes(folder)}: train it with python -m mb_support.training --size ..."
        )
    return TrajectoryTransformer.from_pretrained(Path(folder) / size).eval()


def weights_digest(model):
    """SHA-256 over a model's settings and weights, 16 hexadecimal digits."""
    digest = hashlib.sha256(model.config.to_json_string(use_diff=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def cached_predictions(kind, model, data, compute, **settings):
    """Return `compute()`, from disk if this model has been asked the same of this data before.

    Parameters
    ----------
    kind : str
        What is computed; begins the file name.
    model : TrajectoryTransformer
    data : TrajectorySet
    compute : callable
        Takes nothing, returns an ndarray.
    **settings
        Everything else that the result depends on; must be writable as JSON.

    Returns
    -------
    ndarray
    """
    parameters = {
        "weights": weights_digest(model),
        "simulation": data.config.to_dict(),
        "data_seed": data.seed,
        "n_trajectories": len(data),
        "settings": settings,
    }
    found = cached(
        kind,
        parameters,
        lambda: {"result": compute()},
        modules=PREDICTION_MODULES,
        folder=paths.CACHE / "predictions",
    )
    return found["result"]
