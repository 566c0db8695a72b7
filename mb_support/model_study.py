"""Checks of the chapter on model and loss: counts, readings of the loss, attention loops."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import torch
from torch.nn import functional

from .losses import trajectory_loss
from .model import SIZES, TrajectoryConfig, TrajectoryTransformer

#: Least cosine of two gradients that are said to lead the same way.
SAME_WAY = 0.9
#: Share of a loss up to which a change of it is said to decide nothing.
NEGLIGIBLE = 0.02
#: Parameters behind the figures of the poster's table, part by part. It prints them abbreviated,
#: as `abbreviated` does.
POSTER_COUNTS = MappingProxyType(
    {
        "small": dict(
            inputs_to_hidden_dim=48,
            embeddings=16_416,
            encoder=21_568,
            feature_predictor=338,
            state_classifier=338,
        ),
        "medium": dict(
            inputs_to_hidden_dim=192,
            embeddings=65_664,
            encoder=399_872,
            feature_predictor=4_418,
            state_classifier=4_418,
        ),
        "large": dict(
            inputs_to_hidden_dim=360,
            embeddings=123_120,
            encoder=2_184_864,
            feature_predictor=15_002,
            state_classifier=15_002,
        ),
    }
)


def abbreviated(count):
    """A count as PyTorch Lightning's summary prints it.

    Parameters
    ----------
    count : int
        Not negative.

    Returns
    -------
    str
        Thousands K, millions M: one decimal below 100 of the unit, cut off to an integer from
        there on ("16.4 K", "399 K").
    """
    if count < 0:
        raise ValueError(f"count must not be negative; got {count}")
    units = ["", "K", "M", "B", "T"]
    level = min(max(0, (len(str(int(count))) - 1) // 3), len(units) - 1)
    number = count / 1000**level
    if level == 0 or number >= 100:
        return f"{int(number)} {units[level]}".strip()
    return f"{number:.1f} {units[level]}"


def count_parameters(model):
    """Parameters of each part of a model, and their total, as {name: int}."""
    counts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()
    }
    return counts | {"total": sum(p.numel() for p in model.parameters())}


def parameter_table():
    """Counts of freshly built models beside the poster's.

    Returns
    -------
    pandas.DataFrame
        Index (size, part); columns ours (int), printed (ours, abbreviated), poster (abbreviated)
        and equal (bool, of the counts).
    """
    rows = []
    for size in SIZES:
        model = TrajectoryTransformer(TrajectoryConfig.of_size(size))
        poster = POSTER_COUNTS[size] | {"total": sum(POSTER_COUNTS[size].values())}
        for part, count in count_parameters(model).items():
            rows.append((size, part, count, abbreviated(count), abbreviated(poster[part]),
                         count == poster[part]))  # fmt: skip
    columns = ["size", "part", "ours", "printed", "poster", "equal"]
    return pd.DataFrame(rows, columns=columns).set_index(["size", "part"])


def both_readings(model, data):
    """Both readings of the loss for each trajectory: one pass, or two.

    Parameters
    ----------
    model : TrajectoryTransformer
        In evaluation mode.
    data : TrajectorySet

    Returns
    -------
    pandas.DataFrame
        One row for each trajectory. Columns: trajectory (L_traj, the same in both readings), mse
        (the library's), one, two (cross-entropies), one_right, two_right (bool), unbiased
        (L_traj if the statistics are those of all frames with the unbiased deviation, as in the
        author's script).
    """
    x = torch.from_numpy(data.trajectories)
    labels = torch.from_numpy(data.labels)
    rows = []
    with torch.no_grad():
        for one, label in zip(x.split(1), labels.split(1), strict=True):
            shown, mean, std = model.standardise(one[:, :-1])
            encodings = model.encode(shown)
            predicted, target = model.feature_predictor(encodings), (one[:, 1:] - mean) / std
            whole = (one - one.mean(1, keepdim=True)) / one.std(1, keepdim=True)
            as_author = model.feature_predictor(model.encode(whole[:, :-1]))
            logits = model.classify(encodings), model(one).state_logits
            rows.append(
                {
                    "trajectory": trajectory_loss(predicted, target).item(),
                    "mse": functional.mse_loss(predicted, target).item(),
                    "one": functional.cross_entropy(logits[0], label).item(),
                    "two": functional.cross_entropy(logits[1], label).item(),
                    "one_right": bool(logits[0].argmax() == label),
                    "two_right": bool(logits[1].argmax() == label),
                    "unbiased": trajectory_loss(as_author, whole[:, 1:]).item(),
                }
            )
    return pd.DataFrame(rows)


def gradient_of_reading(model, trajectories, labels, passes):
    """Gradient of the total loss with respect to all parameters, flattened.

    Parameters
    ----------
    model : TrajectoryTransformer
        Without dropout; its mode and gradients are left as they were.
    trajectories : (n, n_frames, 2) ndarray of float32
    labels : (n,) ndarray of int64
    passes : {"one", "two"}

    Returns
    -------
    (n_parameters,) ndarray of float32
    """
    before, was_training = model.config.passes, model.training
    model.config.passes = passes
    model.train()
    try:
        loss = model(torch.from_numpy(trajectories), labels=torch.from_numpy(labels)).loss
        gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    finally:
        model.config.passes = before
        model.train(was_training)
    flat = [
        (torch.zeros_like(p) if g is None else g).flatten()
        for g, p in zip(gradients, model.parameters(), strict=True)
    ]
    return torch.cat(flat).numpy()


def compare_gradients(model, data, batch=4):
    """Cosine of the angle between the gradients of the two readings, batch by batch.

    Parameters
    ----------
    model : TrajectoryTransformer
    data : TrajectorySet
    batch : int
        Trajectories in a batch.

    Returns
    -------
    (n_batches,) ndarray of float
    """
    cosines = []
    for start in range(0, len(data) - batch + 1, batch):
        part = slice(start, start + batch)
        one, two = (
            gradient_of_reading(model, data.trajectories[part], data.labels[part], passes)
            for passes in ("one", "two")
        )
        cosines.append(float(one @ two / np.sqrt((one @ one) * (two @ two))))
    return np.array(cosines)


def readings_in_words(cosines):
    """What the gradients of the two readings say: "lead the same way", mostly, or not.

    Parameters
    ----------
    cosines : (n_batches,) array_like of float
        From `compare_gradients`.

    Returns
    -------
    str
        "lead the same way" if every cosine is at least `SAME_WAY`, "mostly lead the same way" if
        their mean is, else "lead different ways".

    Raises
    ------
    ValueError
        If there are no cosines, or they are not cosines.
    """
    cosines = np.asarray(cosines, dtype=float)
    if cosines.size == 0 or not (np.abs(cosines) <= 1 + 1e-5).all():
        raise ValueError(f"cosines must be from -1 to 1, at least one; got {cosines.tolist()}")
    if cosines.min() >= SAME_WAY:
        return "lead the same way"
    return "mostly lead the same way" if cosines.mean() >= SAME_WAY else "lead different ways"


def change_in_words(change, whole):
    """Whether a change of a loss matters: "does not decide anything" up to `NEGLIGIBLE` of it.

    Parameters
    ----------
    change, whole : float
        Mean change, and the loss itself.

    Returns
    -------
    str
        "does not decide anything" or "is not to be neglected".
    """
    small = abs(change) <= NEGLIGIBLE * abs(whole)
    return "does not decide anything" if small else "is not to be neglected"


def implementation_errors(model, trajectories):
    """Attention implementations against the same model in float64.

    Parameters
    ----------
    model : TrajectoryTransformer
        In evaluation mode; left as it was.
    trajectories : (n, n_frames, 2) ndarray of float32

    Returns
    -------
    pandas.DataFrame
        Index: implementation. Columns: encodings, log_odds (largest absolute errors).
    """
    exact = TrajectoryTransformer(model.config).double().eval()
    exact.load_state_dict({k: v.double() for k, v in model.state_dict().items()})
    x = torch.from_numpy(trajectories)
    before, rows = model.config._attn_implementation, {}
    with torch.no_grad():
        exact.set_attn_implementation("eager")
        reference = exact(x.double())
        try:
            for name in ("eager", "sdpa", "cpu_fused"):
                model.set_attn_implementation(name)
                output = model(x)
                odds, exact_odds = (
                    o.state_logits[:, 1] - o.state_logits[:, 0] for o in (output, reference)
                )
                rows[name] = {
                    "encodings": float((output.encodings - reference.encodings).abs().max()),
                    "log_odds": float((odds - exact_odds).abs().max()),
                }
        finally:
            model.set_attn_implementation(before)
    return pd.DataFrame(rows).T
