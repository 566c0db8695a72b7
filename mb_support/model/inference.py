"""Trained models put to use: evaluation mode for a while, batches, predictions kept on disk."""

import hashlib
import os
import threading
import weakref
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from ..checks import checked_array
from ..files import paths
from ..files.cache import cached
from .checkpoints import has_weights
from .inputs import check_shape, check_values
from .settings import SIZES
from .transformer import TrajectoryTransformer, fastest_attention

#: Frames in a batch: enough to keep every core busy, little enough for a small machine.
FRAMES_PER_BATCH = 16_000


_users = weakref.WeakKeyDictionary()  # model: (threads that use it, how to put it back)
_users_lock = threading.RLock()


@contextmanager
def evaluating(model, fastest=True):
    """Put a model into evaluation mode without gradients, with the fastest exact attention.

    Modes and attention implementation are as before when the block is left, also by an error; when
    several threads use the model, as before the first of them came, once the last has left. With
    `fastest` False the attention implementation stays as it is.
    """
    checked_model(model)
    thread = threading.get_ident()
    with _users_lock:
        if model not in _users:
            _users[model] = [], _put_into_evaluation(model, fastest)
        _users[model][0].append(thread)
    try:
        with torch.no_grad():
            yield model
    finally:
        with _users_lock:
            _leave(model, thread)


def _leave(model, thread):
    threads, put_back = _users.get(model, ([], None))
    if thread not in threads:  # after a fork it has left already
        return
    threads.remove(thread)
    if not threads:
        put_back()
        del _users[model]


def _put_into_evaluation(model, fastest):
    # returns the function that undoes it
    modes = [(module, module.training) for module in model.modules()]
    implementation = model.config._attn_implementation
    wanted = fastest_attention(next(model.parameters()).device)
    if not fastest or model.config.output_attentions:  # which only "eager" forms
        wanted = implementation
    model.eval()
    if implementation != wanted:
        model.set_attn_implementation(wanted)

    def put_back():
        if implementation != wanted:
            model.set_attn_implementation(implementation)
        for module, was_training in modes:
            module.training = was_training

    return put_back


def _after_fork_in_child():
    # the threads that used models are not here
    global _users_lock
    _users_lock = threading.RLock()
    for model, (threads, _) in list(_users.items()):
        for gone in [t for t in threads if t != threading.get_ident()]:
            _leave(model, gone)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def checked_model(model):
    """A model; `ValueError` for anything else, such as the folder of one."""
    if not isinstance(model, torch.nn.Module) or not hasattr(model, "config"):
        raise ValueError(
            "model must be a trained model, such as load_checkpoint('small') or "
            f"TrajectoryTransformer.from_pretrained(folder) gives; got {model!r}"
        )
    return model


def as_numbers(name, values):
    """A float32 or float64 tensor of an array or tensor; `ValueError` if it holds no numbers.

    What is in double precision stays so: a large offset would not survive float32.
    """
    if not isinstance(values, torch.Tensor):
        values = checked_array(name, values)
        is_single = values.dtype in (np.float16, np.float32)
        dtype = np.float32 if is_single else np.float64
        values = torch.from_numpy(np.ascontiguousarray(values, dtype=dtype))
    elif values.is_complex() or values.dtype == torch.bool:
        raise ValueError(f"{name} must hold real numbers; got dtype {values.dtype}")
    values = values.detach()
    if values.dtype == torch.float64:
        return values
    return values.to(torch.float32 if values.is_floating_point() else torch.float64)


def as_float32(name, values):
    """A float32 tensor of an array or tensor; `ValueError` if it does not hold numbers."""
    return as_numbers(name, values).to(torch.float32)


def as_trajectories(name, values, max_frames=None):
    """A checked (n, n_frames, n_features) tensor, in single or double precision; errors begin with
    `name`."""
    tensor = as_numbers(name, values)
    try:
        check_shape(tensor, max_frames)
        check_values(tensor)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return tensor


def rows_per_batch(n_frames):
    """Trajectories of `n_frames` frames that go through a model together."""
    return max(1, FRAMES_PER_BATCH // n_frames)


def checkpoint_sizes(folder=paths.CHECKPOINTS):
    """Sizes whose trained weights lie in a folder, smallest first."""
    folder = Path(folder)
    return [size for size in SIZES if has_weights(folder / size)]


def load_checkpoint(size, folder=paths.CHECKPOINTS):
    """The trained model of a size, in evaluation mode; `ValueError` if there is none."""
    if size not in checkpoint_sizes(folder):
        raise ValueError(
            f"no trained model of size {size!r} in {folder}; there are "
            f"{checkpoint_sizes(folder)}: train it with python -m mb_support.training --size ..."
        )
    return TrajectoryTransformer.from_pretrained(Path(folder) / size).eval()


def weights_digest(model):
    """SHA-256 over a model's settings and weights, 16 hexadecimal digits."""
    digest = hashlib.sha256(checked_model(model).config.to_json_string(use_diff=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())  # NumPy has no bfloat16
    return digest.hexdigest()[:16]


def cached_predictions(kind, model, data, compute, **settings):
    """Return `compute()`, an ndarray, from disk if this model was asked the same of this data.

    `kind` begins the file name; `settings` are everything else that the result depends on.
    """
    parameters = {
        "weights": weights_digest(model),
        "simulation": data.config.to_dict(),
        "data_seed": data.seed,
        "n_trajectories": len(data),
        "settings": settings,
    }
    folder = paths.CACHE / "predictions"
    found = cached(kind, parameters, lambda: {"result": compute()}, source=compute, folder=folder)
    return found["result"]
